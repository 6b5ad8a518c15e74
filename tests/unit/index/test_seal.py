"""Tests that a file and its signatures are written together or not at all, and what a keyless one makes public."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from replicator.core.replicas import Sign
from replicator.index import errors, image_index, seal, sign
from replicator.index.errors import CannotSign
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicator.core.errors import Advice
    from replicator.index.sign import Signer

KEY = world.private_key()
DOCUMENT = world.document()
DATA = image_index.to_bytes(DOCUMENT)


class Pen:
    """Signs whatever it is given, with a note of what that was."""

    def sign(self, data: bytes, statement: bytes) -> tuple[bytes, ...]:
        assert json.loads(statement)["_type"]
        return b"signature of " + data, b"statement about " + data

    def sign_file(self, data: bytes) -> bytes:
        return b"signature of " + data


class ShortPen(Pen):
    """Gives one signature where two are needed."""

    def sign(self, data: bytes, statement: bytes) -> tuple[bytes, ...]:
        return super().sign(data, statement)[:1]


def sealed(folder: Path, pen: Pen | None = None) -> image_index.Written:
    return asyncio.run(seal.seal(cast("Signer", pen or Pen()), DOCUMENT, folder / "index", {}))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_signer_where_one_is_asked_for() -> None:
    assert seal.signer(Sign.OFF, {}) is None
    assert isinstance(seal.signer(Sign.KEY, {"SIGNING_KEY": KEY}), sign.KeySigner)


def test_unsigned(tmp_path: Path) -> None:
    written = seal.write(DOCUMENT, tmp_path / "index")
    assert (tmp_path / "index").read_bytes() == DATA
    assert written == image_index.Written(
        index_path=str(tmp_path / "index"), index_digest=image_index.digest(DATA)
    )  # fmt: skip


def test_signatures_lie_beside_the_index(tmp_path: Path) -> None:
    written = sealed(tmp_path)
    assert written == image_index.Written(
        index_path=str(tmp_path / "index"),
        index_digest=image_index.digest(DATA),
        bundle_path=str(tmp_path / "index.sigstore.json"),
        attestation_path=str(tmp_path / "index.intoto.sigstore.json"),
    )
    contents = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert contents == {
        "index": DATA,
        "index.sigstore.json": b"signature of " + DATA,
        "index.intoto.sigstore.json": b"statement about " + DATA,
    }


def test_another_file(tmp_path: Path) -> None:
    bundle, itself = asyncio.run(seal.seal_file(cast("Signer", Pen()), b"record", tmp_path / "record"))
    assert (bundle.name, bundle.read_bytes()) == ("record.sigstore.json", b"signature of record")
    assert (itself.name, itself.read_bytes()) == ("record", b"record")
    assert names(tmp_path) == {bundle.name, itself.name}


def test_a_signature_too_few(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="argument"):
        sealed(tmp_path, ShortPen())
    assert names(tmp_path) == set()


def cannot_sign(act: Callable[[], object]) -> tuple[Advice, str]:
    with pytest.raises(CannotSign) as caught:
        act()
    return caught.value.advice, caught.value.what


@pytest.mark.parametrize("room", [0, 1, 2])
@pytest.mark.parametrize("emptied", [False, True], ids=["", "emptied"])
def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, emptied: bool) -> None:
    """So many files find room. Someone else may have removed them when the next one does not."""
    write = image_index.write

    def full(data: bytes, folder: Path, name: str) -> Path:
        if len(names(tmp_path)) < room:
            return write(data, folder, name)
        for path in tmp_path.iterdir() if emptied else ():
            path.unlink()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_index, "write", full)
    assert cannot_sign(lambda: sealed(tmp_path)) == (
        errors.UNSIGNED, "The signed file could not be written: [Errno 28] No space left on device"
    )  # fmt: skip
    assert names(tmp_path) == set()


def test_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    class SlowPen(Pen):
        def sign(self, data: bytes, statement: bytes) -> tuple[bytes, ...]:
            over.wait()
            return super().sign(data, statement)

    monkeypatch.setattr(seal, "LONGEST", 0.01)
    said = cannot_sign(lambda: sealed(tmp_path, SlowPen()))
    over.set()
    assert said == (errors.SIGSTORE_FAILED, "Sigstore did not answer for 0.01 seconds")
    assert names(tmp_path) == set()


WARNING = (
    "This repository is private, and Sigstore's public log will name it (o/r), its workflow and ref. `sign: key` leaves "
    "no trace."
)
PRIVATE = {"repository": {"private": True}}


@pytest.mark.parametrize(
    ("how", "event", "env", "said"),
    [
        (Sign.KEYLESS, PRIVATE, {}, WARNING),
        (Sign.KEYLESS, PRIVATE, {"SIGSTORE_TRUST_CONFIG": "own.json"}, ""),
        (Sign.KEY, PRIVATE, {}, ""),
        (Sign.OFF, PRIVATE, {}, ""),
        (Sign.KEYLESS, {"repository": {"private": False}}, {}, ""),
        (Sign.KEYLESS, {"repository": {"private": "false"}}, {}, ""),
        (Sign.KEYLESS, {"repository": {}}, {}, ""),
        (Sign.KEYLESS, {"repository": "o/r"}, {}, ""),
        (Sign.KEYLESS, {}, {}, ""),
        (Sign.KEYLESS, None, {}, ""),
    ],
)
def test_what_becomes_public_of_a_private_repository(
    tmp_path: Path, how: Sign, event: Any, env: dict[str, str], said: str
) -> None:
    env = {"GITHUB_REPOSITORY": "o/r", **env}
    if event is not None:
        (tmp_path / "event").write_text(json.dumps(event), "utf-8")
        env["GITHUB_EVENT_PATH"] = str(tmp_path / "event")
    assert seal.disclosure(how, env) == said
