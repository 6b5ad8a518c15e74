"""A whole run, with the product, and how runs end that can't succeed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from emulator import scenario
from scripts.smoke import __main__ as command
from scripts.smoke import api as services
from scripts.smoke import cleaning, report
from scripts.smoke.api import NoCredentials
from scripts.smoke.options import LABEL
from scripts.smoke.probe import switches
from scripts.smoke.probes import PROBES, UNPROBED
from scripts.smoke.run import Interrupted, Run, Signals
from testkit.smoking.trying import ID, PROJECT, STRANGER, EmulatorsClock, Tried, cloud, ours, standing

ME = "me-token"
PRINCIPALS = {ME: {"name": "user:me@corp.example", "permissions": ["*"]}, STRANGER: []}
FOREIGN = [
    {"project": PROJECT, "name": f"web-{number}", "location": "eu", "family": "web", "public": True}
    for number in range(3)
]


def test_the_product_is_right_and_nothing_is_left(tmp_path: Path) -> None:
    with cloud(images=FOREIGN) as emulator:
        before = standing(emulator)
        tried = Tried(emulator, tmp_path, product=True)
        code, found = tried.go(only=("copy",))
        assert (code, ours(emulator), standing(emulator)) == (0, [], before)
    assert [step["problem"] for step in found["steps"]] == [""] * 5
    assert found["leftovers"] == 0
    taken = {each["location"]: each["seconds"] for each in found["timings"] if each["kind"] == "copy"}
    assert {"us", "nam4"} <= set(taken)
    assert {"inheritance", "copy_of_copy"} <= {row["id"] for row in found["rows"] if row["verdict"] == "confirmed"}
    names = [line["target"] for line in map(json.loads, (tmp_path / f"{ID}.jsonl").read_text().splitlines()[1:-1])]
    assert f"projects/{PROJECT}/global/images/girs-{ID}-src-asia" in names


def test_the_scenario_loads_and_the_report_has_its_schema(tmp_path: Path) -> None:
    with cloud(switches={"stale_etag": 412, "resource_manager": "off"}) as emulator:
        Tried(emulator, tmp_path).go(only=("copy", "change", "limit"))
    path = tmp_path / ID
    loaded: Any = scenario.load(path / "smoke-scenario.yaml").switches
    assert (loaded.stale_etag, loaded.resource_manager, loaded.missing_source) == (412, "off", 404)
    found = json.loads((path / "smoke-report.json").read_text("utf-8"))
    assert report.Report.model_validate(found).version == 1
    text = (path / "smoke-report.md").read_text("utf-8")
    assert len(text.encode()) <= 60_000
    assert "| 409 | 412 | refuted |" in text
    assert PROJECT not in text


def test_every_switch_has_a_probe_or_a_reason() -> None:
    probed = {probe.switch for probe in PROBES if probe.switch}
    assert probed | set(UNPROBED) == set(switches())
    assert not probed & set(UNPROBED)
    assert len({probe.id for probe in PROBES}) == len(PROBES)
    assert all(probe.question and probe.expected is not None for probe in PROBES)


@pytest.mark.parametrize(
    ("principals", "code", "says"),
    [
        ({"other": ["*"]}, 3, "the sign-in failed|can't be listed"),
        ({ME: ["compute.images.list"]}, 3, "these permissions are missing"),
        ({ME: []}, 3, "compute.images.list"),
    ],
)
def test_without_access_nothing_is_made(
    tmp_path: Path, principals: dict[str, Any], code: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(principals=principals) as emulator:
        tried = Tried(emulator, tmp_path, token=ME)
        with pytest.raises(NoCredentials, match=says):
            tried.run().check()
        assert not [entry for entry in emulator.journal() if entry["committed"]]


def test_a_missing_permission_leaves_its_probes_out(tmp_path: Path) -> None:
    most = ["compute.disks.*", "compute.zoneOperations.*", "compute.globalOperations.*"]
    most += [f"compute.images.{verb}" for verb in ("create", "delete", "get", "list", "setLabels", "update")]
    most += [f"compute.images.{verb}" for verb in ("useReadOnly", "getFromFamily", "getIamPolicy", "setIamPolicy")]
    with cloud(principals={ME: most}) as emulator:
        _, found = Tried(emulator, tmp_path, token=ME).go(only=("deprecation", "copy"))
        assert ours(emulator) == []
    rows = {row["id"]: row for row in found["rows"]}
    assert rows["past_dates"]["verdict"] == "skipped"
    assert "compute.images.deprecate" in rows["past_dates"]["seen"]
    assert rows["missing_source"]["verdict"] == "confirmed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], ["PROJECT"]),
        (["--project", "My Project", "--zone", "mars", "--only", "copy moon"], ["PROJECT", "ZONE", "ONLY: 'moon'"]),
        (["--project", PROJECT], ["YES=1"]),
        (["--project", PROJECT, "--yes", "1", "--run", "x"], ["RUN"]),
    ],
)
def test_wrong_arguments_are_told_all_at_once(
    arguments: list[str], says: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["run", *arguments], {}, None) == 2
    error = capsys.readouterr().err
    assert [word for word in says if word not in error] == []


@pytest.mark.parametrize(("answer", "code"), [("no", 2), ("", 2), ("y", 2), ("yes", 0)])
@pytest.mark.parametrize("verb", ["clean", "run"])
def test_only_yes_is_yes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    verb: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    begun: list[object] = []

    def begin(run: Run) -> int:
        begun.append(run)
        return 0

    monkeypatch.setattr(Run, "go", begin)
    with cloud(images=[{"project": PROJECT, "name": f"girs-{ID}-x", "labels": {LABEL: ID}}]) as emulator:
        monkeypatch.setattr(command, "RealClock", lambda: EmulatorsClock(emulator))
        env = {
            f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{emulator.url}/"
            for name in ("COMPUTE", "ARTIFACTREGISTRY", "CLOUDRESOURCEMANAGER")
        } | {"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
        assert command.main([verb, "--project", PROJECT], env, lambda: answer) == code
        assert bool(begun) == (verb == "run" and code == 0)
        assert bool(ours(emulator)) == (verb == "run" or code == 2)
        assert code == 0 or not list(tmp_path.iterdir())


def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(services, "_PAUSE", 0.0)
    env = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "http://127.0.0.1:9/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    }
    assert command.main(["run", "--project", PROJECT, "--yes", "1"], env, None) == 4
    assert command.main(["clean", "--project", PROJECT, "--yes", "1"], env, None) == 4


def test_the_first_signal_cleans_up_and_the_second_leaves() -> None:
    lines: list[str] = []
    left: list[int] = []
    signals = Signals("make smoke-clean PROJECT=p RUN=r", lines.append, left.append)
    with pytest.raises(Interrupted):
        signals.heard(signal.SIGTERM)
    signals.heard(signal.SIGTERM)
    assert left == [143]
    assert "make smoke-clean PROJECT=p RUN=r" in lines[-1]
    late = Signals("line", lines.append, left.append, cleaning=True)
    late.heard(signal.SIGINT)
    assert late.number == signal.SIGINT


def test_the_signals_are_heard_and_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    signals = Signals("line", lambda line: None)
    with signals.installed():
        assert signal.getsignal(signal.SIGTERM) == signals.heard
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_with_leftovers_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletions are refused for ever: the run says what is left, and how to remove it."""
    monkeypatch.setattr(cleaning, "_LONGEST", 10.0)
    with cloud() as emulator:
        refused = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
        emulator.faults([{"method": "compute.images.delete", "times": None, "action": refused}])
        tried = Tried(emulator, tmp_path, product=True)
        code, found = tried.go(only=("registry",))
        assert (code, found["leftovers"]) == (1, 3)
        assert any(f"make smoke-clean PROJECT={PROJECT} RUN={ID}" in line for line in tried.lines)
        emulator.faults([])
        assert (tried.clean(), ours(emulator)) == ([], [])


def test_the_smoke_is_no_part_of_the_product() -> None:
    package = Path(report.__file__).parents[2] / "replicator"
    assert not [path for path in package.rglob("*.py") if "scripts.smoke" in path.read_text("utf-8")]
