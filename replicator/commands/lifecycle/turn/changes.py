"""Changes families for `promote` and `rollback`, which ask here first whether they may, and says why one failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.commands.lifecycle import world
from replicator.commands.lifecycle.errors import Doubtful
from replicator.compute import lookup, permissions
from replicator.compute.errors import SignInFailed
from replicator.compute.lifecycle import reading
from replicator.compute.lifecycle.changes import carry_out
from replicator.compute.lifecycle.errors import Changed, NotDone
from replicator.compute.refusals import Refusal, error_of
from replicator.compute.retry import PATIENCE
from replicator.core import errors
from replicator.core.images import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.commands.lifecycle.lines import Scope
    from replicator.commands.lifecycle.world import Reading
    from replicator.compute.retry import Calls
    from replicator.core.images import Image

#: Seconds between repeated reads: a read may lag behind the change before it.
LAGS = (1.0, 2.0, 4.0, 8.0)
#: No operation has this name, so a caller who may read operations is told that it isn't there.
_NO_OPERATION = "operation-that-is-asked-for-to-see-whether-it-may-be"


def told(error: BaseException, doing: str) -> NotDone | errors.ReplicaError:
    """The failure of one change, whatever was raised: it has a reason. Raises what isn't a failure of one change."""
    if isinstance(error, NotDone | errors.ReplicaError):
        return error
    if isinstance(error, Refusal):
        return error_of(error, doing=doing)
    if isinstance(error, SignInFailed):
        return errors.Forbidden(f"{doing}: {error.what}", remedy=error.todo)
    raise error


async def give_family(calls: Calls, image: Image, family: str) -> None:
    """Give an image its family. Raises NotDone if another image has its name or it doesn't show, Refusal, Deadline."""
    doing, where = f"Giving {image.ref} the family {family}", image.ref.name
    patch = calls.compute.patch
    if await reading.same(calls, image, where=where, patience=PATIENCE) is None:
        raise Changed(f"{image.ref} is gone, or another image has its name")
    await carry_out(
        calls,
        image,
        lambda request_id: patch(image.ref, family=family, request_id=request_id),
        doing=doing,
        where=where,
    )

    def shows(found: Image | None) -> bool:
        return found is None or found.family == family

    after = await reading.read_back(calls, image, shows, where=where, patience=PATIENCE)
    if after is None or not shows(after):
        raise Changed(f"{image.ref} was given the family {family}, and doesn't show it")


async def settled(calls: Calls, scope: Scope) -> Reading:
    """Read the world after changes, again for a while where lists and heads don't fit each other yet.

    Raises as `world.read` does, and Deadline.
    """
    for seconds in LAGS:
        try:
            return await world.read(calls, scope)
        except Doubtful:
            await calls.pause(seconds, where="images")
    return await world.read(calls, scope)


async def lacking(calls: Calls, images: Sequence[Image], permission: str) -> list[str]:
    """Say, for people, which permissions are missing for changes of these images; a question refused counts for none.

    On each image the permission, and that to read it; in each project the one to wait for operations.
    """
    asked = (permission, "compute.images.get")

    async def on(image: Image) -> list[str]:
        doing = f"Asking for permissions on {image.ref}"
        request = calls.compute.test_permissions(image.ref, asked)
        try:
            held = await calls(request, doing=doing, where=image.ref.name, limit=lookup.PATIENCE)
        except (Refusal, errors.Deadline):
            return []
        missing = (name for name in asked if name not in held)
        return [f"{name} ({permissions.ROLES[name]} has it) on {image.ref}" for name in missing]

    async def waiting(project: str) -> list[str]:
        nothing = Operation(project=project, name=_NO_OPERATION, done=False, progress=0)
        doing = f"Asking for operations of {project}"
        try:
            await calls(calls.compute.wait(nothing), doing=doing, where=project, patience=lookup.PATIENCE)
        except Refusal as refusal:
            if refusal.fault.error is errors.Forbidden:
                return [f"{permissions.lacking(refusal.method, refusal.said)} in {project}"]
        except errors.Deadline:
            pass
        return []

    projects = dict.fromkeys(image.ref.project for image in images)
    found = await asyncio.gather(*(on(image) for image in images), *(waiting(project) for project in projects))
    return [text for part in found for text in part]
