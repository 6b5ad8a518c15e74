"""Decides the next step on the way to a release: what exists x what is wanted -> one step, the end, or a refusal. Pure.

The caller reads again after each step, so an answer that was lost, a process that was killed and another
run beside this one need no cases of their own: each is only another state to go on from.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from replicator.commands.release import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: A line of the notes that shows a release to be ours. Text from outside can't contain it, because `<` is escaped.
MARKER = "<!-- gce-image-replicator:release -->"
#: GitHub holds no more assets on one release.
MOST_ASSETS = 1000


class Replace(StrEnum):
    """Where an asset that differs may be replaced."""

    NEVER = "never"
    DRAFT = "draft"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """An asset of a release, as the forge tells of it."""

    id: int
    name: str
    size: int
    sha256: str
    """In hexadecimal; empty if unknown: Gitea and Forgejo don't tell it."""
    whole: bool
    """False for what a failed upload left."""
    url: str
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release, or the draft of one."""

    id: int
    tag: str
    draft: bool
    notes: str
    title: str
    immutable: bool
    url: str
    upload_url: str

    @property
    def ours(self) -> bool:
        """Whether this program made it."""
        return MARKER in self.notes.splitlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One asset that the release is to hold."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What the release is to be."""

    tag: str
    commit: str
    assets: Sequence[Wanted]
    replace: Replace
    publish: bool
    trust_size: bool
    """Whether name and size are enough where the forge tells no digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the forge says there is."""

    commit: str
    """The commit that the tag is at; empty if there is no such tag."""
    releases: Sequence[Release]
    """Those of this tag, drafts included."""
    assets: Mapping[int, Sequence[Asset]]
    """By the release's id. Read for every release of the tag."""
    made: frozenset[int] = frozenset()
    """Ids of the releases that this run itself created."""
    present: frozenset[int] = frozenset()
    """Ids of the assets that existed before this run's first upload."""


class Do(StrEnum):
    """The kinds of steps."""

    CREATE_TAG = "create the tag"
    CREATE_DRAFT = "create the draft"
    DELETE_DRAFT = "delete our own empty draft"
    DIGEST = "read an asset back"
    UPLOAD = "upload"
    DELETE = "delete"
    RENAME = "rename"
    PUBLISH = "publish"
    DONE = "done"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next thing to do."""

    do: Do
    release: Release | None = None
    asset: Asset | None = None
    wanted: Wanted | None = None
    """What is uploaded or renamed, or in whose place something else is deleted."""
    name: str = ""
    """The name to upload or rename to."""
    reason: str = ""
    """Of a refusal, one of the closed list."""
    what: str = ""
    """Of a refusal: what was found."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes this the same step as one that was tried before."""
        return (self.do, self.asset and self.asset.id, self.name)


@dataclass(frozen=True, slots=True)
class Choice:
    """The release of a tag to work on, if any; a draft of ours to remove; or why there is none."""

    release: Release | None = None
    redundant: Release | None = None
    ambiguous: Sequence[Release] = field(default=())


def choose(seen: Seen) -> Choice:
    """Return the published release, else our draft, else the oldest draft."""
    published = [release for release in seen.releases if not release.draft]
    drafts = sorted((release for release in seen.releases if release.draft), key=lambda release: release.id)
    filled = [release for release in drafts if seen.assets.get(release.id)]
    ours = [release for release in drafts if release.ours]
    chosen: Release | None
    if published:
        chosen = min(published, key=lambda release: release.id)
    elif len(filled) > 1 and not ours:
        return Choice(ambiguous=filled)
    else:
        # The oldest, so that runs beside each other come to the same one whatever each has seen.
        chosen = next(iter(ours or drafts), None)
    own = [release for release in drafts if release.id in seen.made and release != chosen]
    return Choice(chosen, next((release for release in own if not seen.assets.get(release.id)), None))


def next_step(seen: Seen, goal: Goal) -> Step:
    """Return the one thing to do next."""
    if seen.commit and seen.commit != goal.commit:
        what = f"The tag {goal.tag} is at commit {seen.commit}, not at {goal.commit}"
        return Step(do=Do.REFUSE, reason="tag_elsewhere", what=what)
    choice = choose(seen)
    if choice.ambiguous:
        ids = ", ".join(str(release.id) for release in choice.ambiguous)
        what = f"Several drafts of the tag {goal.tag} hold assets, and none of them is ours: {ids}"
        return Step(do=Do.REFUSE, reason="ambiguous", what=what)
    if not seen.commit:
        if choice.release and not choice.release.draft:
            what = f"A release of {goal.tag} is published, but there is no such tag"
            return Step(do=Do.REFUSE, reason="tag_elsewhere", what=what)
        return Step(do=Do.CREATE_TAG)
    if choice.redundant:
        return Step(do=Do.DELETE_DRAFT, release=choice.redundant)
    if choice.release is None:
        return Step(do=Do.CREATE_DRAFT)
    return _towards(choice.release, seen, goal)


