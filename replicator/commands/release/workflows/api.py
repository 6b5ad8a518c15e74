"""Speaks to a forge about workflows: starts one, and reads a run, its jobs and their logs."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from replicator.commands.release import errors as forge_rows
from replicator.commands.release.forges.http import Unclear
from replicator.commands.release.workflows import errors as rows
from replicator.core.errors import BadSettings, InputProblem, ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from replicator.commands.release.forges.github import Forge

#: Characters of one line of a log; what a job writes has no limit.
_LONGEST_LINE = 16_384
_MOST_PAGES = 20
#: Forgejo's words for the state of a run → GitHub's and Gitea's, as status and conclusion.
_FORGEJO = {
    "waiting": ("queued", ""),
    "blocked": ("waiting", ""),
    "running": ("in_progress", ""),
    **{word: ("completed", word) for word in ("success", "failure", "cancelled", "skipped")},
}
#: The first Forgejo that tells jobs and logs, by its release notes.
_FORGEJO_WITH_LOGS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a run, as the forge shows it: every text is from outside."""

    id: int
    name: str
    status: str
    conclusion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """One run of a workflow. `status` and `conclusion` are GitHub's words, whatever the forge."""

    id: int
    status: str
    conclusion: str
    url: str
    title: str
    event: str
    commit: str

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.status == "completed"

    @property
    def failed(self) -> bool:
        """Whether it is over without success."""
        return self.ended and self.conclusion not in {"success", "neutral", "skipped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflows:
    """The workflows of one repository."""

    forge: Forge

    def full_ref(self, ref: str) -> str:
        """Return a ref's full name: Gitea takes a bare name for a branch, always. Raises ReplicatorError."""
        if ref.startswith("refs/"):
            return ref
        found = [f"refs/heads/{ref}"] if self._is_branch(ref) else []
        found += [f"refs/tags/{ref}"] if self.forge.tag_commit(ref) else []
        if len(found) > 1:
            raise BadSettings([InputProblem("ref", f"'{ref}' is a branch and a tag: write {' or '.join(found)}")])
        if not found:
            what = f"The forge shows no branch and no tag {ref} of {self.forge.repository} to this token"
            raise ReplicatorError(rows.WORKFLOW_NOT_FOUND, what)
        return found[0]

    def _is_branch(self, name: str) -> bool:
        path = f"git/ref/heads/{quote(name)}" if self._is_github else f"branches/{quote(name, safe='')}"
        answer = self.forge.door.call("GET", f"{self.forge.base}/{path}")
        if answer.status == 404:
            return False
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise forge_rows.other(answer, "read the branch")
        return name in {str(answer.body.get("ref")).removeprefix("refs/heads/"), answer.body.get("name")}

    def start(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> tuple[int, str]:
        """Start a workflow, once. Returns the run's id, 0 where the forge doesn't tell, and the page to look at.

        Raises ReplicatorError: DISPATCH_UNCLEAR if it may have been started.
        """
        url = f"{self.forge.base}/actions/workflows/{quote(workflow)}/dispatches"
        payload: dict[str, Any] = {"ref": ref, **({"inputs": dict(inputs)} if inputs else {})}
        if self._is_github:
            payload["return_run_details"] = True
        else:
            # Gitea reads the query, Forgejo the body; each leaves the other's alone.
            url += "?return_run_details=true"
            payload["return_run_info"] = True
        try:
            answer = self.forge.door.call("POST", url, payload=payload)
        except Unclear as error:
            if not error.sent:
                raise ReplicatorError(forge_rows.UNREACHABLE, f"The forge could not be reached: {error}") from None
            what = f"It isn't known whether {workflow} was started at {ref}: {error}. See {self.page(workflow)}"
            raise ReplicatorError(rows.DISPATCH_UNCLEAR, what) from None
        if answer.status not in {200, 201, 204}:
            raise rows.of_dispatch(answer, workflow, ref)
        told = answer.body if isinstance(answer.body, dict) else {}
        number: Any = told.get("workflow_run_id", told.get("id"))
        if not _is_id(number):
            return 0, self.page(workflow)
        if told.get("html_url"):
            return number, str(told["html_url"])
        # Forgejo's pages go by the number within the repository.
        index = told.get("run_number")
        return number, f"{self._pages}/actions/runs/{index}" if _is_id(index) else self.page(workflow)

    def run(self, number: int) -> WorkflowRun | None:
        """Return a run; None if the forge has none of this id, or doesn't show it. Raises ReplicatorError."""
        answer = self.forge.door.call("GET", f"{self.forge.base}/actions/runs/{number}")
        if answer.status == 404:
            return None
        if answer.status in {401, 403}:
            raise ReplicatorError(
                rows.MAY_NOT_DISPATCH, f"The forge refused to show the run ({answer.status}: {answer.said})"
            )
        if answer.status != 200 or not isinstance(answer.body, dict) or not _is_id(answer.body.get("id")):
            raise forge_rows.other(answer, "show the run")
        item = answer.body
        status, conclusion = _state(item)
        return WorkflowRun(
            id=item["id"],
            status=status,
            conclusion=conclusion,
            url=str(item.get("html_url") or ""),
            title=str(item.get("display_title") or item.get("title") or ""),
            event=str(item.get("event") or ""),
            commit=str(item.get("head_sha") or item.get("commit_sha") or ""),
        )

    def jobs(self, run: WorkflowRun) -> list[Job] | None:
        """Return the jobs of a run; None if the forge's API has none. Raises ReplicatorError."""
        found: dict[int, Job] = {}
        parameter, size = self.forge.pages
        for page in range(1, _MOST_PAGES + 1):
            url = f"{self.forge.base}/actions/runs/{run.id}/jobs?{parameter}={size}&page={page}"
            answer = self.forge.door.call("GET", url)
            if answer.status == 404:
                return None
            items = answer.body.get("jobs") if isinstance(answer.body, dict) else answer.body
            if answer.status != 200 or not isinstance(items, list):
                raise forge_rows.other(answer, "list the jobs")
            before = len(found)
            found |= {item["id"]: _job(item) for item in items if isinstance(item, dict) and _is_id(item.get("id"))}
            # Forgejo gives all of them on every page.
            if len(found) == before or len(items) < size:
                break
        return list(found.values())

    def log(self, job: Job) -> Iterator[str]:
        """Yield the lines of a job's log. Raises Absent if it has none (yet, or any more), and ReplicatorError."""
        url = f"{self.forge.base}/actions/jobs/{job.id}/logs"
        try:
            yield from _lines(self.forge.door.download(url, "*/*"))
        except (requests.RequestException, OSError) as error:
            lost = self.forge.door.lost(error, url)
            what = f"The log of job {job.id} could not be read: {lost.text}"
            raise ReplicatorError(forge_rows.UNREACHABLE, what, remedy=lost.remedy) from None

    def check_supported(self, more: str) -> None:
        """Raise ReplicatorError, which says `more`, if the server is a Forgejo whose API tells nothing of jobs."""
        if self._is_github:
            return
        answer = self.forge.door.call("GET", f"{self.forge.server}/api/v1/version")
        version = str(answer.body.get("version")) if isinstance(answer.body, dict) else ""
        forgejo = re.match(r"([0-9]+)\..*\+gitea-", version)
        if forgejo and int(forgejo[1]) < _FORGEJO_WITH_LOGS:
            what = f"Forgejo {version} doesn't tell this by its API, {more}; see {self._pages}/actions"
            raise ReplicatorError(rows.NOT_SUPPORTED, what)

    def page(self, workflow: str) -> str:
        """Return the address of the list of a workflow's runs."""
        tail = f"/workflows/{quote(workflow)}" if self._is_github else f"?workflow={quote(workflow)}"
        return f"{self._pages}/actions{tail}"

    @property
    def _is_github(self) -> bool:
        return self.forge.name == "github"

    @property
    def _pages(self) -> str:
        return f"{self.forge.server}/{self.forge.repository}"


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _state(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return status and conclusion in GitHub's words. Forgejo has one word for both."""
    status = str(item.get("status") or "")
    return _FORGEJO.get(status, (status, str(item.get("conclusion") or "")))


def _job(item: Mapping[str, Any]) -> Job:
    status, conclusion = _state(item)
    return Job(id=item["id"], name=str(item.get("name") or ""), status=status, conclusion=conclusion)


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Yield the lines of a text that comes in pieces; a line that is too long comes as several."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + decoder.decode(piece)).split("\n")
        for line in whole:
            yield from _cut(line)
        if len(rest) > _LONGEST_LINE:
            yield from _cut(rest)
            rest = ""
    rest += decoder.decode(b"", final=True)
    if rest:
        yield from _cut(rest)


def _cut(line: str) -> Iterator[str]:
    line = line.removesuffix("\r").removeprefix("\ufeff")
    yield line[:_LONGEST_LINE]
    for start in range(_LONGEST_LINE, len(line), _LONGEST_LINE):
        yield line[start : start + _LONGEST_LINE]
