"""Files that inputs name, through the front door: what is none of ours is refused at once, and nothing of it is told."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from replicator.__main__ import main
from replicator.commands.replicate import run
from replicator.inputs import files
from testkit.outputs import read_outputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.action import Action

SECRET = "swordfish"
BOMB = "a: &a [x,x]\n" + "".join(f"b{number}: &b{number} [*a,*a]\n" for number in range(40))
DEEP = "[" * 50_000
CONFIG = 'locations: {us: {}, eu: {project: "{project}"}}'
MANIFEST = (
    '{"builds": [{"builder_type": "googlecompute", "artifact_id": "web-1", "packer_run_uuid": "r"}],'
    '"last_run_uuid": "r"}'
)


def written(data: str | bytes) -> Callable[[Path, Path], None]:
    def make(path: Path, _outside: Path) -> None:
        path.write_bytes(data if isinstance(data, bytes) else data.encode())

    return make


def huge(path: Path, _outside: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def closed(path: Path, _outside: Path) -> None:
    path.write_text(SECRET)
    path.chmod(0)


def link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "secret")


#: What stands under the path → how it is made, and what is said about it.
SHAPES: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "nothing": (lambda path, outside: None, "can't be read (No such file"),
    "a folder": (lambda path, outside: path.mkdir(), "isn't a regular file"),
    "a FIFO": (lambda path, outside: os.mkfifo(path), "isn't a regular file"),
    "a link to outside": (link, "lies outside"),
    "a link to a device": (lambda path, outside: path.symlink_to("/dev/zero"), "lies outside"),
    "a link to what was read": (lambda path, outside: path.symlink_to("/proc/self/environ"), "lies outside"),
    "a dangling link": (lambda path, outside: path.symlink_to("nowhere"), "can't be read (No such file"),
    "a link to itself": (lambda path, outside: path.symlink_to(path.name), "can't be read (Too many levels"),
    "a folder that leads out": (lambda path, outside: path.symlink_to(outside), "lies outside"),
    "a huge file": (huge, "at most"),
    "a closed file": (closed, "can't be read (Permission denied)"),
    "no text": (written(b"\xff\xfea"), "not UTF-8"),
    "UTF-16": (written(CONFIG.encode("utf-16-le")), "isn't valid"),
    "NUL bytes": (written("a\0b"), "isn't valid"),
    "deep nesting": (written(DEEP), "isn't valid JSON (|is nested too deeply"),
    "a bomb of aliases": (written(BOMB), "anchor or alias|isn't valid JSON"),
    "a long number": (written('{"locations": ' + "1" * 100_000 + "}"), "too long|isn't valid JSON"),
    "a base-60 number": (written("locations: " + "1:" * 50_000 + "1"), "too long|isn't valid JSON"),
    "doubled keys": (written('{"locations": {"us": {}},\n "locations": {"us": {}}}'), "twice"),
    "a text of somebody else": (written(f"{SECRET}:x:0"), "holds no keys|isn't valid JSON"),
    "nothing in it": (written(""), "is missing|isn't valid JSON"),
}  # fmt: skip


def attempt(name: str, value: str, folder: Path) -> tuple[int, str, dict[str, str]]:
    env = {
        "GITHUB_WORKSPACE": str(folder / "workspace"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "RUNNER_TEMP": str(folder / "temp"),
    }
    (folder / "temp").mkdir(exist_ok=True)
    stdout = io.StringIO()
    given = {"source_image": "projects/p1/global/images/web-1"} if name == "config" else {}
    code = run.run({**given, name: value}, env, stdout, commands=True)
    told = stdout.getvalue() + (folder / "summary").read_text()
    return code, told, read_outputs(folder / "output")


@pytest.mark.parametrize("name", ["config", "packer_manifest"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_file_of_ours(tmp_path: Path, name: str, shape: str) -> None:
    if shape == "a closed file" and os.geteuid() == 0:
        pytest.skip("the superuser reads every file")
    make, says = SHAPES[shape]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text(SECRET)
    (tmp_path / "workspace").mkdir()
    make(tmp_path / "workspace" / "file", outside)
    began = time.monotonic()
    code, told, outputs = attempt(name, "file/secret" if "leads" in shape else "file", tmp_path)
    assert time.monotonic() - began < 2
    assert (code, outputs["result"]) == (2, "failed")
    assert told.count("::error ") == 1
    assert f"title=Input {name}::{name}" in told
    assert any(part in outputs["reason"] for part in says.split("|")), outputs["reason"]
    assert SECRET not in told + str(outputs)


@pytest.mark.parametrize("name", ["config", "packer_manifest"])
@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "/dev/stdin", "/dev/zero", "a\0b", "\ud800", "x" * 5000])
def test_paths_that_lead_nowhere_good(tmp_path: Path, name: str, path: str) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "outside").write_text(SECRET)
    code, told, _ = attempt(name, path, tmp_path)
    assert code == 2
    assert SECRET not in told
    assert "root:" not in told


@pytest.mark.parametrize("where", ["workspace", "temp"])
def test_files_in_the_workspace_and_of_this_job_are_read(tmp_path: Path, where: str, action: Action) -> None:
    for name in ("workspace", "temp"):
        (tmp_path / name).mkdir()
    (tmp_path / where / "real").write_bytes(b"\xef\xbb\xbf" + MANIFEST.encode())
    (tmp_path / where / "link").symlink_to("real")
    action.env = {
        "GITHUB_WORKSPACE": str(tmp_path / "workspace"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GOOGLE_CLOUD_PROJECT": "p1",
    }
    done = action(source_image="", packer_manifest=str(tmp_path / where / "link"), dry_run="true")
    assert done.result == "planned"


def test_outside_a_job_any_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(CONFIG)
    assert files.given(str(tmp_path / "file"), {}, largest=1000) == CONFIG


def test_a_file_that_another_takes_the_place_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and opening it may become a FIFO, a link or a large file."""
    real = files._open

    def swapping(make: Callable[[Path], object]) -> Callable[[str, int], int]:
        def opener(path: str, flags: int) -> int:
            Path(path).unlink()
            make(Path(path))
            return real(path, flags)

        return opener

    (tmp_path / "secret").write_text(SECRET)
    for make, says in (
        (os.mkfifo, "isn't a regular file"),
        (lambda path: path.symlink_to(tmp_path / "secret"), "can't be read"),
        (lambda path: path.write_text("x" * 100), "at most 50"),
    ):
        path = tmp_path / "file"
        path.write_text("x")
        monkeypatch.setattr(files, "_open", swapping(make))
        with pytest.raises(files.Unfit, match=says):
            files.read(path, largest=50)
        path.unlink()


