"""Removes what runs made, and counts what is left by lists that were not read before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.smoke.api import COMPUTE, REGISTRY
from scripts.smoke.guard import Refused
from scripts.smoke.options import LABEL, run_of
from scripts.smoke.probes.registry import parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from scripts.smoke.api import Api, Clock
    from scripts.smoke.guard import Guarded

#: Seconds for which an image that can't be deleted yet is asked for again, and between two tries.
_LONGEST = 900.0
_PAUSE = 5.0
_NOT_YET = ("resourceNotReady", "resourceInUseByAnotherResource")


@dataclass
class Cleaning:
    """The removal of one run's things, or of those of all runs in the project where `run` is empty."""

    client: Guarded
    clock: Clock
    say: Callable[[str], None]
    project: str
    run: str = ""
    registry: bool = False

    def remove(self, journal: Iterable[str]) -> list[str]:
        """Delete what the journal and the lists name. Returns the paths of what is left, by a fresh list."""
        named = [path for path in journal if self.run in {"", run_of(path.rpartition("/")[2])}]
        until = self.clock.now() + _LONGEST
        waiting = list(dict.fromkeys([*named, *self.listed()]))
        # The first look may be too early for what was asked for right before the end.
        while waiting:
            waiting = [path for path in waiting if not self._deleted(path)]
            left = self.listed()
            waiting = list(dict.fromkeys([*waiting, *left]))
            if not waiting or self.clock.now() > until:
                break
            self.clock.sleep(_PAUSE)
        return self.listed()

    def listed(self) -> list[str]:
        """The paths of all that carries our names and our label, by fresh lists."""
        return [
            path for path in own(self.client.api, self.project, registry=self.registry) if self.run in {"", _run(path)}
        ]

    def _deleted(self, path: str) -> bool:
        """Ask for a deletion; whether there is nothing more to ask for."""
        try:
            answer = self.client.send("DELETE", path, service=REGISTRY if "/repositories/" in path else COMPUTE)
        except Refused as error:
            self.say(f"left alone: {error}")
            return True
        if answer.ok:
            self.say(f"deleted {path}")
        elif answer.status != 404 and answer.reason not in _NOT_YET:
            self.say(f"can't delete {path}: {answer.message}")
        return answer.status in {200, 404}


def _run(path: str) -> str:
    return run_of(path.rpartition("/")[2])


def own(api: Api, project: str, *, registry: bool) -> Iterator[str]:
    """The paths of images, disks and repositories with our names and our label."""
    root = f"projects/{project}"
    for image in _pages(api, f"{root}/global/images", "items"):
        if _is_ours(image):
            yield f"{root}/global/images/{image['name']}"
    for scope in _pages(api, f"{root}/aggregated/disks", "items"):
        for disk in scope.get("disks", []):
            if _is_ours(disk):
                yield f"{root}/zones/{disk['zone'].rpartition('/')[2]}/disks/{disk['name']}"
    if registry:
        for each in _pages(api, parent(project), "repositories", service=REGISTRY):
            if _is_ours({**each, "name": each["name"].rpartition("/")[2]}):
                yield str(each["name"])


def _is_ours(thing: dict[str, Any]) -> bool:
    run = run_of(str(thing.get("name", "")))
    return bool(run) and (thing.get("labels") or {}).get(LABEL) == run


class CantList(Exception):
    """A list was refused, so that nobody knows what is left."""


def _pages(api: Api, path: str, key: str, service: str = COMPUTE) -> Iterator[dict[str, Any]]:
    """The entries of all pages; of an aggregated list those of each scope. Raises CantList."""
    token = ""
    while True:
        answer = api.send("GET", path, query={"pageToken": token} if token else {}, service=service)
        if not answer.ok:
            raise CantList(f"{path} can't be listed: {answer.message or answer.status}")
        found = answer.body.get(key) or []
        yield from found.values() if isinstance(found, dict) else found
        token = str(answer.body.get("nextPageToken", ""))
        if not token:
            return
