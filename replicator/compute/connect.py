"""Opens the connection to the Compute Engine API: imports the library once, finds the credentials."""

from __future__ import annotations

import asyncio
import functools
import gc
from functools import partial
from typing import TYPE_CHECKING

from replicator.compute.threads import DaemonThreads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.compute.client import Compute


def connect(endpoint: str, env: Mapping[str, str], *, anonymous: bool) -> Compute:
    """The way to the API. Raises NoCredentials or its kin."""
    _import_library()
    from replicator.compute import credentials
    from replicator.compute.client import Compute

    return Compute(endpoint, credentials.anonymous() if anonymous else credentials.find(env, endpoint=endpoint))


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
