"""Moves families to verified replicas: all or none, leads first, never back to an older release or away from home."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from replicator.compute import lookup
from replicator.compute.refusals import Refusal
from replicator.core import compare, errors
from replicator.core.replicas import Held
from replicator.replicas.work import wants_family

if TYPE_CHECKING:
    from replicator.core.images import Image
    from replicator.core.replicas import Plan, Replica
    from replicator.replicas.session import Session
    from replicator.replicas.work import Work


def held(
    plan: Plan,
    replica: Replica,
    image: Image,
    *,
    head: Image | None,
    head_source: Image | None,
    lead: Image | None,
) -> Held | None:
    """Return why this verified image must not get its family: it would move it back or away from its lead. Else None.

    A family resolves to its newest image that isn't deprecated. `head` is that image now, and `head_source` is what
    `head` was copied from (`head` itself if it isn't a copy or its origin is gone): the ages of the sources order the
    releases. `lead` is the image that leads a shared family, if it carries the family; it counts only if another
    replica leads.
    """
    if head is not None and head_source is not None and head.id != image.id:
        takes_over = image.created >= head.created
        if takes_over and plan.source.created < head_source.created:
            return Held.FAMILY_IS_NEWER
    leads = plan.lead_of(replica)
    if leads not in {"", replica.location} and (lead is None or image.created >= lead.created):
        return Held.WOULD_TAKE_FAMILY
    return None


async def families(session: Session, hold: Held | None = None) -> None:
    """Give every verified replica its family, unless a required one isn't verified or there is a reason to `hold`.

    Leads go first, so that a shared family resolves to its lead's location at every moment.
    """
    plan = session.plan
    waiting = [work for work in session.works if wants_family(work)]
    reason = _reason_to_hold_all(session, hold)
    if reason:
        for work in waiting:
            work.held = reason
        return
    leads = [work for work in waiting if plan.is_lead(work.replica)]
    for group in (leads, [work for work in waiting if work not in leads]):
        await session.all_of(group, "Promoting", _promote)


def _reason_to_hold_all(session: Session, hold: Held | None) -> Held | None:
    if any(work.replica.required and not work.outcome.verified for work in session.works):
        return session.plan.hold if session.plan.hold is Held.SOURCE_DEPRECATED else Held.REQUIRED_FAILED
    return session.plan.hold or hold


async def _promote(session: Session, work: Work) -> None:
    calls, replica, image = session.calls, work.replica, work.image
    if image is None:
        return
    family, ref = replica.family, image.ref
    work.state = "being promoted"
    head, head_source = await _head(session, work)
    lead = _lead(session, replica)
    work.held = held(session.plan, replica, image, head=head, head_source=head_source, lead=lead)
    if work.held:
        session.say(work, "verified", f"left without the family {family} ({work.held})")
        return
    await session.change(
        work,
        lambda request_id: calls.compute.patch(ref, family=family, request_id=request_id),
        doing=f"Moving the family {family} to {ref}",
    )
    await _read_back(session, work, image)
    session.say(work, "promoted", f"carries the family {family}")


async def _read_back(session: Session, work: Work, image: Image) -> None:
    """Check that the image carries its family, and note if the family resolves to a newer image by now."""
    replica, family = work.replica, work.replica.family
    leads = session.plan.lead_of(replica) in {"", replica.location}
    head = await _resolved(session, work) if leads else None
    if head is not None and head.id == image.id:
        work.image = head
        return
    if head is not None and head.ref == image.ref:
        raise errors.Drift(
            f"{image.ref} was replaced by someone else during the run, and the family {family} resolves to the new "
            "image",
            remedy=f"Unless that is intended: `gcloud compute images deprecate {image.ref.name} --project "
            f"{image.ref.project} --state DEPRECATED`; then run this again.",
        )
    image = await session.read_back(work, lambda image: not compare.family(replica, image))
    left = compare.family(replica, image)
    if left:
        raise errors.Drift(f"{image.ref} does not carry its family: {left[0]}", remedy="Run this again.")
    if head is not None and head.created > image.created:
        work.notes.append(
            f"It carries the family {family}, which still resolves to {head.ref}, because that is younger; to change "
            f"that: `gcloud compute images deprecate {head.ref.name} --project {head.ref.project} --state DEPRECATED`."
        )


async def _resolved(session: Session, work: Work) -> Image | None:
    """Return the family's head; None if no image carries the family."""
    calls, project, family = session.calls, work.replica.ref.project, work.replica.family
    try:
        return await calls(
            calls.compute.family_head(project, family),
            doing=f"Reading the head of the family {family}",
            where=work.replica.location,
        )
    except Refusal as refusal:
        if refusal.status == 404:
            return None
        raise


async def _head(session: Session, work: Work) -> tuple[Image | None, Image | None]:
    """Return the family's head, and the source of its release."""
    head = await _resolved(session, work)
    return head, await _source_of(session, head) if head else None


async def _source_of(session: Session, head: Image) -> Image:
    """Return the source of the release that a family's head belongs to; the head itself if that can't be told.

    An ancestor of the head that carries a family of replicas is a replica itself; the first one that doesn't is the
    source. Its own ancestors don't count, because many releases may be made from the same base image. Where sources
    carry the same family, the head may be a source, too: then what it was made from carries none that is known here.
    """
    plan, child = session.plan, head
    if plan.source.id in {head.id, head.source_image_id}:
        return plan.source
    own = _carried(plan.source)
    families = {(step.replica.ref.project, step.replica.family) for step in plan.steps if step.replica.family} - {own}
    with contextlib.suppress(Refusal):
        async for found in lookup.ancestors(session.calls, head):
            if plan.source.id in {found.id, found.source_image_id}:
                return plan.source
            if _carried(found) not in families:
                child_is_source = _carried(child) == own and _carried(found) != own
                return child if child_is_source else found
            child = found
    return child


def _carried(image: Image) -> tuple[str, str]:
    """Return the project and the name of an image's family; images of two projects are never in the same one."""
    return image.ref.project, image.family


def _lead(session: Session, replica: Replica) -> Image | None:
    """Return the image of the replica that leads this one's family, if it is verified and carries the family."""
    where = session.plan.lead_of(replica)
    return next(
        (
            work.image
            for work in session.works
            if work.replica.location == where
            and work.outcome.verified
            and work.image is not None
            and not compare.family(work.replica, work.image)
        ),
        None,
    )
