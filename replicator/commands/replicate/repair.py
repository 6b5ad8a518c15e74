"""Verifies a READY image, then repairs its description, labels (setLabels) and access.

Access comes last, so that nothing becomes public before it is verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.commands.replicate.stale import until_fresh
from replicator.core import access, compare, errors
from replicator.replicas import plan as planning

if TYPE_CHECKING:
    from replicator.core.images import Difference, Image, Policy
    from replicator.replicas.session import Session
    from replicator.replicas.work import Work


async def settle(session: Session, work: Work, image: Image) -> None:
    """Verify the fields that can't be changed, then repair those that can: description, labels, access."""
    replica, plan = work.replica, session.plan
    differences = compare.content(plan.source, replica, image)
    if differences:
        raise planning.drift(image.ref, differences, made=work.made)
    undescribed, unlabelled = compare.description(replica, image), compare.labels(replica, image)
    if undescribed:
        await _describe(session, work, image)
    await _label(session, work, image)
    if undescribed or unlabelled:

        def left(image: Image) -> tuple[Difference, ...]:
            return (*compare.description(replica, image), *compare.labels(replica, image))

        image = await session.read_back(work, lambda image: not left(image))
        if left(image):
            raise planning.drift(image.ref, left(image))
    await _open(session, work)


async def _describe(session: Session, work: Work, image: Image) -> None:
    text, patch = work.replica.description, session.calls.compute.patch
    await session.change(
        work,
        lambda request_id: patch(image.ref, description=text, request_id=request_id),
        doing=f"Describing {image.ref}",
    )


async def _label(session: Session, work: Work, image: Image) -> None:
    """Set the labels that the image lacks, if it lacks any; those that others set stay."""

    async def set_them() -> None:
        if not compare.labels(work.replica, image):
            return
        labels = {**image.labels, **work.replica.labels}
        await session.change(
            work,
            # Guarded by the fingerprint: setLabels takes no requestId.
            lambda _: session.calls.compute.set_labels(image.ref, labels, image.label_fingerprint),
            doing=f"Labelling {image.ref}",
        )

    async def reread() -> None:
        nonlocal image
        image = await session.read(work)

    await until_fresh(session.calls, work.replica.ref, set_them, reread, where=work.replica.location)


async def _open(session: Session, work: Work) -> None:
    """Add the readers that the image's own policy lacks, and check the policy that results."""
    compute, ref, wanted = session.calls.compute, work.replica.ref, session.plan.readers

    async def read_policy() -> Policy:
        work.policy = await session.calls(
            compute.get_policy(ref), doing=f"Reading who may use {ref}", where=work.replica.location
        )
        return work.policy

    async def add() -> None:
        policy = work.policy or await read_policy()
        if not access.missing(policy, wanted):
            return
        work.changed = True
        work.policy = await session.calls(
            compute.set_policy(ref, access.with_added(policy, wanted)),
            doing=f"Opening {ref} to {access.describe(wanted)}",
            where=work.replica.location,
        )
        lacking = compare.readers(wanted, work.policy)
        if lacking:
            raise errors.Drift(
                f"{ref} is not open as wanted after it was opened: {lacking[0]}", remedy="Run this again."
            )

    await until_fresh(session.calls, ref, add, read_policy, where=work.replica.location)
