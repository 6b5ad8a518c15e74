"""Every gcloud line of the pages and of the remedies, run as it stands by real gcloud.

Compute lines meet the emulator; those for other services meet `testkit.recorder`, and are held against what they are for.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from replicator.compute.errors import SOURCE_MISSING
from replicator.replicas import snippets
from testkit.harness.gcloud import gcloud_env
from testkit.harness.job import on_emulator
from testkit.make import EU, US
from testkit.pages import FENCE, PAGES, program
from testkit.places import ROOT
from testkit.recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from emulator.testing import Running
    from testkit.action import Action
    from testkit.recorder import Recorder

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is missing")

PROJECT = "acme-images"
TEXTS = {**PAGES, "../README.md": (ROOT / "README.md").read_text(encoding="utf-8")}
ACCOUNT = "serviceAccount:image-publisher@acme-images.iam.gserviceaccount.com"
#: Lines that nobody can run without a person, and why.
NOT_RUN = {"gcloud auth application-default login": "a browser asks who it is"}


def releases(emulator: Running, *, shared: bool = False) -> None:
    """Two releases: each a source, and a copy of it in each location, home's the newest."""
    for name in ("web-v1", "web-v2"):
        source = emulator.add_image(project=PROJECT, name=name, family="web")
        for where in ("eu", "asia", "us"):
            family = "web" if shared else f"web-{where}"
            made_of = {"source_image": f"projects/{PROJECT}/global/images/{name}", "source_image_id": source["id"]}
            emulator.add_image(project=PROJECT, name=f"{name}-{where}", family=family, location=where, **made_of)


def one_family(emulator: Running) -> None:
    releases(emulator, shared=True)


def in_turn(emulator: Running) -> None:
    """One of the replicas is a copy of another one."""
    releases(emulator)
    parent = emulator.image(PROJECT, "web-v1-eu")
    assert parent
    made_of = {"source_image": f"projects/{PROJECT}/global/images/web-v1-eu", "source_image_id": parent["id"]}
    emulator.add_image(project=PROJECT, name="web-v1-europe-west1", location="europe-west1", **made_of)


def source_only(emulator: Running) -> None:
    emulator.add_image(project=PROJECT, name="web-v1")


def strangers(emulator: Running) -> None:
    emulator.add_image(project=PROJECT, name="web-v1-asia", family="experiments", location="asia")
    emulator.add_image(project=PROJECT, name="web-v1-us-east1", deprecated={"state": "OBSOLETE"})


def workers(emulator: Running) -> None:
    for name in ("worker-us-7", "worker-eu-7", "worker-asia-7", "worker-7-1"):
        emulator.add_image(project=PROJECT, name=name)


def nothing(emulator: Running) -> None:
    """For lines that ask no image."""


def names(emulator: Running) -> list[str]:
    return [image["name"] for image in emulator.state()["images"]]


def in_use(emulator: Running) -> list[str]:
    return [
        image["name"]
        for image in emulator.state()["images"]
        if image.get("deprecated", {"state": "ACTIVE"})["state"] == "ACTIVE"
    ]


def held(emulator: Running) -> list[str]:
    return [image["name"] for image in emulator.state()["images"] if image.get("labels", {}).get("hold") == "true"]


def public(emulator: Running) -> list[str]:
    return [image["name"] for image in emulator.state()["images"] if image["policy"].get("bindings")]


@dataclass(frozen=True, kw_only=True)
class Script:
    """Blocks of a page, in their order, run as one script."""

    page: str
    holding: str
    """What each of the blocks holds."""
    world: Callable[[Running], None] = nothing
    prints: tuple[str, ...] = ()
    """Lines that are printed."""
    looking: Callable[[Running], list[str]] = names
    leaves: tuple[str, ...] | None = None
    """What is found by `looking` afterwards; None: nothing is looked at."""
    asks: tuple[tuple[str, str], ...] = ()
    """What other services are asked to change: verb and path, and a part of the body."""

    def blocks(self) -> list[str]:
        """What is run: shell blocks, and the `run` of a workflow's steps."""
        found = []
        for match in FENCE.finditer(TEXTS[self.page]):
            text = re.sub(rf"^{match['blank']}", "", match["text"], flags=re.MULTILINE)
            if match["language"] == "sh":
                found.append(text)
            elif match["language"] == "yaml":
                found += re.findall(r"run: (?:\|\n)?((?: *gcloud .+\n)+)", text)
        return [text for text in found if self.holding in text]


