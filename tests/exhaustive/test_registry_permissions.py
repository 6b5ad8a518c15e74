"""The permissions that each command of `registry` needs, measured: each is taken away once, and the run must name it.

What was measured is docs/registry-permissions.json, of which the table on docs/registry-mirrors.md is made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from google.oauth2.credentials import Credentials

from emulator.testing import running
from testkit.places import ROOT
from testkit.registry.mirroring import SHORT, Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.action import Finished

TABLE = ROOT / "docs" / "registry-permissions.json"
#: What anything might need; the least of it that does is found.
CANDIDATES = [
    "artifactregistry.locations.get",
    "artifactregistry.locations.list",
    *(
        f"artifactregistry.repositories.{verb}"
        for verb in ("create", "delete", "get", "getIamPolicy", "list", "setIamPolicy", "update")
    ),
]
READERS = """\
project: p1
locations: [us, europe]
mirrors: {ghcr.io: {repository: ghcr-mirror}}
readers: ["group:nodes@example.com"]
"""
POLICY = '[{"name": "drop", "action": {"type": "Delete"}, "condition": {"olderThan": "7d"}}]'


def with_readers(registry: Registry) -> dict[str, str]:
    return {"config": registry.write(READERS)}


def short(_registry: Registry) -> dict[str, str]:
    return SHORT


def other_policy(registry: Registry) -> dict[str, str]:
    return {**SHORT, "cleanup_policy_file": registry.write(POLICY, "policy.json")}


def offline(_registry: Registry) -> dict[str, str]:
    return {**SHORT, "zone": "us-east1-b", "images": "ghcr.io/o/a"}


#: What people ask for → the command, what it is given, and whether the mirrors exist (True: with readers, too).
CASES: dict[str, tuple[str, Callable[[Registry], dict[str, str]], bool | None]] = {
    "`ensure`, which makes mirrors": ("ensure", short, None),
    "`ensure` with `readers`": ("ensure", with_readers, None),
    "`ensure`, which repairs mirrors": ("ensure", other_policy, False),
    "`ensure` with nothing to do": ("ensure", short, False),
    "`ensure` with `readers` and nothing to do": ("ensure", with_readers, True),
    "`check`": ("check", short, False),
    "`check` with `readers`": ("check", with_readers, True),
    "`policies` with nothing to do": ("policies", short, False),
    "`policies --apply`": ("policies --apply", other_policy, False),
    "`rewrite`": ("rewrite", offline, None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_least_that_each_command_needs(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, given, standing = CASES[case]
    verb, _, apply = command.partition(" --")
    grants = {lacking: [name for name in CANDIDATES if name != lacking] for lacking in CANDIDATES}
    measured: list[str] = json.loads(TABLE.read_text("utf-8")).get(case, [])
    grants |= {"all": CANDIDATES, "least": measured}
    principals = {"admin": ["*"], **{token: {"projects": {"p1": names}} for token, names in grants.items()}}
    with running(scenario={"repository_seconds": 0, "principals": principals}) as emulator:
        registry = Registry(emulator, tmp_path)
        registry.action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""

        def attempt(token: str) -> Finished:
            emulator.reset()
            if standing is not None:
                signed_in(monkeypatch, "admin")
                assert registry("ensure", **(with_readers if standing else short)(registry)).exit_code == 0
            signed_in(monkeypatch, token)
            return registry(verb, **{"apply": "true"} if apply else {}, **given(registry))

        needed = []
        for lacking in CANDIDATES:
            done = attempt(lacking)
            if done.exit_code:
                needed.append(lacking)
                assert (done.exit_code, refusals(done)) == (3 if verb != "rewrite" else 1, {"forbidden"}), done.log
                assert f"Grant this identity {lacking} (roles/artifactregistry.admin has it) on project p1" in done.log
        assert measured == needed, f"measured for {TABLE.name}: {json.dumps({case: needed})}"
        for token in ("all", "least"):
            assert attempt(token).exit_code == 0


def signed_in(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    credentials = Credentials(token=token)  # type: ignore[no-untyped-call]
    monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, None))


def refusals(done: Finished) -> set[str]:
    rows: list[dict[str, Any]] = json.loads(done.outputs["mirrors"])
    return {row["reason"] for row in rows if row["reason"]}


def test_every_row_was_measured() -> None:
    assert list(json.loads(TABLE.read_text("utf-8"))) == list(CASES)
