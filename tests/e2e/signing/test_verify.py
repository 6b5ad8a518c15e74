"""A consumer's deployment workflow: the image to deploy through the real verify/action.yml, or none.

What else can go wrong with an input is in tests/integration/commands/test_verify.py.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from testkit.harness.job import Action, on_branch, pull_request
from testkit.harness.merging import installed
from testkit.places import ROOT
from testkit.signing import world

if TYPE_CHECKING:
    from testkit.harness.callers import Caller
    from testkit.harness.job import Event, Run
    from testkit.harness.merging import Jobs

OUTPUTS = set(yaml.safe_load((ROOT / "verify" / "action.yml").read_text("utf-8"))["outputs"])
KEY = world.private_key()
DEPLOY = on_branch("workflow_dispatch")
EU = "projects/p1/global/images/web-1-eu"
#: What the publisher published, and which image is wanted of it.
SIGNED = {"index": "image-index.json", "bundle": "image-index.json.sigstore.json", "key": "signing.pub"}
WANTED = {"architecture": "X86_64", "location": "eu"}


@pytest.fixture
def consumer(jobs: Jobs) -> Caller:
    """Someone else's job, with what was published in its workspace."""
    publisher = jobs.job()
    publisher.job.env["SIGNING_KEY"] = KEY
    made = jobs.build("X86_64", caller=publisher, promote="true", sign="key")
    consumer = jobs.job()
    for output in ("index_path", "bundle_path", "attestation_path"):
        shutil.copy(made.outputs[output], consumer.job.workspace)
    (consumer.job.workspace / "signing.pub").write_bytes(world.public_key(KEY))
    return consumer


def verify(consumer: Caller, inputs: dict[str, str], event: Event = DEPLOY) -> Run:
    run = consumer.job.run(Action.load(consumer.action.path / "verify"), event, inputs)
    assert set(run.outputs) == OUTPUTS
    assert run.outputs["reason"]
    assert (run.outputs["result"] == "correct") is (run.exit_code == 0)
    assert not run.outputs["image"] or run.exit_code == 0
    run.json("findings")
    return run


def test_the_image_to_deploy(consumer: Caller) -> None:
    before = len(consumer.emulator.journal())
    # Nothing is changed, so it works on every event, the least trusted one as well.
    run = verify(consumer, {**SIGNED, **WANTED}, pull_request(fork=True))
    assert (run.exit_code, run.ran, run.outputs["result"]) == (0, ["setup", "verify"], "correct"), run.log
    image = consumer.image("web-1-eu")
    assert (run.outputs["image"], run.outputs["image_name"], run.outputs["image_id"]) == (EU, "web-1-eu", image["id"])
    methods = [entry["method"].rpartition(".")[2] for entry in consumer.emulator.journal()[before:]]
    assert sorted(methods) == ["getIamPolicy"] * 3 + ["list"]
    assert installed(consumer) == ["replicator_stand_in-1.0.dist-info"]
    # Tampered with: no image, and nobody is asked about any.
    path = consumer.job.workspace / "image-index.json"
    path.write_bytes(path.read_bytes().replace(b"web-1-eu", b"web-1-ev"))
    before = len(consumer.emulator.journal())
    run = verify(consumer, {**SIGNED, **WANTED})
    assert (run.exit_code, run.outputs["result"], run.outputs["image"]) == (5, "error", "")
    assert len(consumer.emulator.journal()) == before


def test_keyless(jobs: Jobs) -> None:
    """Of a merged release that was signed long ago, with its packages installed for that."""
    consumer = jobs.job()
    for name in ("index.json", "ours.sigstore.json", "trusted_root.json"):
        shutil.copy(world.KEPT / name, consumer.job.workspace)
    given = {"index": "index.json", "bundle": "ours.sigstore.json", "trusted_root": "trusted_root.json"}
    who = {"certificate_identity_regexp": world.POLICY, "certificate_oidc_issuer": world.ISSUER}
    wanted = {"architecture": "ARM64", "location": "eu", "offline_only": "true"}
    run = verify(consumer, {**given, **who, **wanted})
    assert (run.exit_code, run.outputs["image"]) == (0, "projects/p1/global/images/web-arm64-eu"), run.log
    assert run.outputs["signed_by"] == world.OURS
    assert installed(consumer) == ["replicator_stand_in-1.1.dist-info"]


def test_a_set_up_that_fails(jobs: Jobs) -> None:
    run = verify(jobs.job(), {**SIGNED, **WANTED, "python": "/nowhere/python"})
    assert (run.exit_code, run.ran, run.outputs["result"]) == (3, ["setup"], "error")
    assert "/nowhere/python" in run.outputs["reason"]