#: What may stand where the runner's variables point: a way to make it there.
PLACES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
    "a full device": lambda path: path.symlink_to("/dev/full"),
    "a dangling link": lambda path: path.symlink_to("nowhere/at/all"),
    "a file": lambda path: path.write_text(""),
}


@pytest.mark.parametrize("lost", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP"])
@pytest.mark.parametrize("shape", PLACES)
def test_a_lost_place_for_results_takes_no_other_with_it(tmp_path: Path, lost: str, shape: str, action: Action) -> None:
    paths = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP")}
    PLACES[shape](paths[lost])
    if lost != "RUNNER_TEMP":
        paths["RUNNER_TEMP"].mkdir()
    env = {
        **{name: str(path) for name, path in paths.items()},
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/tags/v1",
    }
    emulator = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    }
    stdout = io.StringIO()
    given = {"INPUT_SOURCE_IMAGE": "projects/p1/global/images/web-1", "INPUT_LOCATIONS": "us"}
    assert main([], {**env, **emulator, **given}, stdout) == 0
    assert "complete: The image is verified in us." in stdout.getvalue()
    good = {"nothing", "a file"} if lost != "RUNNER_TEMP" else {"a folder"}
    assert ("could not be written" in stdout.getvalue()) is (shape not in good), stdout.getvalue()
    if lost != "GITHUB_OUTPUT":
        assert read_outputs(paths["GITHUB_OUTPUT"])["result"] == "complete"
    if lost != "GITHUB_STEP_SUMMARY":
        assert "web-1" in paths["GITHUB_STEP_SUMMARY"].read_text()
    if lost != "RUNNER_TEMP":
        assert (paths["RUNNER_TEMP"] / "image-index.json").exists()


def test_writes_nothing_but_where_the_runner_says(
    tmp_path: Path, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    before = set(tmp_path.rglob("*"))
    assert action(locations="us").result == "complete"
    made = {str(path.relative_to(tmp_path)) for path in set(tmp_path.rglob("*")) - before}
    assert made == {"temp1", "temp1/output", "temp1/summary", "temp1/image-index.json"}
