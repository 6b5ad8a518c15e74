"""Signs requests by Standard Webhooks and GitHub's older header, and checks the former. Pure: the time is handed in.

What is signed is `id.timestamp.body`; each secret gives one `v1,…`, so that a sender can use two while one is replaced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.commands.webhooks import secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

ID, TIMESTAMP, SIGNATURE, HUB = "webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256"
#: Seconds that sender's and receiver's clocks may differ.
WINDOW = 300
#: How many secrets a hook has at most, while one is replaced.
_SECRETS = 2
#: How many signatures of one request are looked at.
_MOST = 8
#: Takes the place of a secret that there isn't, so that the work is the same. Nothing signed with it is accepted.
_DUMMY = bytes(32)


class Unauthenticated(Exception):
    """A request whose sender isn't known. Reason and text are for the receiver's log only, never for the answer."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proof:
    """The headers of a request that decide who sent it; None where a header is missing or given twice."""

    id: str | None
    timestamp: str | None
    signature: str | None


def headers(keys: Sequence[str], delivery_id: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign one attempt, with the current secret first; the hub's header is by that one only."""
    signed = [_v1(secrets.key(key), delivery_id, str(now), body) for key in keys]
    hub = hmac.digest(keys[0].encode(), body, "sha256").hex()
    return {
        ID: delivery_id,
        TIMESTAMP: str(now),
        SIGNATURE: " ".join(signed),
        HUB: f"sha256={hub}",
    }


def check(proof: Proof, body: bytes, keys: Sequence[str], now: float) -> str:
    """Return the secret that signed the request. Raises Unauthenticated.

    As much is computed without any secret, for a hook that doesn't exist, as with one or two.
    """
    delivery_id, timestamp, text = (part or "" for part in (proof.id, proof.timestamp, proof.signature))
    given = _signatures(text)
    candidates = [*((key, secrets.key(key)) for key in keys), *[("", _DUMMY)] * _SECRETS][:_SECRETS]
    matched = []
    for name, key in candidates:
        expected = _v1(key, delivery_id, timestamp, body)
        matched += [name for one in given if hmac.compare_digest(expected, one)]
    if None in (proof.id, proof.timestamp, proof.signature):
        told = f"{ID}, {TIMESTAMP} and {SIGNATURE} must be there once; {HUB} instead isn't enough"
        raise Unauthenticated("missing_header", told)
    if not given:
        raise Unauthenticated("malformed_signature", f"{SIGNATURE} has none of version 1, which are 32 bytes in Base64")
    if not any(matched):
        raise Unauthenticated("bad_signature", "it is by none of the hook's secrets, or body, id or time was changed")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", delivery_id):
        raise Unauthenticated("malformed_id", f"{ID} must be 1 to 100 letters, digits, _ and -")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Unauthenticated("stale", f"{TIMESTAMP} must be seconds, in digits")
    if abs(behind := now - int(timestamp)) > WINDOW:
        side = "ago" if behind > 0 else "in the future"
        told = f"it was signed {abs(behind):.0f} seconds {side} by this machine's clock, and {WINDOW} may be"
        raise Unauthenticated("stale", f"{told}: a repetition of an old one, or a clock that is wrong")
    return matched[0]


def _v1(key: bytes, delivery_id: str, timestamp: str, body: bytes) -> str:
    head = f"{delivery_id}.{timestamp}.".encode()
    mac = hmac.new(key, head, hashlib.sha256)
    mac.update(body)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


def _signatures(text: str) -> list[str]:
    """Return what is well-formed of the signatures; an empty one never is.

    They stay text: in Base64 several texts stand for the same bytes, and only one of them was sent.
    """
    return [part for part in text.split(" ", _MOST)[:_MOST] if re.fullmatch(r"v1,[A-Za-z0-9+/]{43}=", part)]
