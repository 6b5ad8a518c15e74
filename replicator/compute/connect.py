"""Opens the connection to the Compute Engine API: imports the library once, finds the credentials, sets up sessions.

This is the only module that touches private attributes of Google's libraries.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.compute.errors import SignInFailed
from replicator.compute.lifecycle import clock
from replicator.compute.threads import DaemonThreads
from replicator.compute.trouble import environment
from replicator.compute.waits import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.compute.client import Compute


#: The size of the connection pool; each location waits in its own connection.
_CONNECTIONS = 64


def connect(endpoint: str, env: Mapping[str, str], *, anonymous: bool) -> Compute:
    """The way to the API. Raises SignInFailed."""
    try:
        _import_library()
        from replicator.compute import credentials
        from replicator.compute.client import Compute

        compute = Compute(endpoint, credentials.anonymous() if anonymous else credentials.find(env, endpoint=endpoint))
    except SignInFailed:
        raise
    except Exception as error:
        # The libraries read variables of their own, and raise whatever they please where one is wrong.
        if wrong := environment.blamed(error, os.environ):
            raise wrong from error
        raise
    for transport in compute.transports:
        session = transport._session  # noqa: SLF001 - no public way to it
        set_up(session, local=endpoint.startswith("http://"))
        session.hooks["response"].append(partial(_hear, compute))
    return compute


def _hear(compute: Compute, answer: Any, **_: Any) -> None:
    """Keep what the first answer says of the time."""
    if compute.clock is None:
        compute.clock = clock.heard(answer.headers.get("Date", ""), now())


def set_up(session: Any, *, local: bool) -> None:
    """Let a session of google-auth's sign in with our TokenRequest; `local` means that it talks to loopback only.

    A refused token is renewed once, and the request repeated with the new one.
    """
    from requests.adapters import HTTPAdapter

    from replicator.compute.credentials import TokenRequest

    # A proxy from the environment must not see requests to loopback.
    session.trust_env = not local
    session._auth_request = TokenRequest(local=local)  # noqa: SLF001 - the library makes the session itself
    session._max_refresh_attempts = 1  # noqa: SLF001
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))


@functools.cache
def _import_library() -> None:
    """Import the library once, after the settings are known to be right: it costs a second and 150 MB.

    The garbage collector is off meanwhile: an import leaves almost no garbage, and collecting would double its time.
    Imported objects stay, so later collections skip them, too.
    """
    gc.disable()
    try:
        import replicator.compute.client  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


async def connected(endpoint: str, env: Mapping[str, str], *, anonymous: bool) -> Compute:
    """Connect in a thread, so that signals are handled while the library is imported and credentials are looked up."""
    way = partial(connect, endpoint, env, anonymous=anonymous)
    return await asyncio.get_running_loop().run_in_executor(DaemonThreads(), way)
