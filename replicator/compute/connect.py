"""Opens the connection to the Compute Engine API: imports the library once, finds the credentials, sets up sessions.

Only here are private attributes of Google's libraries touched.
"""

from __future__ import annotations

import asyncio
import functools
import gc
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.compute.threads import DaemonThreads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.compute.client import Compute


#: Every location waits in a connection of its own.
_CONNECTIONS = 64


def connect(endpoint: str, env: Mapping[str, str], *, anonymous: bool) -> Compute:
    """The way to the API. Raises SignInFailed."""
    _import_library()
    from replicator.compute import credentials
    from replicator.compute.client import Compute

    compute = Compute(endpoint, credentials.anonymous() if anonymous else credentials.find(env, endpoint=endpoint))
    for transport in compute.transports:
        set_up(transport._session, local=endpoint.startswith("http://"))  # noqa: SLF001 - no public way to it
    return compute


def set_up(session: Any, *, local: bool) -> None:
    """Let a session of google-auth's sign in by our requests; `local`: it speaks with loopback only.

    A token that is refused is renewed once, and the request repeated with the new one.
    """
    from requests.adapters import HTTPAdapter

    from replicator.compute.credentials import TokenRequest

    # A proxy from the environment must not see what is meant for loopback.
    session.trust_env = not local
    session._auth_request = TokenRequest(local=local)  # noqa: SLF001 - the library makes the session itself
    session._max_refresh_attempts = 1  # noqa: SLF001
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))


@functools.cache
def _import_library() -> None:
    """Costs a second and 150 MB: paid once, after the settings are known to be right.

    An import leaves next to no garbage, and looking for it again and again would double its time. What was imported
    stays, and need not be looked at later on either.
    """
    gc.disable()
    try:
        import replicator.compute.client  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


async def connected(endpoint: str, env: Mapping[str, str], *, anonymous: bool) -> Compute:
    """As `connect`, in a thread: a signal must be answered while the library is imported and credentials looked up."""
    way = partial(connect, endpoint, env, anonymous=anonymous)
    return await asyncio.get_running_loop().run_in_executor(DaemonThreads(), way)
