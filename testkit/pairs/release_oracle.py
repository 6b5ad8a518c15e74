"""Judges `merge` and `verify` by the rules, from what builds said, what stood there and what was done: not by the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testkit.pairs.case import OTHERS, Deed, is_change, is_move, path_of, verb
from testkit.pairs.releases import LOCATIONS, SINCE, STEMS, Release

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Images = "Mapping[str, Mapping[str, Any]]"


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A merge: what the builds said, what stood there, what was done, and what came out."""

    release: Release
    said: Mapping[tuple[str, str], Mapping[str, Any]]
    """Architecture and location → what a fragment says of the image there."""
    begun: Sequence[Mapping[str, Any]]
    ended: Sequence[Mapping[str, Any]]
    deeds: Sequence[Deed]
    calls: Sequence[Mapping[str, Any]]
    exit_code: int
    index: Mapping[str, Any] | None
    """As it was written, parsed; None if there is none."""
    rows: Mapping[tuple[str, str], Mapping[str, Any]]
    calm: bool
    """Whether nobody else did anything meanwhile."""


def broken(case: Merged) -> list[str]:
    """Every rule that was broken, in sentences."""
    return [sentence for rule in RULES for sentence in rule(case)]


def only_families_are_given(case: Merged) -> Iterator[str]:
    """Rules 1 and 2: no source and nobody else's image is touched, and of a replica nothing but its family."""
    replicas = {image["uri"]: image for (_, at), image in case.said.items() if at != "us"}
    for call in filter(is_change, case.calls):
        named = replicas.get(call["target"])
        if not is_move(call) or set(call["body"]) != {"family"} or named is None:
            yield f"{verb(call)} was sent to {call['target']}: {call['body']}"
        elif call["body"]["family"] != named["family"]:
            yield f"{call['target']} was given the family {call['body']['family']}"
    for deed in case.deeds:
        if deed.by != OTHERS and (deed.before is None or deed.after is None):
            yield f"{deed.path} was made or deleted"


def families_move_to_what_is_right(case: Merged) -> Iterator[str]:
    """Rule 4, by id: what a family is moved to is the image that the build verified."""
    named = {image["uri"]: (key, image) for key, image in case.said.items()}
    for deed in case.deeds:
        if deed.by == OTHERS or deed.after is None or deed.path not in named:
            continue
        key, said = named[deed.path]
        others = [each for each in case.deeds if each.by == OTHERS and each.path == deed.path]
        if not others and (deed.after["id"] != said["id"] or _verdict(case.release, key) != "right"):
            yield f"{deed.path} got a family, and is {case.release.since.get(key)}"


def all_or_nothing(case: Merged) -> Iterator[str]:
    """Rules 5 and 17: one image that isn't as its build said keeps the index from being written, and every family."""
    wrong = wrong_ones(case.release)
    if not case.calm:
        return
    moved = [call for call in case.calls if is_move(call)]
    if wrong and (case.index is not None or moved or case.exit_code == 0):
        yield f"wrong are {wrong}, and {len(moved)} families moved, the exit code is {case.exit_code}"
    if not wrong and (case.index is None or case.exit_code != 0):
        yield f"nothing is wrong, and the exit code is {case.exit_code}"


def no_withdrawn_release_goes_live(case: Merged) -> Iterator[str]:
    """Rule 7: a source that is held back keeps the families of the whole release where they are."""
    held = [key for key, became in case.release.sources.items() if became == "deprecated"]
    moved = [call["target"] for call in case.calls if is_move(call)]
    if held and moved:
        yield f"the source of {held} is held back, and {moved} were given families"
    if not case.release.promote and moved:
        yield f"promote is false, and {moved} were given families"


