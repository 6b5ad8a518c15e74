"""GitHub's workflows and runs in memory: the part of `GitHub` that `dispatch` and `runs` ask.

What is no part of GitHub's document: a workflow without `workflow_dispatch`, unknown inputs and a ref that isn't there
are refused with 422, an unknown workflow with 404, and a log that is gone with 410.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from testkit.forges.front import Request, Response, as_json

NOW = "2026-01-02T03:04:05Z"


@dataclass
class HeldRun:
    """A run: how it was started, its jobs, and the logs of those by their ids."""

    id: int
    workflow: str
    ref: str
    inputs: dict[str, Any]
    status: str = "queued"
    conclusion: str | None = None
    title: str = "Deploy"
    jobs: list[dict[str, Any]] = field(default_factory=list)
    hidden: int = 0
    """For how many looks it isn't shown yet."""

    def job(self, number: int, name: str, *, status: str = "completed", conclusion: str | None = "success") -> None:
        """Add a job."""
        self.jobs.append({"id": number, "name": name, "status": status, "conclusion": conclusion})


class Runs:
    """The handlers. A subclass gives `url`, `tags`, `branches`, and a new id."""

    url: str
    tags: dict[str, str]
    branches: dict[str, str]

    def __init__(self) -> None:
        """No run."""
        self.workflows: dict[str, set[str] | None] = {"deploy.yml": {"image", "notes"}, "push.yml": None}
        """The workflows' inputs; None for one that can't be dispatched."""
        self.runs: dict[int, HeldRun] = {}
        self.logs: dict[int, bytes] = {}
        self.tells_runs = True
        """Whether a dispatch is answered with its run, as older GitHub Enterprise doesn't."""
        self.refuses = ""
        """What a dispatch is refused with, for the token's sake."""

    def _new_id(self) -> int:
        raise NotImplementedError

    def _post_actions_workflows_workflow_id_dispatches(
        self, named: dict[str, str], _query: Any, body: dict[str, Any], *_: Any
    ) -> Response:
        workflow, ref = named["workflow_id"], body["ref"]
        if self.refuses:
            return _said(403, self.refuses)
        if workflow not in self.workflows:
            return _said(404, "Not Found")
        kind, _, name = ref.removeprefix("refs/").partition("/")
        if name not in {"heads": self.branches, "tags": self.tags}.get(kind, {}):
            return _said(422, f"No ref found for: {ref}")
        known = self.workflows[workflow]
        if known is None:
            return _said(422, "Workflow does not have 'workflow_dispatch' trigger")
        if stray := set(body.get("inputs", {})) - known:
            return _said(422, f"Unexpected inputs provided: {sorted(stray)}")
        run = HeldRun(self._new_id(), workflow, ref, body.get("inputs", {}))
        self.runs[run.id] = run
        if not (body.get("return_run_details") and self.tells_runs):
            return Response(204)
        api, page = self._addresses(run)
        return as_json(200, {"workflow_run_id": run.id, "run_url": api, "html_url": page})

    def _get_actions_runs_run_id(self, named: dict[str, str], *_: Any) -> Response:
        run = self.runs.get(int(named["run_id"]))
        if run is None or run.hidden:
            if run:
                run.hidden -= 1
            return _said(404, "Not Found")
        api, page = self._addresses(run)
        urls = {
            f"{name}_url": self.url
            for name in ("jobs", "logs", "check_suite", "cancel", "rerun", "artifacts", "workflow")
        }
        return as_json(
            200,
            {
                **urls,
                "id": run.id,
                "node_id": "n",
                "head_branch": run.ref.rpartition("/")[2],
                "run_number": 1,
                "display_title": run.title,
                "event": "workflow_dispatch",
                "status": run.status,
                "conclusion": run.conclusion,
                "head_sha": "0" * 40,
                "path": f".github/workflows/{run.workflow}",
                "workflow_id": 1,
                "url": api,
                "html_url": page,
                "created_at": NOW,
                "updated_at": NOW,
                "head_commit": None,
            },
        )

    def _get_actions_runs_run_id_jobs(self, named: dict[str, str], query: dict[str, str], *_: Any) -> Response:
        run = self.runs.get(int(named["run_id"]))
        if run is None:
            return _said(404, "Not Found")
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        jobs = [self._job(run, job) for job in run.jobs[(page - 1) * size : page * size]]
        return as_json(200, {"total_count": len(run.jobs), "jobs": jobs})

    def _get_actions_jobs_job_id_logs(self, named: dict[str, str], *_: Any) -> Response:
        number = int(named["job_id"])
        if number not in self.logs:
            return _said(404, "Not Found")
        return Response(302, b"", {"Location": f"{self.url}/logs/{number}"})

    def stored(self, path: str, request: Request) -> Response:
        """What the store behind the redirect serves, to whoever knows the address."""
        assert not request.headers.get("authorization"), "the token followed a redirect"
        content = self.logs[int(path.rsplit("/", 1)[1])]
        return Response(410, b"expired") if content == b"expired" else Response(200, content)

    def _addresses(self, run: HeldRun) -> tuple[str, str]:
        tail = f"acme/images/actions/runs/{run.id}"
        return f"{self.url}/api/v3/repos/{tail}", f"{self.url}/{tail}"

    def _job(self, run: HeldRun, job: dict[str, Any]) -> dict[str, Any]:
        runner = dict.fromkeys(["runner_id", "runner_name", "runner_group_id", "runner_group_name"])
        return {
            **runner,
            **job,
            "node_id": "n",
            "run_id": run.id,
            "run_url": self.url,
            "head_sha": "0" * 40,
            "workflow_name": "Deploy",
            "head_branch": None,
            "url": self.url,
            "html_url": None,
            "started_at": NOW,
            "completed_at": NOW if job["status"] == "completed" else None,
            "created_at": NOW,
            "check_run_url": self.url,
            "labels": ["ubuntu-latest"],
        }


def _said(status: int, message: str) -> Response:
    return Response(status, json.dumps({"message": message}).encode())
