"""What others do to images just before a call of the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from emulator.compute.state import Change, Policy, fingerprint
from replicator.compute import client
from testkit.pairs.worlds import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest

    from emulator.compute.state import Image, State
    from emulator.testing import Running
    from testkit.pairs.history import History
    from testkit.pairs.releases import Release
    from testkit.pairs.worlds import World


def settle_pending(emulator: Running) -> None:
    """What others began to make is READY in a moment."""

    def act() -> None:
        state, now = emulator.compute.state, emulator.app.clock.now()
        for image in [*state.images(None, now)]:
            if image.settles == float("inf"):
                state.commit(Change(images=(replace(image, settles=now + 0.03),)))

    emulator.run(act)


def _changed(state: State, image: Image, **values: Any) -> None:
    state.commit(Change(images=(replace(image, **values),)))


def _granted(state: State, image: Image, now: float) -> None:
    number = len(image.policy.bindings)
    binding = {"role": "roles/compute.viewer", "members": [f"user:new{number}@example.com"]}
    _changed(
        state, image, policy=Policy(bindings=(*image.policy.bindings, binding), etag=fingerprint(f"{number} {now}"))
    )


def _relabelled(state: State, image: Image, now: float) -> None:
    number = len(image.labels)
    _changed(state, image, labels={**image.labels, f"others{number}": "kept", "tier": f"v{number}"})


def _fields(**fields: Any) -> Callable[[State, Image, float], None]:
    return lambda state, image, now: _changed(state, image, fields={**image.fields, **fields})


def _replaced(state: State, image: Image, now: float) -> None:
    state.commit(Change(removed=(image,)))
    fields = {key: value for key, value in image.fields.items() if not key.startswith(("sourceImage", "family"))}
    new = {"id": state.new_id(), "created": state.creation_time(now), "settles": 0.0, "becomes": "READY"}
    _changed(state, image, fields=fields, policy=Policy(), **new)


def _deleted(state: State, image: Image, now: float) -> None:
    state.commit(Change(removed=(image,)))


#: What others do to an image.
EVENTS: Mapping[str, Callable[[State, Image, float], None]] = {
    "granted": _granted,
    "relabelled": _relabelled,
    "described": _fields(description="Theirs"),
    "given a family": _fields(family="theirs"),
    "deprecated": _fields(deprecated={"state": "DEPRECATED"}),
    "obsolete": _fields(deprecated={"state": "OBSOLETE"}),
    "replaced": _replaced,
    "deleted": _deleted,
}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that others do just before a call of the run, once or several times."""

    what: str
    location: str
    before: str
    """The method of the call, for that location's image (of a list, a family's head, and the source: for any)."""
    skip: int = 0
    times: int = 1


def happening(patch: pytest.MonkeyPatch, history: History, world: World | Release, events: Sequence[Event]) -> None:
    """Let events happen while a run goes on."""
    original = client.Compute._send
    counts = dict.fromkeys(range(len(events)), 0)
    paths = {wanted.location: wanted.path for wanted in world.wanted()} | {
        "source": f"projects/p1/global/images/{SOURCE}"
    }

    def send(self: client.Compute, method: str, act: Any, request: dict[str, Any], *more: Any) -> Any:
        body = request.get("image_resource")
        name = request.get("image") or request.get("resource") or getattr(body, "name", "")
        for number, event in enumerate(events):
            path = paths.get(event.location, "")
            if (
                method.endswith(f".{event.before}")
                and (not name or event.location == "source" or path.endswith(f"/{name}"))
                and path
            ):
                counts[number] += 1
                if event.skip < counts[number] <= event.skip + event.times:
                    history.others(partial(_happen, path, event))
        return original(self, method, act, request, *more)

    patch.setattr(client.Compute, "_send", send)


def _happen(path: str, event: Event, state: State, now: float) -> None:
    image = state.image(path.split("/")[1], path.split("/")[-1], now)
    if image:
        EVENTS[event.what](state, image, now)
