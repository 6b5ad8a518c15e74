"""Files of a release: a glob never picks up a file that is not an artifact, and says what it left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from replicator.commands.release import artifacts
from replicator.core.errors import ReplicatorError

PEM = b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "out" / ".cache").mkdir(parents=True)
    for name in (
        "boot.iso",
        "vmlinuz",
        ".hidden",
        ".cache/x",
        "deploy.key",
        "server.pem",
        "credentials.json",
        "id_rsa",
    ):
        (tmp_path / "out" / name).write_bytes(name.encode())
    (tmp_path / "out" / "link").symlink_to("boot.iso")
    os.mkfifo(tmp_path / "out" / "fifo")
    return tmp_path


def env(place: Path, **more: str) -> dict[str, str]:
    return {"GITHUB_WORKSPACE": str(place), **more}


@pytest.mark.parametrize("pattern", ["out/*", "out/**", "**", "out/[a-z.]*", "**/*"])
def test_a_glob_takes_artifacts_only(place: Path, pattern: str) -> None:
    found = artifacts.find(pattern, env(place))
    assert (set(found.paths), list(found.problems)) == ({"boot.iso", "vmlinuz"}, [])
    told = " ".join(found.left)
    for name in ("deploy.key", "server.pem", "credentials.json", "id_rsa", "link", "fifo"):
        assert f"{name}'" in told
    assert ".hidden'" in told or pattern == "out/[a-z.]*"


def test_what_is_named_exactly_is_taken(place: Path) -> None:
    found = artifacts.find("out/server.pem\nhidden=out/.hidden\nkernel=out/vmlinuz", env(place))
    assert (set(found.paths), list(found.problems)) == ({"server.pem", "hidden", "kernel"}, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("out/nothing*", "matches no file"),
        ("out/nothing", "can't be read"),
        ("out/link", "is a link"),
        ("out/fifo", "is a FIFO"),
        ("out/.hidden", "isn't a valid name"),
        ("one=out/*", "gives one name to 2 files"),
        ("x=out/boot.iso\nX=out/vmlinuz", "case ignored"),
        ("SHA256SUMS=out/boot.iso", "made by this program"),
        ("../*/out/boot.iso", ""),
        ("/etc/hostname", "outside the workspace"),
        ("/etc/host*", "outside the workspace"),
    ],
)
def test_what_is_refused(place: Path, text: str, says: str) -> None:
    problems = artifacts.find(text, env(place)).problems
    assert any(says in problem for problem in problems) or not says


@pytest.mark.parametrize("pattern", ["out/*", "out/secret", "fine=out/secret"])
@pytest.mark.parametrize("content", [PEM, b'{"type": "service_account", "private_key_id": "x"}'])
def test_keys_never_become_public_however_they_are_matched(place: Path, pattern: str, content: bytes) -> None:
    (place / "out" / "secret").write_bytes(content)
    assert any("never published" in problem for problem in artifacts.find(pattern, env(place)).problems)


@pytest.mark.parametrize("name", ["gha-creds-0123.json", ".env"])
def test_credentials_of_sign_in_steps(place: Path, name: str) -> None:
    (place / name).write_text("x")
    assert any("never published" in item for item in artifacts.find(f"fine={name}", env(place)).problems)


@pytest.mark.parametrize("variable", ["GOOGLE_APPLICATION_CREDENTIALS", "SIGNING_KEY_FILE"])
def test_the_file_that_a_variable_names(place: Path, variable: str) -> None:
    given = env(place, **{variable: str(place / "out" / "boot.iso")})
    assert any(variable in problem for problem in artifacts.find("out/*", given).problems)


def test_a_file_that_changes_is_noticed(place: Path) -> None:
    opened = artifacts.opened("boot.iso", place / "out" / "boot.iso")
    (place / "out" / "boot.iso").write_bytes(b"longer than it was")
    with pytest.raises(ReplicatorError, match="written to after it was hashed"):
        opened.checked()
    opened.file.close()


def test_what_was_hashed_is_what_is_sent(place: Path) -> None:
    opened = artifacts.opened("boot.iso", place / "out" / "boot.iso")
    (place / "out" / "other").write_bytes(b"other")
    (place / "out" / "other").rename(place / "out" / "boot.iso")
    assert b"".join(artifacts.Body(opened, b"<", b">")) == b"<boot.iso>"
    assert artifacts.Body(opened, b"<", b">").len == 10
    opened.file.close()
