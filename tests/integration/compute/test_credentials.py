"""Signing in as users do, by the real google-auth, with the services on loopback; every way in which it fails.

Runner, services, emulator and google-auth share one clock, which jumps: a token expires while a copy takes its time.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
import types
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import google.oauth2.credentials
import pytest
from google.auth import _exponential_backoff, _helpers
from google.auth.compute_engine import _metadata

from emulator.compute.call import Timing
from emulator.testing import running
from replicator.commands.replicate import run as run_module
from replicator.commands.verify import run as verifying
from replicator.compute import credentials, sign_in_errors
from replicator.compute import errors as compute_errors
from testkit.action import Action, Finished
from testkit.identity import ACCOUNT, EMAIL, HANG, METADATA, OAUTH, OIDC, RESET, SECRET, STS, Identity
from testkit.tiers import few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from replicator.core.errors import Advice


BASE = 1_800_000_000
IMAGES = [{"project": "p1", "name": "web-1", "family": "web", "public": True}]
#: Of google-auth and gcloud; of this machine none may be left.
VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GCLOUD_PROJECT",
    "CLOUDSDK_CONFIG",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
)


class LoopClock:
    """The emulator's clock: the event loop's of the run."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = self.monotonic = now

    async def sleep_until(self, moment: float) -> None:
        while self.now() < moment:  # noqa: ASYNC110 - the other thread's clock tells nobody when it jumps
            await asyncio.sleep(0.005)


