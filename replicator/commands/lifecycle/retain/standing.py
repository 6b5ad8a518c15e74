"""Says what is known of each set of a line: what families resolve to, the default, ranks. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.commands.lifecycle import releases

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.releases import ReplicaSet
    from replicator.commands.lifecycle.retain.policy import Rules
    from replicator.core.images import Image

    #: What each (project, family) resolves to, as it was asked.
    Heads = Mapping[tuple[str, str], Image | None]
    #: The newest images of each (project, family) that are READY and not deprecated: several only if made together.
    Newest = Mapping[tuple[str, str], frozenset[str]]


def newest(images: Iterable[Image]) -> Newest:
    """Compute what each family should resolve to, as Compute Engine documents it, of all images of all projects."""
    first: dict[tuple[str, str], datetime] = {}
    found: dict[tuple[str, str], frozenset[str]] = {}
    for image in images:
        family = (image.ref.project, image.family)
        if not image.family or image.status != "READY" or image.deprecated:
            continue
        if family not in first or image.created > first[family]:
            first[family], found[family] = image.created, frozenset({image.id})
        elif image.created == first[family]:
            found[family] |= {image.id}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the sets of one line are to each other."""

    led: Mapping[str, frozenset[str]]
    """Families that resolve to an image, or should, by its id."""
    default: ReplicaSet | None
    """The set that users get; the older one where what was asked and what was computed differ."""
    ranks: Mapping[str, tuple[int, str]]
    """The best rank of each set in any of its families, from 0, and that family; by the id of its source."""
    previous: str
    """The id of the source of the newest usable set before the default; empty if there is none."""


def standing(line: Sequence[ReplicaSet], heads: Heads, newest: Newest, rules: Rules, now: datetime) -> Standing:
    """Say it of the sets of one line, which must all be there."""
    asked = {family: head.id if head else None for family, head in heads.items()}
    computed: dict[tuple[str, str], str | None] = {family: min(ids) for family, ids in newest.items()}
    defaults = [_default(line, resolved, now) for resolved in (asked, computed)]
    default = min(filter(None, defaults), key=lambda each: each.age, default=None)
    older = [each for each in line if default and each.age < default.age and is_usable(each)]
    before = max(older, key=lambda each: each.age, default=None)
    return Standing(
        led=_led(asked, newest),
        default=default,
        ranks=_ranks(line, rules.keep),
        previous=before.root.id if before else "",
    )


def is_usable(each: ReplicaSet) -> bool:
    """Whether every member is READY and not deprecated."""
    return all(image.status == "READY" and not image.deprecated for image in each.members)


def _default(line: Sequence[ReplicaSet], resolved: releases.Heads, now: datetime) -> ReplicaSet | None:
    return releases.default_of(line, releases.statuses(line, resolved, now))


def _led(asked: releases.Heads, newest: Newest) -> dict[str, frozenset[str]]:
    """The names of the families that resolve to each image by what was asked, or by what was computed."""
    led: dict[str, set[str]] = defaultdict(set)
    for (_, family), head in asked.items():
        if head:
            led[head].add(family)
    for (_, family), ids in newest.items():
        for identity in ids:
            led[identity].add(family)
    return {identity: frozenset(families) for identity, families in led.items()}


def _ranks(line: Sequence[ReplicaSet], keep: int) -> dict[str, tuple[int, str]]:
    """Rank the sets in each family, usable ones first, then newest first; sets below `keep` in all are left out.

    The whole line counts as a family, too, or sets in no family would be protected by no rank.
    """
    by_family: dict[tuple[str, str], list[ReplicaSet]] = defaultdict(list)
    ordered = sorted(line, key=lambda each: (is_usable(each), each.age), reverse=True)
    for each in ordered:
        for family in (("", each.line), *sorted(releases.families_of(each))):
            if len(by_family[family]) < keep:
                by_family[family].append(each)
    best: dict[str, tuple[int, str]] = {}
    for (_, name), ranked in by_family.items():
        for rank, each in enumerate(ranked):
            best[each.root.id] = min(best.get(each.root.id, (rank, name)), (rank, name))
    return best
