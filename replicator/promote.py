"""Move families to verified replicas: set-wise, never backwards, never away from home."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from replicator import errors, lookup, verify
from replicator.faults import Refusal
from replicator.model import Action, Held, Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.model import Plan, Replica
    from replicator.replicate import Replication
    from replicator.work import Work


def held(
    plan: Plan, replica: Replica, image: Image, *, head: Image | None, head_origin: Image | None, lead: Image | None
) -> Held | None:
    """Whether giving this verified image its family would take the family back, or away from its lead.

    A family resolves to its youngest image that is not deprecated. `head` is that image now, and `head_origin` the
    oldest image that it is known to be copied from (itself, where it is no copy or its parent is gone). `lead` is
    the image that leads a shared family, if that carries the family; it counts only where another one leads.
    """
    if head is not None and head_origin is not None and head.id != image.id:
        takes_over = image.created >= head.created
        if takes_over and plan.source.created < head_origin.created:
            return Held.FAMILY_IS_NEWER
    leads = plan.lead_of(replica)
    if leads not in {"", replica.location} and (lead is None or image.created >= lead.created):
        return Held.WOULD_TAKE_FAMILY
    return None


async def families(replication: Replication) -> None:
    """Give every verified replica its family, if every required one is verified.

    Leads go first, so that a shared family stays where it leads at every moment.
    """
    plan, works = replication.plan, replication.works
    waiting = [work for work in works if _wants_family(work)]
    reason = _held_all(plan, works)
    if reason:
        for work in waiting:
            work.held = reason
        return
    leads = [work for work in waiting if plan.lead_of(work.replica) == work.replica.location]
    for group in (leads, [work for work in waiting if work not in leads]):
        await asyncio.gather(*(_one(replication, work) for work in group))


def _wants_family(work: Work) -> bool:
    return (
        work.step.action is not Action.SERVE
        and work.verified
        and work.image is not None
        and bool(verify.family(work.replica, work.image))
    )


def _held_all(plan: Plan, works: Sequence[Work]) -> Held | None:
    if any(work.replica.required and not work.verified for work in works):
        return Held.REQUIRED_FAILED
    return None if plan.promote else Held.PROMOTE_OFF


async def _one(replication: Replication, work: Work) -> None:
    async def steps() -> None:
        calls, replica, image = replication.calls, work.replica, work.image
        if image is None:
            return
        project, family = replica.ref.project, replica.family
        head, origin = await _head(replication, work, project, family)
        work.held = held(
            replication.plan, replica, image, head=head, head_origin=origin, lead=_lead(replication, replica)
        )
        if work.held:
            replication.say(work, "verified", f"left without the family {family} ({work.held})")
            return
        request_id, ref = str(uuid.uuid4()), image.ref
        await replication.change(
            work,
            lambda: calls.compute.patch(ref, family=family, request_id=request_id),
            doing=f"Moving the family {family} to {image.ref}",
        )
        image = await replication.read(work)
        left = verify.family(replica, image)
        if left:
            raise errors.Drift(f"{image.ref} does not carry its family: {left[0]}", remedy="Run this again.")
        replication.say(work, "promoted", f"carries the family {family}")

    await replication.guarded(work, f"Promoting {work.replica.ref}", steps)


async def _head(replication: Replication, work: Work, project: str, family: str) -> tuple[Image | None, Image | None]:
    calls = replication.calls
    try:
        head = await calls(
            lambda: calls.compute.family_head(project, family),
            doing=f"Reading the head of the family {family}",
            where=work.replica.location,
        )
    except Refusal as refusal:
        if refusal.status == 404:
            return None, None
        raise
    source = replication.plan.source
    if head.id == source.id or head.source_image_id == source.id:
        return head, source
    older = await lookup.ancestors(calls, head)
    return head, older[-1] if older else head


def _lead(replication: Replication, replica: Replica) -> Image | None:
    where = replication.plan.lead_of(replica)
    for work in replication.works:
        if work.replica.location == where and work.image is not None and work.verified:
            return work.image if not verify.family(work.replica, work.image) else None
    return None
