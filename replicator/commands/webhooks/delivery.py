"""Sends one signed event, again and again until it is delivered, refused for good, or out of time.

The only module that speaks HTTP to a receiver. Each attempt signs the same bytes anew, with the time of the attempt.
"""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from replicator import __version__
from replicator.bootstrap.workflow_commands import plain
from replicator.commands.webhooks import signature
from replicator.compute.trouble import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Seconds to connect, and for a whole attempt, whatever the receiver does.
CONNECT, WHOLE = 10.0, 30.0
#: Seconds between attempts; the last one repeats.
PAUSES = (2.0, 5.0, 15.0, 30.0, 60.0)
#: Bytes of an answer that are read.
_LARGEST = 64 * 2**10
_AGAIN = frozenset({408, 425, 429})
_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver answered; `status` 0 if it did not."""

    status: int
    said: str
    """Its words, or what went wrong, as one harmless line."""
    word: str = ""
    reason: str = ""
    publication_id: str = ""
    retry_after: float = 0.0
    remedy: str = ""
    """What to do, where a cause on this machine keeps all requests away."""

    @property
    def delivered(self) -> bool:
        """Whether the event was taken: 2xx only."""
        return 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether sending it again can't help."""
        return bool(self.remedy) or (0 < self.status < 500 and self.status not in _AGAIN)


@dataclass(kw_only=True)
class Clock:
    """The time, and how to let it pass; tests hand in another one."""

    now: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.SystemRandom().random


@dataclass(kw_only=True)
class Delivery:
    """One event on its way to one receiver."""

    url: str
    keys: Sequence[str]
    id: str
    body: bytes
    within: float
    """Seconds for all attempts together."""
    tell: Callable[[str], None]
    clock: Clock = field(default_factory=Clock)
    attempts: int = 0

    def __call__(self) -> Answer:
        """Return the last answer: delivered, final, or neither when the time is up."""
        end = self.clock.elapsed() + self.within
        while True:
            self.attempts += 1
            left = end - self.clock.elapsed()
            answer = self._attempt(min(WHOLE, max(left, 1.0)))
            if answer.delivered or answer.final:
                return answer
            pause = self._pause(answer)
            if self.clock.elapsed() + pause >= end:
                return answer
            self.tell(f"Attempt {self.attempts}: {answer.said}; again in {pause:.0f} s")
            self.clock.sleep(pause)

    def _pause(self, answer: Answer) -> float:
        usual = PAUSES[min(self.attempts, len(PAUSES)) - 1] * (1 + self.clock.jitter() / 4)
        return max(usual, answer.retry_after)

    def _attempt(self, longest: float) -> Answer:
        """Send once. The time limit holds even for an answer that comes byte by byte."""
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(self._sent(longest)), daemon=True).start()
        try:
            return answers.get(timeout=longest + 0.5)
        except queue.Empty:
            return Answer(status=0, said=f"there was no whole answer within {longest:.0f} s")

    def _sent(self, longest: float) -> Answer:
        headers = {
            **signature.headers(self.keys, self.id, int(self.clock.now()), self.body),
            "Content-Type": "application/json",
            "User-Agent": f"gce-image-replicator/{__version__}",
            "Accept": "application/json",
        }
        try:
            with requests.Session() as session:
                # Proxies and certificates of the environment hold, but netrc would add credentials.
                session.auth = _no_credentials
                with session.post(
                    self.url,
                    data=self.body,
                    headers=headers,
                    timeout=(min(CONNECT, longest), longest),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    return read(response)
        except (requests.RequestException, OSError, ValueError) as error:
            # The text of these errors holds the URL, whose path may be a secret.
            trouble = connection.of_url(error, self.url)
            said = f"{host(self.url)} could not be reached ({plain(trouble.text)})"
            return Answer(status=0, said=said, remedy=trouble.remedy)


def host(url: str) -> str:
    """Return scheme and host of a URL: all of it that is ever shown, because the rest may be a secret."""
    try:
        parts = urlsplit(url)
        return plain(f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}")
    except ValueError:
        return "an address that isn't valid"


def read(response: requests.Response) -> Answer:
    """Return what a response says; at most 64 KiB of it are read, and all of it is data."""
    text = response.raw.read(_LARGEST, decode_content=False).decode("utf-8", "replace")
    status = response.status_code
    said = f"{host(response.url)} answered {status}"
    if 300 <= status < 400:
        return Answer(status=status, said=f"{said} with a redirect to {_target(response)}, which isn't followed")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    words = document if isinstance(document, dict) else {}
    word, reason, publication = (_word(words.get(name)) for name in ("status", "reason", "publication_id"))
    shown = " ".join(filter(None, (word, reason))) or plain(text)[:_MOST_SHOWN]
    return Answer(
        status=status,
        said=f"{said}: {shown}" if shown else said,
        word=word,
        reason=reason,
        publication_id=publication,
        retry_after=_seconds(response.headers.get("Retry-After", "")),
    )


def _target(response: requests.Response) -> str:
    location = response.headers.get("Location", "")
    return host(location) if "://" in location else "another path"


def _word(value: object) -> str:
    return plain(value)[:_MOST_SHOWN] if isinstance(value, str) else ""


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
