"""Looks for missing permissions before `replicate` changes anything: which a plan needs, which lack, who grants them.

At most two questions a project: about the source, or else about one replica that exists, and about what is to be made.
"""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from replicator.compute.permissions import ROLES
from replicator.compute.refusals import Refusal
from replicator.compute.threads import DaemonThreads
from replicator.core import errors
from replicator.core.images import ImageRef
from replicator.core.replicas import Action

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from replicator.compute.retry import Calls
    from replicator.core.replicas import Plan, Step

#: Seconds after which a question is given up: all copies wait for the answer, and can do without.
_LONGEST = 15.0
_COPIES = "compute.images.useReadOnly"
_CREATES = "compute.images.create"
#: What a copy needs beside `create`, and changes.
_WRITES = frozenset({_CREATES, "compute.images.setIamPolicy", "compute.images.update", "compute.images.delete"})
_FIELDS = {"description": "compute.images.update", "family": "compute.images.update"}


@dataclass(frozen=True, slots=True)
class Question:
    """Permissions on one image, or in a project, each with the locations that it is needed for."""

    target: ImageRef | str
    needs: Mapping[str, tuple[str, ...]]

    @property
    def where(self) -> str:
        """The image, or the project."""
        return str(self.target) if isinstance(self.target, ImageRef) else f"project {self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A permission that the caller lacks, and how to get it."""

    permission: str
    where: str
    locations: tuple[str, ...]
    grant: str
    """A command that gives a role which holds it."""

    def __str__(self) -> str:
        held = f"{self.permission} ({ROLES[self.permission]} has it)"
        return f"{held} on {self.where}, for {', '.join(self.locations)}: {self.grant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the questions came to."""

    present: int = 0
    """How many permissions are there."""
    missing: tuple[Missing, ...] = ()
    unknown: tuple[str, ...] = ()
    """Where nobody could tell, and why."""

    def lines(self) -> Iterator[str]:
        """For people, below the plan; nothing where nothing is needed."""
        if self.missing:
            yield from (f"permission missing: {each}" for each in self.missing)
        elif self.present and not self.unknown:
            yield "permissions: all that are needed are present"
        elif self.present:
            yield f"permissions: {self.present} present, none found missing"
        yield from (f"permissions unknown: {each}" for each in self.unknown)


def questions(plan: Plan) -> list[Question]:
    """What is to be asked: of the source and of projects where something is to be made or changed."""
    source = plan.source.ref
    made: dict[str, dict[str, list[str]]] = {}
    changed: dict[str, dict[str, list[str]]] = {}
    existing: dict[str, ImageRef] = {}
    copied: list[str] = []
    for step in plan.steps:
        place, project = step.replica.location, step.replica.ref.project
        if step.copies:
            copied.append(place)
            _add(made.setdefault(project, {}), _of_copy(plan, step), place)
        elif step.changes:
            # Of the source's project the source itself is asked about: these are held in projects mostly.
            asked = made if project == source.project else changed
            existing.setdefault(project, step.replica.ref)
            _add(asked.setdefault(project, {}), _of_changes(step), place)
    first = [Question(source, {_COPIES: tuple(copied)})] if copied else []
    kept = [Question(existing[project], _frozen(needs)) for project, needs in changed.items()]
    return [*first, *kept, *(Question(project, _frozen(needs)) for project, needs in made.items())]


def _add(needs: dict[str, list[str]], permissions: frozenset[str], location: str) -> None:
    for permission in sorted(permissions):
        needs.setdefault(permission, []).append(location)


