"""Runs `resolve` from inputs to the answer: an index or a family, the order of what it holds, and the live check.

Changes nothing. Without an API to ask (`offline`), nothing of Google's libraries is imported.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.resolve import candidates, errors, query, report, settings
from replicator.commands.resolve.candidates import Offer
from replicator.core.errors import BadSettings, ReplicatorError
from replicator.core.replicas import Result
from replicator.index import choice, image_index
from replicator.inputs import files
from replicator.runtime.lifecycle import Run, execute
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from replicator.commands.resolve.settings import ResolveInputs, ResolveSettings
    from replicator.compute.retry import Calls
    from replicator.core.errors import Advice
    from replicator.index.image_index import Entry
    from replicator.inputs.source_reference import FamilyRef
    from replicator.runtime.runner import Annotation
    from replicator.runtime.signals import Signals

    T = TypeVar("T")

#: The inputs that name files.
_FILES = ("index", "bundle", "attestation", "key", "trusted_root")
#: Seconds for all calls of the API.
_SECONDS = 120
#: Bytes of an index on standard input.
_LARGEST = 16 * 2**20


@dataclass(kw_only=True)
class Resolution(Run):
    """One run of `resolve`."""

    known: report.Known = field(default_factory=report.Known)

    def carry_out(self, signals: Signals) -> Verdict:
        """Find the nearest image that is right."""
        self.known.format = self.given.get("format", "") or ("github" if self.runner.commands else "text")
        inputs = self.checked(settings.load, self._given())
        wanted = inputs.settings
        self.known.warns_deprecated = wanted.deprecated == "warn"
        entry = self._entry(wanted, signals) if wanted.index else None
        self.known.place = wanted.place or self._own_region(signals)
        if entry:
            self.known.variant, self.known.source = entry.variant, entry.source.uri
            self.known.order = candidates.ordered(self.known.place, _offers(entry))
        # Before any API is asked: perhaps there is nothing to ask for.
        asked = self._asked(wanted) if entry else []
        if asked and wanted.offline:
            self.known.chosen = asked[0]
        else:
            self.in_loop(self._look(inputs, signals))
        return self._judge(wanted)

    def _given(self) -> Mapping[str, str]:
        """Return what was given, with Terraform's query; an action's files must be in the workspace or RUNNER_TEMP."""
        if self.known.format == "tf-external":
            return query.merged(self.given, sys.stdin.buffer)
        if not self.of_action:
            return self.given
        given = {name: text.strip() for name, text in self.given.items()}
        named = [name for name in _FILES if name != "index" or not settings.is_url(given.get("index", ""))]
        placed, problems = files.placed(given, named, self.env)
        if problems:
            raise BadSettings(problems)
        return {**given, **placed}

    def _entry(self, wanted: ResolveSettings, signals: Signals) -> Entry:
        """Return the one entry that is asked for, from the same bytes that were verified."""
        path = Path("standard input" if wanted.index == settings.STDIN else wanted.index)
        try:
            data = self._bytes(wanted, path, signals)
            found = image_index.digest(data)
            if wanted.digest and wanted.digest != found:
                raise ReplicatorError(errors.DIGEST_DIFFERS, f"The index has the digest {found}, not {wanted.digest}")
            if wanted.signatures:
                # Others don't pay for its import.
                from replicator.index import verify_signature

                policy = verify_signature.policy(wanted, self.env, offline=wanted.offline)
                self.known.signed_by = verify_signature.verify(data, wanted.signatures, policy).by
            read = image_index.parse(data, Path("the index") if settings.is_url(wanted.index) else path)
        except image_index.BadIndex as error:
            raise choice.wrong("index", str(error)) from None
        self.known.index_digest = found
        return choice.entry(read.images, architecture=wanted.architecture, variant=wanted.variant)

    def _bytes(self, wanted: ResolveSettings, path: Path, signals: Signals) -> bytes:
        if settings.is_url(wanted.index):
            # Others don't pay for its import.
            from replicator.commands.resolve import fetch

            return self._threaded(
                partial(fetch.read, wanted.index), signals, seconds=fetch.SECONDS + 1, late=fetch.LATE
            )
        if wanted.index != settings.STDIN:
            return image_index.read_bytes(path)
        data = sys.stdin.buffer.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise choice.wrong("index", f"is larger than {_LARGEST} bytes on standard input, and no more are read")
        return data

    def _own_region(self, signals: Signals) -> str:
        from replicator.commands.resolve import metadata

        return self._threaded(partial(metadata.region, self.env), signals, seconds=metadata.SECONDS, late=metadata.LATE)

    def _threaded(self, act: Callable[[], T], signals: Signals, *, seconds: float, late: tuple[Advice, str]) -> T:
        """Call what blocks in a thread, so that a signal ends the run, and so does a name that takes for ever."""
        import asyncio

        from replicator.compute.threads import DaemonThreads

        found: list[T] = []

        async def wait() -> None:
            with signals.cancelling():
                call = asyncio.get_running_loop().run_in_executor(DaemonThreads(), act)
                try:
                    found.append(await asyncio.wait_for(call, seconds))
                except TimeoutError as error:
                    raise ReplicatorError(*late) from error

        self.in_loop(wait())
        return found[0]

    def _asked(self, wanted: ResolveSettings) -> list[candidates.Candidate]:
        """Return the candidates that `fallback` allows. Raises ReplicatorError (NO_REPLICA) if there are none."""
        order, place = self.known.order, self.known.place
        if asked := candidates.within(order, wanted.fallback):
            return asked
        if not order:
            raise ReplicatorError(errors.NO_REPLICA, f"{place}: no location is served at all")
        nearest = order[0]
        way = f", {nearest.ranked.km} km away" if nearest.ranked.km is not None else ""
        there = choice.listed(item.location for item in order)
        raise ReplicatorError(
            errors.NO_REPLICA,
            f"{place} has no replica that fallback: {wanted.fallback} allows; there is one in {there}, and the nearest "
            f"is in {nearest.location}{way}",
        )

    async def _look(self, inputs: ResolveInputs, signals: Signals) -> None:
        # Offline nobody pays for these imports.
        import asyncio

        from replicator.commands.resolve import live
        from replicator.compute.connect import connected
        from replicator.compute.retry import Calls

        with signals.cancelling():
            async with live.in_time(_SECONDS):
                wanted = inputs.settings
                compute = await connected(wanted.compute_endpoint, self.env, anonymous=inputs.anonymous)
                deadline = asyncio.get_running_loop().time() + _SECONDS
                calls = Calls(compute, deadline=deadline, tell=_silent, within=f"the {_SECONDS} seconds of a look-up")
                if inputs.family:
                    self.known.order = await self._of_family(calls, inputs.family, wanted)
                found = await live.first_right(
                    calls, self._asked(wanted), self.known.passed_over, deprecated=wanted.deprecated
                )
        if found:
            self.known.chosen, self.known.image = found

    async def _of_family(self, calls: Calls, named: FamilyRef, wanted: ResolveSettings) -> list[candidates.Candidate]:
        from replicator.commands.resolve import family

        self.known.source = str(named)
        offers = await family.offers(
            calls,
            named,
            place=self.known.place,
            architecture=wanted.architecture,
            projects=wanted.replica_project,
        )
        return candidates.ordered(self.known.place, offers)

    def _judge(self, wanted: ResolveSettings) -> Verdict:
        known = self.known
        if known.chosen is None:
            others = "" if wanted.fallback == "nearest" else f", and fallback: {wanted.fallback} allows no other"
            said = f"No image that could serve {known.place} is right{others}: {candidates.listed(known.passed_over)}"
            raise ReplicatorError(errors.PASSED_OVER_ALL, said)
        why = candidates.reason(known.place, known.chosen, known.order, known.passed_over)
        return Verdict(Result.COMPLETE, 0, why)

    def exit_code(self, verdict: Verdict) -> int:
        """Return the exit code: that of the verdict, but 4 if the API didn't answer."""
        return report.exit_code(verdict)

    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of resolve/action.yml."""
        return report.outputs(self.known, verdict)

    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the choice, its reason and what was passed over."""
        return report.document(self.known, verdict)

    def answer(self, verdict: Verdict) -> str:
        """Return what goes to stdout, in the form that was asked for."""
        return report.answer(self.known, verdict)

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return warnings, and in a job the choice."""
        return [*self.notes, *report.remarks(self.known, verdict, commands=self.runner.commands)]

    def show(self, verdict: Verdict) -> None:
        """Print why this image was chosen."""
        for line in report.lines(self.known, verdict):
            self.runner.line(line)

    def summary(self, verdict: Verdict) -> str:
        """Render the choice and the order as a table."""
        return report.summary(self.known, verdict)


def _offers(entry: Entry) -> dict[str, Offer]:
    return {
        location: Offer(
            ref=served.ref,
            id=served.id,
            source_image_id=served.source_image_id,
            family=served.family or "",
            architecture=entry.architecture,
        )
        for location, served in entry.locations.items()
    }


def _silent(_where: str, _text: str) -> None:
    """Ignore lines about waits: they are short, and a machine may read the output."""


run = partial(execute, Resolution)
