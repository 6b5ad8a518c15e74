"""What others may do between two calls of a run, and what must become of the replica."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulator.compute.state import Change, Policy
from testkit.conformance.calls import RIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.compute.state import Image
    from emulator.testing import Running

#: Just before which call it happens: a method, and what its target ends with.
MOMENTS = {
    "access": ("getIamPolicy", "web-1"),
    "insert": ("insert", "web-1-eu"),
    "wait": ("wait", ""),
    "read": ("get", "web-1-eu"),
    "open": ("setIamPolicy", "web-1-eu"),
    "head": ("getFromFamily", "family/web-eu"),
    "move": ("patch", "web-1-eu"),
    "check": ("getFromFamily", "family/web-eu"),
}


def stored(emulator: Running, name: str, change: Callable[[Image], Image]) -> None:
    """Somebody changes an image as it is stored; of one that is gone already nothing."""

    def act() -> None:
        image = emulator.compute.state.image("p1", name, emulator.app.clock.now())
        if image:
            emulator.compute.state.commit(Change(images=(change(image),)))

    emulator.run(act)


def changed(emulator: Running, name: str, **fields: Any) -> None:
    """Somebody changes fields of an image."""
    stored(emulator, name, lambda image: replace(image, fields={**image.fields, **fields}))


def closed(emulator: Running, name: str) -> None:
    """Somebody takes all access to an image away."""
    stored(emulator, name, lambda image: replace(image, policy=Policy()))


def replaced(emulator: Running, name: str) -> None:
    """Somebody makes another image under the same name."""
    emulator.delete_image("p1", name)
    place = {"location": "eu"} if name.endswith("eu") else {"family": "web"}
    emulator.add_image(project="p1", name=name, **{**RIGHT, **place})


def newer_release(emulator: Running) -> None:
    """A release of a newer source is copied to eu, and takes the family."""
    newer = emulator.add_image(project="p1", name="web-2")
    made_of = {"source_image": newer["selfLink"], "source_image_id": newer["id"]}
    emulator.add_image(project="p1", name="web-2-eu", location="eu", family="web-eu", **made_of)


EVENTS: dict[str, Callable[[Running], object]] = {
    "source deleted": lambda e: e.delete_image("p1", "web-1"),
    "source deprecated": lambda e: changed(e, "web-1", deprecated={"state": "DEPRECATED"}),
    "source obsolete": lambda e: changed(e, "web-1", deprecated={"state": "OBSOLETE"}),
    "source replaced": lambda e: replaced(e, "web-1"),
    "replica deleted": lambda e: e.delete_image("p1", "web-1-eu"),
    "replica replaced": lambda e: replaced(e, "web-1-eu"),
    "replica relabelled": lambda e: changed(e, "web-1-eu", labels={"team": "other"}),
    "replica described": lambda e: changed(e, "web-1-eu", description="other"),
    "replica closed": lambda e: closed(e, "web-1-eu"),
    "replica in a family": lambda e: changed(e, "web-1-eu", family="other"),
    "replica deprecated": lambda e: changed(e, "web-1-eu", deprecated={"state": "DEPRECATED"}),
    "replica elsewhere": lambda e: changed(e, "web-1-eu", storageLocations=["us-central1"]),
    "replica failed": lambda e: e.settle_image("p1", "web-1-eu", "FAILED"),
    "newer release": newer_release,
}

#: How eu ends, in this run and, after `>`, in the next where that is not `ok`: `ok` is verified and promoted, `exit 3` the
#: end of the whole run, anything else the reason of its row. `-`: there is nothing yet that the event could be about, or
#: it can't change any more. A change right after our last look at it is met by the next run.
TABLE = """
                     access         insert                    wait                read                open         head         move         check
source deleted       exit3>exit3    source_changed>exit3      ok>exit3            ok>exit3            ok>exit3     ok>exit3     ok>exit3     ok>exit3
source deprecated    ok             ok                        ok                  ok                  ok           ok           ok           ok
source obsolete      operation_failed>exit3 operation_failed>exit3 ok>exit3       ok>exit3            ok>exit3     ok>exit3     ok>exit3     ok>exit3
source replaced      source_changed source_changed            ok>unproven         ok>unproven         ok>unproven  ok>unproven  ok>unproven  ok>unproven
replica deleted      -              -                         operation_failed    operation_failed    operation_failed operation_failed operation_failed operation_failed
replica replaced     -              -                         source_changed>conflict source_changed>conflict drift>conflict drift>conflict drift>conflict drift>conflict
replica relabelled   -              -                         ok                  ok                  ok           ok           ok           ok
replica described    -              -                         ok                  ok                  ok           ok           ok           ok
replica closed       -              -                         ok                  ok                  ok           ok           ok           ok
replica in a family  -              -                         ok                  ok                  ok           ok           ok           drift
replica deprecated   -              -                         ok                  ok                  ok           ok           ok           ok
replica elsewhere    -              -                         drift>conflict      drift>conflict      -            -            -            -
replica failed       -              -                         image_failed>image_failed image_failed>image_failed - -           -            -
newer release        family_is_newer>family_is_newer family_is_newer>family_is_newer ok ok          ok           ok           ok           ok
"""


def cells() -> list[tuple[str, str, str, str]]:
    """Event, moment, and how eu ends in this run and in the next."""
    head, *rows = TABLE.strip().splitlines()
    assert head.split() == list(MOMENTS)
    parsed = [(row[:21].strip(), row[21:].split()) for row in rows]
    assert [event for event, _ in parsed] == list(EVENTS)
    return [
        (event, moment, ending.partition(">")[0], ending.partition(">")[2] or "ok")
        for event, endings in parsed
        for moment, ending in zip(MOMENTS, endings, strict=True)
        if ending != "-"
    ]
