"""Listens for the receiver: on loopback or in the file system, and one alone on a file that holds the state."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from replicator.commands.webhooks import errors
from replicator.commands.webhooks.receiver.config import folder
from replicator.core.errors import BadSettings, InputProblem, ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.commands.webhooks.receiver.config import Config

_UNIX = "unix"


class _Remarks(logging.Handler):
    """Makes a line of the receiver's log of what the web server remarks: of requests that are none, and of defects."""

    def __init__(self, log: Callable[..., None]) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log it, without the text of an exception, which may hold anything."""
        said = record.getMessage().strip()
        # Clients that would rather speak HTTP/2, as Java's do, say so with each request, and are served all the same.
        if not said.startswith(("Unsupported upgrade request", "No supported WebSocket library")):
            reason = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
            self._log(event="server", reason=reason, message=said)


def listen(app: Any, address: str, ready: str, log: Callable[..., None]) -> None:
    """Serve an application until a signal. Raises ReplicatorError if it can't listen there."""
    host, _, port = address.rpartition(":")
    try:
        if host == _UNIX:
            bound, url = _unix(port), f"{_UNIX}:{port}"
        else:
            bound = _loopback(host, port)
            url = f"http://{host}:{bound.getsockname()[1]}"
    except (OSError, OverflowError) as error:
        raise ReplicatorError(errors.RECEIVER_UNUSABLE, f"{address} can't be listened on ({error})") from None
    if ready:
        part = Path(f"{ready}.{os.getpid()}")
        part.write_bytes(url.encode())
        part.replace(ready)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, limit_concurrency=64, timeout_keep_alive=5, lifespan="off"
    )
    server = logging.getLogger("uvicorn")
    server.handlers, server.propagate = [_Remarks(log)], False
    uvicorn.Server(config).run(sockets=[bound])


def _loopback(host: str, port: str) -> socket.socket:
    if not host or not port.isdigit():
        raise BadSettings([InputProblem("listen", f"isn't a valid address; write HOST:PORT or {_UNIX}:/PATH")])
    if host not in {"127.0.0.1", "localhost", "[::1]"}:
        raise BadSettings([InputProblem("listen", "isn't loopback: put a proxy that speaks TLS before the receiver")])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family)


def _unix(path: str) -> socket.socket:
    """Return a socket in the file system, for its owner and group, in the place of one that nobody listens on."""
    if not path.startswith("/"):
        raise BadSettings([InputProblem("listen", f"isn't a whole path; write {_UNIX}:/PATH")])
    if Path(path).is_socket():
        with socket.socket(socket.AF_UNIX) as other:
            if other.connect_ex(path) == 0:
                raise OSError("another receiver listens on it")
        Path(path).unlink()
    bound = socket.socket(socket.AF_UNIX)
    earlier = os.umask(0o117)
    try:
        bound.bind(path)
        bound.listen(128)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(earlier)
    return bound


@contextlib.contextmanager
def only_one(config: Config) -> Iterator[None]:
    """Hold a file's lock, so that no second receiver works on it. Raises ReplicatorError."""
    path = folder(config)
    if path is None:
        yield
        return
    try:
        # SQLite's lock ends with the process that holds it, on every system.
        lock = sqlite3.connect(f"{path}.lock", timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise ReplicatorError(errors.RECEIVER_UNUSABLE, f"The store can't be locked ({error})") from None
    with contextlib.closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            text = "Another receiver works on this file; several at once need PostgreSQL"
            told = text if busy else f"The store can't be locked ({error})"
            raise ReplicatorError(errors.RECEIVER_UNUSABLE, told) from None
        yield
