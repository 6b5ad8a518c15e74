"""Puts an emulator together from the services that it finds: one in each folder beside `core`."""

from __future__ import annotations

import functools
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import emulator
from emulator.core.app import App
from emulator.core.scenario import joined

if TYPE_CHECKING:
    from emulator.core.scenario import Scenario
    from emulator.core.service import Service, Setting


def services() -> list[type[Service[Any]]]:
    """The services, in the order of their folders' names."""
    folders = sorted(each.name for each in iter_modules(emulator.__path__) if each.ispkg and each.name != "core")
    return [import_module(f"emulator.{folder}.service").SERVICE for folder in folders]


def scenario() -> type[Scenario]:
    """The scenario, with the keys of all services."""
    return _joined(tuple(service.scenario for service in services()))


@functools.cache
def _joined(kinds: tuple[type[Scenario], ...]) -> type[Scenario]:
    """Making the model takes longer than all the rest of an emulator's start."""
    return joined(kinds)


def start(setting: Setting) -> App:
    """An emulator with all services. Raises BadScenario."""
    return App(services(), setting)