def no_family_goes_back(case: Merged) -> Iterator[str]:
    """Rules 7 and 14: one whose head is a newer release stays; every other one that is to move does."""
    if not case.calm or wrong_ones(case.release) or not case.release.promote:
        return
    if any(became == "deprecated" for became in case.release.sources.values()):
        return
    now = {path_of(image): image for image in case.ended}
    for (architecture, at), said in case.said.items():
        if at == "us":
            continue
        newer = case.release.heads.get((architecture, at)) in {"newer", "newest"}
        before = next(image for image in case.begun if path_of(image) == said["uri"])
        carries = now[said["uri"]].get("family") == said["family"]
        # A replica that is younger than that head leads its family already, or would not take it over.
        if not newer and not carries:
            yield f"{said['uri']} has the family {now[said['uri']].get('family')}, not {said['family']}"
        if newer and carries and before.get("family") != said["family"]:
            leads = max(
                (image for image in case.ended if image.get("family") == said["family"]),
                key=lambda image: str(image["creationTimestamp"]),
            )
            if path_of(leads) == said["uri"]:
                yield f"{said['uri']} took its family from a newer release"


def what_is_told_is_so(case: Merged) -> Iterator[str]:
    """Rule 17: `promoted` says what stands there at the end."""
    if not case.calm:
        return
    now = {path_of(image): image for image in case.ended}
    for (architecture, at), row in case.rows.items():
        if row["outcome"] in {"failed", "interrupted", "planned"}:
            continue
        carries = now[row["uri"]].get("family") == case.said[architecture, at]["family"]
        if row["promoted"] is not carries:
            yield f"{row['uri']} is told as promoted: {row['promoted']}, and carries {now[row['uri']].get('family')}"


def the_index_says_what_builds_said(case: Merged) -> Iterator[str]:
    """An index holds every image of both builds, with their ids."""
    if case.index is None:
        return
    found = {
        (entry["architecture"], at): served
        for entry in case.index["images"]
        for at, served in entry["locations"].items()
    }
    if found != dict(case.said):
        yield f"the index says {sorted(found)}"


RULES = (
    only_families_are_given,
    families_move_to_what_is_right,
    all_or_nothing,
    no_withdrawn_release_goes_live,
    no_family_goes_back,
    what_is_told_is_so,
    the_index_says_what_builds_said,
)


def _verdict(release: Release, key: tuple[str, str]) -> str:
    architecture, at = key
    source = release.sources.get(architecture, "nothing")
    if at == "us":
        return {"made again": "drifted", "gone": "missing", "relabelled": "drifted"}.get(source, "right")
    return SINCE[release.since.get(key, "nothing")][1]


def wrong_ones(release: Release) -> list[tuple[str, str]]:
    """Which images aren't as their builds said; a source that is gone proves nothing any more."""
    gone = [(key, "us") for key, became in release.sources.items() if became in {"made again", "gone"}]
    return [*(key for key in _keys(release) if _verdict(release, key) != "right"), *gone]


def _keys(release: Release) -> list[tuple[str, str]]:
    return [(architecture, at) for architecture in STEMS for at in LOCATIONS if release.home or at != "us"]


#: What only a comparison with the source can show.
_OF_SOURCE = {"a feature lacking", "a licence lacking", "other keys", "no keys", "confidential"}


def states(release: Release, *, refuse_deprecated: bool, promoted: bool = False) -> dict[tuple[str, str], str]:
    """What `verify` must find of each image in the index of both builds.

    `promoted`: whether the families were moved before, where nothing kept them.
    """
    return {key: _state(release, key, refuse=refuse_deprecated, promoted=promoted) for key in _keys(release)}


def _state(release: Release, key: tuple[str, str], *, refuse: bool, promoted: bool) -> str:
    architecture, at = key
    source, became = release.sources.get(architecture, "nothing"), release.since.get(key, "nothing")
    # An index says what a build proved; whether that holds still is asked by a merge.
    verdict = _verdict(release, key).replace("unproven", "right")
    if source in {"made again", "gone"} and became in _OF_SOURCE and at != "us":
        verdict = "right"
    marked = "deprecated" in {source, became if at != "us" else ""}
    if verdict == "right" and refuse and marked:
        return "drifted"
    if verdict == "right" and at != "us" and became != "in its family" and not promoted:
        return "not_promoted"
    return {"right": "correct"}.get(verdict, verdict)
