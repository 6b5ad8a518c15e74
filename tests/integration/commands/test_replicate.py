"""A whole run through its front door: signals, annotations, summary, sources of every kind."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from emulator.testing import running
from replicator.commands.replicate import run
from replicator.compute import connect as connect_module
from replicator.compute.errors import EndpointUnreachable
from replicator.index import image_index
from testkit.action import Action
from testkit.faults import interrupt_at, refuse
from testkit.outputs import read_outputs

REGIONS = [f"{part}{number}" for part in ("us-west", "us-east", "europe-west", "asia-east") for number in range(1, 12)]


class TestSource:
    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"status": "FAILED"}, "is in state FAILED"),
            ({"deprecated": {"state": "OBSOLETE"}}, "is marked OBSOLETE"),
            ({"deprecated": {"state": "DELETED"}}, "is marked DELETED"),
            ({"encrypted": True}, "give a kms_key in the config file for eu, asia"),
            ({"status": "PENDING"}, "is PENDING"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_unusable(self, action: Action, fields: dict[str, Any], says: str) -> None:
        action.emulator.add_image(project="p1", name="bad", **fields)
        done = action(source_image="projects/p1/global/images/bad", timeout_minutes="1")
        assert (done.exit_code, done.result) == (3, "failed")
        assert says in done.outputs["reason"]
        assert not action.mutations()

    def test_a_key_that_only_the_customer_has(self, action: Action, source: dict[str, Any]) -> None:
        shown = json.dumps({**source, "imageEncryptionKey": {"sha256": "x" * 44}})
        answer = {"kind": "body", "status": 200, "text": shown}
        action.emulator.faults([{"method": "compute.images.get", "action": answer}])
        done = action()
        assert (done.exit_code, done.result, action.mutations()) == (3, "failed", [])
        assert "is encrypted with a customer-supplied key" in done.outputs["reason"]

    def test_deprecated_is_a_warning(self, action: Action) -> None:
        action.emulator.add_image(project="p1", name="old", deprecated={"state": "DEPRECATED"}, public=True)
        done = action(source_image="projects/p1/global/images/old")
        assert done.result == "complete"
        assert ("warning", "Plan") in [item[:2] for item in done.annotations]

    def test_a_schedule_is_no_deprecation(self, action: Action) -> None:
        """Packer leaves `deprecated` with state ACTIVE when it sets dates (googlecompute plugin 1.2.8)."""
        dates = {"state": "ACTIVE", "deprecated": "2027-01-01T00:00:00Z"}
        action.emulator.add_image(project="p1", name="dated", deprecated=dates, public=True)
        done = action(source_image="projects/p1/global/images/dated")
        assert not [item for item in done.annotations if item[0] == "warning"]

    def test_family(self, action: Action) -> None:
        done = action(source_image="projects/p1/global/images/family/web")
        assert done.images["us"] == "projects/p1/global/images/web-1"
        assert json.loads(done.index)["images"][0]["source"]["name"] == "web-1"

    @pytest.mark.parametrize(("code", "exit_code"), [(503, 3), (403, 0)])
    def test_family_whose_original_can_not_be_read(self, action: Action, code: int, exit_code: int) -> None:
        """Not knowing the original for a lost minute must not make copies of the home copy; a refusal is an answer."""
        shared = {"source_image": "projects/p1/global/images/family/web", "family_template": "{family}"}
        action(**shared)
        answer = {"kind": "http", "code": code, "reason": "forbidden", "message": "No."}
        action.emulator.faults([{"method": "compute.images.get", "match": "web-1$", "times": None, "action": answer}])
        assert action(**shared, dry_run="true").exit_code == exit_code

    def test_policy_unreadable(self, action: Action) -> None:
        fault = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
        action.emulator.faults(
            [{"method": "compute.images.getIamPolicy", "match": "web-1$", "times": None, "action": fault}]
        )
        done = action()
        assert done.exit_code == 3
        assert "compute.images.getIamPolicy" in done.outputs["reason"]
        assert action(access="public").result == "complete"


class TestStart:
    """What happens before the first call."""

    def test_nobody_there(self, action: Action) -> None:
        """It names the host, and the command that repeats the run although the source was never seen."""
        done = action(compute_endpoint="http://127.0.0.1:9", timeout_minutes="5")
        assert (done.exit_code, done.annotations[0][1]) == (3, "Compute Engine doesn't answer")
        assert (
            "127.0.0.1:9: the connection could not be made or was lost (Connection refused)" in done.outputs["reason"]
        )
        assert "replicator replicate \\\n  --source-image=projects/p1/global/images/web-1 \\\n" in done.summary

    def test_what_is_asked_for_is_told_before_anything_is_imported(
        self, action: Action, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def connect(*_: Any, **__: Any) -> Any:
            raise EndpointUnreachable("Nobody is there")

        monkeypatch.setattr(connect_module, "connect", connect)
        told = "projects/p1/global/images/web-1 is wanted in {}; reading what exists"
        assert action(locations="eu,asia").log.startswith(told.format("eu, asia"))
        assert action(locations=",".join(REGIONS)).log.startswith(told.format("44 locations"))

    def test_garbage_is_collected_again_after_the_import(self) -> None:
        connect_module.connect("http://127.0.0.1:1", {}, anonymous=True)
        assert gc.isenabled()


class TestAccess:
    def test_conditions_of_the_source_are_carried_over(self, action: Action) -> None:
        condition = {"title": "t", "expression": "request.time < timestamp('2030-01-01T00:00:00Z')"}
        readers: list[dict[str, Any]] = [
            {"role": "roles/compute.imageUser", "members": ["group:a@example.com"], "condition": condition},
            {"role": "roles/compute.admin", "members": ["user:b@example.com"]},
        ]
        action.emulator.add_image(project="p1", name="priv", policy=readers)
        done = action(source_image="projects/p1/global/images/priv", locations="eu")
        assert done.replicas["eu"]["access"] == "private"
        (binding,) = action.emulator.policy("p1", "priv-eu")["bindings"]
        assert binding["members"] == ["group:a@example.com"]
        assert binding["condition"] == condition
        assert [item[1] for item in done.annotations if item[0] == "notice"] == ["Access", "eu"]

    def test_extra_members_are_reported_and_kept(self, action: Action) -> None:
        assert action(access="private", locations="eu").replicas["eu"]["access"] == "private"
        assert action(access="public", locations="eu").replicas["eu"]["outcome"] == "repaired"
        done = action(access="private", locations="eu")
        row = done.replicas["eu"]
        assert (row["outcome"], row["access"]) == ("adopted", "public")
        assert row["message"] == "Also open to allAuthenticatedUsers, which was left as it is."

    def test_no_notice_where_all_is_public(self, action: Action) -> None:
        assert "private, like the source" not in action().log

    def test_no_notice_where_nothing_was_made(self, action: Action) -> None:
        action.emulator.faults([refuse('"web-1-')])
        assert "private, like the source" not in action(locations="eu").log


class TestReport:
    def test_annotations_within_the_budget(self, action: Action) -> None:
        locations = ["us", *REGIONS]
        fault = {"kind": "http", "code": 403, "reason": "quotaExceeded", "message": "Used up.\n::error::forged"}
        action.emulator.faults([{"method": "compute.images.insert", "match": "-us-", "times": None, "action": fault}])
        done = action(locations=",".join(locations))
        # What is right has one notice, and what went wrong in the same way one warning, each with all locations.
        (notice,) = [item for item in done.annotations if item[0] == "notice"]
        (warning,) = [item for item in done.annotations if item[0] == "warning" and item[1] != "Plan"]
        failed = done.outputs["failed_locations"].split(",")
        assert notice[1] == f"{len(locations) - len(failed)} locations"
        assert [line.split(":")[0] for line in notice[2].split("%0A")] == list(done.images.values())
        assert warning[1] == f"{len(failed)} locations"
        assert warning[2].endswith(f" The same for {', '.join(failed[1:])}.")
        assert not [item for item in done.annotations if item[0] == "error"]
        assert done.result == "partial"
        assert len(done.summary.encode()) < 2**20
        assert done.summary.partition("<summary>Each of")[2].count("\n| ") == len(locations) + 1

    def test_required_failures_are_errors(self, action: Action) -> None:
        fault = {"kind": "http", "code": 403, "reason": "quotaExceeded", "message": "Used up."}
        action.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "action": fault}])
        levels = {title: level for level, title, _ in action(required_locations="eu").annotations}
        assert levels == {"us": "notice", "eu": "error", "asia": "notice"}

    def test_all_failed_is_a_loud_warning(self, action: Action) -> None:
        fault = {"kind": "http", "code": 403, "reason": "quotaExceeded", "message": "Used up."}
        action.emulator.faults([{"method": "compute.images.insert", "times": None, "action": fault}])
        done = action()
        assert (done.exit_code, done.result) == (0, "failed")
        assert ("warning", "Nothing was replicated") in [item[:2] for item in done.annotations]

    def test_plan_before_acting(self, action: Action) -> None:
        action.emulator.add_image(project="p1", name="web-1-asia", location="asia")
        done = action(dry_run="true")
        assert not action.mutations()
        assert (done.exit_code, done.result, done.index) == (0, "planned", b"")
        assert done.column("outcome") == {"us": "source", "eu": "planned", "asia": "planned"}
        assert done.replicas["asia"]["reason"] == "conflict"
        assert re.search(r"eu +projects/p1/global/images/web-1-eu +family web-eu +copy", done.log)
        assert "refuse" in done.log
        assert "1 to copy, " in done.log

    def test_a_dry_run_shows_what_it_would_do_and_offers_no_images(self, action: Action) -> None:
        action.emulator.add_image(project="p1", name="web-1-asia", location="asia")
        text = action(dry_run="true", promote="false").summary
        assert "| eu | <code>web-1-eu</code> | copy | web-eu |" in text
        assert "| us | [<code>web-1</code>](https://" in text
        assert "❌&nbsp;**refuse** (conflict)" in text
        assert ("What exists where" in text, "<details>" in text, "run it again" in text) == (False, False, False)
        _, _, does_it = text.partition("To carry it out")
        assert "gce-image-replicator replicate \\\n" in does_it
        assert ("--promote=false" in does_it, "dry-run" in text) == (True, False)

    def test_a_dry_run_of_what_is_there_offers_nothing_to_do(self, action: Action) -> None:
        action()
        text = action(dry_run="true").summary
        assert "keep&#58; exists and is right" in text
        assert ("would change nothing" in text, "carry it out" in text) == (True, False)

    def test_a_dry_run_that_failed_is_a_dry_run_again(self, action: Action) -> None:
        refusal = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
        action.emulator.faults([{"method": "compute.images.get", "action": refusal}])
        text = action(dry_run="true").summary
        assert "gce-image-replicator plan" in text.partition("run it again")[2]

    def test_a_source_that_is_not_there_is_not_asked_for_again(self, action: Action) -> None:
        text = action(source_image="projects/p1/global/images/none").summary
        assert "What to do" in text
        assert "run it again" not in text

    def test_progress(self, action: Action) -> None:
        stuck = {"method": "compute.images.insert", "match": "-eu", "action": {"kind": "operation", "state": "stuck"}}
        action.emulator.faults([stuck])
        log = action(timeout_minutes="2").log
        assert len(re.findall(r"s  under way: .*eu copying", log)) >= 5
        assert re.search(r"eu: copying, \d+ %", log)

    def test_hostile_text_stays_text(self, action: Action) -> None:
        nasty = "x\n::error title=forged::y\r##[error]z | `a` <script> \u202e \x1b[31m"
        fault = {"kind": "http", "code": 400, "reason": "invalid", "message": nasty}
        action.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "action": fault}])
        done = action()
        assert [title for _, title, _ in done.annotations] == ["eu", "us%2C asia"]
        assert not re.search(r"^\s*::(?!notice|warning|group|endgroup)|##\[|\x1b|\u202e", done.log, re.MULTILINE)
        assert "<script>" not in done.summary
        assert "\u202e" not in done.summary
        assert set(done.replicas) == {"us", "eu", "asia"}

    def test_the_reason_is_one_line(self, action: Action) -> None:
        nasty = "no\n::error title=forged::x\n##[error]y"
        fault = {"kind": "http", "code": 403, "reason": "forbidden", "message": nasty}
        action.emulator.faults([{"method": "compute.images.get", "action": fault}])
        done = action()
        assert done.exit_code == 3
        assert "\n" not in done.outputs["reason"]
        assert "##[" not in done.outputs["reason"]

    def test_places_that_can_not_be_written(self, action: Action, tmp_path: Path) -> None:
        action.env["GITHUB_STEP_SUMMARY"] = str(tmp_path / "none" / "summary")
        (tmp_path / "temp1").mkdir()
        action.runs = 1
        with pytest.raises(FileNotFoundError):
            action()
        assert read_outputs(tmp_path / "temp2" / "output")["result"] == "complete"

    @pytest.mark.parametrize(
        "where",
        [
            "index.image_index.build",
            "replicas.summary.page.render",
            "replicas.report.outputs",
            "replicas.report.remarks",
        ],
    )
    def test_a_defect_in_telling(self, action: Action, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
        """What one place can't be told is told in the others, and the exit code says that something is wrong."""

        def defect(*_: Any, **__: Any) -> Any:
            raise KeyError("defect")

        monkeypatch.setattr(f"replicator.{where}", defect)
        folder = action.folder
        env = {
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "RUNNER_TEMP": str(folder),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        }
        stdout = io.StringIO()
        assert run.run({"source_image": "projects/p1/global/images/web-1"}, env, stdout, commands=True) == 70
        assert "KeyError" in stdout.getvalue()
        written = {path.name for path in folder.iterdir()}
        missing = {
            "index.image_index.build": "image-index.json",
            "replicas.summary.page.render": "summary",
            "replicas.report.outputs": "output",
        }.get(where)
        assert written == {"image-index.json", "output", "summary"} - {missing}

    def test_a_closed_log_stops_nothing(self, action: Action, tmp_path: Path) -> None:
        stdout = io.StringIO()
        stdout.close()
        env = {
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "RUNNER_TEMP": str(tmp_path),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        }
        assert run.run({"source_image": "projects/p1/global/images/web-1"}, env, stdout, commands=True) == 0
        assert read_outputs(tmp_path / "output")["result"] == "complete"