def role(project: str, name: str, part: str) -> tuple[tuple[str, str], ...]:
    """A role made, and given to the account."""
    return (
        (f"POST /projects/{project}/roles", part),
        (f"POST /projects/{project}:setIamPolicy", f'"{ACCOUNT}"], "role": "projects/{project}/roles/{name}"'),
    )


POOLS = "/projects/acme-images/locations/global/workloadIdentityPools"
POOL = "principalSet://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/github"
SCRIPTS = [
    Script(page="other-builds.md", holding="--source-uri", leaves=("web-v1",)),
    Script(page="retention.md", holding="hold=true", world=releases, looking=held, leaves=("web-v1-eu",)),
    Script(
        page="permissions.md",
        holding="",
        asks=(
            ("POST /projects/acme-images/services:batchEnable", '"compute.googleapis.com", "iam.googleapis.com"'),
            ("POST /projects/acme-images/serviceAccounts", '"image-publisher"'),
            *role(PROJECT, "imageReplicator", '"compute.images.create"'),
            ("PATCH /projects/acme-images/roles/imageReplicator", '"compute.images.delete"'),
            ("PATCH /projects/acme-images/roles/imageReplicator", '["compute.images.get"]'),
            ("POST /projects/acme-images/services/cloudresourcemanager.googleapis.com:enable", ""),
            (f"POST {POOLS}", '"displayName": "GitHub Actions"'),
            (f"POST {POOLS}/github/providers", "\"assertion.repository_id == '123456789' && (assertion.ref."),
            (f"POST /projects/acme-images/serviceAccounts/{ACCOUNT.partition(':')[2]}:setIamPolicy",
             f'"{POOL}/attribute.repository_id/123456789"], "role": "roles/iam.workloadIdentityUser"'),
            ("POST /projects/acme-images:setIamPolicy", f'"{POOL}/attribute.repository_id/123456789"'),
            *role("acme-builds", "imageReplicatorSource", '"compute.images.useReadOnly"'),
            *role("acme-public", "imageReplicatorReplica", '"compute.images.create"'),
            ("POST /projects/acme-images/roles", '"imageLister"'),
            ("POST /projects/acme-images/roles", '"imageRollback"'),
            ("POST /projects/acme-images/roles", '"imageRetirer"'),
            ("POST /projects/acme-keys/locations/europe/keyRings/images/cryptoKeys/web:setIamPolicy",
             "service-123@compute-system.iam.gserviceaccount.com"),
        ),
    ),
    Script(
        page="errors-of-the-sign-in.md",
        holding="service-accounts add-iam-policy-binding",
        asks=(
            (f"POST /projects/{PROJECT}/serviceAccounts/{ACCOUNT.partition(':')[2]}:setIamPolicy",
             f'"{POOL}/attribute.repository_id/123456789"], "role": "roles/iam.workloadIdentityUser"'),
        ),
    ),
    Script(
        page="errors-of-the-sign-in.md",
        holding="service-accounts enable",
        asks=((f"POST /projects/{PROJECT}/serviceAccounts/{ACCOUNT.partition(':')[2]}:enable", ""),),
    ),
    Script(
        page="errors-of-the-sign-in.md",
        holding="enable sts.googleapis.com",
        asks=(("POST /projects/acme-images/services:batchEnable", '"sts.googleapis.com"'),),
    ),
    Script(
        page="errors-of-the-sign-in.md",
        holding="update-oidc PROVIDER",
        asks=(
            (f"PATCH {POOLS}/POOL/providers/PROVIDER", "assertion.repository_id"),
            (f"PATCH {POOLS}/POOL/providers/PROVIDER", "jwksJson"),
        ),
    ),
    Script(
        page="../README.md",
        holding="roles create",
        asks=(
            ("POST /projects/acme-images/roles", '"compute.images.delete"'),
            ("POST /projects/acme-images:setIamPolicy", ACCOUNT),
        ),
    ),
    Script(
        page="moving-from-gcloud.md",
        holding="images create",
        world=source_only,
        looking=public,
        leaves=("web-v1-eu", "web-v1-asia"),
    ),
    Script(
        page="moving-from-gcloud.md",
        holding='"$PROJECT" --member',
        world=workers,
        looking=public,
        leaves=("worker-us-7", "worker-eu-7", "worker-asia-7", "worker-7-1"),
    ),
    Script(
        page="locations-and-families.md",
        holding="deprecate web-v2-eu",
        world=releases,
        prints=("web-v1-eu",),
        looking=in_use,
        leaves=("web-v1", "web-v1-eu", "web-v1-asia", "web-v1-us", "web-v2", "web-v2-asia", "web-v2-us"),
    ),
    Script(
        page="locations-and-families.md",
        holding="for image in",
        world=one_family,
        prints=("web-v1-us",),
        looking=in_use,
        leaves=("web-v1", "web-v1-eu", "web-v1-asia", "web-v1-us"),
    ),
    Script(
        page="adopting-images.md",
        holding="gcloud",
        world=strangers,
        prints=("- asia", "family: experiments"),
        looking=in_use,
        leaves=("web-v1-us-east1",),
    ),
    Script(
        page="after-a-failure.md",
        holding="gcloud",
        world=strangers,
        prints=("name: web-v1-asia", "family: experiments", "storageLocations:", "- asia"),
        leaves=("web-v1-us-east1",),
    ),
    Script(
        page="pruning.md",
        holding="",
        world=in_turn,
        prints=("web-v2-eu",),
        leaves=("web-v2", "web-v2-eu", "web-v2-asia", "web-v2-us"),
    ),
]  # fmt: skip


