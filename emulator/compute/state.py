"""Holds what exists: frozen values in one object that only `commit` changes. No input, no output, no clock."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from emulator.compute.disks.store import Disk, Disks
from emulator.compute.templates.store import Template, Templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The etag of a policy that nobody has set yet, as the service gives it.
UNSET_ETAG = "ACAB"
# Recorded: the fingerprint of every image without labels.
NO_LABELS = "42WmSpB8rSM="


@dataclass(frozen=True, kw_only=True)
class Policy:
    """An image's IAM policy: bindings as the API writes them, and a base64 etag."""

    bindings: tuple[Mapping[str, Any], ...] = ()
    etag: str = UNSET_ETAG


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image.

    `created` is in milliseconds since 1970; `settles` (seconds since 1970) is when it stops being PENDING and becomes
    READY or FAILED, or with "" vanishes; `gone` (likewise) is when its deletion ends; `fields` are those of the API
    that need no computing.
    """

    project: str
    id: str
    name: str
    created: int
    settles: float = 0.0
    becomes: str = "READY"
    gone: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)

    @property
    def path(self) -> str:
        """`projects/P/global/images/N`."""
        return f"projects/{self.project}/global/images/{self.name}"

    def status(self, now: float) -> str:
        """PENDING, READY, FAILED or DELETING; "" once it has vanished."""
        if self.gone is not None:
            return "DELETING" if now < self.gone else ""
        return "PENDING" if now < self.settles else self.becomes


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How an operation ends that fails; without `http_status` the operation shows no HTTP fields at all."""

    code: str
    message: str
    http_status: int | None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation; times in seconds since 1970, `ends` is infinite for one that is stuck.

    `scope` is `global`, `regions/R` or `zones/Z`.
    """

    project: str
    id: str
    name: str
    type: str
    target: str
    target_id: str
    inserted: float
    ends: float
    scope: str = "global"
    warnings: tuple[Mapping[str, Any], ...] = ()
    client_operation_id: str = ""
    source_id: str = ""
    user: str = ""
    failure: Failure | None = None
    gone: bool = False

    def failed(self, now: float) -> bool:
        """Whether it has ended with an error."""
        return self.failure is not None and now >= self.ends


# What becomes of an image; None: it is removed.
Update = Callable[[Image], "Image | None"]


@dataclass(frozen=True, kw_only=True)
class Later:
    """A change of an image that shows from a moment on (seconds since 1970), whatever else happens to it till then."""

    moment: float
    image: Image
    update: Update


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a request changes, all of it or nothing."""

    images: tuple[Image, ...] = ()
    removed: tuple[Image, ...] = ()
    operation: Operation | None = None
    forgotten: Operation | None = None
    later: Later | None = None
    templates: tuple[Template, ...] = ()
    removed_templates: tuple[Template, ...] = ()
    disks: tuple[Disk, ...] = ()
    removed_disks: tuple[Disk, ...] = ()


def updated(image: Image, update: Update) -> Change:
    """The change of an image as it is now."""
    after = update(image)
    return Change(images=(after,)) if after else Change(removed=(image,))


