"""The workflows that others copy, byte for byte: only other people's actions and Packer are stood in for."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from replicator.commands.webhooks import event, secrets, signature
from replicator.commands.webhooks.signature import Proof
from testkit.forges.front import front
from testkit.forges.github import GitHub
from testkit.pages import OURS
from testkit.places import ROOT
from testkit.runners import consumer
from testkit.runners.events import EVENTS
from testkit.signing import world
from testkit.webhooks.listener import Reply, receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emulator.testing import Running
    from testkit.runners.engine import Ran
    from testkit.runners.runner import Runner

pytestmark = [
    pytest.mark.skipif(shutil.which(name) is None, reason=f"{name}, which the example calls, is not installed")
    for name in ("gcloud", "jq")
]

EXAMPLE = "gce-image-build.yml"
VARIABLES = {
    "GCP_PROJECT": "p1",
    "GCP_WORKLOAD_IDENTITY_PROVIDER": "provider",
    "GCP_SERVICE_ACCOUNT": "account",
    "INSTANCE_TEMPLATE": "web",
}
BUILT = {"web-1-1": ("us", "web", True)}
WHOLE = {**BUILT, "web-1-1-eu": ("eu", "web-eu", True), "web-1-1-asia": ("asia", "web-asia", True)}
REFUSED = {"kind": "http", "code": 403, "reason": "forbidden", "message": "no"}


@pytest.fixture
def compute() -> Iterator[Running]:
    """An empty project: the workflow builds the image."""
    with running(copy_seconds=0.05) as emulator:
        yield emulator
        emulator.assert_faults_used()


def run(runner: Runner, event: str, example: str = EXAMPLE, **variables: str) -> Ran:
    text = (ROOT / "workflows-examples" / example).read_text("utf-8")
    (runner.folder / "repository" / "packer").mkdir(parents=True, exist_ok=True)
    (runner.folder / "repository" / "packer" / "web.pkr.hcl").write_text("# for Packer\n", "utf-8")
    served = consumer.stand_ins(runner.folder / "actions", text)
    others = set(re.findall(r"uses: (\S+)@", text)) - {"actions/checkout", *OURS}
    assert {name.partition("@")[0] for name in served} == others
    return runner.run(EVENTS[event], {example: text}, served=served, variables={**VARIABLES, **variables})


@pytest.mark.parametrize("event", ["tag", "dispatch, true"])
def test_image_is_built_and_replicated(runner: Runner, event: str) -> None:
    ran = run(runner.prepare(), event)
    assert ran.jobs == {"image": "success"}, ran
    assert runner.images() == WHOLE
    assert ran.stages == ["decide", "setup", "replicate"]
    assert any(line.startswith("result: complete, failed: none, index: sha256:") for line in ran.log)
    assert "eu\tprojects/p1/global/images/web-1-1-eu" in ran.log


@pytest.mark.parametrize("event", ["dispatch, false", "dispatch, absent"])
def test_image_is_built_only(runner: Runner, event: str) -> None:
    ran = run(runner, event)
    assert ran.jobs == {"image": "success"}, ran
    assert runner.images() == BUILT
    assert ran.stages == ["decide"]


def test_pull_request_leaves_nothing(runner: Runner) -> None:
    ran = run(runner, "pull request")
    assert ran.jobs == {"image": "success"}, ran
    made = [entry["target"] for entry in runner.emulator.journal() if entry["method"] == "compute.images.insert"]
    assert made == ["projects/p1/global/images/web-pr-1-1"]
    assert runner.images() == {}
    assert "The image web-pr-1-1 is deleted." in ran.log


def test_pull_request_of_a_fork_runs_no_job(runner: Runner) -> None:
    ran = run(runner, "pull request of a fork")
    assert ran.jobs == {}, ran
    assert runner.emulator.journal() == []


def test_location_that_fails_is_a_warning(runner: Runner) -> None:
    runner.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "times": None, "action": REFUSED}])
    ran = run(runner.prepare(), "tag")
    assert ran.jobs == {"image": "success"}, ran
    assert runner.images() == {name: image for name, image in WHOLE.items() if name != "web-1-1-eu"}
    assert any(line.startswith("result: partial, failed: eu, index: sha256:") for line in ran.log)
    assert [note.title for note in ran.annotations if note.level == "warning"] == ["eu"]


RELEASE, DEPLOY = "multi-arch.yml", "deploy.yml"
#: The identity that GitHub confirms of the release's jobs.
RELEASED_BY = f"https://github.com/acme/images/.github/workflows/{RELEASE}@refs/tags/v1.2.3"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.Sigstore]:
    """What the release's index is signed with."""
    if lacking := world.lacking():
        pytest.skip(lacking)
    with world.sigstore(tmp_path_factory.mktemp("sigstore")) as running:
        yield running


