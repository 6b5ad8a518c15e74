"""Credentials reach the one host that is meant, encrypted or on loopback, and nobody reads them anywhere."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import google.auth
import pytest
from google.auth import exceptions as auth_errors
from google.oauth2.credentials import Credentials

from replicator.commands.replicate import run
from testkit.listening import listening
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from emulator.testing import Running

SECRET = "ya29.swordfish"


def told(folder: Path, endpoint: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """A run, and everything that it leaves anywhere."""
    temp = folder / "temp"
    temp.mkdir(exist_ok=True)
    places = {
        "GITHUB_OUTPUT": str(temp / "output"),
        "GITHUB_STEP_SUMMARY": str(temp / "summary"),
        "RUNNER_TEMP": str(temp),
    }
    stdout, loop = io.StringIO(), VirtualLoop()
    given = {"source_image": "projects/p1/global/images/web-1", "compute_endpoint": endpoint, "timeout_minutes": "2"}
    try:
        code = run.run(given, {**places, **(env or {})}, stdout, commands=True, loop_factory=lambda: loop)
    finally:
        loop.close()
    return code, stdout.getvalue() + "".join(path.read_text() for path in temp.iterdir())


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda **_: (Credentials(token=SECRET), None))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_to_another_host_takes_no_credentials_there(tmp_path: Path, token: None, code: int) -> None:
    with (
        listening(200, "{}") as (there, stolen),
        listening(code, Location=f"http://localhost:{there}/steal") as (here, heard),
    ):
        left, log = told(tmp_path, f"http://127.0.0.1:{here}")
    assert heard[0]["authorization"] == f"Bearer {SECRET}"
    assert not [headers for headers in stolen if "authorization" in headers]
    assert left == 3
    assert SECRET not in log


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
def test_an_answer_that_quotes_the_request_tells_no_secret(tmp_path: Path, token: None, status: int) -> None:
    echo = f"Authorization: Bearer {SECRET}"
    error = {"code": status, "message": echo, "errors": [{"message": echo, "reason": "x"}]}
    with listening(status, json.dumps({"error": error})) as (port, _):
        code, log = told(tmp_path, f"http://127.0.0.1:{port}")
    assert code == 3
    assert SECRET not in log


def test_a_dead_endpoint_tells_no_secret(tmp_path: Path, token: None) -> None:
    code, log = told(tmp_path, "http://127.0.0.1:1")
    assert code == 3
    assert SECRET not in log


@pytest.mark.parametrize(
    "endpoint", [f"https://user:{SECRET}@example.com", f"http://:{SECRET}@127.0.0.1", f"https://{SECRET}@example.com/x"]
)
def test_an_endpoint_with_a_password_is_refused_without_telling_it(tmp_path: Path, endpoint: str) -> None:
    for given, env in ((endpoint, {}), ("", {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": endpoint})):
        code, log = told(tmp_path, given, env)
        assert code == 2
        assert SECRET not in log


def test_a_proxy_with_a_password_tells_none(tmp_path: Path, token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:1")
    code, log = told(tmp_path, "https://localhost:1")
    assert code == 3
    assert SECRET not in log


def test_a_credentials_file_is_not_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: Running) -> None:
    path = tmp_path / "credentials.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    for content in (
        {"type": SECRET},
        {"type": "service_account", "client_email": "a@b", "private_key": SECRET, "token_uri": SECRET},
        {"type": "authorized_user", "client_secret": SECRET},
        {"type": "external_account", "audience": SECRET, "credential_source": {"headers": {"Authorization": SECRET}}},
        [SECRET],
    ):
        path.write_text(json.dumps(content))
        code, log = told(tmp_path, emulator.url)
        assert code == 3
        assert SECRET not in log


@pytest.mark.parametrize("kind", [auth_errors.RefreshError, auth_errors.TransportError])
def test_a_refused_refresh_quotes_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: Running, kind: type[Exception]
) -> None:
    class Broken(Credentials):
        def refresh(self, request: object) -> None:
            raise kind("refused", {"access_token": SECRET, "error": "x"})

    monkeypatch.setattr(google.auth, "default", lambda **_: (Broken(token=None), None))  # type: ignore[no-untyped-call]
    code, log = told(tmp_path, emulator.url)
    assert code == 3
    assert SECRET not in log


def test_a_defect_quotes_no_secret(tmp_path: Path, token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(endpoint: str, env: object, *, anonymous: bool) -> None:
        raise RuntimeError(f"Authorization: Bearer {SECRET}")

    monkeypatch.setattr("replicator.compute.connect.connect", broken)
    code, log = told(tmp_path, "http://127.0.0.1:1")
    assert code == 70
    assert "RuntimeError" in log
    assert SECRET not in log
