"""Installs a lock into the virtual environment whose Python runs this, as the action does: with uv, else pip.

    .venv/bin/python -I scripts/install_lock.py LOCK

Unlike the action it shows progress, and keeps the cache for the next time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
# Isolated (-I), so that nothing else on this machine is imported.
sys.path.insert(0, str(ROOT))

from replicator.bootstrap import install  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Everything is checked by its hash; nothing is resolved or built.
AS_LOCKED = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement")


def main(lock: str) -> int:
    """Install. Returns the exit code."""
    try:
        code = by_uv(lock)
    except (OSError, ValueError, RuntimeError, install.GiveUp) as why:
        say(str(why))
        code = 1
    if code:
        say("uv failed (see above); trying pip, which takes about a minute")
        code = shown(
            [sys.executable, "-I", "-m", "pip", "--no-input", "install", "--progress-bar", "off", *AS_LOCKED, lock],
            os.environ,
        )
    return code


def by_uv(lock: str) -> int:
    """Install with the machine's uv, else with the one in our own lock. Returns uv's exit code."""
    with tempfile.TemporaryDirectory() as name:
        uv = install.on_path(Path(name)) or install.fetched(ROOT / "locks" / "uv.txt", Path(name))
        pips = install.settings(os.environ)
        command = [uv, "--no-config", "pip", "install", "--python", sys.executable, "--compile-bytecode"]
        return shown([*command, *install.options(pips), *AS_LOCKED, lock], install.environment(os.environ, pips))


def shown(command: list[str], env: Mapping[str, str]) -> int:
    """Run an installer and show its progress, without the list of all packages. Returns its exit code."""
    with subprocess.Popen(
        command, env=dict(env), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout  # noqa: S101 - as asked for, for mypy
        for line in process.stdout:
            if not line.startswith((" + ", "  Using cached", "  Downloading")):
                say(line.rstrip())
    return process.returncode


def say(line: str) -> None:
    """Print a line of progress at once."""
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