@pytest.fixture
def signing(runner: Runner, service: world.Sigstore) -> Runner:
    """A runner whose jobs may ask for identity tokens."""
    runner.env |= service.environment(RELEASED_BY)
    return runner


STEMS = {"web": "X86_64", "web-arm64": "ARM64"}


def released(*, promoted: bool, left_out: str = "") -> dict[str, tuple[str, str, bool]]:
    """Every image of the example's release: where it is, its family, and that everybody may use it."""
    found = {f"{stem}-1-1": ("us", stem, True) for stem in STEMS}
    for stem in STEMS:
        for location in {"us", "eu", "asia"} - {left_out if stem == "web-arm64" else ""}:
            family = f"{stem}-{location}" if promoted and location != left_out else ""
            found[f"{stem}-1-1-{location}"] = (location, family, True)
    return found


class TestRelease:
    """Two architectures and the merge; both builds run beside each other."""

    @pytest.mark.parametrize("event", ["tag", "dispatch, true"])
    def test_all_of_it(self, signing: Runner, event: str) -> None:
        ran = run(signing.prepare(), event, RELEASE)
        assert ran.jobs == {"build": "success", "merge": "success"}, ran
        assert signing.images() == released(promoted=True)
        assert {image["name"]: image["architecture"] for image in signing.emulator.state()["images"]} == {
            name: STEMS[name.partition("-1-1")[0]] for name in released(promoted=True)
        }
        assert any(line.startswith("result: complete, failed: none, index: sha256:") for line in ran.log), ran
        assert "ARM64\teu\tprojects/p1/global/images/web-arm64-1-1-eu" in ran.log
        index = (ran.witness / "artifacts" / "release" / "image-index.json").read_bytes()
        digest = hashlib.sha256(index).hexdigest()
        # GitHub alone attests anything: a stand-in says what it would be.
        assert f"Stands in for actions/attest, which would attest sha256:{digest}" in ran.log

    def test_built_only(self, runner: Runner) -> None:
        ran = run(runner, "dispatch, false", RELEASE)
        assert ran.jobs == {"build": "success", "merge": "success"}, ran
        assert runner.images() == {f"{stem}-1-1": ("us", stem, True) for stem in STEMS}
        assert ran.steps["merge/decide"] == "success"
        assert "merge/setup" not in ran.steps

    def test_pull_request_leaves_nothing_and_merges_nothing(self, runner: Runner) -> None:
        ran = run(runner, "pull request", RELEASE)
        assert ran.jobs == {"build": "success"}, ran
        assert runner.images() == {}

    def test_pull_request_of_a_fork_runs_no_job(self, runner: Runner) -> None:
        ran = run(runner, "pull request of a fork", RELEASE)
        assert ran.jobs == {}, ran
        assert runner.emulator.journal() == []

    def test_a_location_that_one_lacks_is_left_out_for_both(self, signing: Runner) -> None:
        fault = {"method": "compute.images.insert", "match": "arm64-1-1-asia", "times": None, "action": REFUSED}
        signing.emulator.faults([fault])
        ran = run(signing.prepare(), "tag", RELEASE)
        assert ran.jobs == {"build": "success", "merge": "success"}, ran
        assert signing.images() == released(promoted=True, left_out="asia")
        assert any(line.startswith("result: partial, failed: asia, index: sha256:") for line in ran.log), ran

    def test_a_required_location_that_one_lacks_moves_no_family(self, signing: Runner) -> None:
        fault = {"method": "compute.images.insert", "match": "arm64-1-1-us", "times": None, "action": REFUSED}
        signing.emulator.faults([fault])
        ran = run(signing.prepare(), "tag", RELEASE)
        assert ran.jobs == {"build": "success", "merge": "failure"}, ran
        assert {family for _, family, _ in signing.images().values()} == {"", *STEMS}
        assert any("us is required and not served by ARM64" in line for line in ran.log) or any(
            "us is required and not served by ARM64" in note.message for note in ran.annotations
        )


