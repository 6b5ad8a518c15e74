"""What an oracle judges: a run, as what was asked for, what stood there, what was done by whom, and what was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READER = "roles/compute.imageUser"
MUTATING = frozenset({"insert", "patch", "setLabels", "setIamPolicy", "delete", "deprecate"})

#: One of these more changes how a machine starts.
DECISIVE = {"UEFI_COMPATIBLE", "SECURE_BOOT", "WINDOWS"}
#: Role, condition as JSON, member.
Grant = tuple[str, str, str]

RUN, OTHERS = "run", "others"


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One change of one image, as it took place; images have the form of the emulator's state.

    `becomes` is the status that a PENDING one will come to.
    """

    by: str = RUN
    at: int
    """How many requests had arrived when it was asked for, its own among them."""
    path: str
    """`projects/P/global/images/N`."""
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    heads: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """Family → the id of its head before and after, of the families that the image has or had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The image wanted in one location."""

    location: str
    path: str
    family: str = ""
    required: bool = False
    labels: Mapping[str, str]
    description: str = ""
    lead: str = ""
    """The path of the image that must stay the head of a family that several carry."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run: what was asked for, what stood there, what was done by whom, and what was sent."""

    source: Mapping[str, Any]
    wanted: Sequence[Wanted]
    """Without what the source serves itself."""
    readers: frozenset[Grant]
    promote: bool = True
    replace_failed: bool = False
    begun: Sequence[Mapping[str, Any]]
    deeds: Sequence[Deed]
    calls: Sequence[Mapping[str, Any]]

    @cached_property
    def ever(self) -> dict[str, Mapping[str, Any]]:
        """Every image that there was, by id, as it was first."""
        found: dict[str, Mapping[str, Any]] = {}
        for image in (*self.begun, *(deed.after for deed in self.deeds if deed.after)):
            found.setdefault(image["id"], image)
        return found

    @cached_property
    def by_path(self) -> dict[str, Wanted]:
        """What is wanted, by path."""
        return {wanted.path: wanted for wanted in self.wanted}

    @property
    def own(self) -> list[Deed]:
        """What the run did."""
        return [deed for deed in self.deeds if deed.by == RUN]

    def standing(self, path: str, reads: int) -> Mapping[str, Any] | None:
        """What stood there for the read that arrived after so many requests, with the status that it came to."""
        found = next((image for image in self.begun if path_of(image) == path), None)
        for deed in self.deeds:
            if deed.path == path and deed.at <= reads + (deed.by == RUN):
                found = deed.after
        return found and {**found, "status": found.get("becomes", found["status"])}

    def reads(self, path: str, before: int) -> list[int]:
        """Which requests told the run of that image, before the request with that number."""
        project, name = path.split("/")[1], path.split("/")[-1]
        listed = f"projects/{project}/global/images"
        return [
            number
            for number, call in enumerate(self.calls[:before])
            if call["status"] == 200 and not call["fault"]
            if (verb(call) == "get" and call["target"] == path)
            or (verb(call) == "list" and call["target"] == listed and f'"{name}"' in call["query"].get("filter", ""))
        ]

    def known(self, deed: Deed) -> Mapping[str, Any] | None:
        """The image as the run had read it last, when it asked for this."""
        reads = self.reads(deed.path, deed.at - 1)
        return self.standing(deed.path, reads[-1]) if reads else None

    def touched(self, path: str) -> bool:
        """Whether somebody else changed what stands there meanwhile."""
        return any(deed.by == OTHERS and deed.path == path for deed in self.deeds)

    def is_ours(self, image: Mapping[str, Any]) -> bool:
        """Whether its chain of parents, by id, begins with the source."""
        origin = image.get("sourceImageId", "")
        if origin == self.source["id"]:
            return True
        parent = self.ever.get(origin)
        return parent is not None and bool(parent.get("sourceImageId")) and self.is_ours(parent)

    def released(self, image: Mapping[str, Any]) -> str:
        """When the release that an image belongs to was made: its oldest parent's time, as far as there is one."""
        parent = self.ever.get(image.get("sourceImageId", ""))
        return self.released(parent) if parent else str(image["creationTimestamp"])

    def is_right(self, image: Mapping[str, Any] | None, wanted: Wanted) -> bool:
        """Whether what can't be changed is as the source's."""
        source = self.source
        return (
            image is not None
            and self.is_ours(image)
            and image["storageLocations"] == [wanted.location]
            and image["diskSizeGb"] == source["diskSizeGb"]
            and image.get("architecture") == source.get("architecture", image.get("architecture"))
            and features(image) >= features(source)
            and not (features(image) - features(source)) & DECISIVE
            and image.get("shieldedInstanceInitialState") == source.get("shieldedInstanceInitialState")
            and image.get("enableConfidentialCompute") == source.get("enableConfidentialCompute")
            and {*image.get("licenses", [])} >= {*source.get("licenses", [])}
            and image.get("imageEncryptionKey") == source.get("imageEncryptionKey")
        )

    def is_told(self, image: Mapping[str, Any], wanted: Wanted) -> bool:
        """Whether labels and description are as wanted."""
        labels = image.get("labels", {})
        described: bool = image.get("description", "") == wanted.description
        return described and wanted.labels.items() <= labels.items()

    def is_verified(self, image: Mapping[str, Any] | None, wanted: Wanted) -> bool:
        """Whether an image is everything that is wanted, save its family."""
        return (
            image is not None
            and image["status"] == "READY"
            and self.is_right(image, wanted)
            and self.is_told(image, wanted)
            and self.readers <= grants(image)
        )


def path_of(image: Mapping[str, Any]) -> str:
    """`projects/P/global/images/N`."""
    return f"projects/{image['project']}/global/images/{image['name']}"


def grants(image: Mapping[str, Any]) -> frozenset[Grant]:
    """Everything that an image's own policy grants."""
    return frozenset(
        (binding["role"], json.dumps(binding.get("condition"), sort_keys=True), member)
        for binding in image["policy"].get("bindings", [])
        for member in binding["members"]
    )


def features(image: Mapping[str, Any]) -> set[str]:
    """Its guest OS features."""
    return {feature["type"] for feature in image.get("guestOsFeatures", [])}


def plain(image: Mapping[str, Any] | None, *, changing: bool = True) -> dict[str, Any]:
    """An image without what passes by itself; without what a run may change unless `changing`."""
    left_out = {"status", "becomes", "labelFingerprint", "policy", "archiveSizeBytes"}
    if not changing:
        left_out |= {"labels", "description", "family"}
    return {key: value for key, value in (image or {}).items() if key not in left_out}


def verb(call: Mapping[str, Any]) -> str:
    """`insert` of `compute.images.insert`."""
    return str(call["method"]).rpartition(".")[2]


def is_change(call: Mapping[str, Any]) -> bool:
    """Whether a request changes anything."""
    return verb(call) in MUTATING


def is_move(call: Mapping[str, Any]) -> bool:
    """Whether it gives an image a family."""
    return verb(call) == "patch" and "family" in (call["body"] or {})
