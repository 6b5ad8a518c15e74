"""A service is a folder: found, and served beside the others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import emulator
from emulator import assembly, scenario
from emulator.core.scenario import BadScenario, Strict, joined
from emulator.testing import running
from testkit.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = Path(__file__).parent / "folders"
GREETINGS = "/v1/projects/p1/greetings"
RULES = {
    "images": [{"project": "p1", "name": "web"}],
    "greetings": {"hello": "Hello"},
    "principals": {"all": ["*"], "reader": ["compute.images.get"]},
    "switches": {"greeting_ends": "!", "stale_etag": 409},
}


@pytest.fixture
def greeter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder `greeter`, as if it were one of the emulator's."""
    monkeypatch.setattr(emulator, "__path__", [*emulator.__path__, str(FOLDERS)])
    yield
    for name in [name for name in sys.modules if name.startswith("emulator.greeter")]:
        del sys.modules[name]
    vars(emulator).pop("greeter", None)


@pytest.fixture
def client(greeter: None) -> Iterator[Client]:
    with running(driven=True, scenario=RULES) as running_emulator:
        client = Client(running_emulator)
        client.headers["Authorization"] = "Bearer all"
        yield client


def test_those_that_there_are_are_found() -> None:
    assert [service.__name__ for service in assembly.services()] == [
        "ArtifactRegistry",
        "CloudBilling",
        "Compute",
        "ResourceManager",
    ]


def test_a_folder_is_found(greeter: None) -> None:
    assert [service.__name__ for service in assembly.services()] == [
        "ArtifactRegistry",
        "CloudBilling",
        "Compute",
        "Greeter",
        "ResourceManager",
    ]


def test_both_answer_and_stand_in_one_journal(client: Client) -> None:
    assert client.send("GET", f"{GREETINGS}/hello").json == {"text": "Hello!"}
    assert client.get("/images/web").json["name"] == "web"
    journal = client.emulator.journal()
    assert [(entry["method"], entry["project"], entry["target"], entry["status"]) for entry in journal] == [
        ("greeter.greetings.get", "p1", "v1/projects/p1/greetings/hello", 200),
        ("compute.images.get", "p1", "projects/p1/global/images/web", 200),
    ]


def test_its_document_and_the_permissions_are_minded(client: Client) -> None:
    assert client.send("GET", f"{GREETINGS}/none").reason == "notFound"
    assert client.send("GET", f"{GREETINGS}/Hello").reason == "invalid"
    assert client.send("GET", f"{GREETINGS}/hello?loud=1").reason == "invalidParameter"
    assert client.send("DELETE", f"{GREETINGS}/hello").status == 501
    assert client.send("GET", "/v1/projects/p1/farewells").status == 404
    client.headers["Authorization"] = "Bearer reader"
    assert client.get("/images/web").status == 200
    refused = client.send("GET", f"{GREETINGS}/hello")
    assert (refused.status, "greeter.greetings.get" in refused.message) == (403, True)


def test_faults_reach_it_and_those_for_operations_pass_it_by(client: Client) -> None:
    busy = {"kind": "http", "code": 503, "reason": "backendError"}
    late = [{"action": {"kind": "operation", "code": "X"}}, {"action": {"kind": "stale"}}]
    client.emulator.faults([*late, {"method": "greeter.greetings.get", "action": busy}])
    assert [client.send("GET", f"{GREETINGS}/hello").status for _ in range(2)] == [503, 200]
    assert [fault["fired"] for fault in client.emulator.faults()] == [0, 0, 1]


def test_its_requests_count_against_no_quota_of_compute(greeter: None) -> None:
    with running(driven=True, scenario={"greetings": {"a": "A"}, "quotas": {"reads_per_minute": 1}}) as both:
        client = Client(both)
        assert [client.send("GET", f"{GREETINGS}/a").status for _ in range(2)] == [200, 200]
        assert [client.get("/images").status for _ in range(2)] == [200, 403]


def test_the_state_shows_both_before_and_after_a_reset(client: Client) -> None:
    for _ in range(2):
        state = client.emulator.state()
        assert list(state) == ["repositories", "images", "operations", "greetings"]
        assert ([image["name"] for image in state["images"]], state["greetings"]) == (["web"], ["hello"])
        client.emulator.reset()


def test_a_batch_may_hold_requests_of_both(client: Client) -> None:
    parts = [f"{GREETINGS}/hello", "/compute/v1/projects/p1/global/images/web"]
    body = "".join(f"--b\nContent-Type: application/http\n\nGET {path} HTTP/1.1\n\n\n" for path in parts) + "--b--\n"
    for path in ("/batch", "/batch/compute/v1"):
        answer = client.send("POST", path, body.encode(), {"Content-Type": "multipart/mixed; boundary=b"})
        assert answer.content.count(b"HTTP/1.1 200") == 2


def test_its_keys_join_the_scenario(greeter: None) -> None:
    schema = scenario.schema()
    assert {"images", "greetings", "faults"} <= set(schema["properties"])
    assert {"stale_etag", "first_check", "greeting_ends"} <= set(schema["$defs"]["Switches"]["properties"])
    assert schema["$defs"]["Switches"]["properties"]["greeting_ends"]["description"] == "How a greeting ends."
    assert schema["properties"]["switches"]["description"] == "Unconfirmed behaviour."
    with pytest.raises(BadScenario, match=r"switches.greeting_ends: .*\ngreeting: unknown key"):
        scenario.read({"switches": {"greeting_ends": "?"}, "greeting": {}})


def test_without_its_folder_its_keys_are_unknown() -> None:
    with pytest.raises(BadScenario, match="greetings: unknown key"):
        scenario.read({"greetings": {}})
    assert "greeting" not in json.dumps(scenario.schema())


def test_two_services_may_not_bring_the_same_key() -> None:
    class Some(Strict):
        size: int = 1

    class Other(Strict):
        size: str = ""

    kinds: list[type[Strict]] = [Some, Other]
    with pytest.raises(TypeError, match="size"):
        joined(kinds)
