"""registry/action.yml as a whole: mirrors made, checked and used by the steps of one job, and outputs in every case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.testing import Running, running
from testkit.harness import expressions
from testkit.harness.callers import new_job, with_environment
from testkit.harness.job import Action, branch_push, pull_request
from testkit.registry.mirroring import CONFIG, CREATE, SHORT
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.harness.callers import SetUp
    from testkit.harness.job import Event, Run

OUTPUTS = {
    *("result", "reason", "mirrors_path", "bundle_path", "mirrors", "pulls"),
    *("images", "resolved_image", "registry_hosts"),
}
IMAGE = "ghcr.io/org/app:v1"


class Workflow:
    """Uses the action in one job, and checks what holds for every use."""

    def __init__(self, action: Action, set_up: SetUp, emulator: Running, folder: Path) -> None:
        self.action = Action.load(action.path / "registry")
        self.emulator = emulator
        self.event: Event = branch_push()
        self.job = with_environment(new_job(action, emulator, folder / "job"), set_up.environments).job
        self.job.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY"] = emulator.url
        (self.job.workspace / "registry.yaml").write_text(CONFIG, encoding="utf-8")

    def __call__(self, command: str, **inputs: str) -> Run:
        run = self.job.run(self.action, self.event, {"command": command, **inputs})
        outputs = run.outputs
        assert set(outputs) == OUTPUTS
        assert outputs["result"] == ("failed" if run.exit_code else "complete"), run.log
        assert outputs["reason"]
        assert "\n" not in outputs["reason"]
        images = run.json("images")
        assert outputs["resolved_image"] == (images[0] if len(images) == 1 else "")
        assert all(row["uri"] and row["state"] for row in run.json("mirrors"))
        assert run.json("pulls") == []
        shown = [each.level for each in run.annotations]
        assert bool(run.exit_code) == ("error" in shown), run.log
        assert len(shown) <= 10
        return run

    def states(self, run: Run) -> list[str]:
        return sorted(row["state"] for row in run.json("mirrors"))

    def mutations(self) -> int:
        return sum(entry["committed"] for entry in self.emulator.journal())


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(scenario={"repository_seconds": 0}) as emulator:
        yield emulator


@pytest.fixture
def workflow(action: Action, set_up: SetUp, emulator: Running, tmp_path: Path) -> Workflow:
    return Workflow(action, set_up, emulator, tmp_path)


def test_a_job_makes_mirrors_and_pulls_from_them(workflow: Workflow) -> None:
    first = workflow("ensure", config="registry.yaml")
    assert (first.exit_code, first.ran, workflow.states(first)) == (0, ["setup", "registry"], ["created"] * 4)
    assert first.outputs["registry_hosts"].split(",") == [
        "asia-south1-docker.pkg.dev",
        "europe-docker.pkg.dev",
        "us-docker.pkg.dev",
    ]
    count, record = workflow.mutations(), Path(first.outputs["mirrors_path"])
    assert record == workflow.job.temp / "mirrors.json"
    again = workflow("ensure", config="registry.yaml")
    assert (workflow.states(again), workflow.mutations()) == (["correct"] * 4, count)
    # On any event, because nothing is changed.
    workflow.event = pull_request()
    checked = workflow("check", config="registry.yaml")
    assert (workflow.states(checked), workflow.mutations()) == (["correct"] * 4, count)
    used = workflow("rewrite", mirrors=str(record), zone="europe-west4-a", images=IMAGE)
    assert used.outputs["resolved_image"] == "europe-docker.pkg.dev/p1/ghcr-mirror/org/app:v1"
    assert used.outputs["registry_hosts"] == "europe-docker.pkg.dev"
    several = workflow("rewrite", mirrors=str(record), zone="asia-south1-b", images=f"{IMAGE} ubuntu quay.io/a/b")
    assert several.json("images") == [
        "us-docker.pkg.dev/p1/ghcr-mirror/org/app:v1",
        "asia-south1-docker.pkg.dev/p1/hub/library/ubuntu",
        "quay.io/a/b",
    ]
    hosts = workflow("hosts", images=" ".join(several.json("images")))
    assert hosts.outputs["registry_hosts"] == "us-docker.pkg.dev,asia-south1-docker.pkg.dev"


def test_a_signed_record_is_used_by_a_job_that_wants_it_so(workflow: Workflow) -> None:
    secret = world.private_key()
    (workflow.job.workspace / "signing.pub").write_bytes(world.public_key(secret))
    unsigned = workflow("ensure", sign="key", **SHORT)
    assert (unsigned.exit_code, unsigned.outputs["mirrors_path"], workflow.mutations()) == (3, "", 0)
    workflow.job.env["SIGNING_KEY"] = secret
    made = workflow("ensure", sign="key", **SHORT)
    assert (made.exit_code, workflow.states(made)) == (0, ["created"] * 2)
    record, bundle = (Path(made.outputs[name]) for name in ("mirrors_path", "bundle_path"))
    assert (bundle.parent, bundle.name) == (record.parent, "mirrors.json.sigstore.json")
    wanted = {"mirrors": str(record), "bundle": str(bundle), "key": "signing.pub", "zone": "us-east1-b"}
    used = workflow("rewrite", images=IMAGE, **wanted)
    assert used.outputs["resolved_image"] == "us-docker.pkg.dev/p1/ghcr-mirror/org/app:v1"
    record.write_text(record.read_text("utf-8").replace("ghcr-mirror", "evil-mirror"), encoding="utf-8")
    refused = workflow("rewrite", images=IMAGE, **wanted)
    assert (refused.exit_code, refused.json("images")) == (5, [])


@pytest.mark.parametrize(
    ("inputs", "lock"),
    [
        ({}, "action"),
        ({"sign": "key"}, "action"),
        ({"sign": "keyless"}, "sign"),
        ({"certificate_identity_regexp": "https://.*"}, "sign"),
    ],
)
def test_only_keyless_signatures_need_more_packages(action: Action, inputs: dict[str, str], lock: str) -> None:
    own = Action.load(action.path / "registry")
    template = next(step.env["REPLICATOR_LOCK"] for step in own.steps if step.id == "setup")
    context = expressions.Context(inputs={**own.defaults, **inputs}, steps={})
    assert expressions.expand(template, context) == f"locks/{lock}.txt"


def test_drift_is_told_by_check_and_policies_then_repaired(workflow: Workflow) -> None:
    workflow("ensure", **SHORT)
    (workflow.job.workspace / "policy.json").write_text(
        '[{"name": "drop", "action": {"type": "Delete"}, "condition": {"olderThan": "7d"}}]', encoding="utf-8"
    )
    given = {"cleanup_policy_file": "policy.json", **SHORT}
    for command in ("check", "policies"):
        run = workflow(command, **given)
        assert (run.exit_code, workflow.states(run)) == (1, ["drifted"] * 2)
    run = workflow("policies", apply="true", **given)
    assert (run.exit_code, workflow.states(run)) == (0, ["repaired"] * 2)
    assert (
        run.summary.count("| repaired | cleanupPolicies&#58; are delete-older-than-30d, keep-latest, wanted drop |")
        == 2
    )


def test_every_kind_of_failure_has_its_outputs(workflow: Workflow) -> None:
    missing = workflow("check", **SHORT)
    assert (missing.exit_code, workflow.states(missing)) == (1, ["missing"] * 2)
    assert missing.outputs["mirrors_path"]
    policy = {"kind": "http", "code": 400, "reason": "failedPrecondition", "message": "constraints/gcp.x violated"}
    workflow.emulator.faults([{"method": CREATE, "match": "/europe/", "action": policy}])
    half = workflow("ensure", **SHORT)
    assert (half.exit_code, workflow.states(half)) == (1, ["created", "failed"])
    unserved = workflow("rewrite", mirrors=half.outputs["mirrors_path"], zone="europe-west1-b", images=IMAGE)
    assert (unserved.exit_code, unserved.json("images")) == (1, [])
    assert "europe has no mirror of ghcr.io (provisioned: us)" in unserved.log
    off = {"kind": "http", "code": 403, "reason": "accessNotConfigured", "message": "SERVICE_DISABLED"}
    workflow.emulator.faults([{"times": None, "action": off}])
    assert workflow("check", **SHORT).exit_code == 3
    calls = len(workflow.emulator.journal())
    for command, inputs in (
        ("ensure", {"config": "../registry.yaml"}),
        ("ensure", {}),
        ("remove", SHORT),
        ("rewrite", {"images": "https://ghcr.io/a", "zone": "us-east1-b", **SHORT}),
        ("check", {"pull": "quay.io/a/b", **SHORT}),
    ):
        wrong = workflow(command, **inputs)
        assert (wrong.exit_code, wrong.json("mirrors"), wrong.outputs["mirrors_path"]) == (2, [], "")
    assert len(workflow.emulator.journal()) == calls
