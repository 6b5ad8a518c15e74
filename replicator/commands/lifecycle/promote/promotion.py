"""Says which images get which family so that a release becomes the default, or why it can't. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.turn.leading import Refused, age, can_lead, family_of, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from replicator.commands.lifecycle.indexed import Indexed
    from replicator.commands.lifecycle.lines import Scope
    from replicator.commands.lifecycle.releases import ReplicaSet, World
    from replicator.commands.lifecycle.turn.leading import Family
    from replicator.core.images import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for."""

    scope: Scope
    only: frozenset[str] = frozenset()
    """The locations whose families are given; empty for all that the release is in."""
    required: frozenset[str] | None = None
    """The locations that every line must be in, while the rest is left out where it is wrong. None: everything that
    is there must be right.
    """
    reactivate: bool = False
    differs: Mapping[str, str] | None = None
    """Of each image that an index names, by its id: what differs from the index; None without an index."""
    expected: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The locations that an index serves, by the id of the source."""

    def needed(self, each: ReplicaSet) -> frozenset[str]:
        """The locations that a set must be in."""
        if self.required is not None:
            return self.required | self.only
        served = self.expected.get(each.root.id, frozenset())
        return self.only or served

    def family(self, each: ReplicaSet, image: Image) -> str:
        """The family that a member is to carry: the build gives the source its own, or none."""
        return image.family if image.id == each.root.id else self.scope.replica_family(each.line, image.home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is to become of one family."""

    family: Family
    line: str
    before: Image | None
    """What it resolves to now."""
    wanted: Image
    """The release's image that is to lead it."""
    given: tuple[Image, ...]
    """The images that get the family, the one that leads first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """All that a promotion does: `cleared` one after the other, then the families side by side."""

    moves: tuple[Move, ...]
    cleared: tuple[Image, ...] = ()
    """Images that are made ACTIVE again; those that lead a family first."""
    refused: tuple[Refused, ...] = ()
    left_out: tuple[str, ...] = ()
    """What is wrong in locations that are not required, for people."""

    @property
    def given(self) -> tuple[Image, ...]:
        """Every image that gets its family."""
        return tuple(image for move in self.moves for image in move.given)

    @property
    def changes(self) -> int:
        """How many images change."""
        return len({image.id for image in (*self.cleared, *self.given)})


def plan(
    chosen: Iterable[ReplicaSet],
    world: World,
    images: Iterable[Image],
    heads: Mapping[Family, Image | None],
    wish: Wish,
) -> Promotion:
    """Say what makes these sets the default of their lines. `images` are all in scope."""
    carrying: dict[Family, list[Image]] = {}
    for image in images:
        if image.family and can_lead(image):
            carrying.setdefault(family_of(image), []).append(image)
    moves: list[Move] = []
    refused: list[Refused] = []
    cleared: list[Image] = []
    left_out: list[str] = []
    for each in chosen:
        right, problems, flaws = _verified(each, wish)
        refused += [*problems, *_withdrawn(each, right, wish)]
        left_out += flaws
        own = _moves(each, right, heads, wish)
        for move in own:
            refused += _against(each, move, world, carrying.get(move.family, ()), wish)
        moves += own
        cleared += _cleared(each, right, own, wish)
    return Promotion(moves=tuple(moves), cleared=tuple(cleared), refused=tuple(refused), left_out=tuple(left_out))


def _verified(each: ReplicaSet, wish: Wish) -> tuple[list[Image], list[Refused], list[str]]:
    """The members asked for that are right; what refuses the promotion; what is left out."""
    right: list[Image] = []
    refused: list[Refused] = []
    left_out: list[str] = []
    needed = wish.needed(each)
    found: set[str] = set()
    for image in each.members:
        if wish.only and not wish.only.intersection(image.storage_locations):
            continue
        found.update(image.storage_locations)
        problem = _flaw(each, image, wish)
        if not problem:
            right.append(image)
        elif wish.required is None or needed.intersection(image.storage_locations):
            family = image.ref.project, wish.family(each, image)
            refused.append(Refused("missing_replica", family, each.line, problem))
        else:
            left_out.append(problem)
    for location in sorted(needed - found):
        family = wish.scope.replica_project(location), wish.scope.replica_family(each.line, location)
        text = f"{each.root.ref} has no replica in {location}"
        refused.append(Refused("missing_replica", family, each.line, text))
    return right, refused, left_out


def _flaw(each: ReplicaSet, image: Image, wish: Wish) -> str:
    """What is wrong with a member, for people; empty if nothing is."""
    if problem := wrong(each.root, image):
        return problem
    if wish.differs is not None:
        if problem := wish.differs.get(image.id, ""):
            return problem
        if image.id not in wish.differs and image.id != each.root.id:
            return f"{image.ref} is not in the index"
    family = wish.family(each, image)
    if image.family not in {"", family}:
        return f"{image.ref} carries the family {image.family} instead of {family}"
    return ""


def _moves(each: ReplicaSet, right: Sequence[Image], heads: Mapping[Family, Image | None], wish: Wish) -> list[Move]:
    """The families that members are to carry; the newest of each leads it."""
    found: dict[Family, list[Image]] = {}
    for image in sorted(right, key=age, reverse=True):
        if family := wish.family(each, image):
            found.setdefault((image.ref.project, family), []).append(image)
    return [
        Move(
            family=family,
            line=each.line,
            before=heads.get(family),
            wanted=own[0],
            given=tuple(image for image in own if image.family != family[1]),
        )
        for family, own in sorted(found.items())
    ]


def _against(each: ReplicaSet, move: Move, world: World, carrying: Sequence[Image], wish: Wish) -> Iterator[Refused]:
    """What speaks against one move."""
    lead, head = move.wanted, move.before
    own = {image.id for image in each.members}
    of_head = _set_of(head, world)
    if head and of_head and of_head.age > each.age:
        text = f"it resolves to {head.ref}, of the newer release {of_head.root.ref.name}; use rollback to go back"
        yield Refused("family_is_newer", move.family, move.line, text)
    elif others := [image for image in carrying if image.id not in own and image.created >= lead.created]:
        text = f"{max(others, key=age).ref} in it is newer than {lead.ref}"
        yield Refused("head_is_other", move.family, move.line, text)
    sharing = [image for image in each.members if (image.ref.project, wish.family(each, image)) == move.family]
    if len({image.storage_locations for image in sharing}) > 1:
        leads = max(sharing, key=age)
        if leads.id != lead.id or lead.storage_locations != each.root.storage_locations:
            text = f"several locations share it, and {lead.ref} would lead it away from home"
            yield Refused("head_is_other", move.family, move.line, text)


def _set_of(image: Image | None, world: World) -> ReplicaSet | None:
    """The set that an image is a member of."""
    return next((each for each in world.sets if image and image.id in {member.id for member in each.members}), None)


def _withdrawn(each: ReplicaSet, right: Sequence[Image], wish: Wish) -> Iterator[Refused]:
    """Whether it was rolled back or retired, and nobody said that this is to be undone."""
    marked = [image for image in (each.root, *right) if image.deprecated]
    if marked and not wish.reactivate:
        text = f"{marked[0].ref} is marked {marked[0].deprecated}: the release was held back, rolled back or retired"
        yield Refused("withdrawn", (each.root.ref.project, each.line), each.line, text)


def _cleared(each: ReplicaSet, right: Sequence[Image], moves: Sequence[Move], wish: Wish) -> list[Image]:
    """The deprecated members, those first that are to lead a family."""
    if not wish.reactivate:
        return []
    leads = {move.wanted.id for move in moves}
    members = right if wish.only else [each.root, *(image for image in right if image.id != each.root.id)]
    return sorted((image for image in members if image.deprecated), key=lambda image: image.id not in leads)


def lines_of(scope: Scope, images: Iterable[Image], indexed: Indexed | None, word: str) -> dict[str, str]:
    """The line of sources without a family whose copies carry none yet, by their ids: as an index says it.

    Without an index, a source is known by its own name alone, and only where one line is asked for: anybody's images
    may have the label of a version.
    """
    found = indexed.lines(scope) if indexed else {}
    if len(scope.families) == 1:
        named = [image for image in images if (image.ref.project, image.ref.name) == (scope.project, word)]
        found.update((image.id, scope.families[0]) for image in named)
    return found
