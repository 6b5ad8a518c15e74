"""Where Resource Manager is asked and where not, what it says, and what is told where it says nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests
from google.auth import exceptions as auth_errors
from google.auth.compute_engine import Credentials as MachineCredentials

from replicator.compute import errors
from replicator.compute.errors import SignInFailed
from replicator.compute.refusals import NoToken
from replicator.compute.services import json_api, resource_manager
from replicator.compute.services.resource_manager import CantTell, ResourceManager

GOOGLE = "https://cloudresourcemanager.googleapis.com"


class Session:
    """Gives one answer to all requests, or fails."""

    def __init__(self, answer: tuple[int, str] | Exception) -> None:
        self.answer = answer
        self.sent: list[tuple[str, str, Any]] = []

    def request(self, verb: str, url: str, *, timeout: tuple[float, float], **more: Any) -> requests.Response:
        connection, answered = timeout
        # All copies wait for it.
        assert connection + answered < 60
        self.sent.append((verb, url, more["json"]))
        if isinstance(self.answer, Exception):
            raise self.answer
        made = requests.Response()
        made.status_code, made._content = self.answer[0], self.answer[1].encode()
        return made


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session((200, '{"permissions": ["compute.images.get"]}'))
    monkeypatch.setattr(json_api, "signed_in", lambda *_, **__: made)
    return made


def test_what_is_held_is_asked_of_the_project(session: Session) -> None:
    manager = ResourceManager("https://x.example", None)
    assert manager.held("p1", ("compute.images.get", "compute.images.create")) == {"compute.images.get"}
    asked = {"permissions": ["compute.images.get", "compute.images.create"]}
    assert session.sent == [("POST", "https://x.example/v3/projects/p1:testIamPermissions", asked)]
    # Where nothing is held, the answer names no permissions.
    session.answer = (200, "{}")
    assert manager.held("p1", ["compute.images.get"]) == frozenset()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((403, '{"error": {"details": [{"reason": "SERVICE_DISABLED"}]}}'), "the Cloud Resource Manager API is off"),
        ((403, '{"error": {"errors": [{"reason": "accessNotConfigured"}]}}'), "the Cloud Resource Manager API is off"),
        ((403, '{"error": {"message": "Denied."}}'), "it answered HTTP 403"),
        ((404, '{"error": {}}'), "it answered HTTP 404"),
        ((200, '{"permissions": "all"}'), "its answer was not its own"),
        ((503, "<html>"), "its answer was not its own"),
        (requests.ConnectionError("reset"), "it did not answer"),
        (NoToken("silent"), "it takes no token of this sign-in"),
        (SignInFailed(errors.CREDENTIALS_REFUSED, "Refused"), "it takes no token of this sign-in"),
        (auth_errors.RefreshError("Refused"), "it takes no token of this sign-in"),  # type: ignore[no-untyped-call]
    ],
    ids=[
        "off",
        "off in old words",
        "denied",
        "no project",
        "senseless",
        "a proxy",
        "silent",
        "no token",
        "refused",
        "old",
    ],
)
def test_why_nobody_can_tell(session: Session, answer: tuple[int, str] | Exception, told: str) -> None:
    session.answer = answer
    with pytest.raises(CantTell) as caught:
        ResourceManager("https://x.example", None).held("p1", ["compute.images.get"])
    assert str(caught.value) == told


class Machine(MachineCredentials):
    """Credentials of a machine: asking for their universe is a request."""

    def __init__(self) -> None:
        pass

    @property
    def universe_domain(self) -> str:
        raise AssertionError("The metadata server was asked for the universe")


BESIDE = "Resource Manager is not asked beside an emulator of Compute Engine"
UNSAFE = (
    "Resource Manager is not asked: CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER must be an https address, or http "
    "on loopback"
)


@pytest.mark.parametrize(
    ("given", "compute_endpoint", "where"),
    [
        ("", "", GOOGLE),
        ("  ", "https://compute.private.example", GOOGLE),
        ("", "https://10.0.0.1", GOOGLE),
        ("", "http://127.0.0.1:8080", BESIDE),
        ("", "https://localhost", BESIDE),
        ("", "http://[::1]:8080", BESIDE),
        (" https://x.example/ ", "http://127.0.0.1:8080", "https://x.example"),
        ("http://127.0.0.1:9", "", "http://127.0.0.1:9"),
        ("http://localhost:9//", "", "http://localhost:9"),
        ("http://x.example", "", UNSAFE),
        ("http://x.example", "http://127.0.0.1:8080", UNSAFE),
        ("ftp://127.0.0.1", "", UNSAFE),
        ("https://", "", UNSAFE),
        ("x.example", "", UNSAFE),
        ("https://[x", "", UNSAFE),
    ],
)
def test_where_it_is_asked(session: Session, given: str, compute_endpoint: str, where: str) -> None:
    compute: Any = SimpleNamespace(credentials=SimpleNamespace(universe_domain="googleapis.com"))
    env = {resource_manager.ENDPOINT_VARIABLE: given}
    assert address(resource_manager.manager(compute, compute_endpoint, env), session) == where


@pytest.mark.parametrize(
    ("credentials", "where"),
    [
        (Machine(), GOOGLE),
        (SimpleNamespace(universe_domain="apis-tpclp.goog"), "https://cloudresourcemanager.apis-tpclp.goog"),
    ],
    ids=["a machine", "another universe"],
)
def test_in_which_universe_it_is_asked(session: Session, credentials: Any, where: str) -> None:
    compute: Any = SimpleNamespace(credentials=credentials)
    assert address(resource_manager.manager(compute, "", {}), session) == where


def address(manager: ResourceManager | str, session: Session) -> str:
    """Where the question is sent; or why it isn't."""
    if isinstance(manager, str):
        return manager
    manager.held("p1", [])
    return session.sent[0][1].removesuffix("/v3/projects/p1:testIamPermissions")
