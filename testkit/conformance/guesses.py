"""Answers to the questions about the service that nobody has confirmed, as switches of the emulator."""

from __future__ import annotations

from typing import get_args

from emulator.compute.scenario import Switches

ANSWERS = [
    (name, answer)
    for name, info in Switches.model_fields.items()
    for answer in (get_args(info.annotation) or (True, False))
    # What the switch says by default is what every other test runs under.
    if answer != info.default
]
