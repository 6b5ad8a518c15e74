"""Signatures: what others made or verify agrees with ours, and nothing that was changed is taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
import svix
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.webhooks import secrets, signature
from replicator.commands.webhooks.signature import Proof, Unauthenticated

OLD, NEW, OTHER = (secrets.made(bytes([number]) * 32) for number in (1, 2, 3))
NOW = 1_795_000_000
BODY = b'{"type":"image.published"}'


def proof(headers: dict[str, str]) -> Proof:
    return Proof(headers.get(signature.ID), headers.get(signature.TIMESTAMP), headers.get(signature.SIGNATURE))


def refused(found: Proof, body: bytes = BODY, keys: tuple[str, ...] = (NEW, OLD), now: float = NOW) -> str:
    with pytest.raises(Unauthenticated) as caught:
        signature.check(found, body, keys, now)
    return caught.value.reason


class TestJudges:
    """Libraries of others."""

    @pytest.mark.parametrize("secret", [NEW, OLD])
    @pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.Webhook])
    @pytest.mark.parametrize("body", [BODY, '{"a":"ä\\n"}'.encode(), b"{}", b'{"big":"' + b"x" * 70_000 + b'"}'])
    def test_they_verify_ours(self, monkeypatch: pytest.MonkeyPatch, library: type, secret: str, body: bytes) -> None:
        now = int(datetime.now(UTC).timestamp())
        sent = signature.headers([NEW, OLD], "msg_1", now, body)
        library(secret).verify(body.decode(), sent)
        with pytest.raises(Exception, match="matching"):
            library(OTHER).verify(body.decode(), sent)

    @pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.Webhook])
    @pytest.mark.parametrize("secret", [NEW, OLD])
    def test_we_verify_theirs(self, library: type, secret: str) -> None:
        made = library(secret).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
        assert signature.check(Proof("msg_1", str(NOW), made), BODY, (NEW, OLD), NOW) == secret

    def test_githubs_header_is_by_the_current_secret_whole(self) -> None:
        sent = signature.headers([NEW, OLD], "msg_1", NOW, BODY)
        assert sent[signature.HUB] == "sha256=" + hmac.new(NEW.encode(), BODY, hashlib.sha256).hexdigest()


def test_every_changed_bit_is_refused() -> None:
    sent = proof(signature.headers([NEW], "msg_1", NOW, BODY))
    assert signature.check(sent, BODY, (NEW,), NOW) == NEW
    for bit in range(8 * len(BODY)):
        changed = bytearray(BODY)
        changed[bit // 8] ^= 1 << bit % 8
        assert refused(sent, bytes(changed)) == "bad_signature"
    raw = base64.b64decode((sent.signature or "")[3:])
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        text = "v1," + base64.b64encode(changed).decode()
        assert refused(Proof(sent.id, sent.timestamp, text)) == "bad_signature"
    # Two of the bits of the last letter before the `=` are no part of the bytes that it stands for.
    text = sent.signature or ""
    for bit in range(8 * len(text)):
        other = text[: bit // 8] + chr(ord(text[bit // 8]) ^ 1 << bit % 8) + text[bit // 8 + 1 :]
        assert refused(Proof(sent.id, sent.timestamp, other)) in {"bad_signature", "malformed_signature"}
    assert refused(Proof("msg_2", sent.timestamp, sent.signature)) == "bad_signature"
    assert refused(Proof(sent.id, str(NOW + 1), sent.signature)) == "bad_signature"


@pytest.mark.parametrize("shift", [-301, 301, 3600, -(10**9)])
def test_replays_outside_the_window_are_refused(shift: int) -> None:
    sent = proof(signature.headers([NEW], "msg_1", NOW, BODY))
    assert refused(sent, now=NOW + shift) == "stale"


@pytest.mark.parametrize("shift", [-300, 0, 300])
def test_clocks_may_differ_a_little(shift: int) -> None:
    sent = proof(signature.headers([NEW], "msg_1", NOW, BODY))
    assert signature.check(sent, BODY, (NEW,), NOW + shift) == NEW


def _signed(delivery_id: str, timestamp: str) -> Proof:
    head = f"{delivery_id}.{timestamp}.".encode()
    mac = base64.b64encode(hmac.digest(secrets.key(NEW), head + BODY, "sha256")).decode()
    return Proof(delivery_id, timestamp, f"v1,{mac}")


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        f"{NOW}.9",
        f" {NOW}",
        f"{NOW} ",
        "1_795_000_000",
        f"+{NOW}",
        "\uff11" * 10,
        "9" * 5000,
        "-1",
        "0x6b",
    ],
)
def test_times_are_digits_only_however_well_signed(timestamp: str) -> None:
    assert refused(_signed("msg_1", timestamp)) == "stale"


@pytest.mark.parametrize("delivery_id", ["", "a.b", "a b", "a\n", "ä", "x" * 101])
def test_ids_are_plain_however_well_signed(delivery_id: str) -> None:
    assert refused(_signed(delivery_id, str(NOW))) == "malformed_id"


#: The first four crash the Python library of Standard Webhooks 1.1.0.
@pytest.mark.parametrize(
    "text",
    [
        "v1",
        "v1,a,b",
        " ",
        "v1,ä",
        "",
        "v1,",
        "v1a,AAAA",
        "sha256=",
        "v1," + "A" * 44,
        "v1," + "A" * 43,
        "v1," + "A" * 43 + "==",
        "v1,AAAA " * 5000,
        "v2,x",
    ],
)
def test_malformed_signatures_are_refused_and_crash_nothing(text: str) -> None:
    assert refused(Proof("msg_1", str(NOW), text)) in {"malformed_signature", "bad_signature"}


def test_a_missing_header_is_refused() -> None:
    sent = signature.headers([NEW], "msg_1", NOW, BODY)
    for name in (signature.ID, signature.TIMESTAMP, signature.SIGNATURE):
        assert refused(proof({key: text for key, text in sent.items() if key != name})) == "missing_header"


def test_the_stand_in_for_a_missing_secret_opens_nothing() -> None:
    dummy = secrets.made(signature._DUMMY)
    sent = proof(signature.headers([dummy], "msg_1", NOW, BODY))
    assert refused(sent, keys=()) == "bad_signature"
    assert refused(sent, keys=(NEW,)) == "bad_signature"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=80), st.binary(max_size=60))
def test_nothing_at_random_is_believed_or_crashes(delivery_id: str, timestamp: str, text: str, body: bytes) -> None:
    refused(Proof(delivery_id, timestamp, text), body)


class TestWhatIsTaken:
    def test_the_headers_have_the_names_that_others_look_for(self) -> None:
        sent = signature.headers([NEW], "msg_1", NOW, BODY)
        assert set(sent) == {"webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256"}

    @pytest.mark.parametrize("delivery_id", ["A", "K", "Z", "a", "k", "z", "0", "5", "9", "_", "-", "x" * 100])
    @pytest.mark.parametrize("timestamp", [str(NOW), f"00{NOW}"])
    def test_ids_and_times(self, delivery_id: str, timestamp: str) -> None:
        assert signature.check(_signed(delivery_id, timestamp), BODY, (NEW, OLD), NOW) == NEW

    @pytest.mark.parametrize("before", ["", "v1a,AAAA ", "v1,%% ", "v1,AAAA ", "v1,\u00e4 ", "v1,AAAA " * 7])
    def test_a_right_one_behind_others(self, before: str) -> None:
        right = _signed("msg_1", str(NOW))
        assert signature.check(Proof("msg_1", str(NOW), before + str(right.signature)), BODY, (OLD, NEW), NOW) == NEW

    def test_no_more_than_eight_are_looked_at(self) -> None:
        right = _signed("msg_1", str(NOW))
        assert refused(Proof("msg_1", str(NOW), "v1,AAAA " * 8 + str(right.signature))) == "malformed_signature"

    def test_base64_is_strict(self) -> None:
        text = str(_signed("msg_1", str(NOW)).signature)
        assert refused(Proof("msg_1", str(NOW), f"{text[:10]}!{text[10:]}")) == "malformed_signature"
        assert refused(Proof("msg_1", str(NOW), text[3:])) == "malformed_signature"

    def test_of_two_that_signed_the_first_of_ours_counts(self) -> None:
        sent = proof(signature.headers([OLD, NEW], "msg_1", NOW, BODY))
        assert signature.check(sent, BODY, (NEW, OLD), NOW) == NEW

    @pytest.mark.parametrize("keys", [(), (NEW,), (NEW, OLD), (NEW, OLD, OTHER)])
    def test_as_much_is_computed_for_any_hook(self, keys: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[bytes] = []
        real = signature._v1

        def counted(key: bytes, *more: Any) -> str:
            done.append(key)
            return real(key, *more)

        monkeypatch.setattr(signature, "_v1", counted)
        wrong = Proof("msg_1", str(NOW), "v1," + base64.b64encode(b"x" * 32).decode())
        assert refused(wrong, keys=keys) == "bad_signature"
        assert len(done) == 2


class TestSecrets:
    @pytest.mark.parametrize("size", [24, 32, 64])
    def test_good_ones(self, size: int) -> None:
        text = secrets.made(b"\xff" * size)
        assert secrets.key(text) == b"\xff" * size
        assert len(secrets.fingerprint(text)) == 8

    @pytest.mark.parametrize(
        "text",
        ["", "secret", "whsec_", "whsec_AA", "whsec_AA==", "whsec_" + "A" * 30, "WHSEC_" + "A" * 32, " " + NEW, NEW + "\n",
         NEW.replace("g", " "), secrets.made(b"x" * 23), secrets.made(b"x" * 65), NEW[:-2] + "J="],
    )  # fmt: skip
    def test_bad_ones_are_refused_and_not_quoted(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"whsec_|bytes") as caught:
            secrets.key(text)
        assert not text or text.removeprefix("whsec_") == "" or text not in str(caught.value)
