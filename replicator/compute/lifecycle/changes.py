"""Sends one mutating call and waits for its operation; whatever goes wrong is raised as a failure with a reason."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING

from replicator.compute import operations, refusals
from replicator.compute.lifecycle.errors import Changed
from replicator.compute.refusals import Failed, Refusal, Then
from replicator.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.compute.rate_limit import Request
    from replicator.compute.retry import Calls
    from replicator.core.images import Image, Operation


async def carry_out(
    calls: Calls, image: Image, asked: Callable[[str], Request[Operation]], *, doing: str, where: str
) -> None:
    """Send a mutating request for an image, and wait until its operation has ended without an error.

    `asked` makes the request with a requestId; after an operation that failed for a cause that passes it is called with
    a new one. An operation that is gone is taken for ended: reading the image back shows what came of it.
    Raises Refusal where the call is refused or its operation failed, Deadline, and Changed where the operation says
    that it is about another image than this one.
    """
    failures = 0
    while True:
        request = asked(str(uuid.uuid4()))
        operation = await calls(request, doing=doing, where=where)
        try:
            async with asyncio.timeout_at(calls.deadline):
                operation = await operations.finish(calls, operation, doing=doing, where=where)
        except TimeoutError as error:
            raise errors.Deadline(f"{calls.within} passed: {doing} goes on as {operation.name}") from error
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        _check_target(operation, image, doing)
        if operation.problem is None:
            return
        failures += 1
        failed = Failed(request.method, request.project, operation.problem)
        failed.doing, fault = doing, failed.fault
        if fault.then is not Then.REPEAT or failures == fault.tries:
            raise failed
        because = errors.because(doing, failed.message, fault.error.why)
        await calls.pause(fault.seconds(failures), at_least=fault.wait, where=where, because=because)


def _check_target(operation: Operation, image: Image, doing: str) -> None:
    """Raise Changed if the operation is about another image of that name."""
    if operation.target_id not in {"", image.id}:
        raise Changed(
            f"{doing} met another image: {image.ref} had the id {image.id}, and the operation {operation.name} is "
            f"about the id {operation.target_id}",
            remedy="Look at that image at once: its name was given anew between the check and the call.",
        )


@contextlib.contextmanager
def telling(doing: str) -> Iterator[None]:
    """Turn a Refusal into the failure that it means, by the table of refusals."""
    try:
        yield
    except Refusal as refusal:
        raise refusals.error_of(refusal, doing=doing) from refusal