def _frozen(needs: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {permission: tuple(locations) for permission, locations in sorted(needs.items())}


def _of_copy(plan: Plan, step: Step) -> frozenset[str]:
    """What one copy needs in its project, from the insert to the family."""
    needed = {_CREATES, "compute.images.get", "compute.images.getIamPolicy", "compute.globalOperations.get"}
    if plan.readers:
        needed.add("compute.images.setIamPolicy")
    if step.replica.family and plan.promote:
        needed |= {"compute.images.update", "compute.images.getFromFamily"}
    if step.action is Action.REPLACE:
        needed.add("compute.images.delete")
    return frozenset(needed)


def _of_changes(step: Step) -> frozenset[str]:
    """What the repair of an image needs."""
    named = (change.field.partition(".")[0] for change in step.changes)
    return frozenset(
        _FIELDS.get(name) or ("compute.images.setLabels" if name == "labels" else "compute.images.setIamPolicy")
        for name in named
    )


async def check(calls: Calls, plan: Plan, endpoint: str, env: Mapping[str, str]) -> tuple[Plan, Findings]:
    """Ask, and refuse the copies that could only fail after they were paid for."""
    asked = questions(plan)
    if not asked:
        return plan, Findings()
    # Not before the settings are known to be right: the import is dear.
    from replicator.compute import credentials
    from replicator.compute.services import resource_manager

    manager = resource_manager.manager(calls.compute, endpoint, env)
    who = credentials.member(calls.compute.credentials)

    async def asked_for(question: Question) -> frozenset[str] | str:
        """The permissions that are held, or why nobody can tell."""
        if isinstance(question.target, ImageRef):
            return await _on_image(calls, question.target, list(question.needs))
        if isinstance(manager, str):
            return manager
        held = partial(manager.held, question.target, list(question.needs))
        try:
            answer = asyncio.get_running_loop().run_in_executor(DaemonThreads(), held)
            return await asyncio.wait_for(answer, timeout=_LONGEST)
        except resource_manager.CantTell as error:
            return f"Resource Manager was asked, and {error}"
        except TimeoutError:
            return "Resource Manager was asked, and did not answer in time"

    async def answered(question: Question) -> tuple[Question, frozenset[str] | str]:
        return question, await asked_for(question)

    answers = await asyncio.gather(*map(answered, asked))
    findings = _findings(answers, who)
    return _refused(plan, answers, findings), findings


async def _on_image(calls: Calls, ref: ImageRef, permissions: list[str]) -> frozenset[str] | str:
    request = calls.compute.test_permissions(ref, permissions)
    doing = f"Asking for permissions on {ref}"
    try:
        return await calls(request, doing=doing, where=ref.name, patience=_LONGEST, limit=_LONGEST)
    except Refusal as refusal:
        return f"the question was answered with HTTP {refusal.status}" if refusal.status else "nobody answered"
    except errors.Deadline:
        return "there was no time to ask"


def _findings(answered: Sequence[tuple[Question, frozenset[str] | str]], who: str) -> Findings:
    known = [(question, held) for question, held in answered if isinstance(held, frozenset)]
    return Findings(
        present=sum(len(held & question.needs.keys()) for question, held in known),
        missing=tuple(
            Missing(
                permission=permission,
                where=question.where,
                locations=locations,
                grant=_grant(question.target, permission, who),
            )
            for question, held in known
            for permission, locations in question.needs.items()
            if permission not in held
        ),
        unknown=tuple(f"{question.where}: {held}" for question, held in answered if isinstance(held, str)),
    )


def _grant(target: ImageRef | str, permission: str, who: str) -> str:
    """The command that grants a role on an image, or in a project."""
    binding = f"--member={shlex.quote(who or 'MEMBER')} --role={ROLES[permission]}"
    if isinstance(target, ImageRef):
        place = f"{shlex.quote(target.name)} --project={shlex.quote(target.project)}"
        return f"`gcloud compute images add-iam-policy-binding {place} {binding}`"
    return f"`gcloud projects add-iam-policy-binding {shlex.quote(target)} {binding}`"


def _refused(plan: Plan, answered: Sequence[tuple[Question, frozenset[str] | str]], findings: Findings) -> Plan:
    """The plan without the copies that lack a permission.

    A role under a condition on names of images is not seen by a question about the project, and the answer is that
    nothing may be written at all: then the insert itself decides, and costs nothing where it is refused.
    """
    blind = {
        question.where
        for question, held in answered
        if isinstance(question.target, str) and isinstance(held, frozenset) and not held & _WRITES
    }

    def step_of(step: Step) -> Step:
        if not step.copies:
            return step
        places = {plan.source.ref.uri, f"project {step.replica.ref.project}"} - blind
        lacking = [
            each for each in findings.missing if each.where in places and step.replica.location in each.locations
        ]
        if not lacking:
            return step
        what = f"{step.replica.ref} was not copied: {'; '.join(str(each) for each in lacking)}"
        return replace(step, action=Action.REFUSE, error=errors.Forbidden(what, remedy="Grant it, and run this again."))

    return replace(plan, steps=tuple(map(step_of, plan.steps)))
