"""Runs `release show`: reads a release, checks each asset against SHA256SUMS, and downloads what is right."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.release import errors as rows
from replicator.commands.release import names, signed_release
from replicator.commands.release.forges import opening
from replicator.commands.release.forges.http import Clock
from replicator.commands.release.settings import ShowSettings, Target, validated
from replicator.core.errors import BadSettings, ExitCode, InputProblem, ReplicatorError
from replicator.core.replicas import Result
from replicator.index.image_index import FILE_NAME as INDEX
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.commands.release.forges.github import Forge
    from replicator.commands.release.plan import Asset, Release
    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals

_LARGEST_SUMS = 2**20
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\r\n]+)")
#: Seconds between two looks at a release that isn't published yet.
_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One file of the release, and what is wrong with it."""

    name: str
    state: str
    """`right`, `missing`, `different`, or `unlisted` (an asset that SHA256SUMS doesn't name)."""
    size: int = 0
    digest: str = ""


@dataclass(kw_only=True)
class Showing(Run):
    """One run of `release show`."""

    clock: Clock = field(default_factory=Clock)
    target: Target | None = None
    release: Release | None = None
    commit: str = ""
    signed_by: str = ""
    findings: list[Finding] = field(default_factory=list)

    def carry_out(self, signals: Signals) -> Verdict:  # noqa: ARG002 - a signal is raised, and needs no help
        """Read the release and compare. Raises ReplicatorError."""
        wanted, self.target = validated(ShowSettings, self.given, self.env)
        began, wait = self.clock.now(), _seconds(wanted.wait)
        folder = _new_folder(wanted.download) if wanted.download else None
        try:
            kind = opening.kind_of(self.target, wanted.forge)
            token = opening.token(self.given, self.env, kind, of_action=False)
            deadline = began + 60 * wanted.timeout_minutes + wait
            forge = opening.opened(self.target, kind, token, deadline, self.clock)
            self.release = self._published(forge, self.target.tag, began + wait)
            self.commit = forge.tag_commit(self.target.tag)
            self._check(forge, self.release, wanted, folder)
        except ReplicatorError as error:
            if error.advice in {rows.RELEASE_UNREAD, rows.RELEASE_WRONG} or error.exit_code != ExitCode.SETUP:
                raise
            raise ReplicatorError(rows.RELEASE_UNREAD, error.what, remedy=error.todo) from None
        wrong = [item for item in self.findings if item.state in {"missing", "different"}]
        if wrong:
            listed = ", ".join(f"{item.name} ({item.state})" for item in wrong)
            raise ReplicatorError(rows.RELEASE_WRONG, f"The release {self.target.tag} isn't what it was: {listed}")
        count = sum(item.state == "right" for item in self.findings)
        reason = f"The release {self.target.tag} holds all {count} files of {names.SUMS}, and each is right"
        return Verdict(Result.COMPLETE, ExitCode.DONE, reason)

    def _published(self, forge: Forge, tag: str, until: float) -> Release:
        while True:
            found = forge.published(tag)
            if found:
                return found
            if self.clock.now() + _PAUSE > until:
                raise ReplicatorError(rows.RELEASE_UNREAD, f"There is no published release of {tag}")
            self.clock.sleep(_PAUSE)

    def _check(self, forge: Forge, release: Release, wanted: ShowSettings, folder: Path | None) -> None:
        assets: dict[str, Asset] = {}
        for asset in sorted(forge.assets(release) or (), key=lambda asset: asset.id):
            # Of several of one name the oldest is served.
            assets.setdefault(asset.name, asset)
        if names.SUMS not in assets or assets[names.SUMS].size > _LARGEST_SUMS:
            raise ReplicatorError(rows.RELEASE_WRONG, f"The release {release.tag} has no usable {names.SUMS}")
        data = b"".join(forge.content(release, assets[names.SUMS]))
        signed = signed_release.Signed(forge, release, assets, wanted, self.env)
        listed = _parsed(data)
        if wanted.policy:
            self.signed_by = signed.sums(data, listed)
        for name, sha256 in listed.items():
            self.findings.append(self._finding(forge, release, name, sha256, assets.get(name), folder))
        if wanted.policy and any(item.name == INDEX and item.state == "right" for item in self.findings):
            self.signed_by = signed.index(listed[INDEX]) or self.signed_by
        own = {names.SUMS, names.SUMS_BUNDLE, *listed}
        self.findings += [Finding(name, "unlisted", asset.size) for name, asset in assets.items() if name not in own]
        if folder and all(item.state in {"right", "unlisted"} for item in self.findings):
            _write(folder / names.SUMS, data)

    def _finding(
        self, forge: Forge, release: Release, name: str, sha256: str, asset: Asset | None, folder: Path | None
    ) -> Finding:
        if asset is None or not asset.whole:
            return Finding(name, "missing")
        digest, told = hashlib.sha256(), asset.sha256
        if folder or not told:
            path = folder / name if folder else None
            with path.open("xb") if path else Path(os.devnull).open("wb") as file:
                for piece in forge.content(release, asset):
                    digest.update(piece)
                    file.write(piece)
            told = digest.hexdigest()
            if told != sha256 and path:
                path.unlink()
        return Finding(name, "right" if told == sha256 else "different", asset.size, f"sha256:{told}")

    def outputs(self, _verdict: Verdict) -> Mapping[str, str]:
        """Return nothing: it isn't an action."""
        return {}

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the release and what was found."""
        release = self.release
        return {
            "result": {0: "right", 1: "wrong", 4: "unreachable"}.get(verdict.exit_code, "error"),
            "reason": verdict.reason,
            "release_tag": self.target.tag if self.target else "",
            "release_id": str(release.id) if release else "",
            "release_url": release.url if release else "",
            "immutable": bool(release and release.immutable),
            "commit": self.commit,
            "signed_by": self.signed_by,
            "assets": [
                {"name": item.name, "state": item.state, "size": item.size, "digest": item.digest}
                for item in self.findings
            ],
        }

    def annotations(self, _verdict: Verdict) -> Sequence[Annotation]:
        """Return the notes."""
        return self.notes

    def show(self, verdict: Verdict) -> None:
        """Print a row for each file, the commit, and the verdict."""
        if self.findings:
            shown = [(item.state, item.name, str(item.size), item.digest) for item in self.findings]
            self.runner.table([("State", "Asset", "Bytes", "Digest"), *shown])
        if self.commit:
            self.runner.line(f"The tag is at commit {self.commit}")
        if self.signed_by:
            self.runner.line(f"It is signed by {self.signed_by}")
        self.runner.line(verdict.reason)

    def summary(self, verdict: Verdict) -> str:
        """Render the verdict."""
        return f"{markdown.text(verdict.reason)}\n"


def _parsed(data: bytes) -> dict[str, str]:
    """Return the digests of SHA256SUMS by name. Raises ReplicatorError where a name isn't one of ours."""
    found = {}
    for line in data.decode("utf-8", "replace").splitlines():
        parts = _LINE.fullmatch(line)
        if not parts or names.problem(parts[2]) or parts[2] in found:
            raise ReplicatorError(rows.RELEASE_WRONG, f"{names.SUMS} holds a line that isn't a digest and a safe name")
        found[parts[2]] = parts[1]
    if names.clashes(found):
        raise ReplicatorError(rows.RELEASE_WRONG, f"{names.SUMS} names files that differ only in case")
    return found


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{0,6}", text):
        raise BadSettings([InputProblem("wait", "isn't a number of seconds")])
    return float(text or 0)


def _new_folder(text: str) -> Path:
    folder = Path(text)
    try:
        folder.mkdir()
    except OSError as error:
        what = f"'{folder}' can't be made ({error.strerror}); name a folder that doesn't exist"
        raise BadSettings([InputProblem("download", what)]) from None
    return folder


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)


run = partial(execute, Showing)
