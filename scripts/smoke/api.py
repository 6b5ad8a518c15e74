"""Sends plain JSON requests to Compute Engine, Artifact Registry and Resource Manager, and keeps every exchange.

The product's client can't ask what the probes ask: it sends no unknown field and no stale etag on purpose.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode
from uuid import uuid4

import requests
from google.auth import exceptions as auth_errors
from google.auth.transport.requests import AuthorizedSession

from replicator.compute import connect, credentials
from replicator.compute.errors import SignInFailed
from replicator.compute.refusals import Refusal

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from scripts.smoke.options import Options

COMPUTE, REGISTRY, MANAGER = "compute", "registry", "manager"
GOOGLE = {
    COMPUTE: "https://compute.googleapis.com",
    REGISTRY: "https://artifactregistry.googleapis.com",
    MANAGER: "https://cloudresourcemanager.googleapis.com",
}
VERSION = {COMPUTE: "/compute/v1/", REGISTRY: "/v1/", MANAGER: "/v3/"}
#: Seconds for a connection, and for an answer: a long poll takes two minutes.
_TIMEOUT = (10.0, 150.0)
_TRIES = 4
_PAUSE = 2.0
_PASSING = (429, 500, 502, 503, 504)


class Clock(Protocol):
    """What a run knows of time."""

    def now(self) -> float:
        """Seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class RealClock:
    """The machine's."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


class Unreachable(Exception):
    """A service gave no answer of its own, several times."""


class NoCredentials(Exception):
    """There is no sign-in, or it was refused."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a service answered."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether the request was accepted."""
        return self.status in {200, 204}

    @property
    def message(self) -> str:
        """What a refusal says."""
        return str(self._error.get("message", ""))

    @property
    def reason(self) -> str:
        """A refusal's reason: `notFound`; Artifact Registry's status."""
        errors = self._error.get("errors") or [{}]
        return str(errors[0].get("reason") or self._error.get("status", ""))

    @property
    def _error(self) -> Mapping[str, Any]:
        error = self.body.get("error")
        return error if isinstance(error, dict) and not self.ok else {}

    def seen(self) -> dict[str, Any]:
        """What an observation keeps of it."""
        return {"status": self.status, **({} if self.ok else {"reason": self.reason, "message": self.message})}


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its answer, for the report; no header of either is kept."""

    verb: str
    path: str
    sent: Any
    status: int
    answered: Any
    seconds: float


@dataclass
class Api:
    """Three services, as one identity. Raises Unreachable and NoCredentials."""

    options: Options
    clock: Clock
    session: Any
    exchanges: list[Exchange] = field(default_factory=list)

    def send(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        service: str = COMPUTE,
    ) -> Answer:
        """One request; repeated if that is harmless and it got no answer, or one that passes."""
        given = dict(query or {})
        harmless = verb in {"GET", "DELETE"} or "requestId" in given or path.endswith(("/wait", "IamPermissions"))
        for tries in range(_TRIES if harmless else 1):
            if tries:
                self.clock.sleep(_PAUSE * tries)
            answer = self._once(verb, path, body, given, service)
            if answer and not (harmless and answer.status in _PASSING):
                return answer
        if answer is None:
            raise Unreachable(f"{verb} {path} got no answer")
        return answer

    def _once(
        self, verb: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str], service: str
    ) -> Answer | None:
        own = {COMPUTE: self.options.endpoint, REGISTRY: self.options.registry_endpoint}
        root = (own.get(service) or ("" if service != MANAGER else self.options.manager_endpoint)) or GOOGLE[service]
        began = self.clock.now()
        try:
            got = self.session.request(
                verb, root + VERSION[service] + path, json=body, params=query, timeout=_TIMEOUT, allow_redirects=False
            )
        except (auth_errors.GoogleAuthError, SignInFailed, Refusal) as error:
            raise NoCredentials(f"the sign-in failed ({type(error).__name__})") from None
        except (requests.RequestException, OSError):
            return None
        answer = Answer(status=got.status_code, body=_read(got))
        shown = f"{path}?{urlencode(query)}" if query else path
        took = self.clock.now() - began
        self.exchanges.append(
            Exchange(verb=verb, path=shown, sent=body, status=answer.status, answered=answer.body, seconds=took)
        )
        return answer


def _read(got: Any) -> dict[str, Any]:
    """The JSON object of an answer; an empty one for anything else."""
    try:
        found = got.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def request_id() -> str:
    """A new id, by which a request may be repeated."""
    return str(uuid4())


def connected(options: Options, env: os._Environ[str] | Mapping[str, str], clock: Clock, token: str = "") -> Api:
    """The services, for the machine's own credentials, or for a token. Raises NoCredentials."""
    try:
        if token:
            from google.oauth2.credentials import Credentials

            found: Any = Credentials(token=token)  # type: ignore[no-untyped-call]
        elif options.anonymous:
            found = credentials.anonymous()
        else:
            found = credentials.find(env, endpoint=options.endpoint)
    except SignInFailed as error:
        raise NoCredentials(str(error)) from None
    session = AuthorizedSession(found)  # type: ignore[no-untyped-call]
    connect.set_up(session, local=options.endpoint.startswith("http://"))
    return Api(options=options, clock=clock, session=session)
