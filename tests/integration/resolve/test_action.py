"""resolve/action.yml's last step, in this process: its inputs, and its outputs in every case."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import yaml

from replicator.__main__ import main
from replicator.commands.resolve.settings import ResolveSettings
from testkit.outputs import read_outputs
from testkit.places import ROOT
from testkit.resolve import resolving

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running

ACTION = yaml.safe_load((ROOT / "resolve" / "action.yml").read_text(encoding="utf-8"))
EU = "projects/p1/global/images/web-1-eu"


def test_inputs_are_those_of_action_yml() -> None:
    assert set(ACTION["inputs"]) == {*ResolveSettings.model_fields, "python"}


@dataclass
class Job:
    """A job of somebody else's repository, with an index in its workspace."""

    emulator: Running
    folder: Path
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    def __call__(self, **given: str) -> int:
        env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.folder / "workspace"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{self.emulator.url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            **{f"INPUT_{name.upper()}": text for name, text in given.items()},
        }
        stdout = io.StringIO()
        code = main(["action", "resolve"], env, stdout)
        self.log, self.outputs = stdout.getvalue(), read_outputs(self.folder / "output")
        self.summary = (self.folder / "summary").read_text("utf-8")
        assert set(self.outputs) == set(ACTION["outputs"])
        assert self.outputs["reason"]
        assert (self.outputs["result"] == "resolved") is (code == 0) is bool(self.outputs["image"])
        return code


@pytest.fixture
def job(emulator: Running, tmp_path: Path) -> Job:
    for name in ("workspace", "temp"):
        (tmp_path / name).mkdir()
    resolving.write(resolving.published(emulator), tmp_path / "workspace")
    return Job(emulator, tmp_path)


def test_the_nearest_image_is_output(job: Job) -> None:
    number = job.emulator.image("p1", "web-1-eu")
    assert number
    assert job(index="image-index.json", zone="europe-west4-a") == 0, job.log
    assert job.outputs == {
        "result": "resolved",
        "reason": "eu holds europe-west4",
        "image": EU,
        "image_name": "web-1-eu",
        "image_id": number["id"],
        "location": "eu",
        "tier": "1",
        "km": "382",
    }
    assert f"::notice title=Resolved::{EU}: eu holds europe-west4." in job.log
    assert "### ✅ eu holds europe-west4" in job.summary
    assert "**chosen**" in job.summary


def test_what_is_passed_over_is_a_warning(job: Job) -> None:
    job.emulator.delete_image("p1", "web-1-eu")
    assert job(index="image-index.json", zone="europe-west4-a") == 0
    assert job.outputs["location"] == "us"
    assert f"::warning title=eu::{EU} was passed over: it does not exist." in job.log
    assert "::warning title=Far away::europe-west4 is served from us, 7166 km away" in job.log
    assert job(index="image-index.json", zone="europe-west4-a", fallback="continent") == 1
    assert (job.outputs["result"], job.outputs["image"]) == ("passed_over_all", "")
    assert "::error title=No replica is right::" in job.log


@pytest.mark.parametrize(
    ("given", "code", "result", "about"),
    [
        ({}, 2, "error", "Input index"),
        ({"index": "../outside.json"}, 2, "error", "Input index"),
        ({"index": "-", "location": "eu"}, 2, "error", "Input index"),
        ({"index": "https://example.com/i.json", "location": "eu"}, 2, "error", "Input index"),
        ({"index": "image-index.json", "location": "eu", "key": "/etc/hostname"}, 2, "error", "Input key"),
        (
            {"index": "image-index.json", "location": "eu", "digest": f"sha256:{'0' * 64}"},
            2,
            "digest_differs",
            "Index has",
        ),
        ({"index": "image-index.json", "region": "me-west1", "fallback": "none"}, 1, "no_replica", "No replica"),
        (
            {"index": "image-index.json", "location": "eu", "compute_endpoint": "http://127.0.0.1:1"},
            4,
            "unreachable",
            "Compute Engine",
        ),
    ],
)
def test_every_output_is_written_where_it_fails(
    job: Job, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], code: int, result: str, about: str
) -> None:
    monkeypatch.setattr("replicator.compute.lookup.PATIENCE", 0.0)
    (job.folder / "outside.json").write_text("{}", "utf-8")
    assert job(**given) == code, job.log
    assert (job.outputs["result"], job.outputs["image"], job.outputs["location"]) == (result, "", "")
    assert f"::error title={about}" in job.log