def filled(text: str) -> str:
    """With the words in capitals that stand for something."""
    text = re.sub(r"(?<![\w$])PROJECT(?![\w=])", PROJECT, text)
    text = text.replace("--billing-account=ACCOUNT", "--billing-account=012345-6789AB-CDEF01")
    words = {
        "SERVICE_ACCOUNT": ACCOUNT.partition(":")[2],
        "ACCOUNT": ACCOUNT.partition(":")[2],
        "ROLE": "roles/compute.imageUser",
        "IMAGE": "web-v1",
        "projects/NUMBER/locations/global/workloadIdentityPools/POOL": POOL.partition("googleapis.com/")[2],
        "REPOSITORY_ID": "123456789",
    }
    return re.sub(rf"(?<![\w${{])({'|'.join(words)})(?![\w=])", lambda found: words[found[0]], text)


class Shell:
    """Runs scripts in which gcloud meets the emulator and the recorder, and `gh` nobody."""

    def __init__(self, emulator: Running, recorder: Recorder, folder: Path) -> None:
        self.folder = folder
        self.env = gcloud_env(
            folder, **{**recorder.overrides(), **on_emulator(emulator.url)}, CLOUDSDK_CORE_PROJECT=PROJECT
        )

    def __call__(self, script: str, **env: str) -> list[str]:
        """The lines printed. Raises AssertionError if any command fails."""
        done = subprocess.run(
            [program("bash"), "-euo", "pipefail"],
            input=f"gh() {{ :; }}\n{script}",
            env={**self.env, **env},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.splitlines()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def shell(emulator: Running, recorder: Recorder, tmp_path: Path) -> Shell:
    return Shell(emulator, recorder, tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: f"{each.page.strip('./')} {each.holding}")
def test_pages(emulator: Running, recorder: Recorder, shell: Shell, script: Script) -> None:
    script.world(emulator)
    (shell.folder / "KEYS.json").write_text('{"keys": []}', encoding="utf-8")
    text = filled("\n".join(script.blocks()))
    printed = shell(text, PROJECT=PROJECT, IMAGE="worker-7-1", GITHUB_RUN_ID="7")
    assert [line for line in script.prints if line not in printed] == []
    if script.leaves is not None:
        assert sorted(script.looking(emulator)) == sorted(script.leaves)
    assert [change for change, _ in recorder.changes] == [change for change, _ in script.asks]
    for (change, body), (_, part) in zip(recorder.changes, script.asks, strict=True):
        assert part in body, change
    assert not any(entry["unsupported"] for entry in emulator.journal())


def test_no_line_is_left_out() -> None:
    run = "".join(text for script in SCRIPTS for text in script.blocks())
    lines = {
        re.sub(r"\s+# .*", "", line).strip()
        for text in TEXTS.values()
        for match in FENCE.finditer(text)
        if match["language"] in {"sh", "yaml"}
        for line in match["text"].splitlines()
    }
    lines = {line for line in lines if re.search(r"(^|[\s($])gcloud [a-z]", line)}
    assert lines
    assert {line for line in lines if line.removeprefix("run: ") not in run} == set(NOT_RUN)


INLINE = sorted(
    {
        command.replace("\n", " ")
        for text in TEXTS.values()
        for command in re.findall(r"(?<!`)`(gcloud [^`]+)`(?!`)", text)
        # Without an argument or an option it is a command's name.
        if re.search(r"--|[A-Z]|…", command)
    }
)


@pytest.mark.parametrize("command", INLINE)
def test_lines_within_sentences(emulator: Running, shell: Shell, command: str) -> None:
    for name in ("web-v1", "web-v1-asia"):
        emulator.add_image(project=PROJECT, name=name)
    # What `gcloud auth application-default login` leaves, in which a line may change the quota project.
    signed_in = {"type": "authorized_user", "client_id": "id", "client_secret": "secret", "refresh_token": "token"}
    config = shell.folder / "gcloud"
    config.mkdir(exist_ok=True)
    (config / "application_default_credentials.json").write_text(json.dumps(signed_in), encoding="utf-8")
    shell(filled(command.replace("…", "web-v1", 1).replace("…", PROJECT)))


class TestRemediesOfARun:
    """Beside those in test_docs.py: what a run says to type, typed."""

    def typed(self, message: str) -> str:
        """The command in a message."""
        (command,) = re.findall(r"`(gcloud [^`]+)`", message)
        return str(command)

    def test_api_disabled(self, action: Action, recorder: Recorder, shell: Shell) -> None:
        off = {"kind": "http", "code": 403, "reason": "accessNotConfigured"}
        action.emulator.faults([{"method": "compute.images.insert", "match": "-eu", "action": off}])
        message = action().replicas["eu"]["message"]
        shell(self.typed(message))
        ((change, _),) = recorder.changes
        assert change == "POST /projects/p1/services/compute.googleapis.com:enable"

    def test_conflict(self, action: Action, shell: Shell) -> None:
        action.emulator.add_image(project="p1", name="web-1-eu", family="experiments", location="eu")
        printed = shell(self.typed(action().replicas["eu"]["message"]))
        assert "family: experiments" in printed

    def test_source_missing(self, action: Action, shell: Shell) -> None:
        done = action(source_image="projects/p1/global/images/web-0")
        assert done.exit_code == SOURCE_MISSING.exit_code
        printed = shell(self.typed(done.outputs["reason"]))
        assert any(line.startswith("web-1 ") for line in printed)

    def test_a_family_that_someone_s_younger_image_heads(
        self, action: Action, source: dict[str, Any], shell: Shell
    ) -> None:
        """Its family is repaired; the image that stays the head is told, and what to type."""
        action(promote="false")
        action.emulator.add_image(project="p1", name="other", family="web-eu", location="eu")
        done = action()
        (note,) = set(re.findall(r"`(gcloud compute images deprecate other [^`]+)`", done.log))
        shell(note)
        (head,) = [
            line for line in shell("gcloud compute images describe-from-family web-eu --project p1") if "name:" in line
        ]
        assert head == "name: web-1-eu"


def test_the_summary_s_snippets(recorder: Recorder, shell: Shell) -> None:
    """An instance is asked for with the image, or the family, that the line is for."""
    rows = [US, EU]
    lines = snippets.gcloud(rows)
    shell("\n".join(lines), **recorder.overrides("COMPUTE"))
    wanted = [
        ("us-central1-b", "projects/p1/global/images/web-1"),
        ("us-central1-b", "projects/p1/global/images/family/web"),
        ("europe-west1-b", "projects/p1/global/images/web-1-eu"),
        ("europe-west1-b", "projects/p1/global/images/family/web-eu"),
    ]
    for (change, body), (zone, image) in zip(recorder.changes, wanted, strict=True):
        assert change == f"POST /projects/{PROJECT}/zones/{zone}/instances"
        assert f'/{image}"' in body
