"""`notify` against receivers of all kinds: what is sent, how often, and what is said of the answer."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import standardwebhooks

from replicator.__main__ import main
from replicator.commands.webhooks import event, notify, secrets, signature
from replicator.commands.webhooks.delivery import Clock
from replicator.commands.webhooks.signature import Proof
from replicator.runtime.lifecycle import execute
from testkit.outputs import read_outputs
from testkit.places import ROOT
from testkit.signing import world
from testkit.webhooks.listener import Reply, receiver

NEW, OLD = secrets.made(b"n" * 32), secrets.made(b"o" * 32)
FILES = {
    "index": str(world.KEPT / "index.json"),
    "bundle": str(world.KEPT / "ours.sigstore.json"),
    "attestation": str(world.KEPT / "ours.intoto.sigstore.json"),
}


@dataclass
class Time:
    """A clock that only `sleep` moves."""

    now: float = 1_795_000_000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, elapsed=lambda: self.now, sleep=self.sleep, jitter=lambda: 0.0)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Told:
    code: int
    outputs: dict[str, str]
    log: str


def run(tmp_path: Path, given: dict[str, str], env: dict[str, str] | None = None, time: Time | None = None) -> Told:
    """As the action's last step, on a clock that jumps."""
    used = time or Time()

    class Timed(notify.Notification):
        def __init__(self, **values: object) -> None:
            super().__init__(**values, clock=used.clock())  # type: ignore[arg-type]

    output, stdout = tmp_path / "output", io.StringIO()
    output.unlink(missing_ok=True)
    around = {
        "WEBHOOK_SECRET": NEW,
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(output),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_SHA": "c" * 40,
        "GITHUB_RUN_ID": "9",
        **(env or {}),
    }
    code = execute(Timed, {**FILES, **given}, around, stdout, commands=True)
    return Told(code, read_outputs(output), stdout.getvalue())


def test_a_stranger_verifies_what_is_sent(tmp_path: Path) -> None:
    time = Time()
    with receiver([Reply()]) as there:
        told = run(
            tmp_path, {"webhook_url": there.url, "release_url": "https://github.com/o/r/releases/tag/v1"}, None, time
        )
    assert told.code == 0, told.log
    (heard,) = there.heard
    assert event.parse(heard.body).data.repository.url == "https://github.com/o/r"
    read = json.loads(heard.body)["data"]
    assert (read["version"], read["commit"], read["release"]["prerelease"]) == ("v1", "c" * 40, False)
    assert read["index"]["content"] == Path(FILES["index"]).read_text("utf-8")
    assert read["attestation"]["url"].endswith("/releases/download/v1/image-index.json.intoto.sigstore.json")
    assert [image["architecture"] for image in read["images"]] == ["ARM64", "X86_64"]
    proof = Proof(heard.headers["webhook-id"], heard.headers["webhook-timestamp"], heard.headers["webhook-signature"])
    assert signature.check(proof, heard.body, (NEW,), time.now) == NEW
    assert told.outputs == {
        "decision": "replicate",
        "result": "delivered",
        "reason": told.outputs["reason"],
        "notified": "true",
        "delivery_id": heard.headers["webhook-id"],
        "status": "queued",
        "publication_id": "pub_1",
        "attempts": "1",
    }
    assert f"::add-mask::{NEW}" in told.log
    assert "/hooks/acme" not in told.log
    assert NEW not in told.log.replace(f"::add-mask::{NEW}", "")


def test_the_bytes_and_the_id_stay_the_time_and_signature_change(tmp_path: Path) -> None:
    time = Time()
    with receiver([Reply(503, "", {"Retry-After": "20"}), Reply(drop=True), Reply(429, "<html>"), Reply(200)]) as there:
        told = run(tmp_path, {"webhook_url": there.url}, None, time)
    assert (told.code, told.outputs["attempts"]) == (0, "4"), told.log
    assert time.slept == [20.0, 5.0, 15.0]
    assert len({(heard.body, heard.headers["webhook-id"]) for heard in there.heard}) == 1
    stamps = [int(heard.headers["webhook-timestamp"]) for heard in there.heard]
    assert [late - stamps[0] for late in stamps] == [0, 20, 25, 40]
    assert len({heard.headers["webhook-signature"] for heard in there.heard}) == 4


