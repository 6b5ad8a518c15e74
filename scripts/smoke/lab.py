"""Holds what probes work with: the images that several of them look at, each made once, and how long copies took."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scripts.smoke.api import COMPUTE, Answer, request_id
from scripts.smoke.options import DISK_GB, LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scripts.smoke.api import Api, Clock
    from scripts.smoke.guard import Guarded
    from scripts.smoke.options import Options

#: What the source has, and one thing more that a copy asks for.
FEATURE, ASKED_FEATURE = "GVNIC", "MULTI_IP_SUBNET"
#: Seconds after which an operation counts as lost.
_LONGEST = 1200.0


class NotMade(Exception):
    """Something that a probe needs could not be made; why."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long an operation on an image took, in seconds."""

    location: str
    kind: str
    seconds: float


@dataclass
class Lab:
    """A run's images and the way to the services."""

    options: Options
    client: Guarded
    clock: Clock
    stranger: Api | None = None
    firsts: list[str] = field(default_factory=list)
    """The status in the first answer to each insert of an image."""
    timings: list[Timing] = field(default_factory=list)
    longest_poll: float = 0.0
    """Seconds after which the slowest long poll was answered."""
    first_operation: str = ""
    """The path of the first operation of the run."""
    inserts: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """The location and the first operation of each insert that was accepted."""
    _stations: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    # Names and paths

    def name(self, suffix: str) -> str:
        """An image's name."""
        return self.options.name(suffix)

    def path(self, suffix: str) -> str:
        """An image's path."""
        return f"{self.images}/{self.name(suffix)}"

    @property
    def images(self) -> str:
        """The collection of images."""
        return f"projects/{self.options.project}/global/images"

    def family(self, name: str) -> str:
        """The path of the family `girs-RUN-NAME`."""
        return f"{self.images}/family/{self.name(name)}"

    # Requests

    def send(self, verb: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Answer:
        """A request to Compute Engine, repeatable by its id if it changes something through an operation."""
        policy = path.endswith("setIamPolicy")
        by_id = {} if verb == "GET" or policy or "requestId" in query else {"requestId": request_id()}
        return self.client.send(verb, path, body, {**by_id, **query}, service=COMPUTE)

    def image(self, suffix: str) -> Mapping[str, Any]:
        """An image as it is; {} where there is none."""
        answer = self.send("GET", self.path(suffix))
        return answer.body if answer.ok else {}

    def insert(self, suffix: str, source: str, *, ask_id: str = "", **body: Any) -> Answer:
        """Ask for a copy of an image of ours, with our label."""
        labels = {LABEL: self.options.run, **body.pop("labels", {})}
        wanted = {"name": self.name(suffix), "labels": labels, **({"sourceImage": source} if source else {}), **body}
        answer = self.send("POST", self.images, wanted, requestId=ask_id or request_id())
        if answer.ok:
            self.firsts.append(str(answer.body.get("status", "")))
            self.inserts.append((str((body.get("storageLocations") or ["unsaid"])[0]), answer.body))
        return answer

    def finish(self, answer: Answer) -> Mapping[str, Any]:
        """The operation that an accepted request started, when it is DONE; {} of a refused one."""
        if not answer.ok:
            return {}
        operation, until = answer.body, self.clock.now() + _LONGEST
        path = operation_path(operation)
        self.first_operation = self.first_operation or path
        while operation.get("status") != "DONE" and self.clock.now() < until:
            began = self.clock.now()
            polled = self.client.send("POST", f"{path}/wait")
            self.longest_poll = max(self.longest_poll, self.clock.now() - began)
            if not polled.ok:
                break
            operation = polled.body
        self._time(operation)
        return operation

    def _time(self, operation: Mapping[str, Any]) -> None:
        for location, begun in self.inserts:
            if begun.get("name") == operation.get("name") and operation.get("endTime") and "error" not in operation:
                took = _moment(operation["endTime"]) - _moment(operation["insertTime"])
                self.timings.append(Timing(location=location, kind="copy", seconds=round(took, 1)))

    @property
    def poll(self) -> Timing:
        """How long the longest of the long polls took."""
        return Timing(location="everywhere", kind="longest poll", seconds=round(self.longest_poll, 1))

    def copied(self, suffix: str, source: str, *, ask_id: str = "", **body: Any) -> dict[str, Any]:
        """Copy an image, and wait: what was answered, and how it failed, if it did."""
        answer = self.insert(suffix, source, ask_id=ask_id, **body)
        return {**answer.seen(), "failed": failed(self.finish(answer))}

    def changed(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change an image, and wait: what was answered, and how it failed, if it did."""
        answer = self.send(verb, path, body)
        return {**answer.seen(), "failed": failed(self.finish(answer))}

    # What several probes look at

    def once(self, what: str, look: Callable[[Lab], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What one look showed, for several probes."""
        if what not in self._stations:
            self._stations[what] = look(self)
        return self._stations[what]

    def station(self, suffix: str, make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What making an image showed; it is made once. Raises NotMade."""
        if suffix not in self._stations:
            self._stations[suffix] = make()
        seen = self._stations[suffix]
        if seen.get("status") != 200 or seen.get("failed"):
            raise NotMade(f"{self.name(suffix)} wasn't made: {seen.get('failed') or seen.get('message')}")
        return seen

    @property
    def source(self) -> str:
        """The path of the source; everybody's start."""
        return self.path("src")

    def bare(self) -> Mapping[str, Any]:
        """A copy that asks for nothing but its name, its place and our label. Raises NotMade."""
        self.station("bare", lambda: self.copied("bare", self.source, storageLocations=["us"]))
        return self.image("bare")

    @property
    def second(self) -> str:
        """The path of what most probes copy, so that no image is copied more often than six times an hour."""
        there = self.send("GET", self.path("src-eu"))
        return self.path("src-eu") if there.ok and there.body.get("status") == "READY" else self.source

    def pend(self) -> Mapping[str, Any]:
        """What was seen of an image with a family while it was PENDING. Raises NotMade."""
        return self.station("pend", self._pend)

    def _pend(self) -> Mapping[str, Any]:
        answer = self.insert(
            "pend",
            self.second,
            family=self.name("pend"),
            storageLocations=["us"],
            guestOsFeatures=[{"type": ASKED_FEATURE}],
        )
        head = self.send("GET", self.family("pend"))
        after_head = self.image("pend").get("status", "")
        patched = self.send("PATCH", self.path("pend"), {"description": "changed while PENDING"})
        after_patch = self.image("pend").get("status", "")
        self.finish(patched)
        done = self.finish(answer)
        return {
            **answer.seen(),
            "failed": failed(done),
            "head": head.seen(),
            "status_after_head": after_head,
            "patch": patched.seen(),
            "status_after_patch": after_patch,
        }

    def marked(self) -> Mapping[str, Any]:
        """What was seen of an image that was asked for as DEPRECATED, twice with one request id. Raises NotMade."""
        return self.station("marked", self._marked)

    def _marked(self) -> Mapping[str, Any]:
        ask_id, source = request_id(), self.second
        body: dict[str, Any] = {"storageLocations": ["us"], "deprecated": {"state": "DEPRECATED"}}
        answer = self.insert("marked", source, ask_id=ask_id, **body)
        again = self.insert("marked", source, ask_id=ask_id, **body)
        done = self.finish(answer)
        return {
            **answer.seen(),
            "failed": failed(done),
            "again": again.seen(),
            "same_operation": bool(again.ok and again.body.get("name") == answer.body.get("name")),
            "deprecated": self.image("marked").get("deprecated", {}),
        }


def make_source(lab: Lab) -> Mapping[str, Any]:
    """Make the disk, the image of it, and delete the disk. Returns the image. Raises NotMade."""
    options = lab.options
    disks, labels = f"projects/{options.project}/zones/{options.zone}/disks", {LABEL: options.run}
    blank = {"name": options.name("disk"), "sizeGb": str(DISK_GB), "labels": labels, "description": "Blank"}
    kind = f"projects/{options.project}/zones/{options.zone}/diskTypes/pd-standard"
    _must(lab, lab.send("POST", disks, {**blank, "type": kind}), "the disk")
    wanted: dict[str, Any] = {
        "description": source_description(options),
        "family": options.name("family"),
        "labels": {"smoke": "source"},
        "sourceDisk": f"{disks}/{options.name('disk')}",
        "storageLocations": ["us"],
        "architecture": "X86_64",
        "guestOsFeatures": [{"type": FEATURE}],
    }
    _must(lab, lab.insert("src", "", **wanted), "the source")
    _must(lab, lab.send("DELETE", f"{disks}/{options.name('disk')}"), "the deletion of the disk")
    return lab.image("src")


def source_description(options: Options) -> str:
    """What the source is described as; filters are tried on it."""
    return f"Smoke source {options.run}"


def _must(lab: Lab, answer: Answer, what: str) -> None:
    """Raises NotMade unless a request was accepted and its operation ended well."""
    why = answer.message if not answer.ok else failed(lab.finish(answer))
    if why or not answer.ok:
        raise NotMade(f"{what} failed: {why or answer.status}")


def operation_path(operation: Mapping[str, Any]) -> str:
    """`projects/P/global/operations/N`, or with its zone."""
    link = str(operation.get("selfLink", ""))
    return link[link.find("projects/") :]


def failed(operation: Mapping[str, Any]) -> str:
    """The code of an operation's error, "" without one."""
    errors = (operation.get("error") or {}).get("errors") or []
    return str(errors[0].get("code", "UNKNOWN")) if errors else ""


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
