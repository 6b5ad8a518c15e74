"""Runs the command lines that the pages show, as they are shown, in a project that has what they name."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from replicator import cli
from testkit.action import Action
from testkit.lifecycle.releases import release
from testkit.pages import FENCE, PAGES
from testkit.places import ROOT
from testkit.signing import world
from testkit.signing.release import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.testing import Running

PROJECT = "acme-images"
WORDS = re.compile(r"^ *(?:[A-Z_]+=\S+ )*gce-image-replicator (?=[a-z])(.*)$", re.MULTILINE)
#: Commands that speak to something else than Compute Engine, or go on: the tests that run them.
ELSEWHERE = {
    "release": "tests/docs/test_publisher_page.py",
    "dispatch": "tests/integration/release/test_dispatch.py",
    "runs": "tests/integration/release/test_runs.py",
    "notify": "tests/integration/webhooks",
    "webhook": "tests/integration/webhooks",
    "publications": "tests/integration/webhooks",
    "registry": "tests/integration/registry",
    "prices": "tests/integration/prices",
    "smoke": "tests/integration/smoke",
}
#: Lines of the other commands that need what no test has: an address on the internet, or the public Sigstore.
FAR = re.compile(r"--index https://|--certificate-identity-regexp|--spec|--attestation")


def shown() -> list[str]:
    """Every line of our own command in the pages, joined where it is continued, up to what ends it."""
    texts = [match["text"] for text in PAGES.values() for match in FENCE.finditer(text) if match["language"] == "sh"]
    joined = [re.sub(r" *\\\n\s*", " ", text) for text in texts]
    return sorted(
        {re.sub(r" +# .*| *[|>&;].*", "", line[1]).strip() for text in joined for line in WORDS.finditer(text)}
    )


LINES = shown()
HERE = [line for line in LINES if line.split()[0] not in ELSEWHERE and not FAR.search(line)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """A project with two releases of two architectures, and a folder with what a signed run left."""
    folder = tmp_path_factory.mktemp("shop")
    with running(copy_seconds=0.01) as emulator:
        for line, architecture in (("web", "X86_64"), ("web-arm64", "ARM64")):
            for day, version in enumerate(("v1-0", "v1-1"), start=20_000):
                release(emulator, f"{line}-{version}", day=day, line=line, project=PROJECT, public=True,
                        architecture=architecture, labels={"release": version})  # fmt: skip
        for project, name in (
            (PROJECT, "web-v1"), (PROJECT, "worker-us-123456789"), ("p1", "web-v1"), ("acme", "web-v1"),
        ):  # fmt: skip
            emulator.add_image(project=project, name=name, family="shown", public=True)
        emulator.add_image(project="acme", name="web-9", family="web", public=True)
        fragments = folder / "fragments"
        fragments.mkdir()
        for name, source in (("x86", "web-v1"), ("arm", "web-arm")):
            if source == "web-arm":
                emulator.add_image(project=PROJECT, name=source, family="arm", public=True, architecture="ARM64")
            action = Action(emulator, folder / name, env={"SIGNING_KEY": KEY})
            action.folder.mkdir()
            done = action(source_image=f"projects/{PROJECT}/global/images/{source}", sign="key")
            assert done.result == "complete", done.log
            (fragments / f"{name}.json").write_bytes(done.index)
            if name == "x86":
                (folder / "image-index.json").write_bytes(done.index)
                bundle = Path(done.outputs["bundle_path"]).read_bytes()
                (folder / "image-index.json.sigstore.json").write_bytes(bundle)
        for name in ("signing.pub", "release.pub"):
            (folder / name).write_bytes(world.public_key(KEY))
        (folder / "prices.json").write_bytes((ROOT / "replicator" / "prices.json").read_bytes())
        yield emulator, folder


def run(emulator: Running, folder: Path, words: list[str]) -> tuple[int, str]:
    env = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "GITHUB_EVENT_NAME": "push",
    }
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return cli.main(words, env, said), said.getvalue()


def as_typed(line: str) -> list[str]:
    """The words of a line, with what a reader fills in."""
    filled = re.sub(r"\bPROJECT\b", PROJECT, line).replace("/NAME", "/web-v1").replace("$folder", "images")
    return shlex.split(filled)


@pytest.mark.parametrize("line", HERE)
def test_it_does_what_the_page_says(shop: tuple[Running, Path], tmp_path: Path, line: str) -> None:
    words, (emulator, left) = as_typed(line), shop
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    shutil.copytree(left, tmp_path / "images")
    if words[0] == "rollback":
        # From the newer release, whatever was run before.
        code, said = run(emulator, tmp_path, ["promote", *words[1:3], "--release=v1-1", "--reactivate"])
        assert code == 0, said
    code, said = run(emulator, tmp_path, words)
    assert code == 0, said
    if "--json" in words:
        document: Any = json.loads(said)
        assert document["result"]


def test_every_other_command_is_run_elsewhere() -> None:
    """By a test that names its verb, in the file or folder that is listed."""
    assert len(HERE) > 25
    for verb in {line.split()[0] for line in LINES if line not in HERE and not FAR.search(line)}:
        place = ROOT / ELSEWHERE[verb]
        files = [place] if place.is_file() else sorted(place.rglob("test_*.py"))
        assert any(re.search(rf"[\"'\s`]{verb}\b", path.read_text("utf-8")) for path in files), verb
