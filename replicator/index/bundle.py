"""Reads and writes Sigstore bundles: a signature over a file or a statement, with the material to verify it.

Bundles are written as version 0.3, which cosign and sigstore-python read. Of other tools' bundles, only the fields
that we use are read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replicator.core import errors
from replicator.index import errors as index_errors
from replicator.index.errors import SignatureWrong
from replicator.inputs import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT_TYPE = "application/vnd.in-toto+json"

#: Bytes. A statement about an index of all regions has some hundred kilobytes, and is in Base64.
_LARGEST = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle as it was read; nothing in it is verified yet."""

    path: Path
    text: str
    signature: bytes
    signed: str
    """The SHA-256 of the file that it signs, in hexadecimal; empty if it signs a statement."""
    statement: bytes
    """The bytes of the statement that it signs; empty if it signs a file."""
    by_key: bool
    """Whether it names a key instead of holding a certificate."""
    logged: datetime | None
    """The time of the signature in the log; None if there is no log entry, or the log doesn't vouch for its time."""


def pae(payload: bytes) -> bytes:
    """Return the bytes to sign for a statement: DSSE's pre-authentication encoding."""
    kind = STATEMENT_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def of_file(data: bytes, sign: Callable[[bytes], bytes], hint: str) -> bytes:
    """Return a bundle over a file's bytes, made with the key that the hint names."""
    digest = hashlib.sha256(data).digest()
    content = {
        "messageDigest": {"algorithm": "SHA2_256", "digest": _encoded(digest)},
        "signature": _encoded(sign(data)),
    }
    return _document(hint, messageSignature=content)


def of_statement(payload: bytes, sign: Callable[[bytes], bytes], hint: str) -> bytes:
    """Return a bundle over a statement, made with the key that the hint names."""
    signatures = [{"sig": _encoded(sign(pae(payload))), "keyid": ""}]
    envelope = {"payload": _encoded(payload), "payloadType": STATEMENT_TYPE, "signatures": signatures}
    return _document(hint, dsseEnvelope=envelope)


def read(path: Path, given_as: str) -> Bundle:
    """Read the bundle that an input names. Raises BadSettings if it can't be read, SignatureWrong if it isn't valid."""
    try:
        text = files.read(path, largest=_LARGEST)
    except files.Unfit as error:
        raise errors.BadSettings([errors.InputProblem(given_as, str(error))]) from None
    try:
        return _parsed(path, text, json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, OSError):
        # OverflowError and OSError come from a time that no calendar has.
        raise SignatureWrong(
            index_errors.BUNDLE_UNUSABLE, f"'{path}' isn't a Sigstore bundle with one signature"
        ) from None


def _parsed(path: Path, text: str, document: dict[str, Any]) -> Bundle:
    if not document["mediaType"].startswith("application/vnd.dev.sigstore.bundle"):
        raise ValueError("another kind of document")
    material = document["verificationMaterial"]
    entries = material.get("tlogEntries") or [{}]
    logged = entries[0].get("integratedTime") if entries[0].get("inclusionPromise") else None
    if ("messageSignature" in document) is ("dsseEnvelope" in document):
        raise ValueError("a bundle signs one thing")
    signed, statement = "", b""
    if "messageSignature" in document:
        message = document["messageSignature"]
        digest = message["messageDigest"]
        if digest["algorithm"] != "SHA2_256":
            raise ValueError("another digest than cosign's")
        signed, signature = _decoded(digest["digest"]).hex(), _decoded(message["signature"])
    else:
        envelope = document["dsseEnvelope"]
        (only,) = envelope["signatures"]
        if envelope["payloadType"] != STATEMENT_TYPE:
            raise ValueError("an envelope with something else in it")
        statement, signature = _decoded(envelope["payload"]), _decoded(only["sig"])
    return Bundle(
        path=path,
        text=text,
        signature=signature,
        signed=signed,
        statement=statement,
        by_key="publicKey" in material,
        logged=datetime.fromtimestamp(int(logged), UTC) if logged else None,
    )


def _document(hint: str, **content: Any) -> bytes:
    material = {"publicKey": {"hint": hint}}
    return (json.dumps({"mediaType": MEDIA_TYPE, "verificationMaterial": material, **content}) + "\n").encode()


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not Base64") from error