def test_while_secrets_are_replaced_both_sign(tmp_path: Path) -> None:
    now = Time(now=__import__("time").time())
    with receiver([Reply()]) as there:
        run(tmp_path, {"webhook_url": there.url}, {"WEBHOOK_SECRET_PREVIOUS": OLD}, now)
    for secret in (NEW, OLD):
        standardwebhooks.Webhook(secret).verify(there.heard[0].body, there.heard[0].headers)


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (Reply(401, '{"status": "error", "reason": "unauthenticated"}'), 1, "answered 401: error unauthenticated"),
        (Reply(410), 1, "gone"),
        (Reply(301, "", {"Location": "https://elsewhere.example/token"}), 1, "redirect to https://elsewhere.example,"),
        (Reply(302, "", {"Location": "/other"}), 1, "another path"),
        (Reply(409, "\x1b[31m::error::forged\n::set-output name=a::b"), 1, "answered 409"),
        (Reply(400, "[" * 60_000), 1, "answered 400"),
        (Reply(422, '{"status": 7, "reason": ["x"]}'), 1, "answered 422"),
        (Reply(500), 3, "answered 500"),
        (Reply(drop=True), 3, "could not be reached"),
        (Reply(503, "", {"Retry-After": "999999"}), 3, "answered 503"),
        (Reply(503, "", {"Retry-After": "\u00b2"}), 3, "answered 503"),
    ],
    ids=lambda value: str(getattr(value, "status", value))[:12],
)
def test_refusals_and_failures(tmp_path: Path, reply: Reply, code: int, says: str) -> None:
    time = Time()
    with receiver([reply]) as there:
        told = run(tmp_path, {"webhook_url": there.url, "timeout_minutes": "1"}, None, time)
    assert told.code == code
    assert says in told.log
    assert (told.outputs["notified"], told.outputs["result"]) == ("false", "failed")
    assert (len(there.heard) == 1) is (code == 1 or ("Retry" in str(reply.headers) and len(there.heard) == 1))
    assert sum(time.slept) < 60
    lines = told.log.splitlines()
    assert not [
        line for line in lines if line.startswith("::") and not line.startswith(("::add-mask::", "::error title="))
    ]
    assert "\x1b" not in told.log
    assert "/token" not in told.log


def test_a_wrong_secret_can_be_compared(tmp_path: Path) -> None:
    """Forges show a stored secret to nobody, so the log tells by which one it was signed, as the receiver's list does."""
    with receiver([Reply(401, '{"status": "error", "reason": "unauthenticated"}')]) as there:
        told = run(tmp_path, {"webhook_url": there.url}, {"WEBHOOK_SECRET_PREVIOUS": OLD})
    assert f", signed by the secret {secrets.fingerprint(NEW)} and {secrets.fingerprint(OLD)}\n" in told.log
    assert "After one attempt, " in told.log
    assert "`replicator webhook list`" in told.log


def test_what_is_not_required_is_a_warning(tmp_path: Path) -> None:
    with receiver([Reply(401)]) as there:
        told = run(tmp_path, {"webhook_url": there.url, "required": "false"})
    assert (told.code, told.outputs["result"]) == (0, "failed")
    assert "::warning title=Receiver refused::" in told.log
    assert "::error" not in told.log


def test_nobody_listens(tmp_path: Path) -> None:
    told = run(tmp_path, {"webhook_url": "http://127.0.0.1:1/secret-path", "timeout_minutes": "0.5"})
    assert told.code == 3
    assert int(told.outputs["attempts"]) > 2
    assert "secret-path" not in told.log


@pytest.mark.parametrize(
    ("given", "env", "says"),
    [
        ({"index": ""}, {}, "index: is needed"),
        ({"webhook_url": ""}, {}, "webhook_url: is needed"),
        ({"webhook_url": "http://host.example/hidden"}, {}, "unencrypted"),
        ({"webhook_url": "https://u:hidden@host.example/"}, {}, "a user or a password"),
        ({"webhook_url": "ftp://host.example/hidden"}, {}, "isn't a valid address"),
        ({"webhook_url": "https://host.example/hidden\n::error::x"}, {}, "isn't a valid address"),
        ({}, {"WEBHOOK_SECRET": ""}, "WEBHOOK_SECRET: is needed"),
        ({}, {"WEBHOOK_SECRET": "hidden"}, "doesn't begin with whsec_"),
        ({}, {"WEBHOOK_SECRET": "whsec_AA=="}, "24 to 64"),
        ({}, {"WEBHOOK_SECRET_PREVIOUS": "hidden"}, "WEBHOOK_SECRET_PREVIOUS: isn't a valid secret"),
        ({"index": str(world.KEPT / "other.json")}, {}, "is about another file than this index"),
        ({"bundle": FILES["attestation"]}, {}, "the other kind of signature"),
        ({"attestation": FILES["bundle"]}, {}, "the other kind of signature"),
        ({"content": "link"}, {}, "release_url: is needed, because content is link"),
        ({}, {"GITHUB_REPOSITORY": "o/other"}, "attestation: is about another repository"),
        ({}, {"GITHUB_SHA": "d" * 40}, "attestation: is about another commit"),
        ({"attestation": ""}, {"GITHUB_REPOSITORY": "o/other"}, "index: is about another repository"),
        ({"release_url": "javascript:x"}, {}, "isn't the address of a release"),
        ({"required": "no"}, {}, "is not one of true, false"),
    ],
)
def test_wrong_inputs_send_nothing(tmp_path: Path, given: dict[str, str], env: dict[str, str], says: str) -> None:
    with receiver([Reply()]) as there:
        told = run(tmp_path, {"webhook_url": there.url, **given}, env)
    assert told.code == 2, told.log
    assert says in told.log
    assert there.heard == []
    assert "hidden" not in told.log.replace(f"::add-mask::{env.get('WEBHOOK_SECRET', '')}", "")