class State:
    """Images and operations of every project."""

    def __init__(
        self, *, first_id: int = 10**18, pending_heads: bool = False, numbers: Mapping[str, str] | None = None
    ) -> None:
        self._ids = {number: project for project, number in (numbers or {}).items()}
        self._serial = itertools.count(first_id)
        self._newest = 0
        self._pending_heads = pending_heads
        self._images: dict[tuple[str, str], Image] = {}
        self._before: dict[tuple[str, str], Image | None] = {}
        self._later: list[Later] = []
        self._operations: dict[tuple[str, str], Operation] = {}
        self._requests: dict[tuple[str, str], tuple[str, str]] = {}
        self.templates = Templates()
        self.disks = Disks()

    def commit(self, change: Change) -> None:
        """Make a change; the only way to make one."""
        for image in (*change.removed, *change.images):
            # Put at the end, since the last one counts.
            key = (image.project, image.name)
            self._before.pop(key, None)
            self._before[key] = self._images.get(key)
        for image in change.removed:
            self._images.pop((image.project, image.name), None)
        for image in change.images:
            self._images[image.project, image.name] = image
            self._newest = max(self._newest, image.created)
        if operation := change.operation:
            key = (operation.project, operation.name)
            self._operations[key] = operation
            if operation.client_operation_id:
                self._requests[operation.project, operation.client_operation_id] = key
        if gone := change.forgotten:
            self._operations.pop((gone.project, gone.name), None)
        if change.later:
            self._later.append(change.later)
        self.templates.change(made=change.templates, removed=change.removed_templates)
        self.disks.change(made=change.disks, removed=change.removed_disks)

    def _catch_up(self, now: float) -> None:
        """Make the changes whose moment has come."""
        due = [each for each in self._later if each.moment <= now]
        if not due:
            return
        self._later = [each for each in self._later if each.moment > now]
        for each in sorted(due, key=lambda each: each.moment):
            image = self._images.get((each.image.project, each.image.name))
            if image and image.id == each.image.id:
                self.commit(updated(image, each.update))

    def clear(self, first_id: int | None = None) -> None:
        """Forget everything but, unless a first id is given, the ids and creation times already given out."""
        if first_id is not None:
            self._serial = itertools.count(first_id)
            self._newest = 0
        self._images.clear()
        self._before.clear()
        self._later.clear()
        self._operations.clear()
        self._requests.clear()
        self.templates.clear()
        self.disks.clear()

    def new_id(self) -> str:
        """A decimal id that was never given out before."""
        return str(next(self._serial))

    def creation_time(self, now: float) -> int:
        """Milliseconds since 1970, later than every image's so far."""
        return max(int(now * 1000), self._newest + 1)

    def project(self, name: str) -> str:
        """The id of the project that has this id, or this number."""
        return self._ids.get(name, name)

    def image(self, project: str, key: str, now: float) -> Image | None:
        """An image by name or by numeric id; None if there is none or it has vanished."""
        project = self.project(project)
        self._catch_up(now)
        image = self._images.get((project, key))
        if image is None and key.isdecimal():
            image = next((each for each in self.images(project, now) if each.id == key), None)
        return image if image and image.status(now) else None

    def images(self, project: str | None, now: float) -> Iterator[Image]:
        """All images of a project, or of all; in no promised order."""
        self._catch_up(now)
        for image in self._images.values():
            if project in {None, image.project} and image.status(now):
                yield image

    def head(self, project: str, family: str, now: float) -> Image | None:
        """The image a family stands for: the newest that is READY and not deprecated, wherever it is stored.

        Whether one that is PENDING counts is a switch; the rest is from the discovery document.
        """
        members = (
            image
            for image in self.images(self.project(project), now)
            if image.fields.get("family") == family
            and (image.status(now) == "READY" or (self._pending_heads and image.status(now) == "PENDING"))
            and image.fields.get("deprecated", {}).get("state", "ACTIVE") == "ACTIVE"
        )
        return max(members, key=lambda image: image.created, default=None)

    def earlier(self, project: str, *, name: str = "", family: str = "") -> State | None:
        """What was, before the last change of an image, a family, or of any image of a project; None without one."""
        for key, before in reversed(self._before.items()):
            versions = [image for image in (before, self._images.get(key)) if image]
            families = [image.fields.get("family") for image in versions]
            if key[0] == project and (not name or key[1] == name) and (not family or family in families):
                view = State(pending_heads=self._pending_heads)
                kept = (image for place, image in self._images.items() if place != key)
                view.commit(Change(images=(*kept, *([before] if before else []))))
                return view
        return None

    def earlier_templates(self, project: str) -> State | None:
        """What was before the last change of a project's instance templates; None without one."""
        before = self.templates.earlier(project)
        if before is None:
            return None
        view = State(pending_heads=self._pending_heads)
        view.templates = before
        return view

    def operation(self, project: str, key: str) -> Operation | None:
        """An operation by name or by numeric id; None if there is none or it is gone."""
        operation = self._operations.get((project, key))
        if operation is None and key.isdecimal():
            operation = next((each for each in self.operations(project) if each.id == key), None)
        return None if operation is None or operation.gone else operation

    def operations(self, project: str | None) -> Iterator[Operation]:
        """All operations of a project, or of all, without those that are gone."""
        for operation in self._operations.values():
            if project in {None, operation.project} and not operation.gone:
                yield operation

    def repeated(self, project: str, request_id: str) -> Operation | None:
        """The operation that a request with this id has started before, gone or not."""
        key = self._requests.get((project, request_id))
        return self._operations.get(key) if key else None


def fingerprint(text: str) -> str:
    """A base64 fingerprint of some text, 8 bytes of its SHA-256 (which bytes the service takes is not known)."""
    return base64.b64encode(sha256(text.encode()).digest()[:8]).decode()


def label_fingerprint(labels: Mapping[str, str]) -> str:
    """The fingerprint of a set of labels, base64."""
    return fingerprint(json.dumps(dict(labels), sort_keys=True)) if labels else NO_LABELS
