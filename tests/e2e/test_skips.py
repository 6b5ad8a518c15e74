"""Every way to be skipped: nothing is installed, nobody is contacted, and later steps still find all outputs."""

from __future__ import annotations

import pytest

from testkit.harness.callers import MANIFEST, Caller
from testkit.harness.job import Event, Run, branch_push, on_branch, pull_request, tag_deletion, tag_push

SKIPPED = [
    pytest.param(tag_push("v1.2.3"), "false", id="tag, told not to"),
    pytest.param(tag_push("nightly-1"), "", id="another tag"),
    pytest.param(tag_deletion("v1.2.3"), "true", id="deleted tag"),
    pytest.param(branch_push(), "", id="branch"),
    pytest.param(on_branch("workflow_dispatch"), "", id="dispatch"),
    pytest.param(on_branch("workflow_dispatch"), "false", id="dispatch, told not to"),
    pytest.param(on_branch("schedule"), "", id="schedule"),
    pytest.param(on_branch("release"), "auto", id="release"),
    pytest.param(on_branch("repository_dispatch"), "", id="repository_dispatch"),
    pytest.param(pull_request(), "true", id="pull request"),
    pytest.param(pull_request(fork=True), "true", id="pull request of a fork"),
]
DISTRUSTED = ["pull_request_target", "workflow_run", "merge_group", "issue_comment", "brand_new_event", ""]


class TestSkips:
    @pytest.mark.parametrize(("event", "distribute"), SKIPPED)
    def test_costs_nothing(self, new_caller: Caller, event: Event, distribute: str) -> None:
        run = new_caller(event, {**MANIFEST, "distribute": distribute})
        self.check_nothing_happened(new_caller, run)
        told = [annotation.level for annotation in run.annotations]
        assert told == (["notice"] if "does not match tag_pattern" in run.outputs["reason"] else [])

    @pytest.mark.parametrize("event", DISTRUSTED)
    def test_distrusted_event_warns(self, new_caller: Caller, event: str) -> None:
        run = new_caller(on_branch(event), {**MANIFEST, "distribute": "true"})
        self.check_nothing_happened(new_caller, run)
        (warning,) = run.annotations
        assert warning.level == "warning"
        assert run.outputs["reason"] in warning.message

    def check_nothing_happened(self, caller: Caller, run: Run) -> None:
        assert (run.exit_code, run.ran) == (0, ["decide"])
        assert (run.outputs["decision"], run.outputs["result"]) == ("skip", "skipped")
        assert run.outputs["reason"] in run.log
        assert (run.outputs["images"], run.outputs["image_names"], run.outputs["replicas"]) == ("{}", "{}", "[]")
        assert caller.emulator.journal() == []
        assert [path.name for path in caller.job.temp.iterdir()] == ["_runner_file_commands"]
        # About the start of an interpreter; the benchmark measures it, this only notices a disaster.
        assert run.seconds < 1

    @pytest.mark.parametrize("event", [tag_push("v1"), pull_request(), on_branch("workflow_run")])
    def test_wrong_distribute_is_an_error_on_every_event(self, new_caller: Caller, event: Event) -> None:
        run = new_caller(event, {**MANIFEST, "distribute": "yes", "locations": "mars"})
        assert (run.exit_code, run.ran) == (2, ["decide"])
        (error,) = run.annotations
        assert (error.level, error.title) == ("error", "Input distribute")
        assert (run.outputs["decision"], run.outputs["result"]) == ("skip", "failed")
        assert new_caller.emulator.journal() == []
