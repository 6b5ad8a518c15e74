"""Whoever is called, a proxy and certificates that keep a request away are named, without secrets, and not asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.commands.prices import catalog
from replicator.commands.prices import settings as prices
from replicator.commands.registry import errors as registry_errors
from replicator.commands.registry.artifacts import Artifacts
from replicator.commands.release.forges import opening
from replicator.commands.release.forges.http import Clock, Door, Unclear
from replicator.commands.release.settings import Kind, Target
from replicator.commands.resolve import fetch
from replicator.commands.webhooks import delivery, secrets
from replicator.core.errors import ReplicatorError
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "hunter2hunter2"
DEAD = f"http://me:{SECRET}@127.0.0.1:9"
#: Variables, what is told, and whether it is asked again.
TROUBLES: dict[str, tuple[dict[str, str], str, bool]] = {
    "nobody there": ({"HTTPS_PROXY": DEAD}, "the proxy http://127.0.0.1:9 (HTTPS_PROXY) could not be reached", True),
    "no URL": ({"HTTPS_PROXY": f"http://me:{SECRET}@[bad"}, "HTTPS_PROXY is not the URL of a proxy that", False),
    "no port": ({"ALL_PROXY": f"http://me:{SECRET}@x:y"}, "ALL_PROXY is not the URL of a proxy that", False),
    "no bundle": (
        {"HTTPS_PROXY": DEAD, "REQUESTS_CA_BUNDLE": "/etc/a.pem"}, "REQUESTS_CA_BUNDLE names no file (/etc/a.pem)", False,
    ),
}  # fmt: skip


def registry() -> tuple[str, bool]:
    with pytest.raises(registry_errors.Refused) as caught:
        Artifacts("", {}, anonymous=True).get("projects/p1/locations/us/repositories/hub")
    return registry_errors.told(caught.value, project="p1", secret=""), caught.value.again


def price_list() -> tuple[str, bool]:
    settings = prices.PricesSettings.model_validate({"command": "update"})
    inputs = prices.Inputs(settings=settings, shown=None, endpoint="", key="", anonymous=True)
    loop = VirtualLoop()
    began = loop.now
    with pytest.raises(ReplicatorError) as caught:
        loop.run_until_complete(catalog.skus(inputs, {}))
    loop.close()
    return caught.value.message, loop.now - began > 20


def index() -> tuple[str, None]:
    with pytest.raises(ReplicatorError) as caught:
        fetch.read("https://acme.example/image-index.json")
    return caught.value.message, None


def forge() -> tuple[str, bool]:
    slept: list[float] = []
    with pytest.raises(ReplicatorError) as caught:
        _door(slept).call("GET", "https://forge.example/api")
    return caught.value.message, bool(slept)


def forge_written() -> tuple[str, None]:
    with pytest.raises(Unclear) as caught:
        _door([]).call("POST", "https://forge.example/api")
    return str(caught.value), None


def _door(slept: list[float]) -> Door:
    clock = Clock(now=lambda: sum(slept), sleep=slept.append)
    return Door(origins=frozenset({"https://forge.example"}), token="t" * 40, deadline=10, clock=clock)


def kind_of_forge() -> tuple[str, None]:
    target = Target(server="https://forge.example", repository="acme/images", kind=Kind.AUTO, tag="v1")
    with pytest.raises(ReplicatorError) as caught:
        opening.kind_of(target, Kind.AUTO)
    return caught.value.message, None


def receiver() -> tuple[str, bool]:
    paused: list[float] = []
    answer = delivery.Delivery(
        url=f"https://hooks.example/{SECRET}",
        keys=[secrets.made(bytes(32))],
        id="1",
        body=b"{}",
        within=30,
        tell=lambda _: None,
        clock=delivery.Clock(elapsed=lambda: sum(paused), sleep=paused.append),
    )()
    return f"{answer.said}. {answer.remedy}", bool(paused)


CALLS: dict[str, Callable[[], tuple[str, bool | None]]] = {
    "Artifact Registry": registry,
    "prices": price_list,
    "an index": index,
    "a forge, read": forge,
    "a forge, written": forge_written,
    "a forge's kind": kind_of_forge,
    "a receiver": receiver,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_way_is_named(monkeypatch: pytest.MonkeyPatch, call: str, trouble: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    env, told, again = TROUBLES[trouble]
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    said, asked_again = CALLS[call]()
    assert told in said
    assert SECRET not in said
    assert asked_again in {again, None}
