"""Runs a hook's command for what was published: no shell, few variables, a time limit, nothing left behind.

What was announced reaches it by the environment, its standard input and a file; never by its arguments, which other
users of the machine can read.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from replicator.commands.webhooks.receiver.command_queue import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Bytes of a command's output that are kept; the rest is read and dropped, so that it never blocks.
LARGEST_OUTPUT = 64 * 2**10
#: Seconds from SIGTERM to SIGKILL.
GRACE = 10.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOOK = 0.1


def run(
    argv: Sequence[str],
    record: Mapping[str, Any],
    index: bytes,
    *,
    seconds: float,
    stopped: Callable[[], bool],
    grace: float = GRACE,
) -> Ended:
    """Run a command to its end, its time limit, or until `stopped` says that the receiver ends."""
    with tempfile.TemporaryDirectory(prefix="image-receiver-") as folder:
        path = Path(folder, "image-index.json")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(index)
        told = Path(folder, "record.json")
        told.write_bytes(json.dumps(record, sort_keys=True).encode() + b"\n")
        env = {
            "PATH": _PATH,
            "LANG": "C.UTF-8",
            "REPLICATOR_PUBLICATION_ID": str(record["id"]),
            "REPLICATOR_PUBLICATION_VERSION": str(record["version"]),
            "REPLICATOR_PUBLICATION_STATUS": str(record["status"]),
            "REPLICATOR_PUBLICATION_INDEX": str(path),
        }
        try:
            with told.open("rb") as stdin:
                process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
                    list(argv),
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=env,
                    cwd=folder,
                    start_new_session=True,
                )
        except OSError as error:
            return Ended(status="failed", output=f"could not be started ({error.strerror})")
        with process:
            return _ended(process, time.monotonic() + seconds, stopped, grace)


def _ended(process: subprocess.Popen[bytes], deadline: float, stopped: Callable[[], bool], grace: float) -> Ended:
    assert process.stdout is not None  # noqa: S101 - for the type checker; it is a pipe
    os.set_blocking(process.stdout.fileno(), False)
    said, closed, late, kill_at = bytearray(), False, False, 0.0
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while process.poll() is None:
            waiting.select(_LOOK)
            if not closed and _drained(process.stdout, said):
                closed = True
                waiting.unregister(process.stdout)
            now = time.monotonic()
            if not kill_at and (now >= deadline or stopped()):
                late, kill_at = now >= deadline, now + grace
                _signal(process, signal.SIGTERM)
            elif kill_at and now >= kill_at:
                _signal(process, signal.SIGKILL)
    if not closed and not _drained(process.stdout, said):
        # What it started still holds the pipe, and so is of its group, unless it left that on purpose.
        _signal(process, signal.SIGKILL)
    # PostgreSQL keeps no NUL in a text.
    output = said.decode("utf-8", "replace").replace("\0", "\ufffd")
    if kill_at and not late:
        return Ended(status="waiting", output=output)
    if late:
        return Ended(status="failed", output=f"{output}\nended at its time limit".lstrip())
    code = process.returncode
    return Ended(status="failed" if code else "done", exit_code=code, output=output)


def _drained(pipe: IO[bytes], said: bytearray) -> bool:
    """Read what there is now; return whether nothing more can come. Bounded, however fast it is written."""
    for _ in range(64):
        try:
            piece = os.read(pipe.fileno(), 2**16)
        except BlockingIOError:
            return False
        if not piece:
            return True
        said += piece[: max(LARGEST_OUTPUT - len(said), 0)]
    return False


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)
