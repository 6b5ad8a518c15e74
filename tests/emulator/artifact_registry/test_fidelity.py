"""artifact_registry/FIDELITY.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator import fidelity as evidence
from emulator.artifact_registry import fidelity
from emulator.artifact_registry.discovery import DOCUMENT
from emulator.artifact_registry.fidelity import EVERYWHERE, METHODS
from emulator.artifact_registry.scenario import Switches
from emulator.artifact_registry.service import ArtifactRegistry
from emulator.core.discovery.document import compiled
from emulator.core.fidelity import TAGS, Behaviour
from emulator.core.scenario import Switches as Common

PAGE = Path(fidelity.__file__).with_name("FIDELITY.md")
BEHAVIOURS = [each for behaviours in (EVERYWHERE, *METHODS.values()) for each in behaviours]
OWN = set(Switches.model_fields) - set(Common.model_fields)


def test_the_page_is_made_from_the_registry() -> None:
    measured = evidence.read(evidence.committed())
    assert PAGE.read_text("utf-8") == fidelity.page(measured), "run: python -m emulator.fidelity"


def test_every_method_is_registered() -> None:
    emulated = {method.id for method in compiled(DOCUMENT).methods.values() if method.emulated}
    assert set(METHODS) == set(ArtifactRegistry.handlers) == emulated
    assert all(METHODS.values())


def test_every_behaviour_says_where_it_is_from_and_every_switch_stands_by_one() -> None:
    assert {each.tag for each in BEHAVIOURS} == set(TAGS)
    assert {each.switch for each in BEHAVIOURS if each.switch} == OWN


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.text)
def test_what_is_guessed_is_a_switch(behaviour: Behaviour) -> None:
    assert (behaviour.tag == "guessed") == bool(behaviour.switch)
    assert behaviour.tag != "recorded" or behaviour.evidence
