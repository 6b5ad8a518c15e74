"""Worlds in which nothing stands alone: beside each image another one that differs in one thing.

Both architectures, a region beside its multi-region, the same names in two projects, labels and members of others, and
in each location something else that may stand there, with another image that leads its family.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testkit.pairs import case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emulator.testing import Running

SOURCE, TWIN, OLDER, NEWER = "web-1", "arm-1", "web-0", "web-2"
#: The homonyms' project.
OTHER = "acme"
#: A project for each location.
EACH = "acme-{location}"
LOCATIONS = ("us", "eu", "asia", "us-west1", "europe-west1")
NEAR = {"us": "us-west1", "us-west1": "us", "eu": "europe-west1", "europe-west1": "eu", "asia": "asia-east1"}

KEYS = {"pk": {"fileType": "BIN", "content": "a2V5"}}
CONTENT: dict[str, Any] = {
    "shielded_instance_initial_state": KEYS,
    "disk_size_gb": 20,
    "guest_os_features": ["UEFI_COMPATIBLE", "GVNIC"],
    "licenses": [
        f"https://www.googleapis.com/compute/v1/projects/debian-cloud/global/licenses/{n}" for n in ("a", "b")
    ],
}
TOLD: dict[str, Any] = {"labels": {"team": "infra", "tier": "front"}, "description": "The web server"}

EVERYBODY = {"role": case.READER, "members": ["allAuthenticatedUsers"]}
BY_DATE = {"title": "for a while", "expression": 'request.time < timestamp("2030-01-01T00:00:00Z")'}
#: Bindings of the source's own policy.
POLICIES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "private": (),
    "public": (EVERYBODY,),
    "two readers": ({"role": case.READER, "members": ["user:ann@example.com", "group:all@example.com"]},),
    "condition": (
        {"role": case.READER, "members": ["user:ann@example.com"], "condition": BY_DATE},
        {"role": case.READER, "members": ["user:bob@example.com"]},
    ),
    "roles": (EVERYBODY, {"role": "roles/compute.viewer", "members": ["user:ann@example.com"]}),
}
THEIRS: Sequence[Mapping[str, Any]] = (
    {"role": case.READER, "members": ["user:eve@example.com"]},
    {"role": case.READER, "members": ["user:ann@example.com"], "condition": {**BY_DATE, "title": "another"}},
    {"role": "roles/compute.viewer", "members": ["allAuthenticatedUsers"]},
)

#: What may stand under a replica's name: how it differs from a right copy, and how the location ends where nothing else
#: happens: `ok`, or a reason.
EXISTING: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "right": ({}, "ok"),
    "more labels": ({"labels": {**TOLD["labels"], "mine": "kept"}}, "ok"),
    "a label's value": ({"labels": {"team": "infra", "tier": "back", "mine": "kept"}}, "ok"),
    "a label lacking": ({"labels": {"tier": "front", "mine": "kept"}}, "ok"),
    "description": ({"description": "Old"}, "ok"),
    "their readers": ({"policy": THEIRS}, "ok"),
    "more features": ({"guest_os_features": [*CONTENT["guest_os_features"], "SEV_CAPABLE"]}, "ok"),
    "deprecated": ({"deprecated": {"state": "DEPRECATED"}}, "ok"),
    "another family": ({"family": "theirs"}, "ok"),
    "architecture": ({"architecture": "other"}, "drift"),
    "smaller": ({"disk_size_gb": 10}, "drift"),
    "larger": ({"disk_size_gb": 30}, "drift"),
    "a feature lacking": ({"guest_os_features": ["UEFI_COMPATIBLE", "SEV_CAPABLE"]}, "drift"),
    "a licence lacking": ({"licenses": CONTENT["licenses"][1:]}, "drift"),
    "other keys": ({"shielded_instance_initial_state": {"pk": {**KEYS["pk"], "content": "b3RoZXI="}}}, "drift"),
    "no keys": ({"shielded_instance_initial_state": {}}, "drift"),
    "confidential": ({"confidential": True}, "drift"),
    "of Windows": ({"guest_os_features": [*CONTENT["guest_os_features"], "WINDOWS"]}, "drift"),
    "encrypted": ({"encrypted": True}, "drift"),
    "obsolete": ({"deprecated": {"state": "OBSOLETE"}}, "drift"),
    "nearby": ({"location": "near"}, "conflict"),
    "no copy": ({"source": None}, "conflict"),
    "a copy of the twin": ({"source": TWIN}, "conflict"),
    "a copy of the older": ({"source": OLDER}, "conflict"),
    "a copy of the homonym": ({"source": f"{OTHER}/{SOURCE}"}, "conflict"),
    "a copy of one gone": ({"source": "gone"}, "unproven"),
    "a copy of one replaced": ({"source": "replaced"}, "unproven"),
    "failed": ({"status": "FAILED"}, "image_failed"),
    "failed, in a family": ({"status": "FAILED", "family": "theirs"}, "image_failed"),
    "failed, labelled": ({"status": "FAILED", "labels": {"mine": "kept"}}, "image_failed"),
    "failed, a copy of the twin": ({"status": "FAILED", "source": TWIN}, "conflict"),
    "failed, of one gone": ({"status": "FAILED", "source": "gone"}, "unproven"),
    "failed, nearby": ({"status": "FAILED", "location": "near"}, "conflict"),
    "pending": ({"status": "PENDING"}, "ok"),
    "pending, in a family": ({"status": "PENDING", "family": "theirs"}, "ok"),
    "pending, smaller": ({"status": "PENDING", "disk_size_gb": 10}, "drift"),
    "pending, other architecture": ({"status": "PENDING", "architecture": "other"}, "drift"),
    "pending, a copy of the twin": ({"status": "PENDING", "source": TWIN}, "conflict"),
    "pending, nearby": ({"status": "PENDING", "location": "near"}, "conflict"),
    "pending, of one gone": ({"status": "PENDING", "source": "gone"}, "unproven"),
}

#: What leads a location's family: of which source (None: no copy), whether made after the source, and whether it gives way.
HEADS: Mapping[str, tuple[str | None, bool, bool]] = {
    "older": (OLDER, False, True),
    "older, copied late": (OLDER, True, True),
    "newer": (NEWER, True, False),
    "newer, gone": ("gone", True, False),
    "newer, of one replaced": ("rebuilt", True, False),
    "theirs, older": (None, False, True),
    "theirs, newer": (None, True, False),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """What is asked for, and what stands there."""

    locations: tuple[str, ...]
    required: tuple[str, ...] = ()
    architecture: str = "X86_64"
    existing: Mapping[str, str] = field(default_factory=dict)
    """Location → key of EXISTING."""
    heads: Mapping[str, str] = field(default_factory=dict)
    """Location → key of HEADS; only where each location has a family of its own."""
    policy: str = "public"
    access: str = "source"
    project: str = ""
    """Of the replicas; the source's where empty."""
    template: str = "{family}-{location}"
    labels: str = ""
    promote: bool = True
    replace_failed: bool = False
    home_copy: str = "auto"
    copies_per_source: str = ""
    withdrawn: bool = False
    """Whether the source is DEPRECATED."""

    @property
    def inputs(self) -> dict[str, str]:
        """The action's inputs."""
        return {
            "locations": ",".join(self.locations),
            "required_locations": ",".join(self.required),
            "replica_project": self.project,
            "family_template": self.template,
            "labels": self.labels,
            "access": self.access,
            "promote": str(self.promote).lower(),
            "replace_failed": str(self.replace_failed).lower(),
            "home_copy": self.home_copy,
            "copies_per_source": self.copies_per_source,
            "timeout_minutes": "60",
        }

    def wanted(self) -> list[case.Wanted]:
        """What is to be made, by the rules: design's words on names, home and families."""
        project, away = self.project or "p1", any(at != "us" for at in self.locations)
        shared = away and self.template == "{family}" and self.project in {"", "p1"}
        everybody = any(
            grant[2] == EVERYBODY["members"][0] and grant[1] == "null"
            for grant in case.grants({"policy": {"bindings": POLICIES[self.policy]}})
            if grant[0] == case.READER
        )
        serves = not (self.project or self.home_copy == "true" or shared) and (self.access != "public" or everybody)
        copied = [at for at in self.locations if at != "us" or not serves]
        if shared and "us" not in self.locations and copied:
            copied.insert(0, "us")
        one_family = "{location}" not in self.template + project and len(copied) > 1
        lead = ("us" if "us" in copied else copied[0]) if one_family else ""
        extra = dict(pair.split("=") for pair in self.labels.split(",") if pair)
        everything = bool(self.locations) and {*self.required} >= {*self.locations}
        return [
            case.Wanted(
                location=at,
                path=f"projects/{project.format(location=at)}/global/images/{SOURCE}-{at}",
                family=self.template.format(family="web", location=at),
                required=at in self.required or (at not in self.locations and everything),
                labels={**TOLD["labels"], **extra},
                description=TOLD["description"],
                lead=f"projects/{project}/global/images/{SOURCE}-{lead}" if lead else "",
            )
            for at in copied
        ]

    def readers(self) -> frozenset[case.Grant]:
        """Who must be able to use each replica."""
        bindings = {"private": (), "public": (EVERYBODY,), "source": POLICIES[self.policy]}[self.access]
        return frozenset(grant for grant in case.grants({"policy": {"bindings": bindings}}) if grant[0] == case.READER)

    def build(self, emulator: Running) -> dict[str, Any]:
        """Put everything in place, and return the source."""
        emulator.reset()
        add: Any = emulator.add_image
        other = "ARM64" if self.architecture == "X86_64" else "X86_64"
        policy = POLICIES[self.policy]

        def release(name: str, project: str = "p1", **more: Any) -> dict[str, Any]:
            given = {**CONTENT, **TOLD, "architecture": self.architecture, "family": "web", "policy": policy, **more}
            placed: dict[str, Any] = add(project=project, name=name, **given)
            return placed

        ids = {"gone": "7", "replaced": "8", "rebuilt": "9", OLDER: release(OLDER)["id"]}
        ids[TWIN] = release(TWIN, architecture=other, family="arm")["id"]
        ids[f"{OTHER}/{SOURCE}"] = release(SOURCE, OTHER)["id"]
        for at, kind in self.heads.items():
            if not HEADS[kind][1]:
                self._head(emulator, at, kind, ids)
        deprecated: dict[str, Any] = {"deprecated": {"state": "DEPRECATED"}} if self.withdrawn else {}
        source = release(SOURCE, **deprecated)
        ids[SOURCE] = source["id"]
        for at in LOCATIONS:
            # The same names in the project that isn't meant, and those of the other architecture.
            project = "p1" if self.project else OTHER
            add(project=project, name=f"{SOURCE}-{at}", location=at, family=f"web-{at}", **CONTENT)
            add(
                project="p1", name=f"{TWIN}-{at}", location=at, family=f"arm-{at}", architecture=other,
                source_image=f"projects/p1/global/images/{TWIN}", source_image_id=ids[TWIN], **CONTENT,
            )  # fmt: skip
        for wanted in self.wanted():
            if wanted.location in self.existing:
                self._existing(emulator, wanted, ids, other)
        if any(HEADS[kind][0] == NEWER for kind in self.heads.values()):
            ids[NEWER] = release(NEWER, family=None)["id"]
        for at, kind in self.heads.items():
            if HEADS[kind][1]:
                self._head(emulator, at, kind, ids)
        return next(image for image in emulator.state()["images"] if image["id"] == source["id"])

    def _head(self, emulator: Running, at: str, kind: str, ids: Mapping[str, str]) -> None:
        of = HEADS[kind][0]
        name = {"gone": "web-9", None: "theirs"}.get(of, of)
        add: Any = emulator.add_image
        add(
            project=(self.project or "p1").format(location=at), name=f"{name}-{at}", location=at, family=f"web-{at}",
            architecture=self.architecture, **_copied(of, ids), **CONTENT,
        )  # fmt: skip

    def _existing(self, emulator: Running, wanted: case.Wanted, ids: Mapping[str, str], other: str) -> None:
        differing = dict(EXISTING[self.existing[wanted.location]][0])
        at, of = wanted.location, differing.pop("source", SOURCE)
        if differing.get("location"):
            differing["location"] = NEAR[at]
        if differing.get("architecture"):
            differing["architecture"] = other
        image = {"location": at, "architecture": self.architecture, **CONTENT, **TOLD, **_copied(of, ids), **differing}
        project, name = wanted.path.split("/")[1], wanted.path.split("/")[-1]
        emulator.add_image(project=project, name=name, **image)


def _copied(of: str | None, ids: Mapping[str, str]) -> dict[str, str]:
    """What makes an image a copy; of one that was replaced, the name still stands."""
    if of is None:
        return {}
    project, _, name = (of if "/" in of else f"p1/{of}").partition("/")
    name = {"replaced": SOURCE, "rebuilt": OLDER, "gone": "web-9"}.get(name, name)
    return {"source_image": f"projects/{project}/global/images/{name}", "source_image_id": ids[of]}


def expected(world: World, wanted: case.Wanted) -> str:
    """How a location ends where nothing happens and nothing is refused: `ok`, or the reason."""
    kind = world.existing.get(wanted.location)
    if kind is None:
        return "ok"
    differing, ends = EXISTING[kind]
    if ends == "image_failed" and world.replace_failed and not differing.get("family"):
        return "ok"
    return ends


def shown(world: World) -> str:
    """A world as text, for a failure."""
    return json.dumps({name: getattr(world, name) for name in world.__dataclass_fields__}, default=str)
