"""One run from inputs to results: settings → source → plan → replicate → index, report."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.replicate import live_table, progress
from replicator.commands.replicate.execute import replicate
from replicator.compute import lookup
from replicator.compute.connect import connected
from replicator.compute.retry import Calls
from replicator.core import errors
from replicator.core.replicas import Result, Sign
from replicator.index import image_index, seal
from replicator.replicas import report, results, settings, snippets, summary
from replicator.replicas import work as work_module
from replicator.replicas.session import Session
from replicator.replicas.survey import survey
from replicator.replicas.work import rows
from replicator.runtime.lifecycle import Conduct, concluded, folder, in_loop, listening, told, tolerant
from replicator.runtime.runner import Annotation, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from replicator.core.images import Image
    from replicator.core.replicas import Plan, ReplicaResult
    from replicator.replicas.settings import Request
    from replicator.replicas.work import Work
    from replicator.runtime.lifecycle import Signals
    from replicator.runtime.verdict import Verdict

#: Seconds after which people are told what is still under way; then every last one of them again.
_TICKS = (5.0, 10.0, 15.0, 30.0)


@dataclass(kw_only=True)
class Run(Conduct):
    """What is known of the run so far: whatever ends it, this is what gets reported."""

    given: Mapping[str, str]
    stdout: TextIO
    screen: live_table.Screen | None = None
    """A live table, where and while there is one."""
    request: Request | None = None
    source: Image | None = None
    plan: Plan | None = None
    works: list[Work] = field(default_factory=list)
    rows: list[ReplicaResult] = field(default_factory=list)


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    commands: bool,
    document: TextIO | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Carry out a decision to replicate. Results are written whatever happens. Returns the exit code.

    `given` maps inputs to their text; with `commands` the runner's workflow commands are written, else plain text.
    A `document` gets the results as one JSON document.
    `loop_factory` makes the event loop, whose clock is the run's only one.
    """
    this = Run(runner=Runner(env, stdout, commands=commands), given=given, env=env, stdout=stdout)

    def carry_out() -> Verdict:
        this.request = settings.load(given, env)
        seal.prepare(this, this.request.settings.sign)
        in_loop(_go(this, signals), loop_factory)
        return results.judge(this.rows)

    with listening() as signals:
        return _report(this, concluded(this, signals, carry_out), document)


async def _go(this: Run, signals: Signals) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()

    def tell(where: str, text: str) -> None:
        if this.screen:
            this.screen.say(where, text)
        else:
            this.runner.line(f"{loop.time() - began:5.0f} s  {where}: {text}", indent=1)

    def changed(work: Work, text: str) -> None:
        tell(work.replica.location, text)

    with signals.cancelling():
        calls, plan = await _plan(this, tell)
        request = this.request
        if request is None or request.settings.dry_run:
            this.rows = work_module.planned(plan)
            return
        this.works = work_module.start(plan, loop.time())
        try:
            with _watched(this, calls, began):
                session = Session(plan=plan, calls=calls, works=this.works, changed=changed)
                await replicate(session, partial(_seal, this, plan) if this.signer else None)
        finally:
            this.rows = rows(plan, this.works, signals, loop.time(), unsigned=this.unsigned)
    this.notes += report.privacy_note(plan, request.settings.access, this.rows)


async def _seal(this: Run, plan: Plan) -> bool:
    """Sign and write the index, before any family moves. Says whether that was done: not for a run that failed.

    Raises CannotSign.
    """
    now = asyncio.get_running_loop().time()
    this.rows = [work_module.result(plan, item, now) for item in this.works]
    if results.judge(this.rows).result not in {Result.COMPLETE, Result.PARTIAL}:
        return False
    await seal.seal(this, _document(this))
    return True


def _document(this: Run) -> dict[str, Any]:
    if this.request is None or this.source is None:
        raise errors.Unforeseen("An index of nothing")
    wanted = this.request.settings
    return image_index.build(this.source, wanted.locations, this.rows, wanted.revision, wanted.variant)


async def _plan(this: Run, tell: Callable[[str, str], None]) -> tuple[Calls, Plan]:
    """Read what exists, decide what will be done about it, and print that."""
    if this.request is None:
        raise errors.Unforeseen("A run without settings")
    wanted = this.request.settings
    deadline = asyncio.get_running_loop().time() + 60 * wanted.timeout_minutes
    progress.show_head(this.runner, this.request.source, wanted)
    compute = await connected(wanted.compute_endpoint, this.env, anonymous=this.request.anonymous)
    calls = Calls(compute, deadline=deadline, tell=tell)
    this.source = await lookup.read_source(calls, this.request.source)
    plan = this.plan = await survey(calls, wanted, this.source)
    this.notes += [Annotation("warning", "Plan", warning) for warning in plan.warnings]
    progress.show_plan(this.runner, plan)
    return calls, plan


@contextlib.contextmanager
def _watched(this: Run, calls: Calls, began: float) -> Iterator[None]:
    """What people see while replicas are made: a live table on a terminal, else lines, which the runner folds."""
    with contextlib.ExitStack() as stack:
        if any(item.running for item in this.works):
            clock = asyncio.get_running_loop().time
            this.screen = stack.enter_context(live_table.live(this.stdout, this.env, this.works, clock))
            stack.callback(setattr, this, "screen", None)
            if this.screen is None:
                stack.enter_context(this.runner.group(progress.heading(this.works)))
                stack.callback(asyncio.create_task(_tick(this, calls, began)).cancel)
        yield


async def _tick(this: Run, calls: Calls, began: float) -> None:
    loop = asyncio.get_running_loop()
    for number in range(10**6):
        await asyncio.sleep(_TICKS[min(number, len(_TICKS) - 1)])
        progress.show_progress(this.runner, this.works, calls.next_try, loop.time() - began)


def _report(this: Run, verdict: Verdict, document: TextIO | None) -> int:
    """Write the index, then say everything everywhere; a place that can't be written stops none of the others."""
    dry = this.request is not None and this.request.settings.dry_run
    # One that was to be signed was written then, or must not be.
    unsigned = this.request is not None and this.request.settings.sign is Sign.OFF
    if this.source is not None and unsigned and not dry:
        with tolerant(this, "index"):
            data = image_index.to_bytes(_document(this))
            path = str(image_index.write(data, folder(this)))
            this.written = image_index.Written(index_path=path, index_digest=image_index.digest(data))

    def render(notes: Sequence[str]) -> str:
        again: Sequence[str] = ()
        if this.request:
            which = this.source.ref if this.source else this.request.source
            again = snippets.again(this.request.settings, this.given, which)
        return summary.render(verdict, this.source, this.rows, notes, again)

    return told(
        this,
        verdict,
        this.rows,
        this.written,
        outputs=lambda: report.outputs(decision="replicate", verdict=verdict, rows=this.rows, written=this.written),
        document=lambda: report.document(verdict, this.rows, this.plan, this.written),
        stream=document,
        summary=render,
    )
