"""Decides what happens to each replica before anything changes: copy, adopt, repair, replace (if FAILED), refuse.

Pure.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.compute.errors import SOURCE_UNUSABLE
from replicator.core import access, compare, errors, held_back, names, validation
from replicator.core.images import STATES, Image, ImageRef
from replicator.core.replicas import Access, Action, Existing, Lineage, Plan, Replica, Step
from replicator.replicas import copy_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.core.images import Binding, Difference, Policy
    from replicator.replicas.copy_tree import Branch
    from replicator.replicas.settings import Settings


#: Documented as "at most 6 requests in 60 minutes" for one source; who shares this limit is disputed.
COPIES_AN_HOUR = 6
#: Fields that are chosen when a copy is made; all others that can't be changed come from the source.
_CHOSEN = {"storageLocations", "kmsKeyName"}
#: Fields of which Compute Engine may leave out of new copies what it has retired.
_RETIRED = {"guestOsFeatures", "licenses", "licenseCodes"}


def replicas(settings: Settings, source: Image, source_policy: Policy | None = None) -> tuple[Replica, ...]:
    """The images wanted, in the order of the input; a home copy that a shared family needs is put first.

    Where the source serves a location itself, the replica is the source. Where replicas must be public, it does so
    only if it is public itself, by its own policy.
    Raises BadSettings where a template makes no valid name of this source's name or family, or would give a replica
    the source's own place, and ReplicatorError where copies would lose the source's encryption.
    """
    wanted = [_replica(settings, source, location) for location in settings.locations]
    shared = _is_shared(source, wanted)
    if shared and not source.home:
        stored = ", ".join(source.storage_locations) or "an unknown location"
        problem = f"'{settings.family_template}' shares the source's own family, whose head must stay at home"
        remedy = f"but the source is stored in {stored}: put {{location}} into it"
        raise errors.BadSettings([errors.InputProblem("family_template", f"{problem}, {remedy}")])
    if shared and source.home not in settings.locations:
        home = _replica(settings, source, source.home)
        # If every location is required, so is this one.
        wanted.insert(0, replace(home, required=all(replica.required for replica in wanted)))
    may_serve = settings.home_copy == "auto" and not shared and not _is_too_closed(settings, source_policy)
    serves = [replica for replica in wanted if may_serve and _is_home(source, replica)]
    copies = [replica for replica in wanted if replica not in serves]
    _check_places(source, copies)
    _check_encryption(source, copies)
    return tuple(_itself(source, replica) if replica in serves else replica for replica in wanted)


def places(source: Image, wanted: Sequence[Replica]) -> list[ImageRef]:
    """Return the references of all replicas except those that the source serves itself."""
    return [replica.ref for replica in wanted if replica.ref != source.ref]


def make(
    settings: Settings,
    source: Image,
    source_policy: Policy | None,
    wanted: Sequence[Replica],
    found: Mapping[ImageRef, Existing | errors.ReplicaError],
    heads: Mapping[tuple[str, str], ImageRef | None] | None = None,
) -> Plan:
    """Make the plan: for each wanted replica a step, chosen by the image that has its name already.

    `heads` says what families resolve to, where that was read because the source is held back.
    """
    _refuse_labels(source, wanted)
    readers = access.readers(settings.access, source_policy)
    steps = [
        Step(replica=replica, action=Action.SERVE)
        if replica.ref == source.ref
        else step_for(source, readers, replica, found.get(replica.ref), replace_failed=settings.replace_failed)
        for replica in wanted
    ]
    return Plan(
        source=source,
        source_policy=source_policy,
        readers=readers,
        steps=tuple(steps),
        leads=leads(source, steps),
        promote=settings.promote,
        copies_per_source=settings.copies_per_source,
        warnings=tuple(_warnings(settings, source, steps, heads or {})),
        notes=tuple(_plan_notes(settings, source, source_policy, steps)),
        heads=heads or {},
    )


def step_for(
    source: Image,
    readers: Sequence[Binding],
    replica: Replica,
    found: Existing | errors.ReplicaError | None,
    *,
    replace_failed: bool,
) -> Step:
    """Choose the step for one replica, by the image (or the failure to read one) found under its name."""
    if found is None:
        return Step(replica=replica, action=Action.COPY)
    if isinstance(found, errors.ReplicaError):
        return Step(replica=replica, action=Action.REFUSE, error=found)
    image = found.image
    if image.status == "DELETING":
        return Step(replica=replica, action=Action.WAIT, existing=found)
    refused = _refusal(source, replica, found, replace_failed=replace_failed)
    if refused:
        return Step(replica=replica, action=Action.REFUSE, existing=found, error=refused)
    if image.status == "FAILED":
        return Step(replica=replica, action=Action.REPLACE, existing=found)
    if image.status != "READY":
        return Step(replica=replica, action=Action.WAIT, existing=found)
    changes = (
        *compare.description(replica, image),
        *compare.labels(replica, image),
        *(compare.readers(readers, found.policy) if found.policy is not None else ()),
        # What a held-back source gives and moves is nothing.
        *(() if source.deprecated else compare.family(replica, image)),
    )
    return Step(replica=replica, action=Action.CHECK, existing=found, changes=changes)


def removal(ref: ImageRef) -> str:
    """Return the command that removes an image."""
    return f"gcloud compute images delete {shlex.quote(ref.name)} --project {shlex.quote(ref.project)}"


def _looking(ref: ImageRef) -> str:
    """Say what to do about an image that may be someone else's. No command removes it: that is copied too easily."""
    look = f"gcloud compute images describe {shlex.quote(ref.name)} --project {shlex.quote(ref.project)}"
    return (
        f"Look at it with `{look}`; if nobody needs it, delete it and run this again, or choose another name_template."
    )


