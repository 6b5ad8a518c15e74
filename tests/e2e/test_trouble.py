"""Bad inputs, locations that fail, a workspace that means harm, signals: what users see, and what stays untouched."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.harness.callers import HOSTILE_ENV, SOURCE, WHOLE, Caller, calls, everyone_may_use
from testkit.harness.here import run_here
from testkit.harness.hostile import make_hostile
from testkit.harness.job import tag_push
from testkit.places import DATA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.testing import Running
    from testkit.harness.job import Run, Under

NO_ASIA = {
    "method": "compute.images.insert",
    "match": "-asia",
    "times": None,
    "action": {
        "kind": "http",
        "code": 412,
        "reason": "conditionNotMet",
        "message": "Location asia violates constraint constraints/gcp.resourceLocations",
    },
}


class TestAFailedLocation:
    def test_best_effort(self, caller: Caller) -> None:
        source = caller.image("web-20261122")
        caller.emulator.faults([NO_ASIA])
        run = caller.replicate()
        assert (run.exit_code, run.outputs["result"], run.outputs["failed_locations"]) == (0, "partial", "asia")
        (warning,) = [note for note in run.annotations if note.level == "warning"]
        assert warning.title == "asia"
        assert "constraints/gcp.resourceLocations" in warning.message
        assert "Take the location out of `locations`" in warning.message
        assert (run.replicas["asia"]["outcome"], run.replicas["asia"]["reason"]) == ("failed", "org_policy")
        assert run.replicas["asia"]["message"] in warning.message
        assert run.json("images") == {"us": WHOLE["us"], "eu": WHOLE["eu"]}
        assert caller.image("web-20261122-eu")["family"] == "web-eu"
        assert everyone_may_use(caller, "web-20261122-eu")
        assert caller.image("web-20261122") == source
        assert not [entry for entry in calls(caller, "insert") if entry["target"] == SOURCE]

    def test_required(self, caller: Caller) -> None:
        source = caller.image("web-20261122")
        caller.emulator.faults([NO_ASIA])
        run = caller.replicate({"required_locations": "asia"})
        assert (run.exit_code, run.conclusion) == (1, "failure")
        assert (run.outputs["result"], run.outputs["failed_locations"]) == ("failed", "asia")
        (error,) = [note for note in run.annotations if note.level == "error"]
        assert error.title == "asia"
        assert "Take the location out of `locations`" in error.message
        assert run.json("images") == {"us": WHOLE["us"], "eu": WHOLE["eu"]}
        assert (run.replicas["eu"]["promoted"], run.replicas["eu"]["reason"]) == (False, "required_failed")
        assert "family" not in caller.image("web-20261122-eu")
        assert not calls(caller, "patch")
        assert caller.image("web-20261122") == source

    def test_source_missing(self, caller: Caller) -> None:
        run = caller(tag_push("v1"), {"source_image": "projects/p1/global/images/no-such-image"})
        assert (run.exit_code, run.outputs["result"], run.outputs["index_path"]) == (3, "failed", "")
        (error,) = run.annotations
        assert error.level == "error"
        assert "no-such-image" in error.message
        # The second call asks for images of a similar name.
        assert [call["method"] for call in caller.emulator.journal()] == ["compute.images.get", "compute.images.list"]


#: Input → (wrong value, a word of what is said about it).
WRONG = {
    "packer_manifest": ("packer-manifest.json", "exactly one"),
    "locations": ("us, us, EU, europe, us-central1-a, nam4", "'us-central1'"),
    "required_locations": ("asia asia", "'asia' is given 2 times"),
    "replica_project": ("{folder}", "folder"),
    "name_template": ("{name", "{name"),
    "family_template": ("{colour}", "colour"),
    "home_copy": ("false", "false"),
    "labels": ("Team=infra", "Team"),
    "access": ("everyone", "everyone"),
    "promote": ("yes", "true, false"),
    "replace_failed": ("1", "true, false"),
    "revision": ("[]", "commit"),
    "config": ("replicator.yml", "replicator.yml"),
    "dry_run": ("maybe", "true, false"),
    "timeout_minutes": ("0", "positive"),
    "compute_endpoint": ("http://compute.example.com", "https"),
}


class TestBadInputs:
    def test_all_are_told_at_once(self, caller: Caller) -> None:
        wrong = {name: value for name, (value, _) in WRONG.items()}
        run = caller(tag_push("v1"), {"source_image": "web", **wrong})
        self.check_refused(caller, run)
        said = "\n".join(note.message for note in run.annotations)
        for name, (_, word) in WRONG.items():
            # `packer_manifest` beside `source_image` is told of the latter.
            about = [line for line in said.splitlines() if f"{name}: " in line or name == "packer_manifest"]
            assert any(word in line for line in about), name
            assert word in run.summary or "&#" in run.summary, name
        for hint in ("'us' is given 2 times", "write 'eu'", "dual-region"):
            assert hint in said

    @pytest.mark.parametrize(
        ("inputs", "named"),
        [
            ({}, "source_image"),
            ({"source_image": "Not a name"}, "source_image"),
            ({"source_image": "web"}, "project_id"),
            ({"source_image": SOURCE, "project_id": "p2"}, "project_id"),
            ({"packer_manifest": "missing.json"}, "packer_manifest"),
            ({"packer_manifest": "broken.json"}, "packer_manifest"),
            ({"packer_manifest": "null-manifest.json"}, "packer_manifest"),
            ({"packer_manifest": "two.json"}, "packer_manifest"),
        ],
    )
    def test_no_source_to_be_found(self, compute: Running, tmp_path: Path, inputs: dict[str, str], named: str) -> None:
        workspace = tmp_path
        shutil.copy(DATA / "null-manifest.json", workspace)
        (workspace / "broken.json").write_text('{"builds": [', "utf-8")
        manifest = json.loads((DATA / "packer-manifest.json").read_text("utf-8"))
        for build in manifest["builds"]:
            build["packer_run_uuid"] = manifest["last_run_uuid"]
        (workspace / "two.json").write_text(json.dumps(manifest), "utf-8")
        done = run_here(tmp_path, compute.url, inputs)
        assert (done.exit_code, done.outputs["result"]) == (2, "failed")
        (error,) = done.annotations
        assert (error.level, error.title) == ("error", f"Input {named}")
        assert compute.journal() == []

    def check_refused(self, caller: Caller, run: Run) -> None:
        assert (run.exit_code, run.ran) == (2, ["decide", "setup", "replicate"])
        assert (run.outputs["decision"], run.outputs["result"]) == ("replicate", "failed")
        assert (run.outputs["index_path"], run.outputs["replicas"]) == ("", "[]")
        assert {note.level for note in run.annotations} == {"error"}
        assert caller.emulator.journal() == []


class TestHostileWorkspace:
    def test_replicating_executes_nothing_of_it(self, caller: Caller, tmp_path: Path) -> None:
        witness = tmp_path / "witness"
        make_hostile(caller.job.workspace, witness)
        caller.job.env |= HOSTILE_ENV
        run = caller.replicate()
        assert (run.exit_code, run.outputs["result"]) == (0, "complete")
        assert not witness.exists()

    def test_words_of_others_steer_nothing(self, caller: Caller) -> None:
        """The harness takes a command that it does not know, or a record written twice, for an error."""
        said = "no\n::error title=x::forged\n::set-env name=A::b\n##[add-mask]x | <script> `x`\r\n::stop-commands::t"
        caller.emulator.faults([{**NO_ASIA, "action": {**NO_ASIA["action"], "message": said}}])  # type: ignore[dict-item]
        run = caller.replicate()
        assert run.outputs["failed_locations"] == "asia"
        assert not [note for note in run.annotations if note.level == "error"]
        assert "<script>" not in run.summary
        row = next(line for line in run.summary.splitlines() if line.startswith("| asia"))
        assert len(re.findall(r"(?<!\\)\|", row)) == 8


class TestInterrupts:
    """Of the replicating step's own process, as a runner cancels a job."""

    def interrupt(self, caller: Caller, number: signal.Signals) -> Run:
        began: list[str] = []
        sent: list[float] = []

        def watch(under: Under, line: str) -> None:
            if "copying (operation" in line:
                began.append(line)
                if len(began) == 2:
                    under.signal(number)
                    sent.append(time.monotonic())

        run = caller.replicate(on_line=watch)
        # The runner's patience between SIGINT and SIGTERM.
        assert time.monotonic() - sent[0] < 7.5
        return run

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_results_are_written_and_a_rerun_converges(
        self, slow_caller: Caller, number: signal.Signals, code: int
    ) -> None:
        run = self.interrupt(slow_caller, number)
        assert (run.exit_code, run.ran[-1]) == (code, "replicate")
        assert (run.outputs["result"], run.outputs["failed_locations"]) == ("failed", "eu,asia")
        assert number.name in run.outputs["reason"]
        assert run.json("images") == {"us": SOURCE}
        for location in ("eu", "asia"):
            row = run.replicas[location]
            assert (row["outcome"], row["reason"]) == ("interrupted", "signal")
            assert row["operation"].startswith("operation-")
        assert "interrupted" in run.summary
        names = ("web-20261122-eu", "web-20261122-asia")
        if number is signal.SIGINT:
            self.settle(slow_caller, names)
            again = slow_caller.replicate()
        else:
            # The rerun finds the copies still being made, and waits for them.
            again = slow_caller.replicate(on_line=lambda _, line: self.settle_when_waiting(slow_caller, names, line))
            assert "PENDING" in again.log
        assert (again.exit_code, again.outputs["result"]) == (0, "complete")
        assert {where: row["outcome"] for where, row in again.replicas.items()} == {
            "us": "source",
            "eu": "repaired",
            "asia": "repaired",
        }
        assert sorted(entry["target"] for entry in calls(slow_caller, "insert")) == [WHOLE["asia"], WHOLE["eu"]]
        assert slow_caller.image("web-20261122-asia")["family"] == "web-asia"

    def settle(self, caller: Caller, names: Sequence[str]) -> None:
        for name in names:
            if caller.image(name)["status"] == "PENDING":
                caller.emulator.settle_image("p1", name)

    def settle_when_waiting(self, caller: Caller, names: Sequence[str], line: str) -> None:
        if "is PENDING" in line:
            self.settle(caller, names)
