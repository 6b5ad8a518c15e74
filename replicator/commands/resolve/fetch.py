"""Fetches an index from an https URL: few redirects, no credentials, limits of size and time.

Messages name hosts and no more of a URL, because URLs of release assets hold tokens.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests

from replicator.commands.resolve.errors import URL_UNREACHABLE
from replicator.commands.resolve.settings import url_problem
from replicator.compute.trouble import connection
from replicator.core.errors import ReplicatorError
from replicator.index import choice

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes, as of an index in a file; seconds for all of it.
LARGEST = 16 * 2**20
SECONDS = 30.0
MOST_REDIRECTS = 5
LATE = (URL_UNREACHABLE, f"Fetching the index took more than {SECONDS:.0f} seconds")
_CHUNK = 2**16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Refusals that may pass: too many requests, and the server's own faults from 500 on.
_TOO_MANY, _FAULTS = 429, 500


def read(url: str, *, clock: Callable[[], float] = time.monotonic) -> bytes:
    """Return the bytes that a URL leads to.

    Raises BadSettings for what can't be an index, and ReplicatorError (URL_UNREACHABLE) without an answer in time.
    """
    ends = clock() + SECONDS
    with requests.Session() as session:
        for _ in range(MOST_REDIRECTS + 1):
            host = urlsplit(url).hostname or ""
            try:
                answer = session.get(
                    url,
                    auth=_nobody,
                    allow_redirects=False,
                    headers={"Accept-Encoding": "identity"},
                    stream=True,
                    timeout=max(ends - clock(), 0.001),
                )
                with answer:
                    if answer.status_code not in _REDIRECTS:
                        return _content(answer, host, ends, clock)
                    url = urljoin(url, answer.headers.get("Location", ""))
            except (requests.RequestException, OSError) as error:
                trouble = connection.of_url(error, url)
                what = f"Fetching the index: {trouble.text}"
                raise ReplicatorError(URL_UNREACHABLE, what, remedy=trouble.remedy) from error
            except ValueError:
                raise choice.wrong("index", f"{host} redirects to a URL that isn't a valid one") from None
            if problem := url_problem(url):
                raise choice.wrong("index", f"{host} redirects to a URL that {problem}")
    raise choice.wrong("index", f"is redirected more than {MOST_REDIRECTS} times, last by {host}")


def _content(answer: requests.Response, host: str, ends: float, clock: Callable[[], float]) -> bytes:
    status = answer.status_code
    if status == _TOO_MANY or status >= _FAULTS:
        raise _unreachable(host, f"answered {status}")
    if status != requests.codes.ok:
        raise choice.wrong("index", f"can't be fetched: {host} answered {status}")
    data = bytearray()
    for chunk in answer.iter_content(_CHUNK):
        data += chunk
        if len(data) > LARGEST:
            raise choice.wrong("index", f"is larger than {LARGEST} bytes at {host}, and no more are read")
        if clock() > ends:
            raise _unreachable(host, f"sent no whole file in {SECONDS:.0f} seconds")
    return bytes(data)


def _unreachable(host: str, what: str) -> ReplicatorError:
    return ReplicatorError(URL_UNREACHABLE, f"Fetching the index: {host} {what}")


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave a request as it is: without any `auth` requests would look into the user's .netrc."""
    return request