def deploys(signing: Runner, released: Path, event: str, spoil: bytes = b"") -> Ran:
    """Someone else's repository, which holds what the release left, deploys; gcloud's words stay in the witness folder."""
    folder = signing.folder / event.partition(" ")[0].strip(",")
    images, programs = folder / "repository" / "images", folder / "programs"
    shutil.copytree(released, images)
    programs.mkdir()
    (programs / "gcloud").write_text('#!/bin/sh\nprintf "%s\\n" "$*" >>"$WITNESS/gcloud"\n', "utf-8")
    (programs / "gcloud").chmod(0o755)
    if spoil:
        index = images / "image-index.json"
        index.write_bytes(index.read_bytes().replace(spoil, spoil.upper()))
    env = {"SIGSTORE_TRUST_CONFIG": signing.env["SIGSTORE_TRUST_CONFIG"]}
    path = os.pathsep.join([str(programs), signing.path])
    return run(replace(signing, folder=folder, env=env, path=path), event, DEPLOY)


def test_what_is_released_is_deployed(signing: Runner) -> None:
    """From the build to the deployment: who has index, signature and policy gets the image, or none."""
    ran = run(signing.prepare(), "tag", RELEASE)
    assert ran.jobs == {"build": "success", "merge": "success"}, ran
    left = ran.witness / "artifacts" / "release"
    done = deploys(signing, left, "branch")
    assert done.jobs == {"deploy": "success"}, done
    said = (done.witness / "gcloud").read_text("utf-8")
    assert "--image=projects/p1/global/images/web-1-1-eu " in said
    assert "instance-templates create web-1-1 " in said
    looked = deploys(signing, left, "pull request")
    assert (looked.jobs, (looked.witness / "gcloud").exists()) == ({"deploy": "success"}, False), looked
    before = len(signing.emulator.journal())
    forged = deploys(signing, left, "dispatch, true", b"web-1-1-eu")
    assert (forged.jobs, (forged.witness / "gcloud").exists()) == ({"deploy": "failure"}, False), forged
    assert forged.exit_codes["verify/verify"] == 5
    assert len(signing.emulator.journal()) == before


def test_what_is_released_is_announced(signing: Runner, tmp_path: Path) -> None:
    """From the build to a receiver: on the forge's release, then by a webhook that carries what was signed."""
    if signing.engine.name != "act":
        pytest.skip(f"{signing.engine.name} is no runner of GitHub's, whose API this example speaks")
    github, secret = GitHub(), secrets.made(b"n" * 32)
    (tmp_path / "secrets").write_text(f"GITHUB_TOKEN={github.token}\nWEBHOOK_SECRET={secret}\n", "utf-8")
    engine = replace(signing.engine, arguments=(*signing.engine.arguments, "--secret-file", str(tmp_path / "secrets")))
    with front(github) as forge, receiver([Reply()]) as there:
        github.url = forge.url
        runner = replace(signing.prepare(), engine=engine, env={**signing.env, "GITHUB_SERVER_URL": forge.url})
        ran = run(runner, "tag", RELEASE, WEBHOOK_URL=there.url)
        assert ran.jobs == {"build": "success", "merge": "success", "announce": "success"}, str(ran)
    (heard,) = there.heard
    told = event.parse(heard.body).data
    held = github.assets("v1.2.3")
    assert set(held) == {"SHA256SUMS", *(f"image-index.json{end}" for end in ("", *SIGNATURES))}
    for file, end in ((told.index, ""), (told.bundle, SIGNATURES[0]), (told.attestation, SIGNATURES[1])):
        assert file
        assert (file.content or "").encode() == held[f"image-index.json{end}"]
    assert told.release
    assert (told.version, told.release.url) == ("v1.2.3", f"{forge.url}/acme/images/releases/tag/v1.2.3")
    headers = (heard.headers[name] for name in (signature.ID, signature.TIMESTAMP, signature.SIGNATURE))
    assert signature.check(Proof(*headers), heard.body, (secret,), time.time()) == secret
    assert secret not in str(ran)


SIGNATURES = (".sigstore.json", ".intoto.sigstore.json")
