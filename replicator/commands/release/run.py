"""Runs `release publish` from inputs to results: files and index in, one release out, complete or invisible."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.workflow_commands import plain
from replicator.commands.release import artifacts, names, notes, plan, signature
from replicator.commands.release import errors as rows
from replicator.commands.release.forges import opening
from replicator.commands.release.forges.http import Clock
from replicator.commands.release.plan import Do, Goal
from replicator.commands.release.publish import Publication
from replicator.commands.release.record import record_of
from replicator.commands.release.settings import ReleaseSettings, Target, Verify, validated
from replicator.core.errors import BadSettings, ExitCode, InputProblem, ReplicatorError
from replicator.core.replicas import Result
from replicator.index import image_index, seal
from replicator.inputs import files
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.release.artifacts import Artifact
    from replicator.commands.release.forges.github import Forge
    from replicator.commands.release.plan import Asset, Release
    from replicator.runtime.signals import Signals

_FILES = ("index", "bundle", "attestation", "notes_file")
_PRERELEASE = re.compile(r"(?i)-(rc|alpha|beta)")
_LARGEST_NOTES = 100_000


@dataclass(kw_only=True)
class Releasing(Run):
    """One run of `release publish`."""

    clock: Clock = field(default_factory=Clock)
    result: str = "failed"
    commit: str = ""
    sums_path: str = ""
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    release: Release | None = None
    publication: Publication | None = None
    target: Target | None = None

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002 - a signal is raised, and needs no help
        """Check everything offline, then bring the release to its goal."""
        deadline_from = self.clock.now()
        wanted, self.target = validated(ReleaseSettings, self._placed(), self.env)
        record = record_of(wanted, self.env)
        self.commit = record.commit
        self._open(wanted, record.paths)
        signer = seal.signer(wanted.sign, self.env)
        kind = opening.kind_of(self.target, wanted.forge)
        token = opening.token(self.given, self.env, kind, of_action=self.of_action)
        if not token:
            raise ReplicatorError(rows.NO_TOKEN, "There is no token to write the release with")
        forge = opening.opened(self.target, kind, token, deadline_from + 60 * wanted.timeout_minutes, self.clock)
        self._check_sizes(forge)
        forge.check_repository()
        if signer:
            self._sign(forge, signer)
        return self._publish(forge, wanted, record.index)

    def _placed(self) -> dict[str, str]:
        """Return the inputs with paths that exist; an action's files are in the workspace or in RUNNER_TEMP."""
        placed, problems = files.placed(self.given, _FILES if self.of_action else (), self.env)
        if problems:
            raise BadSettings(problems)
        return {**self.given, **placed}

    def _open(self, wanted: ReleaseSettings, record: Mapping[str, Path]) -> None:
        """Find and hash all files, and write SHA256SUMS. Raises BadSettings with every problem."""
        found = artifacts.find(wanted.files, self.env)
        for said in found.left:
            self.runner.line(f"Left out: {said}")
        if found.left:
            text = f"{len(found.left)} files that the patterns match were left out: " + "; ".join(found.left)
            self.notes.append(Annotation("notice", "Left out", text))
        problems = [*found.problems, *names.clashes([*found.paths, *record])]
        if problems:
            raise BadSettings([InputProblem("files", text) for text in dict.fromkeys(problems)])
        for name, path in [*sorted(found.paths.items()), *record.items()]:
            try:
                self.artifacts[name] = artifacts.opened(name, path)
            except OSError as error:
                raise BadSettings([InputProblem("files", f"'{path}' can't be read ({error.strerror})")]) from None
        self.sums_path = self._made(names.SUMS, notes.sums([item.wanted for item in self.artifacts.values()]))

    def _made(self, name: str, data: bytes) -> str:
        """Write a file of our own, add it to the assets, and return its path. Raises BadSettings."""
        try:
            path = image_index.write(data, self.folder(), name)
            self.artifacts[name] = artifacts.opened(name, path)
        except OSError as error:
            raise ReplicatorError(rows.NOT_WRITTEN, f"{name} could not be written: {error}") from None
        return str(path)

    def _check_sizes(self, forge: Forge) -> None:
        large = [name for name, item in self.artifacts.items() if forge.largest and item.wanted.size > forge.largest]
        if large:
            raise ReplicatorError(rows.TOO_LARGE, f"GitHub takes no file of 2 GiB or more: {', '.join(large)}")
        if len(self.artifacts) > plan.MOST_ASSETS:
            raise ReplicatorError(rows.TOO_LARGE, f"There are {len(self.artifacts)} files for one release")

    def _sign(self, forge: Forge, signer: Any) -> None:
        """Sign SHA256SUMS; a signature that the release holds already and that is right stays."""
        assert self.target is not None  # noqa: S101 - for the type checker; set before
        data = Path(self.sums_path).read_bytes()
        kept = signature.there(forge, self.target.tag, data, signer)
        self._made(names.SUMS_BUNDLE, kept or signature.made(signer, data))

    def _publish(self, forge: Forge, wanted: ReleaseSettings, index: dict[str, Any] | None) -> Verdict:
        assert self.target is not None  # noqa: S101 - for the type checker; set before
        tag, assets = self.target.tag, [item.wanted for item in self.artifacts.values()]
        goal = Goal(
            tag=tag,
            commit=self.commit,
            assets=assets,
            replace=wanted.replace,
            publish=wanted.publish,
            trust_size=wanted.verify is Verify.SIZE,
        )
        own = files.read(Path(wanted.notes_file), largest=_LARGEST_NOTES) if wanted.notes_file else ""
        is_prerelease = bool(_PRERELEASE.search(tag)) if wanted.prerelease == "auto" else wanted.prerelease == "true"
        latest = wanted.latest if not is_prerelease else "false"
        self.publication = Publication(
            forge=forge,
            goal=goal,
            artifacts=self.artifacts,
            fields={
                "name": wanted.title or tag,
                "body": notes.notes(assets, commit=self.commit, index=index, own=own, by=wanted.sign),
                "prerelease": is_prerelease,
            },
            latest={"make_latest": latest} if forge.name == "github" and latest != "auto" else {},
            tell=self.runner.line,
        )
        if wanted.dry_run:
            return self._preview(self.publication)
        self.release = self.publication.carry_out()
        writes = forge.door.writes
        self.result = "draft" if self.release and self.release.draft else "published" if writes else "unchanged"
        said = {
            "draft": f"The draft of {tag} is complete and verified",
            "published": f"The release {tag} is published with {len(assets)} verified assets",
            "unchanged": f"The release {tag} is published and right already; nothing was changed",
        }
        return Verdict(Result.COMPLETE, ExitCode.DONE, said[self.result])

    def _preview(self, publication: Publication) -> Verdict:
        step = publication.preview()
        self.release, self.result = step.release, "planned"
        what = "nothing is to do" if step.do is Do.DONE else f"the first step is to {step.do} {step.name}".rstrip()
        return Verdict(Result.PLANNED, ExitCode.DONE, f"Nothing was written; {what}")

    def conclude(self) -> None:
        """Close the files."""
        for item in self.artifacts.values():
            item.file.close()

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of release/action.yml."""
        release, urls = self.release, {row["name"]: row["url"] for row in self._rows()}
        return {
            "decision": "replicate",
            "reason": plain(self._reason(verdict)),
            "result": self.result,
            "skipped_reason": "",
            "release_url": plain(release.url) if release else "",
            "release_id": str(release.id) if release else "",
            "release_tag": self.target.tag if self.target else "",
            "commit": self.commit,
            "immutable": str(release.immutable).lower() if release else "",
            "index_url": urls.get(image_index.FILE_NAME, ""),
            "sums_path": self.sums_path,
            "assets": json.dumps(self._rows()),
        }

    def _reason(self, verdict: Verdict) -> str:
        reason = rows.REASONS.get(verdict.error.advice) if verdict.error else None
        return f"{reason}: {verdict.reason}" if reason else verdict.reason

    def _rows(self) -> list[dict[str, Any]]:
        """Return a row for each wanted asset, with what became of it."""
        if not self.publication:
            return []
        seen, goal = self.publication.seen, self.publication.goal
        choice = self.release or plan.choose(seen).release
        there: dict[str, Asset] = {}
        for asset in sorted(seen.assets.get(choice.id, ()) if choice else (), key=lambda asset: -asset.id):
            there[asset.name] = asset
        rows_ = []
        for item in goal.assets:
            found = there.get(item.name)
            right = found is not None and plan.is_right(found, item, goal)
            done = self.publication.outcomes.get(item.name, "kept")
            rows_.append(
                {
                    "name": item.name,
                    "size": item.size,
                    "digest": f"sha256:{item.sha256}",
                    "url": plain(found.url) if found and right else "",
                    "outcome": done if right else "planned" if self.result == "planned" else "failed",
                    "reason": "" if right or self.result == "planned" else "not on the release as wanted",
                }
            )
        return rows_

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the outputs, with the assets as a list, and the problems."""
        return {**self.outputs(verdict), "assets": self._rows(), "exit_code": verdict.exit_code}

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return the notes, and one that says what was published."""
        if verdict.exit_code or not self.runner.commands:
            return self.notes
        return [*self.notes, Annotation("notice", f"Release {self.target.tag if self.target else ''}", verdict.reason)]

    def show(self, verdict: Verdict) -> None:
        """Print a row for each asset, what was left alone, and the verdict."""
        if self.publication:
            shown = [(row["outcome"], row["name"], str(row["size"]), row["digest"]) for row in self._rows()]
            self.runner.table([("Outcome", "Asset", "Bytes", "Digest"), *shown])
            for name in self.publication.foreign:
                self.runner.line(f"Left alone, because it isn't ours: {name}")
        self.runner.line(f"{self.result}: {self._reason(verdict)}")
        if self.release and self.release.url:
            self.runner.line(self.release.url)

    def summary(self, verdict: Verdict) -> str:
        """Render the assets as a table."""
        tag = self.target.tag if self.target else ""
        lines = [f"## Release {markdown.text(tag)}: {self.result}", "", markdown.text(self._reason(verdict)), ""]
        table = [
            f"| {markdown.code(row['name'])} | {row['size']} | `{row['digest']}` | {row['outcome']} |"
            for row in self._rows()
        ]
        if table:
            lines += ["| Asset | Bytes | Digest | Outcome |", "| --- | --- | --- | --- |"]
            lines += markdown.cut(table, "| {} more | | | |")
        return "\n".join([*lines, ""])


run = partial(execute, Releasing)
