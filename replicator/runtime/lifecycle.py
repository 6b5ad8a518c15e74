"""What every run has, whatever it does: signals end it in good order, and whatever it raises becomes a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.bootstrap.early import stop_signals
from replicator.bootstrap.workflow_commands import plain
from replicator.core import errors
from replicator.core.replicas import Result
from replicator.index.image_index import Written
from replicator.replicas import report
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from types import FrameType
    from typing import TextIO

    from replicator.core.replicas import ReplicaResult
    from replicator.index.sign import Signer
    from replicator.runtime.runner import Runner


@dataclass(kw_only=True)
class Conduct:
    """Who is told what, and what has been noted so far."""

    runner: Runner
    env: Mapping[str, str]
    notes: list[Annotation] = field(default_factory=list)
    signer: Signer | None = None
    """Whoever signs the index, where that was asked for."""
    written: Written = field(default_factory=Written)
    """The index, as soon as it is written."""
    defective: bool = False
    """Whether telling the results met a defect of this program."""

    @property
    def unsigned(self) -> bool:
        """Whether the index is still to be signed: until then nothing is published."""
        return self.signer is not None and not self.written.index_path


def concluded(this: Conduct, signals: Signals, carry_out: Callable[[], Verdict]) -> Verdict:
    """The verdict of a run, or that of what it raised. From here on signals are not heard: results are written."""
    try:
        verdict = carry_out()
    except errors.ReplicatorError as error:
        verdict = _failed(this, signals.caught or error)
    except asyncio.CancelledError:
        verdict = _failed(this, signals.caught or errors.Unforeseen("The run was cancelled"))
    except Exception as error:  # noqa: BLE001 - results are written always
        for line in traceback.format_exc().splitlines():
            this.runner.line(line, indent=2)
        verdict = _failed(this, errors.Unforeseen(f"{type(error).__name__}: {error}"))
    signals.deaf = True
    return verdict


def _failed(this: Conduct, error: errors.ReplicatorError) -> Verdict:
    problems = error.problems if isinstance(error, errors.BadSettings) else []
    this.notes += [
        Annotation("error", f"Input {problem.input}", plain(problem), file=problem.file, line=problem.line)
        for problem in problems
    ]
    if not problems:
        told = "\n".join(filter(None, [error.message, error.to_add]))
        this.notes.append(Annotation("error", error.title, told))
    return Verdict(Result.FAILED, error.exit_code, error.message.rstrip("."), error)


def folder(this: Conduct) -> Path:
    """Where the index goes. The folder of people who type commands is theirs; that of a workflow is its checkout."""
    return Path(this.env.get("RUNNER_TEMP") or (tempfile.mkdtemp() if this.runner.commands else "."))


def told(
    this: Conduct,
    verdict: Verdict,
    rows: Sequence[ReplicaResult],
    written: Written,
    *,
    outputs: Callable[[], Mapping[str, str]],
    document: Callable[[], str],
    stream: TextIO | None,
    summary: Callable[[Sequence[str]], str],
) -> int:
    """Say everything everywhere; a place that can't be written stops none of the others. Returns the exit code.

    A `stream` gets the `document`; `summary` takes what people should know although it is no error.
    """
    with tolerant(this, "outputs"):
        this.runner.outputs(outputs())
    with tolerant(this, "document"):
        if stream:
            stream.write(document())
            stream.flush()
    with tolerant(this, "annotations"):
        this.runner.annotate(report.remarks(verdict, rows, this.notes, every=this.runner.commands))
    with tolerant(this, "log"):
        report.show_end(this.runner, verdict, rows)
        if written.index_path:
            signed = f", signed: {written.bundle_path}" if written.bundle_path else ""
            this.runner.line(f"index: {written.index_path} ({written.index_digest}){signed}")
    with tolerant(this, "summary"):
        this.runner.summary(summary([note.message for note in this.notes if note.level != "error"]))
    return verdict.exit_code or (errors.ExitCode.DEFECT if this.defective else 0)


@contextlib.contextmanager
def tolerant(this: Conduct, what: str) -> Iterator[None]:
    """Within it nothing stops the run: a place that can't be written stops none of the others."""
    try:
        yield
    except (OSError, ValueError) as error:
        said = f"The {what} could not be written: {error}"
        this.runner.line(f"warning: {said}")
        this.notes.append(Annotation("warning", what, said))
    except Exception:  # noqa: BLE001 - what can't be said in one place is said in the others
        this.defective = True
        this.runner.line(f"error: the {what} could not be made; {errors.UNFORESEEN.remedy}")
        for line in traceback.format_exc().splitlines():
            this.runner.line(line, indent=2)


class Signals:
    """SIGINT, SIGTERM and the like: the first one ends the run in good order, later ones do not disturb that."""

    def __init__(self) -> None:
        self.caught: errors.Interrupted | None = None
        self.deaf = False
        """Set while results are written."""
        self._call: Callable[[], object] | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """What the interpreter calls."""
        if self.deaf or self.caught:
            return
        self.caught = errors.Interrupted(signal.Signals(number).name, 128 + number)
        if self._call is None:
            raise self.caught
        self._call()

    @contextlib.contextmanager
    def cancelling(self) -> Iterator[None]:
        """Within it a signal cancels the current task instead of raising Interrupted wherever the interpreter is."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._call = lambda: loop.call_soon_threadsafe(task.cancel) if task else None
        try:
            yield
        finally:
            self._call = None


@contextlib.contextmanager
def listening() -> Iterator[Signals]:
    """Signals are heard within it."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.signal(number, signals.handle) for number in stop_signals()}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_loop(coroutine: Coroutine[None, None, None], factory: Callable[[], asyncio.AbstractEventLoop] | None) -> None:
    """Run it on a loop of its own, whose clock is the run's only one."""
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(coroutine)