def _refusal(source: Image, replica: Replica, found: Existing, *, replace_failed: bool) -> errors.ReplicaError | None:
    image = found.image
    if found.lineage is Lineage.UNPROVEN:
        parent = image.source_image.uri if image.source_image else "an image"
        if image.source_image == source.ref and image.source_image_id != source.id:
            return _of_a_former_source(source, image)
        what = f"{image.ref} was copied from {parent} (id {image.source_image_id}), which is gone"
        return errors.Unproven(what, remedy=_looking(image.ref))
    if found.lineage is Lineage.FOREIGN:
        made_of = f"a copy of the image with id {image.source_image_id}" if image.source_image_id else "not a copy"
        what = f"{image.ref} exists already and is {made_of}; the source has id {source.id}"
        return errors.Conflict(what, remedy=_looking(image.ref))
    if image.storage_locations != (replica.location,):
        stored = ", ".join(image.storage_locations) or "an unknown location"
        what = f"{image.ref} exists already and is stored in {stored}, not in {replica.location}"
        return errors.Conflict(what, remedy=_looking(image.ref))
    if image.status == "FAILED":
        if replace_failed and not image.family:
            return None
        what = f"{image.ref} is in state FAILED"
        if replace_failed:
            what += f" and carries the family {image.family}, so it is not replaced"
        return image_failed(image.ref, what)
    if image.status not in STATES:
        return in_unknown_state(image)
    if image.deprecated in {"OBSOLETE", "DELETED"}:
        return errors.Drift(
            f"{image.ref} is marked {image.deprecated}, so nobody can use it",
            remedy=f"If that was not intended: `gcloud compute images deprecate {shlex.quote(image.ref.name)} "
            f"--project {shlex.quote(image.ref.project)} --state ACTIVE`.",
        )
    differences = compare.content(source, replica, image) if image.status == "READY" else ()
    return drift(image.ref, differences) if differences else None


def _of_a_former_source(source: Image, image: Image) -> errors.Unproven:
    """The error where a build deleted the source and made it anew under one name (`packer build -force`)."""
    carries = f", and carries the family {image.family} still" if image.family else ""
    error = errors.Unproven(
        f"{image.ref} is a copy of an image that was {source.ref} before (id {image.source_image_id}; that name "
        f"has the id {source.id} now){carries}",
        remedy="Give each build a name of its own (with its date, say): then every release gets replicas, and each "
        f"family moves to them. With one name for all, the former replica has to go before each run. "
        f"{_looking(image.ref)}",
    )
    error.why = "It holds the former image, so it is left alone."
    return error


