from __future__ import annotations

import io
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from replicator.bootstrap import install
from scripts import install_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Top-level names of this checkout: one of the packages that are installed brings a `tests`, too.
OURS = {"emulator", "replicator", "scripts", "testkit", "tests"}
LOCKS = Path(__file__).parents[2] / "locks"


def pinned(name: str) -> dict[str, str]:
    """Package → its pin with all hashes."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^([a-z0-9-]+)(==[^\n]+(?:\n    --hash=[^\n]+)+)", text))


@pytest.mark.parametrize(
    ("small", "large"), [("action", "sign"), ("demo", "dev"), ("action", "dev"), ("sign", "dev"), ("uv", "dev")]
)
def test_a_larger_lock_holds_the_smaller_one(small: str, large: str) -> None:
    assert pinned(small)
    assert pinned(small).items() <= pinned(large).items()


def test_the_demo_is_light() -> None:
    assert len(pinned("demo")) < 20 < 60 < len(pinned("dev"))


def test_the_demo_imports_only_what_its_lock_installs() -> None:
    script = "import sys; sys.argv[1:] = []; import emulator.__main__, scripts.demo; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    modules = {name.partition(".")[0] for name in done.stdout.split()}
    installed = {name: packages for name, packages in packages_distributions().items() if name in modules - OURS}
    assert {"starlette", "uvicorn", "yaml"} <= set(installed)
    found = {package.lower().replace("_", "-") for packages in installed.values() for package in packages}
    # setuptools is what Python itself may bring, coverage what measures the tests.
    assert found - {"setuptools", "coverage"} <= set(pinned("demo"))


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda lock: lock.stem)
def test_every_lock_has_its_source_and_names_no_place(lock: Path) -> None:
    assert lock.with_suffix(".in").exists() or lock.stem == "overrides"
    assert "://" not in lock.read_text(encoding="utf-8")


class Installers:
    """Stands in for uv and pip: notes what is run, and ends with the codes that it is given."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.ran: list[list[str]] = []

    def __call__(self, command: list[str], env: Mapping[str, str]) -> int:
        self.ran.append(command)
        return self.codes.pop(0)


@pytest.mark.parametrize(("codes", "ended"), [((0,), 0), ((2, 0), 0), ((2, 1), 1)])
def test_pip_does_it_where_uv_cannot(monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], ended: int) -> None:
    installers = Installers(*codes)
    monkeypatch.setattr(install_lock, "shown", installers)
    monkeypatch.setattr(install, "on_path", lambda folder: "uv")
    assert install_lock.main("a.txt") == ended
    assert [("uv" in command, "pip" in command, command[-1]) for command in installers.ran] == [
        (True, True, "a.txt"),
        (False, True, "a.txt"),
    ][: len(codes)]
    for command in installers.ran:
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(command)


def test_pip_does_it_where_uv_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetched(lock: Path, folder: Path) -> str:
        raise install.GiveUp("no index can be reached")

    installers = Installers(0)
    monkeypatch.setattr(install_lock, "shown", installers)
    monkeypatch.setattr(install, "on_path", lambda folder: None)
    monkeypatch.setattr(install, "fetched", fetched)
    assert install_lock.main("a.txt") == 0
    assert [command[0] for command in installers.ran] == [sys.executable]
    assert "no index can be reached" in capsys.readouterr().out


def test_progress_is_shown_line_by_line_and_packages_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    lines = "import sys; print('Downloading b (9 MB)'); print(' + a==1'); print('Done', file=sys.stderr); sys.exit(7)"
    assert install_lock.shown([sys.executable, "-u", "-c", lines], {}) == 7
    assert out.getvalue() == "  Downloading b (9 MB)\n  Done\n"
