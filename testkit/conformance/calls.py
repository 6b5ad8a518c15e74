"""The calls of a run: what keeps a repetition of each harmless, and what its failure takes with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emulator.testing import Running


class Guard(Enum):
    """What keeps a call that is sent twice from being done twice."""

    READ = "nothing needed: it changes nothing"
    READ_BACK = "nothing needed: it reads what was just done"
    REQUEST_ID = "requestId"
    FINGERPRINT = "labelFingerprint"
    ETAG = "etag"


class Stage(Enum):
    """What a call's failure takes with it."""

    RUN = "the run: nothing was changed yet"
    LOOK_UP = "every replica in that project"
    EXAMINATION = "that replica; the others wait for it, three minutes at most"
    REPLICA = "that replica"
    FAMILY = "that replica's promotion"


#: What a right copy of the source has beside its lineage.
RIGHT: dict[str, Any] = {"disk_size_gb": 20, "labels": {"team": "infra"}, "description": "The web server"}


def fresh(_emulator: Running, _source: dict[str, Any]) -> None:
    """Nothing but the source."""


def drifted(emulator: Running, source: dict[str, Any]) -> None:
    """A copy that lacks its description, its labels, its readers and its family."""
    _copy(emulator, source, disk_size_gb=20)


def grandchild(emulator: Running, source: dict[str, Any]) -> None:
    """A right copy, made from a copy."""
    middle = _copy(emulator, source, name="middle", **RIGHT)
    _copy(emulator, middle, **RIGHT, family="web-eu", public=True)


def failed(emulator: Running, source: dict[str, Any]) -> None:
    """A copy that Compute Engine could not make."""
    _copy(emulator, source, status="FAILED")


def unseen(emulator: Running, source: dict[str, Any]) -> None:
    """A right copy that the look-up does not see yet."""
    _copy(emulator, source, **RIGHT)


def pending(emulator: Running, source: dict[str, Any]) -> None:
    """A copy that somebody else has just begun; it ends while the run goes on."""
    _copy(emulator, source, status="PENDING", **RIGHT)


def older_release(emulator: Running, _source: dict[str, Any]) -> None:
    """The family's head is the copy of an older release."""
    older = emulator.add_image(project="p1", name="web-0", created=1000.0)
    _copy(emulator, older, name="web-0-eu", family="web-eu", created=2000.0)


def _copy(emulator: Running, of: dict[str, Any], name: str = "web-1-eu", **fields: Any) -> dict[str, Any]:
    lineage = {"source_image": of["selfLink"], "source_image_id": of["id"]}
    return emulator.add_image(project="p1", name=name, **{"location": "eu", **lineage, **fields})


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a run that replicates web-1 to eu and asia, seen from eu; and the world in which it is made."""

    name: str
    method: str
    target: str
    """A regular expression for its target, or for its body as compact JSON with sorted keys."""
    skip: int = 0
    """How many requests of that method for that target come before it."""
    guard: Guard = Guard.READ
    stage: Stage = Stage.REPLICA
    world: Callable[[Running, dict[str, Any]], None] = fresh
    given: Mapping[str, str] = field(default_factory=dict)
    """Inputs beside the usual ones."""
    outcome: str = "created"
    """Of eu, where all goes well."""

    @property
    def starts_operation(self) -> bool:
        """Whether its answer is an operation to wait for."""
        return self.method.rpartition(".")[2] in {"insert", "patch", "setLabels", "delete"}

    def is_for(self, method: str, target: str, body: str) -> bool:
        """Whether a request is this call, as the emulator's faults see it."""
        return method == self.method and bool(re.search(self.target, target) or re.search(self.target, body))


_IMAGE = "images/web-1-eu$"
_BY_ID = "images/[0-9]+$"
_DESCRIPTION = '^{"description":'
_OPERATIONS = "projects/p-eu/global/operations/"
_APART = {"replica_project": "p-{location}"}
_REPAIR: dict[str, Any] = {"world": drifted, "outcome": "repaired"}
_EXAMINED: dict[str, Any] = {"stage": Stage.EXAMINATION}
_REPLACE: dict[str, Any] = {"world": failed, "given": {"replace_failed": "true"}}
_UNSEEN: dict[str, Any] = {"world": unseen, "outcome": "repaired"}