class TestSignals:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    @pytest.mark.parametrize("when", ["insert", "wait", "getIamPolicy", "patch"])
    def test_results_are_written_and_a_rerun_converges(
        self, tmp_path: Path, number: signal.Signals, code: int, when: str
    ) -> None:
        with running(copy_seconds=0.4 if when == "wait" else 0.02) as emulator:
            emulator.add_image(project="p1", name="web-1", family="web", public=True)
            delay = {"method": f"compute.{'globalOperations' if when == 'wait' else 'images'}.{when}"}
            if when != "wait":
                emulator.faults([{**delay, "match": "web-1-eu", "action": {"kind": "delay", "seconds": 0.4}}])
            action = Action(emulator, tmp_path)
            interrupt_at(lambda: bool(action.calls(when, "-eu" if when != "wait" else "")), number)
            done = action()
            assert (done.exit_code, done.result) == (code, "failed")
            row = done.replicas["eu"]
            if when != "patch":
                assert (row["outcome"], row["reason"]) == ("interrupted", "signal")
                assert "eu" in done.outputs["failed_locations"]
                missed = ", ".join(done.outputs["failed_locations"].split(","))
                assert f"by {number.name} before the image was verified in {missed}" in done.outputs["reason"]
                told = [message for level, _, message in done.annotations if level == "error"]
                assert [f"verified in {missed}" in text for text in told] == [True]
            else:
                assert "before the family was moved in " in done.outputs["reason"]
            if when == "wait":
                assert row["operation"].startswith("operation-")
            time.sleep(0.5)
            emulator.faults([])
            again = action()
            assert again.result == "complete"
            assert again.column("promoted") == {"us": True, "eu": True, "asia": True}
            assert sum(call["committed"] for call in action.calls("insert")) == 2

    def test_before_anything_is_known(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("replicator.replicas.settings.load", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        done = action()
        assert (done.exit_code, done.result, done.replicas) == (143, "failed", {})
        assert "SIGTERM" in done.outputs["reason"]

    def test_while_the_way_to_the_api_is_made(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        """Importing the library and looking for credentials may take seconds: nobody waits for them."""
        release = threading.Event()

        def slow(*_: Any, **__: Any) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            release.wait(20)

        monkeypatch.setattr("replicator.compute.connect.connect", slow)
        began = time.monotonic()
        done = action()
        release.set()
        assert (done.exit_code, done.result) == (143, "failed")
        assert time.monotonic() - began < 5

    def test_while_results_are_written(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        to_bytes = image_index.to_bytes

        def interrupted(built: dict[str, Any]) -> bytes:
            os.kill(os.getpid(), signal.SIGTERM)
            return to_bytes(built)

        monkeypatch.setattr("replicator.index.image_index.to_bytes", interrupted)
        done = action()
        assert (done.exit_code, done.result) == (0, "complete")
        assert done.index

    def test_handlers_are_put_back(self, action: Action) -> None:
        before = signal.getsignal(signal.SIGINT)
        action()
        assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_more_labels_than_an_image_can_have_are_refused_before_anything_is_made(action: Action, dry_run: str) -> None:
    action.emulator.add_image(
        project="p1", name="many", location="us", labels={f"s{number}": "" for number in range(60)}
    )
    more = ",".join(f"m{number}=x" for number in range(5))
    done = action(source_image="projects/p1/global/images/many", locations="us, eu", labels=more, dry_run=dry_run)
    assert (done.exit_code, done.result) == (2, "failed")
    assert "make 65, and an image can have 64" in done.log
    assert action.mutations() == []
