"""Carries a release to its goal: reads what there is, takes the one step that `plan` names, and reads again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from replicator.commands.release import errors as rows
from replicator.commands.release import plan
from replicator.commands.release.forges.http import Unclear
from replicator.commands.release.plan import Do, Seen, Step
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.commands.release.artifacts import Artifact
    from replicator.commands.release.forges.github import Forge
    from replicator.commands.release.plan import Asset, Goal, Release

#: How often one step is tried that gets no clear answer.
_TRIES = 4
#: Seconds to the next try, and until a list shows what was just made.
_PAUSE = 2.0
#: A release of a thousand assets takes three steps for each that is replaced.
_MOST_STEPS = 5000


@dataclass(kw_only=True)
class Publication:
    """One release on its way."""

    forge: Forge
    goal: Goal
    artifacts: Mapping[str, Artifact]
    fields: Mapping[str, Any]
    """Title, notes and marks of a release of ours."""
    latest: Mapping[str, Any]
    """What only publishing sets."""
    tell: Callable[[str], None]
    outcomes: dict[str, str] = field(default_factory=dict)
    """Asset → `uploaded`, `replaced` or `kept`, by what was done so far."""
    seen: Seen = field(default_factory=lambda: Seen(commit="", releases=(), assets={}))
    _digests: dict[int, str] = field(default_factory=dict)
    _present: frozenset[int] | None = None
    _made: frozenset[int] = frozenset()
    _tried: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def carry_out(self) -> Release | None:
        """Bring the release to its goal, and return it as it is then. Raises ReplicatorError."""
        self.read()
        for _ in range(_MOST_STEPS):
            step = plan.next_step(self.seen, self.goal)
            if step.do is Do.PUBLISH:
                # What was read long ago decides nothing: another run, or a person, may have changed it.
                self.read()
                step = plan.next_step(self.seen, self.goal)
            if step.do is Do.REFUSE:
                step = self._confirmed(step)
            if step.do is Do.DONE:
                return self._done(step)
            self._take(step)
        raise ReplicatorError(rows.UNREACHABLE, "What the forge lists doesn't settle")

    def _confirmed(self, step: Step) -> Step:
        """Raise ReplicatorError if the refusal is final. Lists may be late after a write, so it is read again."""
        for _ in range(_TRIES - 1 if self.forge.door.writes else 0):
            self.forge.door.wait(_PAUSE, rows.DEADLINE, step.what)
            self.read()
            again = plan.next_step(self.seen, self.goal)
            if again.do is not Do.REFUSE:
                return again
        raise ReplicatorError(rows.BY_REASON[step.reason], step.what)

    def preview(self) -> Step:
        """Read what there is, and return the first step without taking it. Raises ReplicatorError on a refusal."""
        self.read()
        step = plan.next_step(self.seen, self.goal)
        if step.do is Do.REFUSE:
            raise ReplicatorError(rows.BY_REASON[step.reason], step.what)
        return step

    def read(self) -> None:
        """Read tag, releases and assets."""
        releases = self.forge.releases(self.goal.tag)
        published = self.forge.published(self.goal.tag)
        if published and published.id not in {release.id for release in releases}:
            releases.append(published)
        # One of another run may have been published since the list was made.
        releases = [published if published and release.id == published.id else release for release in releases]
        commit = self._commit()
        found = {release.id: self._assets(release) for release in releases}
        assets = {number: some for number, some in found.items() if some is not None}
        releases = [release for release in releases if release.id in assets]
        if self._present is None:
            self._present = frozenset(asset.id for some in assets.values() for asset in some)
        self.seen = Seen(commit=commit, releases=releases, assets=assets, made=self._made, present=self._present)

    def _commit(self) -> str:
        """Return the commit that the tag is at. A tag that was there and is gone is a late answer, or really gone."""
        for _ in range(_TRIES - 1):
            commit = self.forge.tag_commit(self.goal.tag)
            if commit or not self.seen.commit:
                return commit
            self.forge.door.wait(_PAUSE, rows.DEADLINE, "the tag that was there isn't shown any more")
        return self.forge.tag_commit(self.goal.tag)

    def _assets(self, release: Release) -> list[Asset] | None:
        known, found = self._digests, self.forge.assets(release)
        if found is None:
            return None
        return [replace(asset, sha256=asset.sha256 or known.get(asset.id, "")) for asset in found]

    def _take(self, step: Step) -> None:
        self._tried[step.key] += 1
        again = self._tried[step.key] > 1
        if again:
            # The same step a second time: its answer was lost, or lists are late.
            self.forge.door.wait(_PAUSE * (self._tried[step.key] - 1), rows.DEADLINE, f"to {step.do} had no effect yet")
        if self._tried[step.key] > _TRIES:
            name = f" {step.name}" if step.name else ""
            raise ReplicatorError(rows.UNREACHABLE, f"{_TRIES} tries to {step.do}{name} had no effect that shows")
        try:
            self._act(step)
        except Unclear as error:
            self.tell(f"No clear answer to: {step.do} {step.name}".rstrip() + f" ({error}); reading what became of it")
        about_assets = step.do in {Do.UPLOAD, Do.DELETE, Do.RENAME, Do.DIGEST}
        found = self._assets(step.release) if step.release and about_assets else None
        if step.release and found is not None:
            self.seen = replace(self.seen, assets={**self.seen.assets, step.release.id: found})
        else:
            self.read()

    def _act(self, step: Step) -> None:  # noqa: C901 - one branch for each kind of step
        forge, release, asset, item = self.forge, step.release, step.asset, step.wanted
        if step.do is Do.CREATE_TAG:
            forge.create_tag(self.goal.tag, self.goal.commit)
        elif step.do is Do.CREATE_DRAFT:
            self._made |= {forge.create_draft(self.goal.tag, self.goal.commit, self.fields).id}
        elif release is None:
            raise ValueError(step.do)
        elif step.do is Do.DELETE_DRAFT:
            forge.delete_draft(release)
        elif step.do is Do.PUBLISH:
            forge.publish(release, {**(self.fields if release.ours else {}), **self.latest})
        elif step.do is Do.UPLOAD and item:
            self.tell(f"Uploading {step.name} ({item.size} bytes)")
            self._settle(item.name, "uploaded")
            artifact = self.artifacts[item.name]
            artifact.checked()
            forge.upload(release, step.name, artifact)
            artifact.checked()
        elif asset is None:
            raise ValueError(step.do)
        elif step.do is Do.DIGEST:
            self._digests[asset.id] = forge.digest(release, asset)
        elif step.do is Do.DELETE:
            self.tell(f"Deleting asset {asset.id}, {asset.name}, in whose place another file belongs")
            if item and asset.whole and asset.name == item.name:
                self._settle(item.name, "replaced")
            forge.delete_asset(release, asset)
        elif step.do is Do.RENAME and item:
            self._settle(item.name, "uploaded")
            forge.rename(release, asset, step.name)

    def _settle(self, name: str, outcome: str) -> None:
        self.outcomes[name] = "replaced" if self.outcomes.get(name) == "replaced" else outcome

    def _done(self, step: Step) -> Release | None:
        """Check once more as a reader would, where something was published."""
        release = step.release
        if release and not release.draft and self.forge.door.writes:
            self.read()
            again = plan.next_step(self.seen, self.goal)
            if again.do is Do.REFUSE:
                raise ReplicatorError(rows.BY_REASON[again.reason], again.what)
            if again.do is not Do.DONE or not again.release or again.release.draft:
                raise ReplicatorError(rows.NOT_VERIFIED, f"Read back, the release still needs: {again.do} {again.name}")
            release = again.release
        return release

    @property
    def foreign(self) -> list[str]:
        """The names of assets that aren't ours, which stay as they are."""
        wanted = {item.name for item in self.goal.assets}
        choice = plan.choose(self.seen).release
        there = self.seen.assets.get(choice.id, ()) if choice else ()
        return sorted({asset.name for asset in there} - wanted)
