"""A secret is replaced without a lost delivery, and never shown; the receiver reads its configuration again at SIGHUP."""

from __future__ import annotations

import io
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from replicator.__main__ import main
from replicator.commands.webhooks import secrets
from testkit.webhooks.sending import announced, ask, salted, send
from testkit.webhooks.served import NEXT, SECRET, Served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    receiver = Served(tmp_path)
    (tmp_path / "secret.new").unlink()
    receiver.start()
    yield receiver
    receiver.stop()


def rotate(served: Served, *words: str, hook: str = "acme") -> tuple[int, str]:
    """A rotation's exit code, and all that it prints."""
    stdout = io.StringIO()
    code = main(["webhook", "rotate", "--config", str(served.config), hook, *words], {}, stdout)
    return code, stdout.getvalue()


def read_again(served: Served, says: str = "read again") -> None:
    assert served.process
    before = said(served)
    served.process.send_signal(signal.SIGHUP)
    for _ in range(200):
        if said(served) != before:
            break
        time.sleep(0.05)
    assert says in said(served)[len(before)]


def said(served: Served) -> list[str]:
    """What the log says of the configuration."""
    return [line for line in served.log().splitlines() if '"configuration"' in line and line.endswith("}")]


def test_from_the_old_secret_to_the_new_one(served: Served) -> None:
    old, new = served.folder / "secret", served.folder / "secret.new"
    assert send(served, announced())[0] == 202
    assert rotate(served, "--finish")[0] == 2

    code, begun = rotate(served)
    made = new.read_text("utf-8").strip()
    assert code == 0
    assert new.stat().st_mode & 0o777 == 0o600
    secrets.key(made)
    assert f"--repo o/r < {new}" in begun
    assert f"webhook rotate --config {served.config} acme --finish" in begun
    # A second rotation would lose the secret of the first.
    assert rotate(served)[0] == 2
    assert new.read_text("utf-8").strip() == made

    assert send(served, announced(), secret=made)[0] == 401
    read_again(served)
    assert send(served, announced())[0] == 200
    code, refused = rotate(served, "--finish")
    assert (code, old.read_text("utf-8")) == (1, SECRET)
    assert "isn't in use yet: the last delivery came by the old one" in refused

    # The same announcement again, by the new one: the sender has switched.
    assert send(served, announced(), secret=made)[0] == 200
    code, finished = rotate(served, "--finish")
    assert (code, old.read_text("utf-8").strip(), new.exists()) == (0, made, False)
    assert send(served, salted(1))[0] == 202
    read_again(served)
    assert send(served, salted(2))[0] == 401
    assert send(served, salted(2), secret=made)[0] == 202

    shown = begun + refused + finished + served.log()
    assert SECRET not in shown
    assert made not in shown
    assert secrets.fingerprint(made) in begun


def test_nothing_has_arrived_by_either(served: Served) -> None:
    assert rotate(served)[0] == 0
    code, refused = rotate(served, "--finish")
    assert code == 1
    assert "nothing has arrived" in refused


def test_a_wrong_configuration_changes_nothing(served: Served) -> None:
    text = served.config.read_text("utf-8")
    served.config.write_text(text.replace("images: trust", "image: trust"), "utf-8")
    read_again(served, "so the former one stays")
    assert send(served, announced())[0] == 202
    served.config.write_text(text.replace("state.sqlite3", "other.sqlite3"), "utf-8")
    read_again(served, "another state needs a restart")
    served.config.write_text(text.replace("  acme:", "  other:"), "utf-8")
    read_again(served)
    assert send(served, announced())[0] == 401
    assert send(served, announced(), hook="other")[0] == 202


@pytest.mark.parametrize(
    ("words", "change", "says"),
    [
        (["none"], ("", ""), "isn't in the configuration, which has acme"),
        (["--finish", "perhaps"], ("", ""), "finish: 'perhaps' isn't true or false"),
        ([], ("/secret.new'", "/none/secret.new'"), "can't be written"),
        ([], (", '", "] #"), "names one file; add a second one, such as"),
    ],
)
def test_bad_input(tmp_path: Path, words: list[str], change: tuple[str, str], says: str) -> None:
    served = Served(tmp_path)
    (tmp_path / "secret.new").unlink()
    served.config.write_text(served.config.read_text("utf-8").replace(*change), "utf-8")
    code, refused = rotate(served, *words)
    assert code == 2
    assert says in refused
    assert not (tmp_path / "secret.new").exists()


def test_json_shows_no_secret(tmp_path: Path) -> None:
    served = Served(tmp_path)
    (tmp_path / "secret.new").unlink()
    code, told = ask(served, "webhook", "rotate", "acme")
    made = (tmp_path / "secret.new").read_text("utf-8").strip()
    marks = {name: secrets.fingerprint(secret) for name, secret in {"old": SECRET, "new": made}.items()}
    assert (code, told) == (0, {"hook": "acme", **marks, "file": str(tmp_path / "secret.new")})
    assert NEXT != made != SECRET
