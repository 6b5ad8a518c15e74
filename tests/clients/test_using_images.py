"""Every line of docs/using-images.md, run as a user would, with real gcloud, against an emulator and an https server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.replicate import run
from replicator.index import image_index
from testkit.action import Action
from testkit.places import ROOT
from testkit.resolve import https
from testkit.signing import world
from testkit.terraform import Terraform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running

PAGE = (ROOT / "docs" / "using-images.md").read_text(encoding="utf-8")
RELEASES = "https://github.com/acme/images/releases/download/v1"
EU = "projects/acme/global/images/web-v1-eu"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@dataclass
class User:
    """Somebody at a terminal, with a release's files in the working folder."""

    folder: Path
    env: dict[str, str]
    site: https.Site
    digest: str

    def __call__(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        text = re.sub(r"sha256:[0-9a-f]{64}", self.digest, script.replace(RELEASES, self.site.url))
        command = ["bash", "-euo", "pipefail", "-c", text]
        return subprocess.run(
            command, cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True, timeout=300, check=False
        )


@pytest.fixture
def user(emulator: Running, tmp_path: Path) -> Iterator[User]:
    """The release is made, signed and published by the product itself."""
    emulator.add_image(project="acme", name="web-v1", family="web", location="us", disk_size_gb=20, public=True)
    action = Action(emulator, tmp_path, env={"SIGNING_KEY": world.private_key()})
    done = action.carry_out(run.run, {"source_image": "projects/acme/global/images/web-v1", "sign": "key"})
    assert done.exit_code == 0, done.log
    folder = tmp_path / "work"
    folder.mkdir()
    for output in ("index_path", "bundle_path"):
        shutil.copy(done.outputs[output], folder)
    (folder / "release.pub").write_bytes(world.public_key(action.env["SIGNING_KEY"]))
    ours = folder / "gce-image-replicator"
    ours.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m replicator "$@"\n', encoding="utf-8")
    ours.chmod(0o755)
    certificate = https.certificate(tmp_path)
    with https.serving(certificate) as site:
        site.answers = {"/image-index.json": (200, {}, done.index)}
        env = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
            "CLOUDSDK_CORE_PROJECT": "acme",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{emulator.url}/compute/v1/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
        yield User(folder, env, site, image_index.digest(done.index))


def test_every_command_prints_the_nearest_image(user: User) -> None:
    """Those in `sh` blocks, each by itself."""
    commands = [line for text in blocks("sh") for line in text.replace("\\\n", " ").splitlines()]
    assert len(commands) == 5
    for command in commands:
        done = user(command)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["image"] if "json" in command.split()[-1:] else done.stdout.strip()
        assert found == EU, command
        if "--zone" in command:
            (said,) = re.findall(r"stderr why: `([^`]*)`", PAGE)
            assert done.stderr == " ".join(said.split()) + "\n"
    assert [path for path, _ in user.site.asked] == ["/image-index.json"]


def test_gcloud_and_a_shell_take_the_answer(user: User) -> None:
    if not shutil.which("gcloud"):
        pytest.skip("gcloud is missing")
    (script,) = blocks("bash")
    done = user(script)
    assert done.returncode == 0, done.stderr
    assert "name: web-v1-eu\n" in done.stdout
    assert "storageLocations:\n- eu\n" in done.stdout
    assert done.stdout.endswith(f"{EU} in eu\n")


def test_terraforms_protocol(user: User) -> None:
    """As the provider `external` does: the query on standard input, one object of strings on standard output."""
    (text,) = blocks("hcl")
    program = json.loads(re.findall(r"program = (\[.*\])", text)[0])
    query = dict(re.findall(r'(\w+) = "([^"]*)"', re.findall(r"query +=(.*)", text)[0]))
    command = f"printf %s {json.dumps(json.dumps(query))} | {' '.join(program)}"
    done = user(command)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert all(isinstance(value, str) for value in result.values())
    (used,) = re.findall(r"external\.image\.result\.(\w+)", text)
    assert result[used] == EU
    wrong = user(command.replace("europe-west4-a", "europe"))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "zone: 'europe' isn't a zone" in wrong.stderr


def test_terraform_itself(user: User, emulator: Running) -> None:
    """The page's lines, with the provider `external`; then the nearest image is gone, and then all are."""
    terraform = Terraform(user.folder, user.env)
    terraform.offer("external", "1.2.0")
    (text,) = blocks("hcl")
    (user.folder / "main.tf").write_text(text, encoding="utf-8")
    terraform.run("init", "-input=false")
    assert terraform.outputs() == {"image": EU}
    emulator.delete_image("acme", EU.rpartition("/")[2])
    assert terraform.outputs() == {"image": "projects/acme/global/images/web-v1"}
    for location in ("us", "asia"):
        emulator.delete_image("acme", "web-v1" if location == "us" else f"web-v1-{location}")
    said = terraform.refusal()
    assert "No image that could serve europe-west4 is right: eu: " in said
    assert f"{EU}: it does not exist" in said


def test_the_table_of_exit_codes(user: User) -> None:
    told = "gce-image-replicator resolve --index image-index.json --json"
    cases = {
        1: [f"{told} --region me-west1 --fallback none"],
        2: [f"{told} --region nowhere", f"{told} --location eu --digest sha256:{'0' * 64}"],
        # Of an API, that takes a minute.
        4: [
            f"{told} --location eu --digest {user.digest}".replace("image-index.json", "https://127.0.0.1:1/index.json")
        ],
    }
    for code, commands in cases.items():
        for command in commands:
            done = subprocess.run(
                ["bash", "-c", command], cwd=user.folder, env=user.env, capture_output=True, text=True, check=False
            )
            row = re.findall(rf"^\| {code} \| (.*) \|$", PAGE, re.MULTILINE)[0]
            assert done.returncode == code, done.stderr
            assert f"`{json.loads(done.stdout)['result']}`" in row
