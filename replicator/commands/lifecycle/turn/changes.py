"""Changes families, says why a change failed, and asks beforehand whether a permission is missing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from replicator.compute import lookup, permissions
from replicator.compute.errors import SignInFailed
from replicator.compute.lifecycle.errors import NotDone
from replicator.compute.refusals import Refusal, error_of
from replicator.core import errors
from replicator.core.images import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.compute.retry import Calls
    from replicator.core.images import Image

#: Seconds between repeated reads: a read may lag behind the change before it.
LAGS = (1.0, 2.0, 4.0, 8.0)
#: No operation has this name, so whoever may read operations is told that it isn't there.
_NO_OPERATION = "operation-that-is-asked-for-to-see-whether-it-may-be"


def told(error: BaseException, doing: str) -> NotDone | errors.ReplicaError:
    """The failure of one change, whatever was raised: it has a reason. Raises what is no failure of one change."""
    if isinstance(error, NotDone | errors.ReplicaError):
        return error
    if isinstance(error, Refusal):
        return error_of(error, doing=doing)
    if isinstance(error, SignInFailed):
        return errors.Forbidden(f"{doing}: {error.what}", remedy=error.todo)
    raise error


async def lacking(calls: Calls, images: Sequence[Image], permission: str) -> list[str]:
    """Say, for people, which permissions are missing for changes of these images; a question refused counts for none.

    The permission on each image, and in each project the one to wait for operations.
    """

    async def on(image: Image) -> str:
        doing = f"Asking for permissions on {image.ref}"
        request = calls.compute.test_permissions(image.ref, [permission])
        try:
            held = await calls(request, doing=doing, where=image.ref.name, limit=lookup.PATIENCE)
        except (Refusal, errors.Deadline):
            return ""
        role = permissions.ROLES.get(permission, "")
        return "" if permission in held else f"{permission} ({role} has it) on {image.ref}"

    async def waiting(project: str) -> str:
        nothing = Operation(project=project, name=_NO_OPERATION, done=False, progress=0)
        doing = f"Asking for operations of {project}"
        try:
            await calls(calls.compute.wait(nothing), doing=doing, where=project, patience=lookup.PATIENCE)
        except Refusal as refusal:
            if refusal.fault.error is errors.Forbidden:
                return f"{permissions.lacking(refusal.method, refusal.said)} in {project}"
        except errors.Deadline:
            pass
        return ""

    projects = dict.fromkeys(image.ref.project for image in images)
    found = await asyncio.gather(*(on(image) for image in images), *(waiting(project) for project in projects))
    return list(filter(None, found))
