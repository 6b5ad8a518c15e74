"""Every call of a merge that signs as the moment in which it is killed: no family moved unsigned, and a rerun heals it."""

from __future__ import annotations

import io
import signal
from typing import TYPE_CHECKING, Any

import pytest

from replicator.__main__ import main
from testkit.action import Action
from testkit.crash import process
from testkit.crash.stories import numbered, promoted, standing
from testkit.signing import world
from testkit.signing.release import EXPECT, KEY, Release, families

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.action import Finished
    from testkit.crash.theatre import Theatre

#: Name → family of every image that the merge promotes.
REPLICAS = {
    "web-a-us": "web-us",
    "web-a-eu": "web-eu",
    "web-b-us": "web-arm64-us",
    "web-b-eu": "web-arm64-eu",
}
CALLS = tuple(
    numbered(
        (
            "list images",
            *(f"getIamPolicy {name}" for name in REPLICAS),
            *(call for name, family in REPLICAS.items() for call in promoted(name, family)),
        )
    )
)


def begin(theatre: Theatre, folder: Path) -> Release:
    """Two builds are over."""
    theatre.emulator.reset()
    theatre.stage.set()
    release = Release(Action(theatre.emulator, folder), folder / "fragments", "key")
    release.action.env["SIGNING_KEY"] = KEY
    for name, family, architecture in (("web-a", "web", "X86_64"), ("web-b", "web-arm64", "ARM64")):
        release.build(name, family, architecture, locations="us, eu")
    return release


@pytest.fixture(scope="module")
def undisturbed(theatre: Theatre, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes, list[str]]:
    """What stands there in the end, the index, and the calls."""
    release = begin(theatre, tmp_path_factory.mktemp("merge"))
    theatre.stage.set()
    done = merge(release)
    return standing(theatre.emulator), theatre.nameless(done.index), list(theatre.stage.calls)


def merge(release: Release) -> Finished:
    done = release.merge()
    assert (done.exit_code, done.result) == (0, "complete"), done.log
    return done


def test_the_calls_are_all_calls(undisturbed: tuple[dict[str, Any], bytes, list[str]]) -> None:
    assert sorted(undisturbed[2]) == sorted(CALLS)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_running_it_again_heals(
    theatre: Theatre,
    undisturbed: tuple[dict[str, Any], bytes, list[str]],
    call: str,
    when: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("counted", "crash points of a merge")
    wanted, index, _ = undisturbed
    release = begin(theatre, tmp_path)
    theatre.stage.set(call, when)
    inputs = {"fragments": str(release.fragments), "expect": EXPECT, "sign": "key"}
    env = {"SIGNING_KEY": KEY, "GITHUB_WORKSPACE": str(tmp_path)}
    run = process.fork(tmp_path / "killed", theatre.emulator.url, inputs, ["action", "merge"], env)
    reached = theatre.stage.reached()
    code, _ = run.kill(signal.SIGKILL)
    assert (reached, code) == (True, -signal.SIGKILL), (tmp_path / "killed" / "log").read_text("utf-8")
    if families(release):
        signed(tmp_path / "killed")
    done = merge(release)
    assert standing(theatre.emulator) == wanted
    assert theatre.nameless(done.index) == index
    changes = len(release.action.mutations())
    assert merge(release).index == done.index
    assert len(release.action.mutations()) == changes


def signed(folder: Path) -> None:
    """What a merge that moved a family must have left, whatever became of it."""
    (folder / "key.pub").write_bytes(world.public_key(KEY))
    index = folder / "image-index.json"
    files = {"index": index, "bundle": f"{index}.sigstore.json", "attestation": f"{index}.intoto.sigstore.json"}
    argv = [part for name, file in {**files, "key": folder / "key.pub"}.items() for part in (f"--{name}", str(file))]
    said = io.StringIO()
    assert main(["verify", "--offline-only", *argv], {}, said) == 0, said.getvalue()
