"""Releases of two architectures that `merge` and `verify` read: what their builds said, and what became of it since."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testkit.pairs import case
from testkit.pairs.worlds import CONTENT, EVERYBODY, KEYS, NEAR, NEWER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emulator.testing import Running

LOCATIONS = ("us", "eu", "asia", "us-west1")
#: Architecture → the source's name, and its family. `us` is where sources are stored, and served by them.
STEMS = {"X86_64": ("web-1", "web"), "ARM64": ("arm-1", "arm")}
LABELS = {"team": "infra", "tier": "front"}

#: What may have become of a replica: how it differs from what its build said, and whether that makes it wrong: "right",
#: "drifted", "missing", or "unproven", which only a merge must prove anew.
SINCE: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "nothing": ({}, "right"),
    "more labels": ({"labels": {**LABELS, "mine": "kept"}}, "right"),
    "a label's value": ({"labels": {**LABELS, "tier": "back"}}, "drifted"),
    "a label lacking": ({"labels": {"tier": "front"}}, "drifted"),
    "more readers": ({"policy": (EVERYBODY, {"role": EVERYBODY["role"], "members": ["user:eve@example.com"]})}, "right"),
    "closed": ({"policy": ()}, "drifted"),
    "open for a while": (
        {"policy": ({**EVERYBODY, "condition": {"title": "t", "expression": "request.time < x"}},)}, "drifted",
    ),
    "open by another role": ({"policy": ({**EVERYBODY, "role": "roles/compute.viewer"},)}, "drifted"),
    "more features": ({"guest_os_features": [*CONTENT["guest_os_features"], "MULTI_IP_SUBNET"]}, "right"),
    "a feature lacking": ({"guest_os_features": ["UEFI_COMPATIBLE"]}, "drifted"),
    "a licence lacking": ({"licenses": CONTENT["licenses"][1:]}, "drifted"),
    "other keys": ({"shielded_instance_initial_state": {"pk": {**KEYS["pk"], "content": "b3RoZXI="}}}, "drifted"),
    "no keys": ({"shielded_instance_initial_state": {}}, "drifted"),
    "confidential": ({"confidential": True}, "drifted"),
    "smaller": ({"disk_size_gb": 10}, "drifted"),
    "the other architecture": ({"architecture": "other"}, "drifted"),
    "nearby": ({"location": "near"}, "drifted"),
    "deprecated": ({"deprecated": {"state": "DEPRECATED"}}, "right"),
    "obsolete": ({"deprecated": {"state": "OBSOLETE"}}, "drifted"),
    "failed": ({"status": "FAILED"}, "drifted"),
    "pending": ({"status": "PENDING"}, "drifted"),
    "deleting": ({"status": "DELETING"}, "drifted"),
    "made again": ({"again": True}, "drifted"),
    "made again of the twin": ({"again": True, "of": "twin"}, "drifted"),
    "of the twin": ({"of": "twin"}, "drifted"),
    "gone": ({"gone": True}, "missing"),
    "a copy of a copy": ({"of": "copy"}, "right"),
    "a copy of one gone": ({"of": "gone"}, "unproven"),
    "a copy of a twin's copy": ({"of": "twin's copy"}, "unproven"),
    "in its family": ({"family": "own"}, "right"),
    "in another family": ({"family": "theirs"}, "right"),
}  # fmt: skip
#: What may have become of a source.
OF_SOURCE: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    "deprecated": {"deprecated": {"state": "DEPRECATED"}},
    "relabelled": {"labels": {"team": "theirs"}},
    "made again": {"again": True},
    "gone": {"gone": True},
}
#: What leads a replica's family: an older release, a newer one whose copy is older than the replica, a newer one.
HEADS = ("older", "newer", "newest")


@dataclass(frozen=True, kw_only=True)
class Release:
    """What became of each image since its build."""

    since: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Architecture and location (never `us`) → key of SINCE."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Architecture → key of OF_SOURCE."""
    heads: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Architecture and location → key of HEADS."""
    required: str = ""
    promote: bool = True
    home: bool = True
    """Whether `us` is wanted, which the sources serve."""

    def each(self) -> Iterator[tuple[str, str]]:
        """Architecture and location of all replicas that aren't their source."""
        return ((architecture, at) for architecture in STEMS for at in LOCATIONS if at != "us")

    def wanted(self) -> list[case.Wanted]:
        """The replicas, as what others do to them asks for."""
        return [
            case.Wanted(
                location=f"{architecture} {at}",
                path=f"projects/p1/global/images/{STEMS[architecture][0]}-{at}",
                labels={},
            )
            for architecture, at in self.each()
        ]

    def build(self, emulator: Running) -> dict[str, dict[str, Any]]:
        """Put everything in place, and return the fragment of each architecture, as its build left it."""
        emulator.reset()
        add: Any = emulator.add_image
        known = {"labels": LABELS, "policy": (EVERYBODY,), **CONTENT}
        self._heads(emulator, "older")
        ids = {"gone": "7"}
        for architecture, (name, family) in STEMS.items():
            # Whoever has the id that a build noted, is gone or stands there under another id.
            became = dict(OF_SOURCE[self.sources.get(architecture, "nothing")])
            again, gone = became.pop("again", False), became.pop("gone", False)
            source = add(project="p1", name=name, family=family, architecture=architecture, **{**known, **became})
            ids[architecture] = source["id"]
            if again or gone:
                emulator.delete_image("p1", name)
            if again:
                add(project="p1", name=name, family=family, architecture=architecture, **known)
        for architecture, (name, _) in STEMS.items():
            # What others copied, and what it was copied from.
            copied = {"source_image": f"projects/p1/global/images/{name}", "source_image_id": ids[architecture]}
            ids[f"{architecture} copy"] = add(project="p1", name=f"{name}-copy", location="eu", **known, **copied)["id"]
        ids[NEWER] = add(project="p1", name=NEWER, **known)["id"]
        self._heads(emulator, "newer")
        entries = {architecture: self._entry(architecture, ids[architecture]) for architecture in STEMS}
        for architecture, at in self.each():
            entries[architecture]["locations"][at] = self._replica(emulator, architecture, at, ids, known)
        self._heads(emulator, "newest")
        return {architecture: {"schema": 1, "images": [entry]} for architecture, entry in entries.items()}

    def _entry(self, architecture: str, number: str) -> dict[str, Any]:
        name, family = STEMS[architecture]
        place = {"project": "p1", "name": name, "id": number, "uri": f"projects/p1/global/images/{name}"}
        served = {"source_image_id": "", "copied_from": None, "family": family, "public": True, "disk_size_gb": "20"}
        return {
            "architecture": architecture,
            "variant": "",
            "revision": None,
            "source": {**place, "storage_location": "us", "family": family},
            "wanted_locations": sorted(at for at in LOCATIONS if self.home or at != "us"),
            "locations": {"us": {**place, **served, "labels": LABELS}} if self.home else {},
        }

    def _replica(
        self, emulator: Running, architecture: str, at: str, ids: Mapping[str, str], known: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Put it in place as it is by now, and return what its build said of it."""
        add: Any = emulator.add_image
        name, family = STEMS[architecture]
        other = next(each for each in STEMS if each != architecture)
        became = dict(SINCE[self.since.get((architecture, at), "nothing")][0])
        again, gone, of = (became.pop(word, "") for word in ("again", "gone", "of"))
        became = {key: NEAR[at] if value == "near" else value for key, value in became.items()}
        became = {key: other if value == "other" else value for key, value in became.items()}
        if became.get("family") == "own":
            became["family"] = f"{family}-{at}"
        parents = {
            "": (name, architecture),
            "twin": (STEMS[other][0], other),
            "copy": (f"{name}-copy", f"{architecture} copy"),
            "twin's copy": (f"{STEMS[other][0]}-copy", f"{other} copy"),
            "gone": (f"{name}-gone", "gone"),
        }
        parent, number = parents[of]
        copied = {"source_image": f"projects/p1/global/images/{parent}", "source_image_id": ids[number]}
        # Of those, the build told what it found; the others changed since.
        told = of if of in {"copy", "twin's copy", "gone"} else ""
        as_built = {"project": "p1", "name": f"{name}-{at}", "location": at, "architecture": architecture}
        if again or gone:
            first = add(**{**as_built, **known, **copied})
            emulator.delete_image("p1", f"{name}-{at}")
            if again:
                add(**{**as_built, **known, **copied, **became})
        else:
            first = add(**{**as_built, **known, **copied, **became})
        uri = f"projects/p1/global/images/{name}-{at}"
        return {
            "project": "p1",
            "name": f"{name}-{at}",
            "id": first["id"],
            "uri": uri,
            "source_image_id": ids[parents[told][1]],
            "copied_from": f"projects/p1/global/images/{parents[told][0]}",
            "family": f"{family}-{at}",
            "public": True,
            "disk_size_gb": "20",
            "labels": LABELS,
        }

    def _heads(self, emulator: Running, kind: str) -> None:
        newer = next((image for image in emulator.state()["images"] if image["name"] == NEWER), None)
        copied = {"source_image": newer["selfLink"], "source_image_id": newer["id"]} if newer else {}
        for (architecture, at), head in self.heads.items():
            if head == kind:
                family = f"{STEMS[architecture][1]}-{at}"
                emulator.add_image(project="p1", name=f"{family}-{kind}", family=family, location=at, **copied)