def test_large_files_are_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event, "LARGEST_CONTENT", 100)
    with receiver([Reply()]) as there:
        assert run(tmp_path, {"webhook_url": there.url}).code == 2
        run(tmp_path, {"webhook_url": there.url, "release_url": "https://github.com/o/r/releases/tag/v1"})
    (heard,) = there.heard
    read = event.parse(heard.body).data.index
    assert (read.content, read.url) == (None, "https://github.com/o/r/releases/download/v1/image-index.json")


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(NEW + "\n", "utf-8")
    options = [part for name, path in FILES.items() for part in (f"--{name}", path)]
    with receiver([Reply()]) as there:
        argv = ["notify", *options, "--webhook-url", there.url, "--secret-file", str(tmp_path / "secret"), "--json"]
        stdout = io.StringIO()
        assert main(argv, {}, stdout) == 0
    answer = json.loads(stdout.getvalue())
    assert (answer["notified"], answer["attempts"], answer["status"]) == (True, 1, "queued")
    assert event.parse(there.heard[0].body).data.version == "v1"


GATED = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/boot-v1", "GITHUB_ACTIONS": "true"}


@pytest.mark.parametrize(
    ("env", "code", "result", "says"),
    [
        ({"INPUT_WEBHOOK_URL": "https://h.example", "INPUT_INDEX": ""}, 0, "skipped", "index is empty"),
        ({"INPUT_WEBHOOK_URL": "", "INPUT_INDEX": "i"}, 2, "failed", "webhook_url: is needed"),
        ({"INPUT_WEBHOOK_URL": "", "GITHUB_EVENT_NAME": "pull_request"}, 0, "skipped", "pull request"),
        (
            {"INPUT_WEBHOOK_URL": "https://h.example", "GITHUB_REF": "refs/tags/x1"},
            0,
            "skipped",
            "Nothing was announced",
        ),
    ],
)
def test_the_gate(tmp_path: Path, env: dict[str, str], code: int, result: str, says: str) -> None:
    stdout = io.StringIO()
    around = {**GATED, **env, "GITHUB_OUTPUT": str(tmp_path / "output")}
    assert main(["action", "notify"], around, stdout) == code
    assert says in stdout.getvalue()
    assert read_outputs(tmp_path / "output")["result"] == result


def test_it_needs_its_own_lock_only(tmp_path: Path) -> None:
    """The packages that others bring are never imported on the way from inputs to the receiver."""
    script = (
        "import io, os, sys\n"
        "for name in ('google.auth', 'google.cloud', 'cryptography', 'yaml', 'tenacity', 'sqlalchemy', 'starlette'):\n"
        "    sys.modules[name] = None\n"
        "from replicator.__main__ import main\n"
        "sys.exit(main(['action', 'notify'], dict(os.environ), io.StringIO()))\n"
    )
    with receiver([Reply()]) as there:
        given = {**FILES, "webhook_url": there.url}
        inputs = {f"INPUT_{name.upper()}": text for name, text in given.items()}
        env = {**GATED, **inputs, "WEBHOOK_SECRET": NEW, "GITHUB_OUTPUT": str(tmp_path / "output")}
        argv = [sys.executable, "-c", script]
        done = subprocess.run(argv, env=env, text=True, capture_output=True, check=False, cwd=ROOT, timeout=60)
    assert (done.returncode, len(there.heard)) == (0, 1), done.stderr
