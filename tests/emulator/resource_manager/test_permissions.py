"""Resource Manager tells callers which permissions they have in a project."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from testkit.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED = ["compute.images.create", "compute.images.setIamPolicy", "compute.images.get"]


@contextmanager
def under(**rules: Any) -> Iterator[Client]:
    with running(driven=True, scenario=rules) as emulator:
        yield Client(emulator)


def ask(client: Client, project: str = "p1", token: str = "t") -> Any:
    path = f"/v3/projects/{project}:testIamPermissions"
    return client.send("POST", path, {"permissions": ASKED}, {"Authorization": f"Bearer {token}"})


def test_without_principals_everybody_has_all() -> None:
    with under() as client:
        assert ask(client).json == {"permissions": ASKED}
        assert client.send("POST", "/v3/projects/p1:testIamPermissions", {}).json == {}
        entry = client.emulator.journal()[0]
        assert (entry["method"], entry["project"], entry["target"], entry["committed"]) == (
            "cloudresourcemanager.projects.testIamPermissions",
            "p1",
            "projects/p1",
            False,
        )


def test_those_that_the_principal_has_in_the_project() -> None:
    held = {"permissions": ["compute.images.get"], "projects": {"p2": ["compute.images.c*"], "example.com:p": ["*"]}}
    with under(principals={"t": held, "none": []}) as client:
        assert ask(client).json == {"permissions": ["compute.images.get"]}
        assert ask(client, "p2").json == {"permissions": ["compute.images.create", "compute.images.get"]}
        assert ask(client, "example.com%3Ap").json == {"permissions": ASKED}
        assert ask(client, token="none").json == {}
        assert (ask(client, token="stranger").status, ask(client, token="stranger").reason) == (401, "authError")


def test_switched_off() -> None:
    with under(switches={"resource_manager": "off"}) as client:
        answer = ask(client)
        assert (answer.status, answer.reason) == (403, "accessNotConfigured")
        assert answer.json["error"]["details"][0]["reason"] == "SERVICE_DISABLED"


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/v3/projects/p1", 501),
        ("POST", "/v3/projects/p1:getIamPolicy", 501),
        ("POST", "/v3/projects/p1:nothing", 404),
        ("POST", "/v3/projects/:testIamPermissions", 404),
    ],
)
def test_what_it_lacks(verb: str, path: str, status: int) -> None:
    with under() as client:
        assert client.send(verb, path, {}).status == status