class World:
    """A runner, everybody who takes part in a sign-in, and an emulator that lets in whoever signed in."""

    def __init__(self, action: Action, identity: Identity, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.action = action
        self.identity = identity
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.emulator = action.emulator

    def sign_in(self, path: Path | None, project: str = "p1") -> None:
        """What the step before ours leaves; None: there is no such step."""
        env = self.identity.signed_in(path, project) if path else self.identity.job()
        self.action.env.update(env)
        for name in VARIABLES:
            if name in env:
                self.monkeypatch.setenv(name, env[name])

    def run(self, **inputs: str) -> Finished:
        """Replicate; whatever came of it, no secret is told."""
        done = self.action(**inputs)
        told = [done.log, done.summary, json.dumps(done.outputs), done.index.decode()]
        assert not [text for text in told if SECRET in text or "eyJ" in text or "PRIVATE KEY" in text], told
        return done

    @property
    def bearers(self) -> list[str]:
        """Who the emulator's requests came from, in order; "" for strangers."""
        return [entry["principal"] or "" for entry in self.emulator.journal()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    action: Action | None = None

    def now() -> float:
        return BASE + (action.loop.now if action and action.loop else 1000.0)

    def utcnow() -> datetime:
        return datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(_helpers, "utcnow", utcnow)
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)
    monkeypatch.setattr(_exponential_backoff, "time", types.SimpleNamespace(sleep=lambda _: None))
    with (
        running(copy_seconds=1, wait_seconds=0, clock=LoopClock(now), scenario={"images": IMAGES}) as emulator,
        Identity(clock=now) as identity,
    ):
        monkeypatch.setattr(google.oauth2.credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{identity.url}/token")
        action = Action(emulator, tmp_path)
        action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
        identity.guard(emulator)
        yield World(action, identity, tmp_path, monkeypatch)
        emulator.assert_faults_used()


def wif(world: World, **fields: Any) -> Path:
    return world.identity.workload_identity(world.folder, **fields)


#: Credentials as users have them → who is asked to sign in with them.
CREDENTIALS: dict[str, tuple[Callable[[World], Path], set[str]]] = {
    "through a service account": (wif, {OIDC, STS, ACCOUNT}),
    "direct": (lambda world: wif(world, direct=True), {OIDC, STS}),
    # It signs its tokens itself.
    "key": (lambda world: world.identity.key(world.folder), set()),
    "user": (lambda world: world.identity.user(world.folder), {OAUTH}),
}


@pytest.mark.parametrize("project", few(["p1", ""], "p1"))
@pytest.mark.parametrize("kind", CREDENTIALS)
def test_main_job(world: World, kind: str, project: str) -> None:
    make, services = CREDENTIALS[kind]
    path = make(world)
    world.sign_in(path, project)
    done = world.run()
    assert (done.exit_code, done.result) == (0, "complete"), done.log
    assert set(world.identity.asked) == services
    assert all(world.bearers)


@pytest.mark.parametrize(("lifetime", "least"), few([(10, 50), (300, 10), (3600, 1)], (300, 10)))
@pytest.mark.parametrize("kind", ["through a service account", "direct", "user"])
def test_tokens_expire_while_a_copy_takes_its_time(world: World, kind: str, lifetime: float, least: int) -> None:
    world.identity.lifetime = lifetime
    world.emulator.compute.timing = Timing.around(1200, wait=0)
    world.sign_in(CREDENTIALS[kind][0](world))
    done = world.run()
    assert (done.exit_code, done.result) == (0, "complete"), done.log
    assert done.seconds > 1200
    assert 401 not in {entry["status"] for entry in world.emulator.journal()}
    # google-auth renews a token 225 seconds before it expires.
    assert len(set(world.bearers)) >= least


class TestTheMachinesClockIsWrong:
    """By hours: what google-auth takes for alive is refused, or what is alive is renewed before each call."""

    @pytest.fixture(params=[-5, 5], autouse=True)
    def hours(self, request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> int:
        right: Callable[[], datetime] = _helpers.utcnow
        hours = int(request.param)
        monkeypatch.setattr(_helpers, "utcnow", lambda: right() + timedelta(hours=hours))
        world.identity.lifetime = 300
        world.emulator.compute.timing = Timing.around(400, wait=0)
        return hours

    @pytest.mark.parametrize("kind", ["through a service account", "direct", "user"])
    def test_the_service_says_when_a_token_expires(self, world: World, kind: str) -> None:
        world.sign_in(CREDENTIALS[kind][0](world))
        done = world.run()
        assert (done.exit_code, done.result) == (0, "complete"), done.log

    def test_a_key_signs_the_time(self, world: World, hours: int) -> None:
        world.sign_in(world.identity.key(world.folder))
        done = world.run()
        if hours < 0:
            assert (done.exit_code, done.annotations[0][1]) == (3, compute_errors.CREDENTIALS_REFUSED.title)
            assert "on your own machine its clock" in done.outputs["reason"]


class TestRefusedByTheApi:
    @pytest.mark.parametrize("method", ["get", "list", "insert", "patch", "setIamPolicy"])
    def test_a_token_that_expired_early_is_renewed_once(self, world: World, method: str) -> None:
        world.sign_in(wif(world))
        expired = {"kind": "http", "code": 401, "reason": "authError", "message": "Invalid Credentials"}
        world.emulator.faults([{"method": f"compute.images.{method}", "action": expired}])
        done = world.run()
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        target = world.action.calls(method)[0]["target"]
        tries = world.action.calls(method, target)[:2]
        assert [entry["status"] for entry in tries] == [401, 200]
        assert tries[0]["principal"] != tries[1]["principal"]
        assert tries[0]["query"] == tries[1]["query"]
        assert tries[0]["body"] == tries[1]["body"]

    def test_all_tokens_revoked_in_the_middle(self, world: World) -> None:
        world.sign_in(wif(world))
        state = world.emulator.compute.state
        commit, revoked = state.commit, list[bool]()

        def watched(change: Any) -> None:
            commit(change)
            # Once: a new token that is revoked as well may meet a call that was refused already, which ends its replica.
            if change.images and change.images[0].name == "web-1-eu" and not revoked:
                revoked.append(True)
                world.identity.revoke()

        world.emulator.run(lambda: setattr(state, "commit", watched))
        done = world.run()
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert 401 in {entry["status"] for entry in world.emulator.journal()}

    def test_a_second_refusal_ends_the_run(self, world: World) -> None:
        world.sign_in(wif(world))
        refused = {"kind": "http", "code": 401, "reason": "authError", "message": "Invalid Credentials"}
        world.emulator.faults([{"times": None, "action": refused}])
        done = world.run()
        assert (done.exit_code, done.annotations[0][1]) == (3, compute_errors.CREDENTIALS_REFUSED.title)
        assert [entry["status"] for entry in world.emulator.journal()] == [401, 401]
        assert world.identity.asked[ACCOUNT] == 2

    def test_a_second_refusal_of_a_copy_ends_that_replica(self, world: World) -> None:
        world.sign_in(wif(world))
        refused = {"kind": "http", "code": 401, "reason": "authError", "message": "Invalid Credentials"}
        fault = {"method": "compute.images.insert", "match": "web-1-eu", "times": 2, "action": refused}
        world.emulator.faults([fault])
        done = world.run()
        assert (done.exit_code, done.result) == (0, "partial")
        assert done.replicas["eu"]["reason"] == "forbidden"
        assert "docs/permissions.md" in done.replicas["eu"]["message"]
        assert done.replicas["asia"]["outcome"] == "created"

    def test_anonymous(self, world: World) -> None:
        world.action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = "true"
        done = world.run()
        assert (done.exit_code, done.annotations[0][1]) == (3, compute_errors.CREDENTIALS_REFUSED.title)
        assert "none are sent" in done.outputs["reason"]


#: Answers that another try betters.
PASSING: dict[str, Any] = {
    "500": (500, f'{{"error": "internal_failure", "error_description": "{SECRET}"}}'),
    "503": (503, f"<html>{SECRET}"),
    "429": (429, f'{{"error": "rate_limit", "error_description": "{SECRET}"}}'),
    "reset": RESET,
    "a proxy's page": (200, f"<html>{SECRET}</html>"),
    "a list": (200, f'["{SECRET}"]'),
}


@pytest.mark.parametrize("service", [OIDC, STS, ACCOUNT, OAUTH])
class TestTokenServiceInTrouble:
    def sign_in(self, world: World, service: str) -> None:
        world.sign_in(world.identity.user(world.folder) if service == OAUTH else wif(world))

    @pytest.mark.parametrize("trouble", few(PASSING, "a proxy's page"))
    def test_once(self, world: World, service: str, trouble: str) -> None:
        self.sign_in(world, service)
        world.identity.answers[service] = [PASSING[trouble]]
        done = world.run()
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert not world.identity.answers[service]
        assert "Next try in" in done.log

    def test_hanging_once(self, world: World, service: str) -> None:
        world.monkeypatch.setattr(credentials, "_LONGEST_ANSWER", 0.2)
        self.sign_in(world, service)
        world.identity.answers[service] = [HANG]
        assert world.run().result == "complete"

    @pytest.mark.parametrize("trouble", few(["503", "reset", "a proxy's page"], "503"))
    def test_for_ever(self, world: World, service: str, trouble: str) -> None:
        self.sign_in(world, service)
        world.identity.answers[service] = [PASSING[trouble]]
        world.identity.for_ever = {service}
        done = world.run()
        assert (done.exit_code, done.annotations[0][1]) == (3, compute_errors.TOKEN_SERVICE_SILENT.title), done.log
        assert done.seconds <= 60
        assert world.identity.asked[service] > 3
        assert not world.emulator.journal()


def api(code: int, message: str, status: str) -> tuple[int, str]:
    return code, json.dumps({"error": {"code": code, "message": f"{message} {SECRET}", "status": status}})


def oauth(error: str, text: str, status: int = 400) -> tuple[int, str]:
    return status, json.dumps({"error": error, "error_description": f"{text} {SECRET}"})


def rpc(message: str, reason: str = "") -> tuple[int, str]:
    """A refusal with status 403, and the reason that its details give."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    details = [info] if reason else []
    error = {"code": 403, "message": f"{message} {SECRET}", "status": "PERMISSION_DENIED", "details": details}
    return 403, json.dumps({"error": error})


#: Service, its answer, the failure, and what to add or to do.
REFUSALS: dict[str, tuple[str, tuple[int, str], Advice, str]] = {
    "job over": (OIDC, (401, f"<html>{SECRET}"), compute_errors.SIGN_IN_EXPIRED, "google-github-actions/auth"),
    "no such job": (OIDC, (404, SECRET), compute_errors.SIGN_IN_EXPIRED, "google-github-actions/auth"),
    "no token": (OIDC, (200, f'{{"other": "{SECRET}"}}'), compute_errors.CREDENTIALS_REFUSED, "permissions.md"),
    "audience": (
        STS,
        oauth("invalid_grant", "The audience in ID Token [x] does not match the expected audience."),
        compute_errors.WRONG_AUDIENCE,
        "workload_identity_provider: projects/NUMBER/",
    ),
    "condition": (
        STS,
        oauth("unauthorized_client", "The given credential is rejected by the attribute condition."),
        compute_errors.CONDITION_REJECTS,
        "update-oidc",
    ),
    "no provider": (
        STS,
        oauth("invalid_target", "The target service indicated by the “audience” parameters is invalid."),
        compute_errors.PROVIDER_MISSING,
        "workload_identity_provider: projects/NUMBER/",
    ),
    "pool, not provider": (
        STS,
        oauth("invalid_request", "Invalid value for (audience). This value should be the full resource name."),
        compute_errors.PROVIDER_MISSING,
        "workload_identity_provider: projects/NUMBER/",
    ),
    "issuer": (
        STS,
        oauth("invalid_grant", "The issuer in ID Token https://ghes/_services/token does not match the expected ones"),
        compute_errors.WRONG_AUDIENCE,
        "--issuer-uri",
    ),
    "stale": (
        STS,
        oauth("invalid_grant", "ID Token issued at 1 is stale to sign-in."),
        compute_errors.SIGN_IN_EXPIRED,
        "auth@v3",
    ),
    "something else": (
        STS,
        oauth("invalid_scope", SECRET, 403),
        compute_errors.CREDENTIALS_REFUSED,
        "docs/permissions.md",
    ),
    "a redirect": (STS, (307, SECRET), compute_errors.CREDENTIALS_REFUSED, "docs/permissions.md"),
    "no user": (
        ACCOUNT,
        api(403, "Permission 'iam.serviceAccounts.getAccessToken' denied on resource", "PERMISSION_DENIED"),
        compute_errors.IMPERSONATION_DENIED,
        "--role=roles/iam.workloadIdentityUser",
    ),
    "no account": (
        ACCOUNT,
        api(404, "Not found; Gaia id", "NOT_FOUND"),
        compute_errors.IMPERSONATION_DENIED,
        "service_account",
    ),
    "API off": (
        ACCOUNT,
        api(403, "IAM Service Account Credentials API has not been used in project 1", "PERMISSION_DENIED"),
        compute_errors.IMPERSONATION_DENIED,
        "gcloud services enable iamcredentials.googleapis.com",
    ),
    "bad request": (
        ACCOUNT,
        api(400, "Invalid", "INVALID_ARGUMENT"),
        compute_errors.CREDENTIALS_REFUSED,
        "permissions.md",
    ),
    "127 bytes": (
        STS,
        oauth("invalid_request", "The size of mapped attribute google.subject exceeds the 127 bytes limit."),
        compute_errors.ATTRIBUTE_TOO_LONG,
        "google.subject=assertion.repository_id",
    ),
    "issuer behind a firewall": (
        STS,
        oauth("invalid_grant", "Error connecting to the given credential's issuer."),
        compute_errors.ISSUER_UNREACHABLE,
        "--jwk-json-path",
    ),
    "no keys of the issuer": (
        STS,
        oauth("invalid_grant", "Unable to fetch the keys of the issuer"),
        compute_errors.ISSUER_UNREACHABLE,
        "--jwk-json-path",
    ),
    "STS off": (
        STS,
        rpc("Security Token Service API has not been used in project 1 before or it is disabled.", "SERVICE_DISABLED"),
        compute_errors.SIGN_IN_SERVICE_OFF,
        "gcloud services enable sts.googleapis.com",
    ),
    "quota project": (
        ACCOUNT,
        rpc("Caller does not have required permission to use project acme-billing.", "USER_PROJECT_DENIED"),
        compute_errors.QUOTA_PROJECT_DENIED,
        "GOOGLE_CLOUD_QUOTA_PROJECT",
    ),
    "quota project of STS": (
        STS,
        rpc("Grant the caller the serviceusage.services.use permission."),
        compute_errors.QUOTA_PROJECT_DENIED,
        "GOOGLE_CLOUD_QUOTA_PROJECT",
    ),
    "perimeter": (
        ACCOUNT,
        rpc("Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X"),
        compute_errors.PERIMETER_FORBIDS,
        "inside the perimeter",
    ),
    "perimeter of STS": (
        STS,
        rpc("Request is prohibited by organization's policy.", "SECURITY_POLICY_VIOLATED"),
        compute_errors.PERIMETER_FORBIDS,
        "inside the perimeter",
    ),
    "disabled account": (
        ACCOUNT,
        rpc("The service account is disabled."),
        compute_errors.ACCOUNT_DISABLED,
        "gcloud iam service-accounts enable ACCOUNT",
    ),
    "disabled user": (
        OAUTH,
        oauth("disabled_client", "The OAuth client was disabled."),
        compute_errors.ACCOUNT_DISABLED,
        "sign in as another account",
    ),
    "billing": (
        ACCOUNT,
        rpc("This API method requires billing to be enabled.", "BILLING_DISABLED"),
        compute_errors.CREDENTIALS_REFUSED,
        "billing account",
    ),
    "scopes": (
        ACCOUNT,
        rpc("Request had insufficient authentication scopes.", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        compute_errors.CREDENTIALS_REFUSED,
        "auth/cloud-platform",
    ),
    "lifetime": (
        ACCOUNT,
        api(400, "The access token lifetime cannot exceed 3600 seconds.", "INVALID_ARGUMENT"),
        compute_errors.CREDENTIALS_REFUSED,
        "access_token_lifetime",
    ),
    "a reason of its own": (
        ACCOUNT,
        rpc("No.", "SOMETHING_NEW"),
        compute_errors.CREDENTIALS_REFUSED,
        "docs/permissions.md",
    ),
    "a reason that is about roles": (
        ACCOUNT,
        rpc("Permission denied on resource (or it may not exist).", "IAM_PERMISSION_DENIED"),
        compute_errors.IMPERSONATION_DENIED,
        "--role=roles/iam.workloadIdentityUser",
    ),
    "revoked": (
        OAUTH,
        oauth("invalid_grant", "Token has been expired or revoked."),
        compute_errors.SIGN_IN_EXPIRED,
        "gcloud auth application-default login",
    ),
    "client": (
        OAUTH,
        oauth("invalid_client", "The OAuth client was not found.", 401),
        compute_errors.CREDENTIALS_REFUSED,
        "auth",
    ),
}


class TestTokenServiceRefuses:
    @pytest.mark.parametrize("case", REFUSALS)
    def test_at_first(self, world: World, case: str) -> None:
        service, answer, error, remedy = REFUSALS[case]
        world.sign_in(world.identity.user(world.folder) if service == OAUTH else wif(world))
        world.identity.answers[service] = [answer]
        world.identity.for_ever = {service}
        done = world.run()
        told(done, error, remedy)
        assert world.identity.asked[service] == 1
        assert not world.emulator.journal()

    def test_by_itself(self, world: World) -> None:
        """The services' own checks, not an answer that was put in their mouths."""
        world.identity.audience = "https://github.com/acme"
        world.sign_in(wif(world))
        told(world.run(), compute_errors.WRONG_AUDIENCE, "the default is its own full name")

    def test_in_the_middle(self, world: World) -> None:
        world.sign_in(wif(world))
        world.identity.lifetime = 300
        world.emulator.compute.timing = Timing.around(1200, wait=0)
        answer = world.identity.answer

        def denied(service: str, *given: Any) -> Any:
            if service == ACCOUNT and world.identity.asked[ACCOUNT] >= 3:
                return REFUSALS["no user"][1]
            return answer(service, *given)

        world.monkeypatch.setattr(world.identity, "answer", denied)
        done = world.run()
        assert (done.exit_code, done.result) == (3, "failed"), done.log
        assert done.column("reason") == {"us": "", "eu": "forbidden", "asia": "forbidden"}
        assert "may not act as the service account" in done.replicas["eu"]["message"]
        assert "grant the role" in done.replicas["eu"]["message"]


def told(done: Finished, error: Advice, line: str) -> None:
    """The failure with its remedy stands in the annotation, the log, the summary and the output `reason`."""
    assert (done.exit_code, done.result) == (3, "failed"), done.log
    ((level, title, text),) = done.annotations
    assert (level, title) == ("error", error.title)
    message, *lines = text.replace("%0A", "\n").replace("%25", "%").split("\n")
    assert line in "\n".join([message, *lines])
    assert done.outputs["reason"] == message.rstrip(".")
    said = done.log.rpartition("failed: ")[2].strip()
    assert message.startswith(said)
    assert all(each in done.summary for each in lines)


#: What lies where google-auth looks.
BAD_FILES: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{" + SECRET.encode(),
    "a list": b'["%s"]' % SECRET.encode(),
    "no type": b'{"private_key": "%s"}' % SECRET.encode(),
    "another type": b'{"type": "%s"}' % SECRET.encode(),
    "a key without a key": b'{"type": "service_account", "client_email": "%s"}' % SECRET.encode(),
    "a key that is none": b'{"type": "service_account", "client_email": "e", "token_uri": "u", "private_key": "%s"}'
    % SECRET.encode(),
    "no source": b'{"type": "external_account", "audience": "%s"}' % SECRET.encode(),
    "no UTF-8": b"\xff\xfe" + SECRET.encode(),
    "a user without a token": b'{"type": "authorized_user", "client_secret": "%s"}' % SECRET.encode(),
}


class TestFile:
    @pytest.mark.parametrize("case", BAD_FILES)
    def test_that_holds_no_credentials(self, world: World, case: str) -> None:
        path = world.folder / "gha-creds-1.json"
        path.write_bytes(BAD_FILES[case])
        world.sign_in(path)
        told(world.run(), compute_errors.CREDENTIALS_FILE_UNUSABLE, "google-github-actions/auth")

    def test_that_is_a_folder(self, world: World) -> None:
        world.sign_in(world.folder)
        told(world.run(), compute_errors.CREDENTIALS_FILE_UNUSABLE, "google-github-actions/auth")

    def test_that_is_gone(self, world: World) -> None:
        """Checkout after auth empties the workspace."""
        path = wif(world)
        world.sign_in(path)
        path.unlink()
        told(world.run(), compute_errors.CREDENTIALS_FILE_GONE, "actions/checkout")

    def test_in_another_universe(self, world: World) -> None:
        world.sign_in(wif(world, universe_domain="apis-tpclp.goog"))
        world.action.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"] = ""
        done = world.run()
        told(done, compute_errors.OTHER_UNIVERSE, "compute_endpoint")
        assert "apis-tpclp.goog" in done.outputs["reason"]
        assert not world.identity.asked

    def test_in_another_universe_with_its_endpoint(self, world: World) -> None:
        world.sign_in(wif(world, universe_domain="apis-tpclp.goog"))
        assert world.run().result == "complete"


class TestMetadataServer:
    """A self-hosted runner on a machine of Compute Engine."""

    @pytest.fixture
    def machine(self, world: World) -> World:
        world.monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
        world.monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", world.identity.host)
        world.monkeypatch.setenv("GCE_METADATA_IP", world.identity.host)
        world.monkeypatch.setattr(_metadata.ping, "__defaults__", (0.1, 3))
        return world

    def test_answers(self, machine: World) -> None:
        done = machine.run()
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert set(machine.identity.asked) == {METADATA}

    def test_hangs(self, machine: World) -> None:
        machine.identity.answers[METADATA] = [HANG]
        machine.identity.for_ever = {METADATA}
        told(machine.run(), compute_errors.NO_CREDENTIALS, "gcloud auth application-default login")
        until = time.monotonic() + 10
        while machine.identity.asked[METADATA] < 3 and time.monotonic() < until:
            time.sleep(0.01)  # The service may read the last request after google-auth gave up on it.
        assert machine.identity.asked[METADATA] == 3

    def test_is_not_there(self, machine: World) -> None:
        machine.monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
        told(machine.run(), compute_errors.NO_CREDENTIALS, "gcloud auth application-default login")

    def test_falls_silent(self, machine: World) -> None:
        machine.identity.answers[METADATA] = [(200, "{}"), (404, SECRET), (503, SECRET)]
        machine.identity.for_ever = {METADATA}
        done = machine.run()
        assert (done.exit_code, done.annotations[0][1]) == (3, compute_errors.TOKEN_SERVICE_SILENT.title), done.log

    def test_of_a_machine_without_an_account(self, machine: World) -> None:
        machine.identity.answers[METADATA] = [(200, "{}"), (404, SECRET), (404, SECRET)]
        machine.identity.for_ever = {METADATA}
        done = machine.run()
        assert done.exit_code == 3
        assert EMAIL not in done.log


FORK = {"pull_request": {"head": {"repo": {"full_name": "stranger/images"}}}}
OWN = {"pull_request": {"head": {"repo": {"full_name": "acme/images"}}}}
GONE = {"pull_request": {"head": {"repo": None}}}
PULL = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY": "acme/images"}
TOKEN = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x"}
ACTIONS = {"GITHUB_ACTIONS": "true"}

#: Environment, payload of the event, the failure, and a line to add (or to type).
NOTHING: dict[str, tuple[dict[str, str], dict[str, Any], Advice, str]] = {
    "on a machine": ({}, {}, compute_errors.NO_CREDENTIALS, "gcloud auth application-default login"),
    "on a machine with a leftover": (TOKEN, {}, compute_errors.NO_CREDENTIALS, "gcloud auth application-default login"),
    "no step before": ({**ACTIONS, **TOKEN}, {}, compute_errors.NOT_SIGNED_IN, "- uses: google-github-actions/auth@v3"),
    "no right to a token": (ACTIONS, {}, compute_errors.NO_ID_TOKEN, "  id-token: write"),
    "own pull request": ({**ACTIONS, **PULL}, OWN, compute_errors.NO_ID_TOKEN, "  id-token: write"),
    "pull request with the right": (
        {**ACTIONS, **PULL, **TOKEN},
        OWN,
        compute_errors.NOT_SIGNED_IN,
        "- uses: actions/checkout@v7",
    ),
    "fork": ({**ACTIONS, **PULL}, FORK, compute_errors.FORK_PULL_REQUEST, "if: github.event.pull_request.head.repo"),
    "fork that was deleted": (
        {**ACTIONS, **PULL},
        GONE,
        compute_errors.FORK_PULL_REQUEST,
        "if: github.event.pull_request.head.repo",
    ),
    "payload that is another's": (
        {**ACTIONS, **PULL},
        {"pull_request": []},
        compute_errors.NO_ID_TOKEN,
        "  id-token: write",
    ),
    "target of a fork": (
        {**ACTIONS, **PULL, "GITHUB_EVENT_NAME": "pull_request_target"},
        FORK,
        compute_errors.NO_ID_TOKEN,
        "  id-token: write",
    ),
    "Forgejo": ({**ACTIONS, "FORGEJO_ACTIONS": "true"}, {}, compute_errors.NO_ID_TOKEN, "enable-openid-connect: true"),
    "Forgejo with a token": (
        {**ACTIONS, **TOKEN, "FORGEJO_ACTIONS": "true"},
        {},
        compute_errors.NOT_SIGNED_IN,
        "auth@v3",
    ),
    "a token without a file": (
        {**ACTIONS, **TOKEN, "CLOUDSDK_AUTH_ACCESS_TOKEN": SECRET},
        {},
        compute_errors.NOT_SIGNED_IN,
        "create_credentials_file: false",
    ),
    "a token without the right to another": (
        {**ACTIONS, "GOOGLE_OAUTH_ACCESS_TOKEN": SECRET},
        {},
        compute_errors.NOT_SIGNED_IN,
        "create_credentials_file: false",
    ),
    "a project without a file": (
        {**ACTIONS, **TOKEN, "CLOUDSDK_CORE_PROJECT": "p1"},
        {},
        compute_errors.NOT_SIGNED_IN,
        "create_credentials_file: false",
    ),
    "a project that was set by hand": (
        {**ACTIONS, "GOOGLE_CLOUD_PROJECT": "p1"},
        {},
        compute_errors.NO_ID_TOKEN,
        "id-token",
    ),
    "a fork with a project that was set by hand": (
        {**ACTIONS, **PULL, "GOOGLE_CLOUD_PROJECT": "p1"},
        FORK,
        compute_errors.FORK_PULL_REQUEST,
        "if: github.event.pull_request.head.repo",
    ),
    "Gitea": (
        {**ACTIONS, "GITEA_ACTIONS": "true"},
        {},
        compute_errors.NOT_SIGNED_IN,
        "    credentials_json: ${{ secrets.GCP_KEY }}",
    ),
    "act": ({**ACTIONS, "ACT": "true"}, {}, compute_errors.NO_ID_TOKEN, "  id-token: write"),
}


class TestNothingFound:
    @pytest.mark.parametrize("case", NOTHING)
    def test_which_it_is(self, case: str) -> None:
        env, event, error, line = NOTHING[case]
        failure = sign_in_errors.nothing_found(env, event)
        assert failure.advice is error
        assert line in f"{failure.todo}\n{failure.to_add}"
        assert SECRET not in failure.message
        assert failure.exit_code == 3

    @pytest.mark.parametrize(
        "case",
        ["on a machine", "no step before", "a token without a file", "no right to a token", "fork", "Forgejo", "Gitea"],
    )
    def test_through_the_front_door(self, world: World, case: str) -> None:
        env, event, error, line = NOTHING[case]
        (world.folder / "event.json").write_text(json.dumps(event), "utf-8")
        world.action.env.update(env, GITHUB_EVENT_PATH=str(world.folder / "event.json"))
        done = world.run()
        told(done, error, line)
        assert not world.identity.asked

    @pytest.mark.parametrize(
        ("path", "env", "error"),
        [
            (
                "/w/gha-creds-1.json",
                {"GOOGLE_GHA_CREDS_PATH": "/w/gha-creds-1.json"},
                compute_errors.CREDENTIALS_FILE_GONE,
            ),
            ("/w/keys/mine.json", {"GITHUB_WORKSPACE": "/w"}, compute_errors.CREDENTIALS_FILE_GONE),
            ("C:\\w\\mine.json", {"GITHUB_WORKSPACE": "C:\\w"}, compute_errors.CREDENTIALS_FILE_GONE),
            ("/wide/mine.json", {"GITHUB_WORKSPACE": "/w"}, compute_errors.NO_CREDENTIALS),
            ("/home/me/key.json", {}, compute_errors.NO_CREDENTIALS),
        ],
    )
    def test_a_file_that_is_not_there(self, path: str, env: dict[str, str], error: Advice) -> None:
        failure = sign_in_errors.no_file(path, env)
        assert failure.advice is error
        assert path in failure.message


def test_the_command_line_says_it_in_plain_lines(world: World) -> None:
    """Without a runner there are no annotations; what is to be added stands under the message."""
    said = io.StringIO()
    env = {"GITHUB_ACTIONS": "", "RUNNER_TEMP": str(world.folder)}
    path = wif(world)
    world.sign_in(path)
    path.unlink()
    reference = "projects/p1/global/images/web-1"
    assert run_module.run({"source_image": reference}, {**world.action.env, **env}, said, commands=False) == 3
    assert "\n    - uses: actions/checkout@v7\n    - uses: google-github-actions/auth@v3\n" in said.getvalue()


def test_verify_tells_silence_from_refusal(world: World) -> None:
    world.sign_in(wif(world))
    given = {"source_image": "projects/p1/global/images/web-1"}
    world.identity.answers[STS] = [REFUSALS["condition"][1]]
    said = io.StringIO()
    assert verifying.run(given, world.action.env, said, commands=False) == 3
    assert "does not let this job in" in said.getvalue()
    assert SECRET not in said.getvalue()
