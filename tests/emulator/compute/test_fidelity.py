"""FIDELITY.md says what the code does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulator import fidelity as evidence
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
    measured = evidence.read(evidence.committed())
    assert PAGE.read_text("utf-8") == fidelity.page(measured), "run: python -m emulator.fidelity"


def test_no_default_is_what_a_report_refutes() -> None:
    assert evidence.disagreeing(evidence.read(evidence.committed())) == {}


def report(folder: Path, name: str, date: str, observed: object, **more: object) -> Path:
    rows = [
        {"id": "stale_etag", "switch": True, "observed": observed},
        {"id": "inheritance", "switch": False, "observed": "as assumed"},
        {"id": "date_form", "switch": True, "observed": None},
    ]
    path = folder / name
    path.write_text(json.dumps({"schema": 1, "date": date, "emulator": False, "rows": rows, **more}), "utf-8")
    return path


def test_what_a_report_settles_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "HERE", tmp_path)
    (tmp_path / "artifact_registry").mkdir()
    late, early = report(tmp_path, "a.json", "2027-02-01", 412), report(tmp_path, "b.json", "2027-01-01", 409)
    assert evidence.main(["--measured", str(late), str(early)]) == 0
    said = capsys.readouterr()
    written = (tmp_path / "FIDELITY.md").read_text("utf-8")
    changed = [line for line in written.splitlines() if line not in fidelity.page().splitlines()]
    rows = [line for line in changed if line.startswith("|")]
    assert [row.split(" | ")[3:] for row in rows] == [["measured", "smoke of 2027-02-01: `412`", "`stale_etag` |"]]
    assert "- *measured*: " in written
    assert "stale_etag: the service does '412', the emulator '409'" in said.err


@pytest.mark.parametrize(
    ("more", "says"),
    [({"emulator": True}, "proves nothing"), ({"schema": 2}, "another one"), ({"rows": 1}, "another one")],
)
def test_what_is_no_evidence(
    tmp_path: Path, more: dict[str, object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = report(tmp_path, "a.json", "2027-02-01", 412, **more)
    assert evidence.main(["--measured", str(path)]) == 1
    assert says in capsys.readouterr().err
    path.write_text("[]", "utf-8")
    assert evidence.main(["--measured", str(path)]) == 1
    assert evidence.main(["--wrong"]) == 2


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