def _towards(release: Release, seen: Seen, goal: Goal) -> Step:
    there: dict[str, list[Asset]] = defaultdict(list)
    for asset in sorted(seen.assets.get(release.id, ()), key=lambda asset: asset.id):
        there[asset.name].append(asset)
    kept = sum(map(len, there.values())) - sum(len(there[item.name]) for item in goal.assets)
    if kept + len(goal.assets) > MOST_ASSETS:
        what = f"The release would hold {kept + len(goal.assets)} assets, of {MOST_ASSETS} at most"
        return Step(do=Do.REFUSE, reason="too_large", what=what)
    for item in goal.assets:
        step = _one_asset(release, item, there, seen, goal)
        if step and step.do is not Do.DIGEST:
            step = _refused(release, step, item, goal) or step
        if step:
            return step
    if release.draft and goal.publish:
        return Step(do=Do.PUBLISH, release=release)
    return Step(do=Do.DONE, release=release)


def _refused(release: Release, step: Step, item: Wanted, goal: Goal) -> Step | None:
    """Return the refusal of a step that may not be taken on this release."""
    if release.draft:
        if goal.replace is not Replace.NEVER or not names.of_part(step.name):
            return None
    elif goal.replace is Replace.ALWAYS and not release.immutable:
        return None
    state = "draft" if release.draft else "published release"
    how = "lacks" if step.name == item.name else "holds another file than ours as"
    what = f"The {state} of {goal.tag} {how} {item.name}"
    if release.immutable:
        return Step(do=Do.REFUSE, reason="release_immutable", what=f"{what}, and is immutable")
    return Step(do=Do.REFUSE, reason="release_differs", what=f"{what}, and replace is {goal.replace}")


def _one_asset(
    release: Release, item: Wanted, there: Mapping[str, Sequence[Asset]], seen: Seen, goal: Goal
) -> Step | None:
    """Return the next step for one asset; None when it is right."""
    part = names.part(item.name, item.sha256)
    stale = (asset for name in there if names.of_part(name) == item.name for asset in there[name])
    named, parts = there.get(item.name, ()), there.get(part, ())
    for asset in (*named, *parts):
        if not asset.whole:
            return Step(do=Do.DELETE, release=release, asset=asset)
        if asset.size == item.size and not asset.sha256 and not goal.trust_size:
            return Step(do=Do.DIGEST, release=release, asset=asset)
    right = [asset for asset in named if is_right(asset, item, goal)]
    spare = [asset for asset in parts if is_right(asset, item, goal)]
    if right and right[0] == named[0]:
        left = next(_leftovers(release, [*named[1:], *stale], item, seen, goal), None)
        return Step(do=Do.DELETE, release=release, asset=left) if left else None
    if not named:
        if spare:
            return Step(do=Do.RENAME, release=release, asset=spare[0], wanted=item, name=item.name)
        return Step(do=Do.UPLOAD, release=release, wanted=item, name=item.name)
    if right or spare:
        # What is wrong goes only now that the right one is there, verified. The oldest of a name is what is served.
        return Step(do=Do.DELETE, release=release, asset=named[0], wanted=item)
    if parts:
        return Step(do=Do.DELETE, release=release, asset=parts[0])
    return Step(do=Do.UPLOAD, release=release, wanted=item, name=part)


def _leftovers(release: Release, others: Sequence[Asset], item: Wanted, seen: Seen, goal: Goal) -> Iterator[Asset]:
    """Yield what shares the name of a right asset, or was to replace it, and may go.

    Of a published release that may not be changed nothing goes: the right one is what is served.
    """
    if release.immutable or not (release.draft or goal.replace is Replace.ALWAYS):
        return
    for asset in others:
        ours = asset.id not in seen.present or names.of_part(asset.name) or is_right(asset, item, goal)
        if ours or goal.replace is not Replace.NEVER:
            yield asset


def is_right(asset: Asset, item: Wanted, goal: Goal) -> bool:
    """Return whether an asset has the wanted content."""
    same = asset.sha256 == item.sha256 or (not asset.sha256 and goal.trust_size)
    return asset.whole and asset.size == item.size and same
