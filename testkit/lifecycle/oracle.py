"""Says what `list` must find, from the words of the specification and the API's own images; imports no product code.

A set is a source and its replicas: lineage, the name of the template, one place. Where the specification leaves the order
of statuses open, it is that of the table in docs/lifecycle.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testkit.lifecycle.worlds import World

Api = dict[str, Any]


@dataclass(kw_only=True)
class Release:
    """A set as it must be listed."""

    line: str
    root: Api
    copies: list[Api]
    status: str = ""

    @property
    def members(self) -> list[Api]:
        return [self.root, *self.copies]

    @property
    def version(self) -> str:
        values = self.label("release") - {""}
        return values.pop() if len(values) == 1 else str(self.root["name"])

    def label(self, key: str) -> set[str]:
        return {each["labels"][key] for each in self.members if key in each.get("labels", {})}

    def marked(self, key: str) -> bool:
        return bool(self.label(key) - {"false"})


@dataclass(kw_only=True)
class Expected:
    """What must be listed of a world."""

    releases: list[Release] = field(default_factory=list)
    default: dict[str, str] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)
    lineless: dict[str, str] = field(default_factory=dict)
    """The status of each release none of whose images carries a family, by the name of its source."""
    sourceless: set[str] = field(default_factory=set)
    """Ids, as in `strangers`."""
    heads: set[str] = field(default_factory=set)
    """Ids of images that a family resolves to."""


def expected(world: World, images: Sequence[Api], now: datetime) -> Expected:
    """What must be listed; `images` are those of the emulator's state."""
    lines = world.given["families"].split(", ")
    projects = {"p1", *(world.project_of(place) for place in world.given["locations"].split(", "))}
    scope = {each["id"]: each for each in images if each["project"] in projects}
    places = {*world.given["locations"].split(", "), *(p for each in scope.values() if (p := _place(each)))}
    family_lines = {(world.project_of(p), world.family_of(line, p)): line for line in lines for p in places}
    family_lines |= {("p1", line): line for line in lines}
    found = Expected()
    trees: dict[str, list[Api]] = {}
    for each in scope.values():
        root = each
        while root.get("sourceImageId") in scope:
            root = scope[root["sourceImageId"]]
        if root.get("sourceImageId"):
            if (each["project"], each.get("family", "")) in family_lines:
                found.sourceless.add(each["id"])
        else:
            trees.setdefault(root["id"], []).append(each)
    for identity, tree in trees.items():
        root = scope[identity]
        copies = [each for each in tree if each is not root and _is_replica(world, root, each)]
        if root["project"] != "p1" or root.get("family") not in {None, *lines}:
            continue
        carried = [family_lines.get((each["project"], each.get("family", ""))) for each in _by_place(copies)]
        line = root.get("family") or next(filter(None, carried), None)
        if line:
            found.releases.append(Release(line=line, root=root, copies=copies))
            found.strangers |= {each["id"] for each in tree if each is not root and each not in copies}
        elif copies and not any(each.get("family") for each in copies):
            one = Release(line="", root=root, copies=copies)
            found.lineless[root["name"]] = _status(one, None, now)
    for line in lines:
        _judge(found, [each for each in found.releases if each.line == line], list(scope.values()), now, line)
    return found


def _is_replica(world: World, root: Api, image: Api) -> bool:
    place = _place(image)
    wanted = (world.project_of(place), world.name_of(root["name"], place))
    return bool(place) and (image["project"], image["name"]) == wanted


def _judge(found: Expected, sets: list[Release], images: list[Api], now: datetime, line: str) -> None:
    heads: dict[tuple[str, str], str] = {}
    for image in sorted(images, key=lambda each: _time(each["creationTimestamp"])):
        if image.get("family") and image["status"] == "READY" and not _state(image):
            heads[image["project"], image["family"]] = image["id"]
    carried = {_family(each) for one in sets for each in one.members if each.get("family")}
    heads = {family: head for family, head in heads.items() if family in carried}
    found.heads |= set(heads.values())
    # A source that heads its own family from its build on makes no default while its copies carry none.
    unpromoted = {one.root["id"] for one in sets if not any(each.get("family") for each in one.copies)}
    counting = {family: head for family, head in heads.items() if head not in unpromoted} or heads
    leads: dict[str, str] = {}
    for one in sets:
        ids = {each["id"] for each in one.members}
        led = {family for family, head in counting.items() if head in ids}
        own = {_family(each) for each in one.members if each.get("family")} & counting.keys()
        leads[one.root["id"]] = "default" if led and own <= led else "partly_default" if led else ""
    default = None
    for kind in ("default", "partly_default"):
        of_kind = [one for one in sets if leads[one.root["id"]] == kind]
        if default is None and of_kind:
            default = max(of_kind, key=_age)
    for one in sets:
        one.status = leads[one.root["id"]] or _status(one, default, now)
    if default:
        found.default[line] = default.version


def _status(one: Release, default: Release | None, now: datetime) -> str:
    states = {each["status"] for each in one.members}
    marked = [each for each in one.members if _state(each)]
    newer = default is None or _age(one) > _age(default)
    if "FAILED" in states:
        return "broken"
    if states & {"PENDING", "DELETING"}:
        return "busy"
    if marked and len(marked) < len(one.members):
        return "mixed"
    if marked:
        if default and newer:
            return "withdrawn"
        dated = all(_is_date(each["deprecated"].get("deleted", "")) for each in one.members)
        return "retired" if dated else "deprecated"
    if any(now - _time(each["creationTimestamp"]) < timedelta(hours=24) for each in one.members):
        return "busy"
    return "staged" if newer and not any(each.get("family") for each in one.copies) else "published"


def _age(one: Release) -> tuple[datetime, str]:
    return _time(one.root["creationTimestamp"]), one.root["id"]


def _by_place(copies: list[Api]) -> list[Api]:
    return sorted(copies, key=lambda each: (_place(each), each["project"], each["name"]))


def _family(image: Api) -> tuple[str, str]:
    return image["project"], image["family"]


def _place(image: Api) -> str:
    places: list[str] = image.get("storageLocations", [])
    return places[0] if len(places) == 1 else ""


def _state(image: Mapping[str, Any]) -> str:
    state = str(image.get("deprecated", {}).get("state", ""))
    return "" if state == "ACTIVE" else state


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
