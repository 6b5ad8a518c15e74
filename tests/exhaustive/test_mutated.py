"""Every part of a bundle left out or changed: refused as a wrong signature, believed only where that part says nothing."""

from __future__ import annotations

import copy
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from replicator.__main__ import main
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
#: Parts on which nothing depends: what names a key is a hint, and there are no timestamps in these.
HINTS = r"\.publicKey|keyid|timestampVerificationData"


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a document, the whole left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from leaves(part, (*path, key))


def left_out(holder: Any, key: Any) -> None:
    del holder[key]


def null(holder: Any, key: Any) -> None:
    holder[key] = None


def other(holder: Any, key: Any) -> None:
    """Another value of the same form."""
    value = holder[key]
    if isinstance(value, str):
        holder[key] = ("B" if value[:1] != "B" else "C") + value[1:] if not value.isdigit() else str(int(value) + 1)
    else:
        holder[key] = []


def wrong_kind(holder: Any, key: Any) -> None:
    holder[key] = 7 if isinstance(holder[key], str | list | dict) else "seven"


def immense(holder: Any, key: Any) -> None:
    """A number for which there is no room, in the form that the part has."""
    holder[key] = "9" * 17 if isinstance(holder[key], str) else 10**400


@pytest.mark.parametrize("change", [left_out, null, other, wrong_kind, immense])
@pytest.mark.parametrize("name", BUNDLES)
def test_every_part(
    name: str, change: Callable[[Any, Any], None], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    option, *policy = BUNDLES[name]
    whole = json.loads((world.KEPT / name).read_text("utf-8"))
    held = {}
    for path in leaves(whole):
        mutant = copy.deepcopy(whole)
        holder = mutant
        for step in path[:-1]:
            holder = holder[step]
        change(holder, path[-1])
        (tmp_path / "bundle").write_text(json.dumps(mutant), "utf-8")
        said = io.StringIO()
        argv = ["--index", str(world.KEPT / "index.json"), option, str(tmp_path / "bundle"), *policy]
        code = main(["verify", "--offline-only", *argv], {}, said)
        held[".".join(map(str, path))] = (code, said.getvalue())
    record_property("counted", ("bundles with one part changed", len(held)))
    wrong = {at: found for at, found in held.items() if found[0] != 5 and not re.search(HINTS, at)}
    assert not wrong


def test_one_that_is_whole() -> None:
    """Else the table above would hold of anything."""
    for name, (option, *policy) in BUNDLES.items():
        argv = ["--index", str(world.KEPT / "index.json"), option, str(world.KEPT / name), *policy]
        assert main(["verify", "--offline-only", *argv], {}, io.StringIO()) == 0