def image_failed(ref: ImageRef, what: str) -> errors.ImageFailed:
    """Make the error for a copy in state FAILED, with the command that removes it."""
    return errors.ImageFailed(
        what, remedy=f"Remove it with `{removal(ref)}` and run this again, or set replace_failed: true."
    )


def in_unknown_state(image: Image) -> errors.NotReady:
    """Make the error for an image whose state is none of those that Compute Engine's reference lists."""
    return errors.NotReady(
        f"{image.ref} is in the state {image.status or '(none)'}, which is neither READY nor any that leads there",
        remedy="Look up what that means; run this again when the image is READY.",
    )


def drift(ref: ImageRef, differences: Sequence[Difference], *, made: bool = False) -> errors.Drift:
    """The error for a replica that differs in what can't be changed; `made`: by this run, as a copy of its source."""
    listed = "; ".join(str(difference) for difference in differences)
    what = f"{ref} differs from what is wanted: {listed}"
    fields = {difference.field for difference in differences}
    if made and not fields <= _CHOSEN:
        return errors.Drift(
            what,
            remedy="Running this again can't help, for a new copy comes out the same: Compute Engine does not carry "
            "that over (features that were retired, for instance). Build the image anew without it, and remove this "
            f"copy with `{removal(ref)}`.",
        )
    if fields & _RETIRED:
        return errors.Drift(
            what,
            remedy=f"Remove it with `{removal(ref)}` and run this again. Where the new copy differs alike, only "
            "building the image anew helps.",
        )
    return errors.Drift(what, remedy=f"Remove it with `{removal(ref)}` and run this again.")


def _replica(settings: Settings, source: Image, location: str) -> Replica:
    wanted = settings.wanted(location)
    problems = []
    name = family = ""
    try:
        name = names.make(wanted.name, source.ref.name, location=location)
    except names.BadTemplate as error:
        problems.append(errors.InputProblem("name_template", str(error)))
    try:
        if source.family or not names.holds(wanted.family, "family"):
            family = names.make(wanted.family, source.family, location=location)
    except names.BadTemplate as error:
        problems.append(errors.InputProblem("family_template", str(error)))
    if problems:
        raise errors.BadSettings(problems)
    return Replica(
        location=location,
        ref=ImageRef(wanted.project.format(project=source.ref.project, location=location), name),
        family=family,
        labels={**source.labels, **wanted.labels},
        description=source.description,
        required=wanted.required,
        kms_key=wanted.kms_key,
    )


def _is_shared(source: Image, wanted: Sequence[Replica]) -> bool:
    """Whether a replica away from home would carry the source's own family in the source's project."""
    return any(
        replica.family and (replica.ref.project, replica.family) == (source.ref.project, source.family)
        for replica in wanted
        if replica.location not in source.storage_locations
    )


def _is_home(source: Image, replica: Replica) -> bool:
    """Whether the source is stored where the replica is wanted, and in its project."""
    return replica.location in source.storage_locations and replica.ref.project == source.ref.project


def _is_too_closed(settings: Settings, source_policy: Policy | None) -> bool:
    """Whether replicas must be public and the source is not, or nobody can tell."""
    return settings.access is Access.PUBLIC and access.found(source_policy) != "public"


def _itself(source: Image, replica: Replica) -> Replica:
    """Make the replica that is the source itself."""
    return Replica(
        location=replica.location,
        ref=source.ref,
        family=source.family,
        labels=source.labels,
        description=source.description,
        required=replica.required,
    )


