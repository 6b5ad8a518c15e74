"""cosign, in a network namespace of its own that reaches nobody, answers as we do: for friends and for foes."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from testkit.signing import world
from testkit.signing.cases import CASES, Case

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(bool(world.without_cosign()), reason=world.without_cosign())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("signed")
    shutil.copytree(world.KEPT, found, dirs_exist_ok=True)
    world.derive(found)
    return found


@pytest.fixture(scope="module")
def alone() -> list[str]:
    """What starts a program where there is no network."""
    unshare = [shutil.which("unshare") or "unshare", "--map-root-user", "--net", "--"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("unshare can't make a network namespace here")
    return unshare


def asked(case: Case, folder: Path) -> list[str | Path]:
    """The same question, as cosign takes it."""
    offline = ["--insecure-ignore-tlog"] if case.key else ["--trusted-root", folder / case.root]
    who: list[str | Path] = ["--key", folder / case.key]
    if not case.key:
        who = ["--certificate-identity-regexp", f"^({case.identity})$", "--certificate-oidc-issuer", case.issuer]
    if case.attestation:
        what: list[str | Path] = ["verify-blob-attestation", "--type", "slsaprovenance1"]
    else:
        what = ["verify-blob"]
    return [*what, "--bundle", folder / (case.bundle or case.attestation), *offline, *who, folder / case.index]


@pytest.mark.parametrize(
    "case", [case for case in CASES if not (case.bundle and case.attestation)], ids=lambda case: case.name
)
def test_cosign_agrees(case: Case, folder: Path, alone: list[str]) -> None:
    done = world.run_cosign(*asked(case, folder), within=alone)
    if case.cosign:
        assert (done.returncode != 0, re.search(case.cosign, done.stderr) is not None) == (True, True), done.stderr
    else:
        assert (done.returncode, "Verified OK" in done.stderr) == (0, True), done.stderr
