"""Carries out `ensure`, `policies` and `check`: every mirror at once, and each for itself.

One mirror's failure stops no other. Whatever is refused for a moment is tried again until the deadline; the event
loop's clock is the only one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.registry import errors, report, repositories
from replicator.commands.registry.errors import Refused
from replicator.commands.registry.mirrors import Mirrors
from replicator.commands.registry.report import Finding, State
from replicator.compute.errors import SignInFailed
from replicator.compute.services import json_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from replicator.commands.registry.artifacts import Artifacts
    from replicator.commands.registry.report import Known
    from replicator.commands.registry.repositories import Comparison, Wanted
    from replicator.commands.registry.settings import Inputs

#: Seconds for everything; making a repository takes some ten.
_SECONDS = 300.0
#: Seconds without an answer before a mirror counts as unreachable, and between tries, doubled each time.
_SILENCE, _FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 1.0, 10.0
_POLL = 1.0


async def settle_mirrors(known: Known, inputs: Inputs, env: Mapping[str, str]) -> None:
    """Do what the command says with every mirror, and note each finding as soon as it is known."""
    registry = inputs.registry
    if registry is None:
        raise ValueError("a configuration is needed")
    from replicator.commands.registry.artifacts import Artifacts

    artifacts = await json_api.in_thread(partial(Artifacts, inputs.endpoint, env, anonymous=inputs.anonymous))
    verb = inputs.settings.command
    changes = verb == "ensure" or (verb == "policies" and inputs.settings.apply)
    wants = repositories.wanted(registry, inputs.policies)
    known.findings = [_unknown(want) for want in wants]
    if verb != "policies":
        known.seen = Mirrors(registry.project, (), registry.declared().zones)
    deadline = asyncio.get_running_loop().time() + _SECONDS

    async def settle(number: int, want: Wanted) -> None:
        job = Job(artifacts, want, deadline, changes=changes, only_policies=verb == "policies")
        known.findings[number] = await job.finding()

    async with asyncio.TaskGroup() as group:
        for number, want in enumerate(wants):
            group.create_task(settle(number, want))
    if inputs.pulls:
        from replicator.commands.registry.pulls import asking

        signed_in = None if inputs.anonymous else artifacts.signed_in
        known.pulls = await asking.all_of(inputs.pulls, report.right(known), signed_in)


def _unknown(want: Wanted) -> Finding:
    told = "The run ended before this mirror was settled. Run this again: it takes over what was begun."
    return Finding(mirror=want.mirror, state=State.FAILED, reason="signal", message=told)


@dataclass
class Job:
    """The work on one mirror."""

    artifacts: Artifacts
    want: Wanted
    deadline: float
    changes: bool
    """Whether anything may be changed."""
    only_policies: bool
    usable: bool = False
    differences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.name = self.want.mirror.name

    async def finding(self) -> Finding:
        """Settle the mirror, and say what was found or done; never raises a refusal."""
        try:
            return await self._settled()
        except Refused as error:
            state = State.UNREACHABLE if error.reason == "unreachable" and not self.changes else State.FAILED
            told = errors.told(error, project=self.want.mirror.project, secret=_secret(self.want.secret))
            return self._as(state, error.reason, told)
        except SignInFailed as error:
            return self._as(State.FAILED, "credentials", error.message)

    async def _settled(self) -> Finding:
        found = await self._get()
        created = False
        if found is None:
            if not self.changes or self.only_policies:
                todo = "Run `registry ensure`, which makes it."
                return self._as(State.MISSING, "missing", f"{self.want.mirror.uri} doesn't exist. {todo}")
            found, created = await self._create(), True
        compared = self._compare(found)
        if compared.conflicts:
            self.usable = False
            self.differences = compared.conflicts
            return self._as(State.CONFLICT, "conflict", errors.REMEDIES["conflict"])
        self.differences = compared.differences
        if compared.mask and self.changes:
            await self._patch(compared)
        changed = bool(compared.mask)
        if not self.only_policies:
            changed = await self._readers() or changed
        state = State.CREATED if created else State.CORRECT
        if changed and not created:
            state = State.REPAIRED if self.changes else State.DRIFTED
        return self._as(state)

    def _compare(self, found: dict[str, Any]) -> Comparison:
        compared = repositories.compare(found, self.want, only_policies=self.only_policies)
        self.usable = not compared.conflicts
        return compared

    async def _get(self) -> dict[str, Any] | None:
        """Read the repository; None if there is none."""
        try:
            return await self._call(partial(self.artifacts.get, self.name))
        except Refused as error:
            if error.reason == "missing":
                return None
            raise

    async def _create(self) -> dict[str, Any]:
        """Make the repository, wait for the operation, and read back what came of it."""
        try:
            started = await self._call(partial(self.artifacts.create, self.name, repositories.body(self.want)))
        except Refused as error:
            # Somebody else makes it, or an answer was lost on the way.
            if error.status != errors.CONFLICT:
                raise
            started = {"done": True}
        while not started.get("done"):
            await self._pause(_POLL)
            try:
                started = await self._call(partial(self.artifacts.get, str(started.get("name"))))
            except Refused as error:
                if error.reason != "missing":
                    raise
                started = {"done": True}
        problem = started.get("error")
        if isinstance(problem, dict):
            raise errors.of_operation(int(problem.get("code", 13)), str(problem.get("message", "")))
        while (found := await self._get()) is None:
            await self._pause(_POLL)
        return found

    async def _patch(self, compared: Comparison) -> None:
        """Change what differs, and check the answer: some changes may be ignored without a word."""
        mask = ",".join(compared.mask)
        answer = await self._call(partial(self.artifacts.patch, self.name, compared.body, mask))
        left = repositories.compare(answer, self.want, only_policies=self.only_policies)
        if left.mask:
            raise Refused("refused", f"The change of {', '.join(left.mask)} was accepted, and had no effect")

    async def _readers(self) -> bool:
        """Add the readers that lack; returns whether any did. A stale etag is read again."""
        if not self.want.readers:
            return False
        while True:
            policy = await self._call(partial(self.artifacts.get_policy, self.name))
            changed = repositories.with_readers(policy, self.want.readers)
            if changed is None:
                return False
            self.differences += (f"readers: {repositories.READER} lacks {', '.join(self.want.readers)}",)
            if not self.changes:
                return True
            try:
                await self._call(partial(self.artifacts.set_policy, self.name, changed))
            except Refused as error:
                if error.reason != "changed":
                    raise
                self.differences = self.differences[:-1]
                await self._pause(_FIRST_PAUSE)
            else:
                return True

    async def _call(self, send: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Send a request, and again while that may help: a minute of silence, or a limit, until the deadline."""
        loop = asyncio.get_running_loop()
        silent_until = loop.time() + _SILENCE

        async def pause(seconds: float, error: Exception) -> None:
            refused = error if isinstance(error, Refused) else None
            if refused and refused.reason == "unreachable" and loop.time() + seconds > silent_until:
                raise error
            await self._pause(seconds, refused)

        return await json_api.repeated(send, _pauses(), passing=_is_passing, pause=pause)

    async def _pause(self, seconds: float, last: Refused | None = None) -> None:
        """Wait. Raises Refused if that would end after the deadline."""
        if asyncio.get_running_loop().time() + seconds > self.deadline:
            raise last or Refused("deadline", f"{self.name} was not ready after {_SECONDS:.0f} s")
        await asyncio.sleep(seconds)

    def _as(self, state: State, reason: str = "", message: str = "") -> Finding:
        readers = self.want.readers if self.usable and not self.only_policies else ()
        return Finding(
            mirror=replace(self.want.mirror, readers=tuple(sorted(readers))),
            state=state,
            reason=reason,
            message=message,
            differences=() if state is State.CREATED else self.differences,
            usable=self.usable,
        )


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, Refused) and error.again and error.reason != "changed"


def _secret(version: str) -> str:
    """Return a secret as gcloud takes it: its name and its project."""
    parts = version.split("/")
    return f"{parts[3]} --project {parts[1]}" if version else ""