def _check_places(source: Image, copies: Sequence[Replica]) -> None:
    taken = {source.ref: f"the source, stored in {source.home or 'several locations'},"}
    for replica in copies:
        other = taken.setdefault(replica.ref, replica.location)
        if other != replica.location:
            problem = f"gives {other} and the replica in {replica.location} the same image, {replica.ref}"
            remedy = "put {location} into the name, or set another project"
            raise errors.BadSettings([errors.InputProblem("name_template", f"{problem}: {remedy}")])
        if replica.ref.project.isdigit() and replica.ref.project != source.ref.project:
            # Compute Engine answers with the id, so a number could hide that this is the source's own project.
            problem = f"'{replica.ref.project}' is a project number: write the project's id"
            raise errors.BadSettings([errors.InputProblem("replica_project", problem)])


def _check_encryption(source: Image, copies: Sequence[Replica]) -> None:
    without = [replica.location for replica in copies if not replica.kms_key]
    if source.encryption and without:
        raise errors.ReplicatorError(
            SOURCE_UNUSABLE,
            f"The source {source.ref} is encrypted with its own key ({source.encryption})",
            remedy="A copy without a key would silently fall back to Google's: give a kms_key in the config file for "
            f"{', '.join(without)}.",
        )


def leads(source: Image, steps: Sequence[Step]) -> dict[tuple[str, str], str]:
    """Map (project, family) to the location that leads it, for families that several replicas carry.

    Without a lead such a family would resolve to the replica made last. Home leads if home's replica carries the family
    (so it always leads the source's own family); else the first location does.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        replica = step.replica
        if replica.family and step.action is not Action.SERVE:
            groups.setdefault((replica.ref.project, replica.family), []).append(replica.location)
    return {
        key: source.home if source.home in locations else locations[0]
        for key, locations in groups.items()
        if len(locations) > 1
    }


def _refuse_labels(source: Image, wanted: Sequence[Replica]) -> None:
    """Raise BadSettings where a replica would have more labels than an image can have, before anything is made."""
    problem = next(filter(None, (validation.too_many_labels(source.labels, replica.labels) for replica in wanted)), "")
    if problem:
        raise errors.BadSettings([errors.InputProblem("labels", problem)])


def _plan_notes(settings: Settings, source: Image, source_policy: Policy | None, steps: Sequence[Step]) -> list[str]:
    notes = []
    wanted = [step.replica for step in steps]
    at_home = [replica.location for replica in wanted if _is_home(source, replica)]
    if at_home and _is_too_closed(settings, source_policy):
        why = "is not public by its own policy" if source_policy else "can't be seen to be public"
        notes.append(
            f"The source {source.ref} {why}, and stays as it is: a public copy of it serves {', '.join(at_home)}."
        )
    serves = [step.replica.location for step in steps if step.action is Action.SERVE]
    if serves and not source.family and any(replica.family for replica in wanted):
        notes.append(
            f"The source {source.ref}, which serves {', '.join(serves)} itself, is in no family, and other replicas "
            "are to be: home_copy: true makes a copy there that carries its family."
        )
    return notes


def _warnings(
    settings: Settings,
    source: Image,
    steps: Sequence[Step],
    heads: Mapping[tuple[str, str], ImageRef | None],
) -> list[str]:
    warnings = []
    if source.deprecated:
        warnings.append(held_back.warning(source, heads))
    copies = sum(step.copies for step in steps)
    if copies > COPIES_AN_HOUR and not settings.copies_per_source:
        warnings.append(
            f"{copies} copies of one source are planned; the documented limit is about {COPIES_AN_HOUR} an hour. Where "
            "Compute Engine makes no more, verified replicas are copied instead; copies_per_source: "
            f"{COPIES_AN_HOUR} plans for that."
        )
    return warnings


def tree_of(plan: Plan) -> tuple[Branch, ...]:
    """Foretell which image each copy is made from, if all take equally long; empty if all come from the source."""
    if plan.copies_per_source is None:
        return ()
    ready = [step.replica.location for step in plan.steps if step.action is Action.CHECK]
    copied = [step.replica for step in plan.steps if step.copies]
    last = [replica.location for replica in copied if plan.is_lead(replica)]
    wanted = [replica.location for replica in copied if replica.location not in last]
    branches = copy_tree.forecast(plan.source.home, ready, wanted, plan.copies_per_source, last)
    return branches if any(branch.origin != copy_tree.SOURCE for branch in branches) else ()
