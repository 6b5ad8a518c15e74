"""Spoils a verified replica while others are copied from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.conformance.events import changed

if TYPE_CHECKING:
    from emulator.testing import Running


def delete(emulator: Running, name: str) -> None:
    emulator.delete_image("p1", name)


def replace(emulator: Running, name: str) -> None:
    delete(emulator, name)
    emulator.add_image(project="p1", name=name, disk_size_gb=20)


def make_obsolete(emulator: Running, name: str) -> None:
    changed(emulator, name, deprecated={"state": "OBSOLETE"})


EVENTS = {"deleted": delete, "replaced": replace, "made obsolete": make_obsolete}
