"""Reads, makes and names secrets of webhooks, in the form of Standard Webhooks: `whsec_` and Base64. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib

PREFIX = "whsec_"
#: Bytes, as Standard Webhooks has it.
SHORTEST, LONGEST = 24, 64


def key(text: str) -> bytes:
    """Return the bytes that a secret encodes. Raises ValueError, whose text quotes nothing of the secret."""
    if not text.startswith(PREFIX):
        raise ValueError(f"doesn't begin with {PREFIX}")
    encoded = text.removeprefix(PREFIX)
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"isn't Base64 behind {PREFIX}") from None
    if base64.b64encode(data).decode() != encoded:
        # Other spellings of the same bytes would have another fingerprint.
        raise ValueError(f"isn't canonical Base64 behind {PREFIX}")
    if not SHORTEST <= len(data) <= LONGEST:
        raise ValueError(f"holds {len(data)} bytes; {SHORTEST} to {LONGEST} are allowed")
    return data


def made(data: bytes) -> str:
    """Return the secret that encodes these random bytes."""
    return PREFIX + base64.b64encode(data).decode()


def fingerprint(text: str) -> str:
    """Return 8 hexadecimal digits that tell secrets apart and give none away."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
