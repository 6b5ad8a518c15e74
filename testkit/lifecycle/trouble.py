"""Draws faults at any call of a sweep or a turn, and says what of a world no sweep may ever change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle import dates
from testkit.lifecycle.releases import heads

if TYPE_CHECKING:
    from random import Random

    from emulator.testing import Running

_READS = ("images.list", "images.get", "images.getFromFamily", "images.testIamPermissions", "globalOperations.wait")
_CHANGES = ("images.deprecate", "images.delete", "images.patch")
_ANSWERS: tuple[dict[str, Any], ...] = (
    {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."},
    {"kind": "http", "code": 404, "reason": "notFound", "message": "No."},
    {"kind": "http", "code": 412, "reason": "conditionNotMet", "message": "No."},
    {"kind": "http", "code": 429, "reason": "rateLimitExceeded", "message": "Later."},
    {"kind": "http", "code": 503, "reason": "backendError", "message": "Later."},
    {"kind": "drop", "when": "before", "how": "close"},
    {"kind": "drop", "when": "during", "how": "reset"},
    {"kind": "body", "status": 200, "text": "{}"},
    {"kind": "body", "status": 502, "text": "<html>"},
    {"kind": "stale", "reads": 2},
)
_OF_CHANGES: tuple[dict[str, Any], ...] = (
    {"kind": "http", "when": "after", "code": 503, "reason": "backendError", "message": "Later."},
    {"kind": "drop", "when": "after", "how": "reset"},
    {"kind": "operation", "code": "INTERNAL_ERROR", "message": "Oops.", "http_status": 500, "leaves": "nothing"},
    {"kind": "operation", "code": "FORBIDDEN", "message": "No.", "http_status": 403, "leaves": "ready"},
    {"kind": "operation", "state": "gone"},
)


def faults(random: Random) -> list[dict[str, Any]]:
    """Up to four faults, each at one call or a few."""
    found = []
    for _ in range(random.randint(1, 4)):
        change = random.random() < 0.5
        method = random.choice(_CHANGES if change else _READS)
        action = random.choice(_OF_CHANGES if change and random.random() < 0.5 else _ANSWERS)
        if action["kind"] == "stale" and method not in {"images.list", "images.getFromFamily"}:
            action = _ANSWERS[0]
        found.append(
            {
                "method": f"compute.{method}",
                "skip": random.randrange(8),
                "times": random.choice([1, 1, 2, 9]),
                "action": action,
            }
        )
    return found


def stands(emulator: Running) -> dict[str, Any]:
    """What exists, each image with its deprecation; dates that differ from run to run count as one."""
    return {
        image["selfLink"]: {
            **image.get("deprecated", {}),
            "deleted": bool(image.get("deprecated", {}).get("deleted")),
            "family": image.get("family", ""),
        }
        for image in emulator.state()["images"]
    }


class Guarded:
    """What a sweep must leave as it is, by the state of the emulator before it."""

    def __init__(self, emulator: Running) -> None:
        self._emulator = emulator
        self._images = emulator.state()["images"]
        self._heads = heads(emulator)

    def check(self) -> None:
        """Raises AssertionError for a head, a held image or somebody else's that was touched, or one deleted too early."""
        now = {image["id"]: image for image in self._emulator.state()["images"]}
        assert heads(self._emulator) == self._heads
        for image in self._images:
            marked = image.get("deprecated", {})
            if image["id"] not in now:
                date = dates.latest(marked.get("deleted", ""))
                assert marked.get("state"), image["name"]
                assert date, image["name"]
                assert date <= datetime.now(UTC), image["name"]
            held = image.get("labels", {}).get("hold", "false") != "false"
            if held or image["name"] == "other" or image["name"].startswith("test-of-"):
                assert now[image["id"]].get("deprecated", {}) == marked, image["name"]