CALLS = (
    Call(name="read the source", method="compute.images.get", target="images/web-1$", stage=Stage.RUN),
    Call(
        name="find the source by its family",
        method="compute.images.getFromFamily",
        target="family/web$",
        stage=Stage.RUN,
        given={"source_image": "projects/p1/global/images/family/web"},
    ),
    Call(
        name="read the source's access", method="compute.images.getIamPolicy", target="images/web-1$", stage=Stage.RUN
    ),
    Call(name="look up what exists", method="compute.images.list", target="", stage=Stage.LOOK_UP),
    Call(
        name="read what a replica was copied from",
        method="compute.images.get",
        target="images/middle$",
        world=grandchild,
        outcome="adopted",
        **_EXAMINED,
    ),
    Call(
        name="read a replica's access at first",
        method="compute.images.getIamPolicy",
        target=_IMAGE,
        **_EXAMINED,
        **_REPAIR,
    ),
    Call(name="ask for the copy", method="compute.images.insert", target=_IMAGE, guard=Guard.REQUEST_ID),
    Call(name="wait for the copy", method="compute.globalOperations.wait", target=_OPERATIONS, given=_APART),
    Call(name="read the copy", method="compute.images.get", target=_IMAGE, guard=Guard.READ_BACK),
    Call(name="read the copy's access", method="compute.images.getIamPolicy", target=_IMAGE),
    Call(name="open the copy", method="compute.images.setIamPolicy", target=_IMAGE, guard=Guard.ETAG),
    Call(name="describe", method="compute.images.patch", target=_DESCRIPTION, guard=Guard.REQUEST_ID, **_REPAIR),
    Call(name="label", method="compute.images.setLabels", target=_IMAGE, guard=Guard.FINGERPRINT, **_REPAIR),
    Call(name="read what was repaired", method="compute.images.get", target=_IMAGE, guard=Guard.READ_BACK, **_REPAIR),
    Call(name="read a failed copy", method="compute.images.get", target=_IMAGE, **_REPLACE),
    Call(
        name="remove a failed copy", method="compute.images.delete", target=_BY_ID, guard=Guard.REQUEST_ID, **_REPLACE
    ),
    Call(name="read what is there", method="compute.images.get", target=_IMAGE, guard=Guard.READ_BACK, **_UNSEEN),
    Call(name="read its access", method="compute.images.getIamPolicy", target=_IMAGE, **_EXAMINED, **_UNSEEN),
    Call(
        name="look at a copy under way",
        method="compute.images.get",
        guard=Guard.READ_BACK,
        target=_IMAGE,
        world=pending,
        outcome="repaired",
    ),
    Call(
        name="read the family's head",
        method="compute.images.getFromFamily",
        target="family/web-eu$",
        stage=Stage.FAMILY,
    ),
    Call(
        name="read the head's source",
        method="compute.images.get",
        target="images/web-0$",
        stage=Stage.FAMILY,
        world=older_release,
    ),
    Call(name="promote", method="compute.images.patch", target=_IMAGE, guard=Guard.REQUEST_ID, stage=Stage.FAMILY),
    Call(
        name="wait for the promotion",
        method="compute.globalOperations.wait",
        target=_OPERATIONS,
        skip=1,
        stage=Stage.FAMILY,
        given=_APART,
    ),
    Call(
        name="read the head again",
        method="compute.images.getFromFamily",
        target="family/web-eu$",
        skip=1,
        guard=Guard.READ_BACK,
        stage=Stage.FAMILY,
        world=older_release,
    ),
    Call(
        name="read what was promoted",
        method="compute.images.get",
        target=_IMAGE,
        skip=1,
        guard=Guard.READ_BACK,
        stage=Stage.FAMILY,
        given={"family_template": "{family}"},
    ),
)
