"""`sign` through action.yml and merge/action.yml: what is installed for it, how the key gets there, what is found."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from replicator.__main__ import main
from testkit.harness.merging import IMAGES, Jobs, installed
from testkit.harness.package_index import with_uv
from testkit.signing import world

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.harness.callers import Caller
    from testkit.harness.job import Run


@pytest.fixture
def signing(jobs: Jobs) -> Caller:
    return jobs.job()


def verify(run: Run, *policy: str) -> tuple[int, str]:
    files = {"--index": "index_path", "--bundle": "bundle_path", "--attestation": "attestation_path"}
    argv = [part for option, output in files.items() for part in (option, run.outputs[output])]
    stdout = io.StringIO()
    return main(["verify", "--offline-only", *argv, *policy], {}, stdout), stdout.getvalue()


def test_nothing_is_signed_where_nobody_asked(signing: Caller) -> None:
    run = signing.replicate()
    assert (run.outputs["result"], run.outputs["bundle_path"]) == ("complete", "")
    assert installed(signing) == ["replicator_stand_in-1.0.dist-info"]


def test_with_a_key(signing: Caller, tmp_path: Path) -> None:
    key = world.private_key()
    signing.job.env |= {"SIGNING_KEY": key}
    # A uv that tells what it inherits, and leaves the work to pip.
    signing.job.search_path = with_uv(tmp_path / "programs", f'env >>"{tmp_path}/inherited"; exit 1')
    run = signing.replicate({"sign": "key"})
    assert "GITHUB_OUTPUT=" in (tmp_path / "inherited").read_text("utf-8")
    assert "SIGNING_KEY" not in (tmp_path / "inherited").read_text("utf-8")
    assert run.outputs["result"] == "complete", run.log
    (tmp_path / "key.pub").write_bytes(world.public_key(key))
    code, said = verify(run, "--key", str(tmp_path / "key.pub"))
    assert (code, run.outputs["index_digest"] in said) == (0, True), said
    assert installed(signing) == ["replicator_stand_in-1.0.dist-info"]
    assert not any(line in run.log for line in key.splitlines()[1:-1])


def test_keyless(signing: Caller, tmp_path: Path) -> None:
    if lacking := world.lacking():
        pytest.skip(lacking)
    with world.sigstore(tmp_path / "sigstore") as service:
        signing.job.env |= service.environment()
        run = signing.replicate({"sign": "keyless"})
    assert run.outputs["result"] == "complete", run.log
    policy = ("--certificate-identity-regexp", world.POLICY, "--certificate-oidc-issuer", world.ISSUER)
    code, said = verify(run, *policy, "--trusted-root", str(tmp_path / "sigstore" / "trusted_root.json"))
    assert (code, world.OURS in said) == (0, True), said
    assert installed(signing) == ["replicator_stand_in-1.1.dist-info"]


def merge(jobs: Jobs, sign: str, **env: str) -> tuple[Caller, Run]:
    """Two builds that sign nothing, and the merge, which does."""
    for architecture in IMAGES:
        assert jobs.build(architecture).outputs["result"] == "complete"
    caller = jobs.job()
    caller.job.env |= env
    return caller, jobs.merge(caller=caller, sign=sign)


MERGED = {"web-eu", "web-asia", "web-arm64-eu", "web-arm64-asia"}


def test_merge_with_a_key(jobs: Jobs, tmp_path: Path) -> None:
    key = world.private_key()
    caller, run = merge(jobs, "key", SIGNING_KEY=key)
    assert (run.outputs["result"], jobs.families()) == ("complete", MERGED), run.log
    (tmp_path / "key.pub").write_bytes(world.public_key(key))
    code, said = verify(run, "--key", str(tmp_path / "key.pub"))
    assert (code, run.outputs["index_digest"] in said) == (0, True), said
    assert installed(caller) == ["replicator_stand_in-1.0.dist-info"]
    assert not any(line in run.log for line in key.splitlines()[1:-1])


def test_merge_keyless(jobs: Jobs, tmp_path: Path) -> None:
    if lacking := world.lacking():
        pytest.skip(lacking)
    with world.sigstore(tmp_path / "sigstore") as service:
        caller, run = merge(jobs, "keyless", **service.environment())
    assert (run.outputs["result"], jobs.families()) == ("complete", MERGED), run.log
    policy = ("--certificate-identity-regexp", world.POLICY, "--certificate-oidc-issuer", world.ISSUER)
    code, said = verify(run, *policy, "--trusted-root", str(tmp_path / "sigstore" / "trusted_root.json"))
    assert (code, world.OURS in said) == (0, True), said
    assert "replicator_stand_in-1.1.dist-info" in installed(caller)


def test_merge_that_nobody_signs(jobs: Jobs) -> None:
    """There is a token service, which does not answer: known only when everything else is done."""
    token = {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/token", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner"}
    _, run = merge(jobs, "keyless", **token)
    assert (run.exit_code, run.outputs["result"], jobs.families()) == (3, "failed", set())
    assert {run.outputs[name] for name in ("index_path", "index_digest", "bundle_path", "attestation_path")} == {""}
    assert run.json("images") == {}
    assert {row["reason"] for row in run.json("replicas") if row["outcome"] != "source"} == {"unsigned"}


def test_keyless_without_the_permission(signing: Caller) -> None:
    run = signing.replicate({"sign": "keyless"})
    assert (run.exit_code, run.outputs["result"], run.outputs["index_path"]) == (3, "failed", "")
    assert "id-token: write" in run.log
    assert signing.emulator.journal() == []
