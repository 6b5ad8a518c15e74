"""FIDELITY.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.compute import fidelity
from emulator.compute.discovery import DOCUMENT
from emulator.compute.fidelity import EVERYWHERE, METHODS
from emulator.compute.scenario import Switches
from emulator.compute.service import Compute
from emulator.core.discovery.document import compiled
from emulator.core.fidelity import TAGS, Behaviour

PAGE = Path(fidelity.__file__).parents[1] / "FIDELITY.md"
BEHAVIOURS = [each for behaviours in (EVERYWHERE, *METHODS.values()) for each in behaviours]


def test_the_page_is_made_from_the_registry() -> None:
    assert PAGE.read_text("utf-8") == fidelity.page(), "run: python -m emulator.compute.fidelity > emulator/FIDELITY.md"


def test_every_method_is_registered() -> None:
    emulated = {method.id for method in compiled(DOCUMENT).methods.values() if method.emulated}
    assert set(METHODS) == set(Compute.handlers) == emulated
    assert all(METHODS.values())


def test_every_behaviour_says_where_it_is_from_and_every_switch_stands_by_one() -> None:
    assert {each.tag for each in BEHAVIOURS} == set(TAGS)
    assert {each.switch for each in BEHAVIOURS if each.switch} == set(Switches.model_fields)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.text)
def test_what_is_guessed_is_a_switch_and_any_other_switch_has_its_evidence(behaviour: Behaviour) -> None:
    assert (behaviour.switch in Switches.model_fields) is bool(behaviour.switch)
    assert behaviour.switch or behaviour.tag != "guessed"
    assert behaviour.tag == "guessed" or not behaviour.switch or behaviour.evidence


def test_the_readme_names_every_switch() -> None:
    readme = PAGE.with_name("README.md").read_text("utf-8")
    assert [switch for switch in Switches.model_fields if f"`{switch}`" not in readme] == []
