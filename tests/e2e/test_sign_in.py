"""Workload Identity Federation through the real `action.yml`: the credentials that google-github-actions/auth leaves.

The services are this process's, the clock is the real one; `tests/integration/compute/test_credentials.py` has every case in detail.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from testkit.harness.callers import MANIFEST, WHOLE, Caller
from testkit.harness.job import on_branch
from testkit.identity import ACCOUNT, HANG, METADATA, OIDC, SECRET, STS, Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.harness.job import Run


@pytest.fixture
def identity() -> Iterator[Identity]:
    """Its tokens are worth little time, so each is old at the next request."""
    with Identity(lifetime=5) as identity:
        yield identity


@pytest.fixture
def job(caller: Caller, identity: Identity) -> Caller:
    """A job with `id-token: write`, on a machine that is none of Compute Engine's."""
    caller.job.env |= {**identity.job(), "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "", "NO_GCE_CHECK": "true"}
    identity.guard(caller.emulator)
    return caller


def silent(run: Run) -> bool:
    """Whether nothing secret was told."""
    told = "\n".join([run.log, run.summary, *run.outputs.values()])
    return SECRET not in told and "eyJ" not in told and "Traceback" not in told


@pytest.mark.parametrize("direct", [False, True], ids=["through a service account", "direct"])
def test_main_job(job: Caller, identity: Identity, direct: bool) -> None:
    job.job.env |= identity.signed_in(identity.workload_identity(job.job.workspace, direct=direct))
    run = job.replicate()
    assert (run.exit_code, run.json("images")) == (0, WHOLE), run.log
    assert set(identity.asked) == ({OIDC, STS} if direct else {OIDC, STS, ACCOUNT})
    bearers = {entry["principal"] for entry in job.emulator.journal()}
    assert None not in bearers
    assert len(bearers) > 5
    assert silent(run)


def test_a_token_service_that_fails_once_and_a_token_that_is_revoked(job: Caller, identity: Identity) -> None:
    identity.lifetime = 3600
    identity.answers[STS] = [(503, f"<html>{SECRET}")]
    job.job.env |= identity.signed_in(identity.workload_identity(job.job.workspace))

    def watch(_under: object, line: str) -> None:
        if "asking for the copy" in line:
            identity.revoke()

    run = job.replicate(on_line=watch)
    assert (run.exit_code, run.json("images")) == (0, WHOLE), run.log
    assert "Google's Security Token Service answered HTTP 503" in run.log
    assert len({entry["principal"] for entry in job.emulator.journal()} - {None}) > 1
    assert silent(run)


def test_checkout_after_auth(job: Caller, identity: Identity) -> None:
    path = identity.workload_identity(job.job.workspace)
    job.job.env |= identity.signed_in(path)
    path.unlink()
    run = job.replicate()
    (note,) = run.annotations
    assert (run.exit_code, note.level, note.title) == (3, "error", "Credentials file is gone")
    assert note.message.endswith("- uses: gce-image-replicator/gce-image-replicator@v1")
    assert "- uses: actions/checkout@v7\n- uses: google-github-actions/auth@v3\n" in run.summary
    assert path.name in run.outputs["reason"]


def test_without_the_right_to_a_token(job: Caller) -> None:
    del job.job.env["ACTIONS_ID_TOKEN_REQUEST_URL"]
    run = job(on_branch("workflow_dispatch"), {**MANIFEST, "distribute": "true"})
    (note,) = run.annotations
    assert (run.exit_code, note.title) == (3, "No identity token")
    assert note.message.endswith("permissions:\n  contents: read\n  id-token: write")


def test_a_job_that_may_not_act_as_the_account(job: Caller, identity: Identity) -> None:
    identity.answers[ACCOUNT] = [(403, f'{{"error": {{"message": "iam.serviceAccounts.getAccessToken {SECRET}"}}}}')]
    job.job.env |= identity.signed_in(identity.workload_identity(job.job.workspace))
    run = job.replicate()
    assert (run.exit_code, run.annotations[0].title) == (3, "Service account can't be used")
    assert silent(run)
    assert not job.emulator.journal()


@pytest.fixture
def machine(job: Caller, identity: Identity) -> Caller:
    """A self-hosted runner on a machine of Compute Engine, with no step that signs in."""
    job.job.env |= {
        "NO_GCE_CHECK": "",
        "GCE_METADATA_HOST": identity.host,
        "GCE_METADATA_IP": identity.host,
        "GCE_METADATA_TIMEOUT": "1",
    }
    return job


def test_on_a_machine_with_an_account(machine: Caller, identity: Identity) -> None:
    run = machine.replicate()
    assert (run.exit_code, run.json("images")) == (0, WHOLE), run.log
    assert set(identity.asked) == {METADATA}


def test_on_a_machine_whose_metadata_server_hangs(machine: Caller, identity: Identity) -> None:
    """google-auth tries three times, a second each here (three by default), with a second or two between."""
    identity.answers[METADATA] = [HANG]
    identity.for_ever = {METADATA}
    began = time.monotonic()
    run = machine.replicate()
    assert (run.exit_code, run.annotations[0].title) == (3, "Not signed in"), run.log
    assert identity.asked[METADATA] == 3
    assert time.monotonic() - began < 60
