"""What every user waits for: the action's set-up against venv and pip with the same lock, to the same end state."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ROOT
from benchmarks.figures import Figure, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TIMES = 3
_SECOND_USES = 9
#: What venv and pip leave beside the packages of the lock.
_THEIRS = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
#: The Python below any virtual environment: what actions/setup-python gives.
_PYTHON = str(Path(sys.base_prefix) / "bin" / "python3")


def measure() -> Iterator[Figure]:
    """Cold with and without uv on PATH, and used again. Raises Skipped without a package index."""
    spans: dict[str, list[float]] = {"pip": [], "fetched": [], "on_path": [], "again": [], "small": []}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "with uv").mkdir()
        (folder / "with uv" / "uv").symlink_to(Path(sys.prefix) / "bin" / "uv")
        bare = os.pathsep.join(path for path in os.environ["PATH"].split(os.pathsep) if not Path(path, "uv").exists())
        paths = {"fetched": bare, "on_path": f"{folder / 'with uv'}{os.pathsep}{bare}"}
        try:
            for _ in range(_TIMES):
                wanted = _by_pip(folder / "pip", spans["pip"])
                for how, path in paths.items():
                    found = _by_the_action(folder / how, path, spans[how])
                    if found != wanted:
                        raise RuntimeError(f"not the same end state: {sorted(found ^ wanted)[:5]}")
                _by_the_action(folder / "small", paths["on_path"], spans["small"], lock="locks/announce.txt")
            sizes = {how: _size(folder / how) for how in ("fetched", "small")}
        except subprocess.CalledProcessError as error:
            raise Skipped("no package index can be reached") from error
        for _ in range(_SECOND_USES):
            _by_the_action(folder / "on_path", bare, spans["again"], cold=False)
    median = {how: statistics.median(seconds) for how, seconds in spans.items()}
    for how, words in (("fetched", "no uv on PATH"), ("on_path", "uv on PATH")):
        yield Figure.ratio(
            f"set-up, cold, {words} / venv and pip with the same lock",
            median[how],
            median["pip"],
            at_most=0.5,
            note="bytecode included",
        )
    yield Figure.ratio(
        "set-up, cold, uv on PATH: of release/ / of the main action",
        median["small"],
        median["on_path"],
        at_most=0.5,
    )
    yield Figure.ratio(
        "packages of release/ / of the main action",
        sizes["small"] / 2**20,
        sizes["fetched"] / 2**20,
        at_most=0.3,
        parts="MiB",
        note="bytecode included",
    )
    yield Figure(name="set-up, second use in a job", value=median["again"], unit="s", at_most=0.3)


def _by_pip(folder: Path, spans: list[float]) -> set[str]:
    """What a user would write. Answers with the bytecode that is there afterwards. Raises CalledProcessError."""
    _emptied(folder)
    env = {**os.environ, "PIP_CACHE_DIR": str(folder / "cache")}
    pip = [str(folder / "venv" / "bin" / "python"), "-I", "-m", "pip", "--quiet", "install"]
    lock = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "locks/action.txt")]
    began = time.perf_counter()
    _call([_PYTHON, "-I", "-m", "venv", str(folder / "venv")], env)
    _call([*pip, *lock], env)
    spans.append(time.perf_counter() - began)
    return _bytecode(folder)


def _by_the_action(
    folder: Path, path: str, spans: list[float], *, cold: bool = True, lock: str = "locks/action.txt"
) -> set[str]:
    """The same by `setup.sh`."""
    if cold:
        _emptied(folder)
    own = {
        "GITHUB_ACTION_PATH": str(ROOT),
        "RUNNER_TEMP": str(folder),
        "INPUT_PYTHON": _PYTHON,
        "REPLICATOR_LOCK": lock,
    }
    began = time.perf_counter()
    env = {**os.environ, **own, "PATH": path, "PIP_CACHE_DIR": str(folder / "cache"), "GITHUB_OUTPUT": os.devnull}
    said = _call(["bash", "-p", str(ROOT / "setup.sh")], env)
    spans.append(time.perf_counter() - began)
    if "Installing with pip" in said:
        raise RuntimeError(said)
    return _bytecode(folder)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _size(folder: Path) -> int:
    """Bytes of the packages that the action made."""
    return sum(file.stat().st_size for file in folder.glob("replicator-*/lib/*/site-packages/**/*") if file.is_file())


def _bytecode(folder: Path) -> set[str]:
    """The compiled modules of the packages that the lock names."""
    files = (file.as_posix().partition("/site-packages/")[2] for file in folder.glob("*/lib/*/site-packages/**/*.pyc"))
    return {file for file in files if file.partition("/")[0] not in _THEIRS}


def _call(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Run a command to its end; answers with what it said. Raises CalledProcessError."""
    done = subprocess.run(
        command, env=dict(env), check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode()
