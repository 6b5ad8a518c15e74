"""Calls Google's services for which no client library is installed: plain JSON over google-auth's session.

What Artifact Registry, the Cloud Billing Catalog and Resource Manager have in common is here, once: the sign-in, what
counts as an answer, what is shown of it, and how a request that may succeed a little later is repeated.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import requests
from google.auth import exceptions as auth_errors
from google.auth.transport.requests import AuthorizedSession

from replicator.bootstrap.redact import redacted
from replicator.compute import connect, credentials
from replicator.compute.refusals import NoToken, NoWay
from replicator.compute.threads import DaemonThreads
from replicator.compute.trouble import connection, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_T = TypeVar("_T")

_OK = 200
#: Characters of a service's own words.
_LONGEST = 600


class Lack(Enum):
    """What was missing where a service gave no answer of its own."""

    TOKEN = auto()
    ANSWER = auto()
    SENSE = auto()
    """There was an answer, and it was somebody else's: a proxy's page."""


class Unanswered(Exception):
    """A request that the service itself didn't answer; the message says why, for people."""

    def __init__(self, message: str, lack: Lack, *, again: bool, remedy: str = "") -> None:
        super().__init__(message)
        self.lack = lack
        self.remedy = remedy
        """What to do, where a cause on this machine keeps all requests away."""
        self.again = again
        """Whether the same request may be answered a little later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the service said."""

    status: int
    body: Mapping[str, Any]
    """Its JSON object; empty if the request was refused."""
    message: str
    """Why it was refused, with the reasons that its details name, and without secrets; empty if it was not."""

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return self.status == _OK


class JsonApi:
    """One service's JSON API, at one endpoint, with one sign-in."""

    def __init__(self, name: str, endpoint: str, credentials: Any, *, timeout: tuple[float, float]) -> None:
        self._name, self._endpoint, self._timeout = name, endpoint, timeout
        self.session = signed_in(credentials, local=endpoint.startswith("http://"))

    def send(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, and return what the service said to it. Raises Unanswered, and SignInFailed."""
        url = f"{self._endpoint}/{quote(path, safe='/:')}"
        answer = sent(self.session, verb, url, timeout=self._timeout, json=body, params=query)
        return _read(answer, f"{verb} {path}", self._name)


def signed_in(credentials: Any, *, local: bool) -> Any:
    """Return a session that sends the credentials' token with each request; `local` means to loopback only."""
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    connect.set_up(session, local=local)
    return session


def nobodys() -> requests.Session:
    """Return a session that sends no credentials, not even those of a .netrc."""
    session = requests.Session()
    session.auth = lambda request: request
    return session


def sent(session: Any, verb: str, url: str, **more: Any) -> requests.Response:
    """Send a request by a session of these. Raises Unanswered, and SignInFailed.

    Redirects aren't followed where nothing else is said: a token would go with them.
    """
    try:
        answer: requests.Response = session.request(verb, url, **{"allow_redirects": False, **more})
    except auth_errors.GoogleAuthError as error:
        try:
            credentials.failed(error)
        except NoToken as told:
            raise Unanswered(str(told), Lack.TOKEN, again=True) from None
    except NoToken as error:
        raise Unanswered(str(error), Lack.TOKEN, again=True) from None
    except NoWay as error:
        raise Unanswered(str(error), Lack.TOKEN, again=False, remedy=error.fault.remedy) from None
    except (requests.RequestException, OSError, UnicodeError) as error:
        if wrong := environment.blamed(error, os.environ):
            raise wrong from None
        # The error's own text holds the whole address.
        trouble = connection.of_url(error, url)
        said = f"No answer from {trouble.text}"
        raise Unanswered(said, Lack.ANSWER, again=not trouble.remedy, remedy=trouble.remedy) from None
    return answer


def _read(answer: requests.Response, asked: str, name: str) -> Answer:
    status = answer.status_code
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if status == _OK and isinstance(found, dict):
        return Answer(status=status, body=found, message="")
    error = found.get("error") if isinstance(found, dict) else None
    if isinstance(error, dict):
        # The details name what the message may leave out, such as SERVICE_DISABLED.
        words = [str(error.get("message", "")), *(str(each.get("reason", "")) for each in _listed(error))]
        return Answer(status=status, body={}, message=redacted(" ".join(filter(None, words))[:_LONGEST]))
    message = f"{asked} was answered with HTTP {status}, which is not {name}'s (a proxy's page?)"
    raise Unanswered(message, Lack.SENSE, again=status in {_OK, 429} or status >= 500)


def _listed(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    both = (error.get("errors"), error.get("details"))
    return [each for several in both if isinstance(several, list) for each in several if isinstance(each, dict)]


async def in_thread(send: Callable[..., _T], *given: Any) -> _T:
    """Send a request in a thread that the end of the run doesn't wait for."""
    return await asyncio.get_running_loop().run_in_executor(DaemonThreads(), send, *given)


async def repeated(
    send: Callable[[], _T],
    pauses: Iterable[float],
    *,
    passing: Callable[[Exception], bool],
    pause: Callable[[float, Exception], Any],
    longest: float | None = None,
) -> _T:
    """Send a request, and again after each pause while `passing` says of its failure that it may pass.

    `pause` is awaited with the seconds and the failure, and may raise another. What is left in the end is raised:
    TimeoutError if the whole answer took more than `longest` seconds.
    """
    for seconds in pauses:
        try:
            return await asyncio.wait_for(in_thread(send), longest)
        except Exception as error:
            if not passing(error):
                raise
            failed = error
        await pause(seconds, failed)
    return await asyncio.wait_for(in_thread(send), longest)
