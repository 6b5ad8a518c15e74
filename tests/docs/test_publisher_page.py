"""Runs the page about the step between a publisher and a deployer: a signed index, a release, its verification."""

from __future__ import annotations

import io
import re
import shlex
from typing import TYPE_CHECKING, Any

from replicator import cli
from replicator.commands.replicate import run as replicate
from testkit.forges.caller import Caller
from testkit.forges.front import front
from testkit.forges.github import GitHub
from testkit.pages import page
from testkit.signing import world
from testkit.signing.release import KEY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from testkit.action import Action

BLOCKS = re.findall(r"^<!-- tested -->\n```sh\n(.*?)^```$", page("publisher-to-deployer.md"), re.MULTILINE | re.DOTALL)


def test_the_deployer_gets_what_the_publisher_signed(
    action: Action, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action.env["SIGNING_KEY"] = KEY
    given: dict[str, Any] = {"source_image": "projects/p1/global/images/web-1", "sign": "key", "access": "public"}
    made = action.carry_out(replicate.run, given)
    assert made.exit_code == 0, made.log
    lines = [line for block in BLOCKS for line in block.splitlines()]
    assert len(lines) == 3
    folder = tmp_path / "deployer"
    folder.mkdir()
    (folder / "release.pub").write_bytes(world.public_key(KEY))
    github = GitHub()
    with front(github) as server:
        github.url = server.url
        files = {"index": made.outputs["index_path"], "bundle": made.outputs["bundle_path"]}
        left = Caller(tmp_path, server.url, runs=1)(release_tag="v1", files="", **files)
        assert left.result == "published", left.log
        monkeypatch.chdir(folder)
        env = {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "GH_TOKEN": "ghs_right",
        }
        for line in lines:
            words = shlex.split(line)[1:]
            where = ["--server-url", server.url, "--forge", "github"] if words[0] == "release" else []
            said = io.StringIO()
            assert cli.main([*words, *where], env, said) == 0, said.getvalue()
    assert "projects/p1/global/images/web-1-eu" in said.getvalue()
    index = folder / "images" / "image-index.json"
    index.write_bytes(index.read_bytes().replace(b"web-1-eu", b"web-2-eu"))
    assert cli.main(shlex.split(lines[1])[1:], env, io.StringIO()) == 5
