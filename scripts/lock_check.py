"""Checks that the locks install (wheels only, by hash) on every system and Python on which the action may run.

Asks pip for each system and each Python in turn, with the options of setup.sh and those of the other system; installs
nothing. Needs a package index. Prints a table; the exit code is 1 if any cell fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The locks that actions install, as their files name them.
ACTIONS = (ROOT / "action.yml", *ROOT.glob("*/action.yml"))
LOCKS = sorted(
    {ROOT / name for action in ACTIONS for name in re.findall(r"locks/[a-z]+\.txt", action.read_text("utf-8"))}
)
#: The lock of uv, which installs each of them.
UV = ROOT / "locks/uv.txt"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def _glibc(machine: str) -> list[str]:
    # 2.28 is that of RHEL 8 and Debian 10: older ones have neither a Python 3.11 nor a runner.
    return [f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)] + [f"manylinux2014_{machine}"]


#: System → the tags of the wheels that it accepts.
SYSTEMS = {
    "Linux x86_64, glibc": _glibc("x86_64"),
    "Linux aarch64, glibc": _glibc("aarch64"),
    "Linux x86_64, musl": ["musllinux_1_2_x86_64", "musllinux_1_1_x86_64"],
    "Linux aarch64, musl": ["musllinux_1_2_aarch64", "musllinux_1_1_aarch64"],
    "macOS arm64": ["macosx_13_0_arm64"],
    "Windows x86_64": ["win_amd64"],
}


#: Systems where a lock can't be installed, and why. If one can be after all, that is reported too.
NOT_SERVED = {"macOS x86_64": ["macosx_13_0_x86_64"]}
WHY = "cryptography makes no wheels for Intel Macs any more: its last with some was 48"


def main() -> int:
    """Fill the table of each lock. Returns the exit code."""
    surprises = [surprise for lock in LOCKS for surprise in table(lock)]
    print(f"not served: {', '.join(NOT_SERVED)} ({WHY})", *surprises, sep="\n")
    return 1 if surprises else 0


def table(lock: Path) -> list[str]:
    """Print where a lock can be installed. Returns everything that differs from what is known."""
    surprises = []
    width = max(len(name) for name in (*SYSTEMS, lock.name))
    print(f"{lock.name:{width}}", *(f"{python:>7}" for python in PYTHONS))
    for system, platforms in (SYSTEMS | NOT_SERVED).items():
        print(f"{system:{width}}", end="", flush=True)
        for python in PYTHONS:
            said = refusal(lock, python, platforms)
            print(f" {'none' if said else 'ok':>7}", end="", flush=True)
            if bool(said) != (system in NOT_SERVED):
                surprises.append(f"{lock.name} on {system}, Python {python}: {said or 'can be installed after all'}")
        print()
    return surprises


def refusal(lock: Path, python: str, platforms: list[str]) -> str:
    """Return why pip can't install a lock there; empty if it can."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-I", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"),
            *("install", "--dry-run", "--ignore-installed", "--target", folder),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock), "-r", str(UV)),
            *("--implementation", "cp", "--python-version", python),
            *(word for platform in platforms for word in ("--platform", platform)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return (done.stdout + done.stderr).strip() if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
