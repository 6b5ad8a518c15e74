"""Every part of a bundle left out or changed: refused as a wrong signature, believed only where that part says nothing."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from replicator.__main__ import main
from testkit.signing import world
from testkit.signing.mutated import CHANGES, HINTS, mutants

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYLESS = (
    *("--certificate-identity-regexp", world.POLICY, "--certificate-oidc-issuer", world.ISSUER),
    *("--trusted-root", str(world.KEPT / "trusted_root.json")),
)
KEY = ("--key", str(world.KEPT / "key.pub"))
#: How each is given, and the options for whom to believe.
BUNDLES = {
    "ours.sigstore.json": ("--bundle", *KEYLESS),
    "ours.intoto.sigstore.json": ("--attestation", *KEYLESS),
    "cosign.sigstore.json": ("--bundle", *KEYLESS),
    "key.sigstore.json": ("--bundle", *KEY),
    "key.intoto.sigstore.json": ("--attestation", *KEY),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", BUNDLES)
def test_every_part(
    name: str, change: Callable[[Any, Any], None], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    option, *policy = BUNDLES[name]
    whole = json.loads((world.KEPT / name).read_text("utf-8"))
    held = {}
    for at, mutant in mutants(whole, (change,)):
        (tmp_path / "bundle").write_text(json.dumps(mutant), "utf-8")
        said = io.StringIO()
        argv = ["--index", str(world.KEPT / "index.json"), option, str(tmp_path / "bundle"), *policy]
        code = main(["verify", "--offline-only", *argv], {}, said)
        held[at] = (code, said.getvalue())
    record_property("counted", ("bundles with one part changed", len(held)))
    wrong = {at: found for at, found in held.items() if found[0] != 5 and not HINTS.search(at)}
    assert not wrong


def test_one_that_is_whole() -> None:
    """Else the table above would hold of anything."""
    for name, (option, *policy) in BUNDLES.items():
        argv = ["--index", str(world.KEPT / "index.json"), option, str(world.KEPT / name), *policy]
        assert main(["verify", "--offline-only", *argv], {}, io.StringIO()) == 0
