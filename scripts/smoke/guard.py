"""Lets only those requests pass that change something of the smoke's own.

The rule has the form of the product's first rule: what is changed is named, and looked at right before. A request that
is neither a read nor about something with our name and our label is refused here, and never sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scripts.smoke.api import COMPUTE, REGISTRY, Answer
from scripts.smoke.options import LABEL, MOST_DISKS, MOST_REPOSITORIES, run_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scripts.smoke.api import Api
    from scripts.smoke.journal import Journal
    from scripts.smoke.options import Options

#: Requests that are no GET and change nothing.
_READING = re.compile(r".*/operations/[^/]+/wait|.*[/:]testIamPermissions|.*:getIamPolicy")
#: A collection that something is made in, by the kind of what is made.
_COLLECTIONS = {
    "image": re.compile(r"projects/(?P<project>[^/]+)/global/images"),
    "disk": re.compile(r"projects/(?P<project>[^/]+)/zones/[^/]+/disks"),
    "repository": re.compile(r"projects/(?P<project>[^/]+)/locations/[^/]+/repositories"),
}
_VERB = r"(?:/(?:deprecate|setLabels|setIamPolicy)|:setIamPolicy)?"


class Refused(Exception):
    """A request was about to change something that isn't the smoke's own; it was not sent."""


class Guarded:
    """The way to the services for everything that a run does. Raises Refused, Unreachable and NoCredentials."""

    def __init__(self, api: Api, options: Options, journal: Journal) -> None:
        self.api = api
        self._options = options
        self._journal = journal
        self._made: dict[str, set[str]] = {kind: set() for kind in _COLLECTIONS}

    def send(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        service: str = COMPUTE,
    ) -> Answer:
        """Send a request if it reads, or is about something of our own."""
        if verb == "GET" or _READING.fullmatch(path):
            return self.api.send(verb, path, body, query, service=service)
        for kind, collection in _COLLECTIONS.items():
            if (match := collection.fullmatch(path)) and verb == "POST":
                self._check_project(match["project"])
                name = str((query or {}).get("repositoryId") or (body or {}).get("name", ""))
                return self._create(kind, f"{path}/{name}", verb, path, body or {}, query, service)
            match = re.fullmatch(rf"(?P<target>{collection.pattern}/(?P<name>[^/:]+)){_VERB}", path)
            if match:
                self._check_project(match["project"])
                return self._change(kind, match, verb, path, body, query, service)
        raise Refused(f"{verb} {path} would change something that is no image, disk or repository")

    def announce(self, target: str) -> None:
        """Write down an image that somebody else is about to make for this run: the product."""
        self._journal.write("create", kind="image", target=target)
        self._made["image"].add(target)

    def _check_project(self, project: str) -> None:
        if project != self._options.project:
            raise Refused(f"project {project} is another one than {self._options.project}")

    def _create(
        self,
        kind: str,
        target: str,
        verb: str,
        path: str,
        body: Mapping[str, Any],
        query: Mapping[str, str] | None,
        service: str,
    ) -> Answer:
        name = target.rpartition("/")[2]
        _check_own(target, (body.get("labels") or {}).get(LABEL))
        if run_of(name) != self._options.run:
            raise Refused(f"{target} would belong to another run than {self._options.run}")
        made, most = self._made[kind], self._most(kind)
        if target not in made and len(made) >= most:
            raise Refused(f"{target} would be one more than the {most} that a run may make (kind: {kind})")
        self._journal.write("create", kind=kind, target=target)
        answer = self.api.send(verb, path, body, query, service=service)
        if answer.ok:
            made.add(target)
        return answer

    def _most(self, kind: str) -> int:
        return {"image": self._options.most_images, "disk": MOST_DISKS, "repository": MOST_REPOSITORIES}[kind]

    def _change(
        self,
        kind: str,
        match: re.Match[str],
        verb: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        service: str,
    ) -> Answer:
        target = match["target"]
        if not run_of(match["name"]):
            raise Refused(f"{target} has a name that no run gives")
        found = self.api.send("GET", target, service=service)
        if found.status == 404:
            if verb == "PATCH" and service == REGISTRY:
                # A patch may make what isn't there.
                return self._create(kind, target, verb, path, body or {}, query, service)
            return found
        if not found.ok:
            raise Refused(f"{target} can't be read, so that it isn't known whose it is: {found.message}")
        _check_own(target, (found.body.get("labels") or {}).get(LABEL))
        return self.api.send(verb, path, body, query, service=service)


def _check_own(target: str, label: object) -> None:
    """Raises Refused unless the name is of a run, and the label of the same."""
    run = run_of(target.rpartition("/")[2])
    if not run or label != run:
        raise Refused(f"{target} isn't the smoke's own: its name or its label {LABEL} is another's")
