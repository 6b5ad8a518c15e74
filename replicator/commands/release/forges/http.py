"""Sends requests to one forge: the token reaches its own origin only, no write is repeated blindly or redirected.

A write that got no clear answer raises Unclear; the caller reads what became of it before anything else.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests

from replicator.bootstrap.quote import quoted
from replicator.bootstrap.workflow_commands import plain
from replicator.commands.release import errors as rows
from replicator.commands.release.forges.answer import Answer
from replicator.compute.trouble import connection
from replicator.compute.trouble.connection import Trouble
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Seconds to connect, and between two pieces of an answer.
_PATIENCE = (10.0, 120.0)
_PIECE = 2**18
#: Bytes of an answer in JSON.
_LARGEST_ANSWER = 32 * 2**20
_REDIRECTS = 3
_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_SAID = 300


class Unclear(Exception):
    """A write that may or may not have been carried out."""

    sent = True
    """Whether the forge may have got it at all: not if there was no connection."""


class Absent(ReplicatorError):
    """The forge has nothing to download there (404 or 410)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The time in seconds, and how to wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wall: Callable[[], float] = time.time


@dataclass(kw_only=True)
class Door:
    """A session with one forge. `origins` are those that may get the token."""

    origins: frozenset[str]
    token: str
    deadline: float
    clock: Clock = field(default_factory=Clock)
    accept: str = "application/json"
    writes: int = 0
    """How many writing requests were sent."""

    def __post_init__(self) -> None:
        """Open the session."""
        self._session = requests.Session()

    def call(
        self,
        method: str,
        url: str,
        *,
        payload: Mapping[str, Any] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return its answer, whatever the status. A read is repeated while there is time.

        Raises Unclear for a write without a clear answer; ReplicatorError for a read without any, for a foreign host,
        and when time is up.
        """
        pause = 1.0
        while True:
            try:
                answer = self._once(method, url, payload, data, headers)
            except (requests.RequestException, OSError, ValueError) as error:
                why = self.lost(error, url)
                if method in _WRITES:
                    unclear = Unclear(why.text)
                    unclear.sent = not _unconnected(error)
                    raise unclear from None
                if why.remedy:
                    raise ReplicatorError(rows.UNREACHABLE, why.text, remedy=why.remedy) from None
                trouble = why.text
            else:
                waits = _limited(answer, self.clock.wall())
                if waits is None and (answer.status < 500 or method in _WRITES):
                    if answer.status >= 500:
                        raise Unclear(f"{answer.status} {answer.said}")
                    return answer
                if waits is not None:
                    if data is not None:
                        # The body was sent already; another request gets another one.
                        self.wait(waits, rows.RATE, answer.said)
                        raise Unclear(f"{answer.status} {answer.said}")
                    self.wait(waits, rows.RATE, answer.said)
                    continue
                trouble = f"{answer.status} {answer.said}"
            self.wait(pause, rows.UNREACHABLE, trouble)
            pause = min(2 * pause, 30.0)

    def wait(self, seconds: float, row: Any, said: str) -> None:
        """Wait, or raise ReplicatorError if the deadline comes first."""
        if self.clock.now() + seconds >= self.deadline:
            raise ReplicatorError(row, f"{self._host()} did not do what was asked in time: {said}")
        self.clock.sleep(seconds)

    def check_time(self) -> None:
        """Raise ReplicatorError when the deadline is over."""
        if self.clock.now() >= self.deadline:
            raise ReplicatorError(rows.DEADLINE, "The time of timeout_minutes is over")

    def download(self, url: str, accept: str = "application/octet-stream") -> Iterator[bytes]:
        """Yield the content behind a URL of the forge; where it redirects, the token stays behind.

        Raises ReplicatorError, and requests.RequestException while reading.
        """
        self._check_origin(url)
        answer = self._follow(url, {"Accept": accept})
        with contextlib.closing(answer):
            if answer.status_code != 200:
                kind = Absent if answer.status_code in {404, 410} else ReplicatorError
                row = rows.FORBIDDEN if answer.status_code in {401, 403} else rows.UNREACHABLE
                raise kind(row, f"{self._host()} answered {answer.status_code} for a download")
            yield from answer.iter_content(_PIECE)

    def lost(self, error: Exception, url: str) -> Trouble:
        """Return why a request got no usable answer: the host, a proxy, certificates, or an answer of another form."""
        if isinstance(error, (requests.RequestException, OSError)):
            found = connection.of_url(error, url)
            return Trouble(self.harmless(found.text), found.remedy)
        return Trouble(self.harmless(f"{origin(url)}: {error}"))

    def harmless(self, text: str) -> str:
        """Return text of the forge on one line, without the token, cut to a sensible length."""
        shown = plain(text.replace(self.token, "(secret)") if self.token else text)
        return shown if len(shown) <= _SAID else f"{shown[:_SAID]} …"

    def _once(
        self, method: str, url: str, payload: Mapping[str, Any] | None, data: Any, headers: Mapping[str, str] | None
    ) -> Answer:
        self.check_time()
        self._check_origin(url)
        self.writes += method in _WRITES
        for _ in range(_REDIRECTS + 1):
            answer = self._session.request(
                method,
                url,
                json=payload,
                data=data,
                headers={"Accept": self.accept, "User-Agent": "gce-image-replicator", **(headers or {})},
                auth=self._authorize,
                timeout=self._patience(),
                allow_redirects=False,
                stream=True,
            )
            with contextlib.closing(answer):
                if answer.status_code not in {301, 302, 303, 307, 308}:
                    return self._read(answer)
                url = self._redirected(method, url, answer.headers.get("Location", ""))
        raise ReplicatorError(rows.UNREACHABLE, f"{self._host()} redirects for ever")

    def _redirected(self, method: str, url: str, location: str) -> str:
        target = urljoin(url, location)
        if method in _WRITES:
            what = f"{self._host()} has moved the repository (it answers {method} with a redirect)"
            raise ReplicatorError(rows.NOT_FOUND, what, remedy="Set repository to its new name.")
        if origin(target) != origin(url):
            raise ReplicatorError(rows.FOREIGN_HOST, f"{self._host()} redirects to {quoted(origin(target))}")
        return target

    def _read(self, answer: requests.Response) -> Answer:
        raw = b""
        for piece in answer.iter_content(_PIECE):
            raw += piece
            if len(raw) > _LARGEST_ANSWER:
                raise ValueError(f"an answer of more than {_LARGEST_ANSWER} bytes")
        try:
            body = json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            if answer.status_code < 400:
                raise ValueError("an answer that isn't valid JSON") from None
            body = None
        told = body.get("message") if isinstance(body, dict) else None
        more = body.get("errors") if isinstance(body, dict) else None
        said = " ".join(str(part) for part in (told, more) if part) or raw.decode("utf-8", "replace")
        return Answer(answer.status_code, body, self.harmless(said), answer.headers)

    def _follow(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        own = True
        for _ in range(_REDIRECTS + 1):
            self.check_time()
            answer = self._session.get(
                url,
                headers={"User-Agent": "gce-image-replicator", **headers},
                auth=self._authorize if own else _nobody,
                timeout=self._patience(),
                allow_redirects=False,
                stream=True,
            )
            if answer.status_code not in {301, 302, 303, 307, 308}:
                return answer
            answer.close()
            url = urljoin(url, answer.headers.get("Location", ""))
            own = False
            if not _encrypted(url):
                raise ReplicatorError(
                    rows.FOREIGN_HOST, f"{self._host()} redirects a download to {quoted(origin(url))}"
                )
        raise ReplicatorError(rows.UNREACHABLE, f"{self._host()} redirects a download for ever")

    def _check_origin(self, url: str) -> None:
        if origin(url) not in self.origins:
            raise ReplicatorError(rows.FOREIGN_HOST, f"{self._host()} names {quoted(origin(url))} as its own host")

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # A callable keeps requests from asking netrc, and from carrying a token on to another host.
        if self.token and request.url and origin(request.url) in self.origins:
            request.headers["Authorization"] = f"token {self.token}"
        return request

    def _patience(self) -> tuple[float, float]:
        left = max(self.deadline - self.clock.now(), 1.0)
        return min(_PATIENCE[0], left), min(_PATIENCE[1], left)

    def _host(self) -> str:
        return plain(", ".join(sorted(self.origins))) if len(self.origins) == 1 else "The forge"


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, in lower case, without the port that goes without saying."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    if parts.username is not None or not host:
        return ""
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _unconnected(error: Exception) -> bool:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return type(cause).__name__ in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}


def _encrypted(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"})


def _limited(answer: Answer, now: float) -> float | None:
    """Return the seconds to wait where the forge says that there were too many requests; None if it doesn't."""
    if answer.status not in {403, 429}:
        return None
    after = answer.headers.get("Retry-After", "")
    if after.isdecimal():
        return min(float(after), 3600.0) or 1.0
    reset = answer.headers.get("X-RateLimit-Reset", "")
    if answer.headers.get("X-RateLimit-Remaining") == "0" and reset.isdecimal():
        return max(float(reset) - now, 1.0)
    return 60.0 if answer.status == 429 or "rate limit" in answer.said.lower() else None
