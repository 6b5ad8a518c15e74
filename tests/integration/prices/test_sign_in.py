"""`prices update` without a key: signed in by the real google-auth, with the token services on loopback."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import google.oauth2.credentials
import pytest
from google.auth.compute_engine import _metadata
from requests.adapters import HTTPAdapter

from emulator.testing import running
from replicator.commands.prices.run import PricesRun
from replicator.runtime.lifecycle import execute
from testkit.identity import ACCOUNT, METADATA, OAUTH, OIDC, RESET, SECRET, STS, Answer, Identity
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from emulator.testing import Running

SKUS = [{"sku": "D041-B8A1-0001", "regions": ["us-central1"], "tiers": [{"price": {"USD": "0.05"}}]}]
#: Of google-auth and gcloud; of this machine none may be left.
VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GCLOUD_PROJECT",
    "CLOUDSDK_CONFIG",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
)


class World:
    """A machine with credentials, and a catalog that lets in whoever signed in."""

    def __init__(self, emulator: Running, identity: Identity, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.emulator, self.identity, self.folder, self.patch = emulator, identity, folder, patch
        self.env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING": emulator.url}

    def sign_in(self, path: Path) -> None:
        """What signing in left on the machine."""
        self.env.update(self.identity.signed_in(path))
        for name in VARIABLES:
            if name in self.env:
                self.patch.setenv(name, self.env[name])

    def update(self) -> tuple[int, str]:
        """Read the prices; whatever came of it, no secret is told."""
        log, document = io.StringIO(), io.StringIO()
        more: dict[str, Any] = {"document": document, "loop_factory": VirtualLoop}
        code = execute(PricesRun, {"command": "update"}, self.env, log, commands=False, **more)
        told = log.getvalue() + document.getvalue()
        assert not [mark for mark in (SECRET, "eyJ", "PRIVATE KEY") if mark in told], told
        assert (self.folder / "prices.json").exists() is (code == 0)
        return code, log.getvalue()

    @property
    def statuses(self) -> list[int]:
        """What the catalog answered; whoever it let in had a token."""
        seen = self.emulator.journal()
        assert all(entry["principal"] for entry in seen if entry["status"] != 401)
        return [entry["status"] for entry in seen]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)
    with running(scenario={"skus": SKUS}) as emulator, Identity() as identity:
        monkeypatch.setattr(google.oauth2.credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{identity.url}/token")
        identity.guard(emulator, ())
        yield World(emulator, identity, tmp_path, monkeypatch)


#: Credentials as users have them → who is asked to sign in with them.
CREDENTIALS: dict[str, tuple[Callable[[World], Path], set[str]]] = {
    "through a service account": (lambda world: world.identity.workload_identity(world.folder), {OIDC, STS, ACCOUNT}),
    "direct": (lambda world: world.identity.workload_identity(world.folder, direct=True), {OIDC, STS}),
    "key": (lambda world: world.identity.key(world.folder), {OAUTH}),
    "user": (lambda world: world.identity.user(world.folder), {OAUTH}),
}


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_the_prices_are_read_as_whoever_signed_in(world: World, kind: str) -> None:
    make, services = CREDENTIALS[kind]
    world.sign_in(make(world))
    code, said = world.update()
    assert code == 0, said
    assert json.loads((world.folder / "prices.json").read_bytes())["image_storage_gib_month"]["us-central1"] == "0.05"
    assert set(world.identity.asked) == services
    assert world.statuses == [200]


def test_on_a_machine_of_googles_its_metadata_server_signs_in(world: World) -> None:
    world.patch.setattr(_metadata, "_NO_GCE_CHECK", False)
    world.patch.setattr(_metadata, "_GCE_METADATA_HOST", world.identity.host)
    world.patch.setenv("GCE_METADATA_IP", world.identity.host)
    code, said = world.update()
    assert code == 0, said
    assert set(world.identity.asked) == {METADATA}
    assert world.statuses == [200]


def test_a_person_may_have_to_name_a_quota_project(world: World) -> None:
    world.sign_in(world.identity.user(world.folder))
    message = "The cloudbilling.googleapis.com API requires a quota project, which is not set by default."
    refusal = {"kind": "http", "code": 403, "reason": "accessNotConfigured", "message": message}
    world.emulator.faults([{"action": refusal}])
    code, said = world.update()
    assert (code, "by the variable GOOGLE_CLOUD_QUOTA_PROJECT" in said) == (3, True), said
    sent, send = [], HTTPAdapter.send

    def note(self: HTTPAdapter, request: Any, **more: Any) -> Any:
        sent.append(request.headers.get("x-goog-user-project"))
        return send(self, request, **more)

    world.patch.setattr(HTTPAdapter, "send", note)
    world.patch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "acme-billing")
    assert world.update()[0] == 0
    assert sent[-1] == "acme-billing"


def test_a_token_that_is_refused_is_renewed_once(world: World) -> None:
    world.sign_in(world.identity.user(world.folder))
    world.emulator.faults([{"action": {"kind": "http", "code": 401, "reason": "authError"}}])
    assert world.update()[0] == 0
    assert world.statuses == [401, 200]
    assert world.identity.asked[OAUTH] == 2


@pytest.mark.parametrize("answer", [RESET, (503, "{}"), (200, "<html>a proxy")])
def test_a_token_service_that_fails_is_asked_again(world: World, answer: Answer) -> None:
    world.sign_in(world.identity.user(world.folder))
    world.identity.answers[OAUTH] = [answer]
    assert world.update()[0] == 0
    world.identity.answers[OAUTH] = [answer]
    world.identity.for_ever = {OAUTH}
    (world.folder / "prices.json").unlink()
    code, said = world.update()
    assert (code, "OAuth token service" in said) == (4, True), said


def test_credentials_that_are_refused_or_missing_end_it(world: World) -> None:
    code, said = world.update()
    assert (code, "gcloud auth application-default login" in said) == (3, True), said
    world.sign_in(world.identity.user(world.folder, refresh_token="revoked"))
    code, said = world.update()
    assert (code, "gcloud auth application-default login" in said) == (3, True), said
    assert world.statuses == []
