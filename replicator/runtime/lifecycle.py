"""Runs a command from inputs to results: writes the results on every way out, whether an error or SIGTERM ends it.

class Counting(Run):
    def carry_out(self, signals): ...          # the work; returns a Verdict or raises a ReplicatorError
    def outputs(self, verdict): ...            # what each output says

run = functools.partial(execute, Counting)
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.core import errors
from replicator.core.replicas import Result
from replicator.runtime.runner import Annotation, Runner, about_input
from replicator.runtime.signals import Signals, listening
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from typing import Any, TextIO, TypeVar

    T = TypeVar("T")


@dataclass(kw_only=True)
class Run(ABC):
    """One run of a command: its inputs, and what is known so far, which is reported however the run ends.

    Each command's subclass adds its own state, does the work, and says what goes to the outputs, the log and so on.
    """

    given: Mapping[str, str]
    """Inputs by name, as text; empty means not given."""
    env: Mapping[str, str]
    stdout: TextIO
    runner: Runner
    of_action: bool = False
    """Whether the run is a step of an action, so that its files must be in the workspace or in RUNNER_TEMP."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    """Makes the event loop, whose clock is the only one that the run uses."""
    notes: list[Annotation] = field(default_factory=list)
    seconds: float = 0.0
    """How long the work took, once it has ended."""
    dotenv: str = ""
    """The file that the option `dotenv` names: it gets the outputs as variables."""
    defective: bool = False
    """Whether reporting the results ran into a defect of this program."""

    @abstractmethod
    def carry_out(self, signals: Signals) -> Verdict:
        """Do the work and return the verdict. Raises a ReplicatorError if it can't be done."""

    def conclude(self) -> None:  # noqa: B027 - most runs have nothing to write
        """Write files that belong to the results, whatever the verdict, before anything is reported."""

    def exit_code(self, verdict: Verdict) -> int:
        """Return the exit code that goes with the verdict."""
        return verdict.exit_code

    @abstractmethod
    def outputs(self, verdict: Verdict) -> Mapping[str, str]:
        """Return every output of the action."""

    @abstractmethod
    def document(self, verdict: Verdict) -> Mapping[str, Any]:
        """Return the results for machines: what `--json` prints."""

    def answer(self, verdict: Verdict) -> str:
        """Return what is written to stdout where the run has a document or another answer: with `--json`, JSON."""
        return json.dumps(self.document(verdict)) + "\n"

    @abstractmethod
    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return the annotations for the run's page."""

    @abstractmethod
    def show(self, verdict: Verdict) -> None:
        """Print the end of the log."""

    @abstractmethod
    def summary(self, verdict: Verdict) -> str:
        """Return the job summary, in Markdown."""

    def checked(
        self, load: Callable[[Mapping[str, str], Mapping[str, str]], T], given: Mapping[str, str], **files: str
    ) -> T:
        """Check inputs by `load`, and the files to write by option. Raises BadSettings with every problem."""
        from replicator.inputs import output_file

        problems = output_file.problems({**files, "dotenv": self.dotenv})
        if any(problem.input == "dotenv" for problem in problems):
            self.dotenv = ""
        try:
            inputs = load({name: text for name, text in given.items() if name not in {*files, "dotenv"}}, self.env)
        except errors.BadSettings as error:
            raise errors.BadSettings([*problems, *error.problems]) from None
        if problems:
            raise errors.BadSettings(problems)
        return inputs

    def in_loop(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run a coroutine on a new event loop. Raises Unforeseen if it is cancelled."""
        # A run that asks nobody doesn't pay for its import.
        import asyncio

        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            clock = runner.get_loop().time
            began = clock()
            try:
                runner.run(coroutine)
            except asyncio.CancelledError:
                raise errors.Unforeseen("The run was cancelled") from None
            finally:
                self.seconds = clock() - began

    def folder(self) -> Path:
        """Return the folder for result files: RUNNER_TEMP in a runner, the working folder on a command line."""
        return Path(self.env.get("RUNNER_TEMP") or (tempfile.mkdtemp() if self.runner.commands else "."))

    def told_to_people(self) -> list[str]:
        """Return the messages of all notes except errors."""
        return [note.message for note in self.notes if note.level != "error"]

    @contextlib.contextmanager
    def tolerant(self, what: str) -> Iterator[None]:
        """Report an exception in this context instead of raising it, so that the other results are written."""
        try:
            yield
        except (OSError, ValueError) as error:
            said = f"The {what} could not be written: {error}"
            self.runner.line(f"warning: {said}")
            self.notes.append(Annotation("warning", what, said))
        except Exception:  # noqa: BLE001 - a defect in one result must not lose the others
            self.defective = True
            self.runner.line(f"error: the {what} could not be made; {errors.UNFORESEEN.remedy}")
            self._show_traceback()

    def concluded(self, signals: Signals) -> Verdict:
        """Carry out the run and return its verdict, whatever it raises. Later signals are ignored: results are due."""
        try:
            verdict = self.carry_out(signals)
        except errors.ReplicatorError as error:
            verdict = self.failed(signals.caught or error)
        except Exception as error:  # noqa: BLE001 - results are written always
            self._show_traceback()
            verdict = self.failed(errors.Unforeseen(f"{type(error).__name__}: {error}"))
        signals.deaf = True
        return verdict

    def tell(self, verdict: Verdict, document: TextIO | None) -> int:
        """Write the results everywhere: outputs, document, annotations, log, summary. Returns the exit code."""
        self.conclude()
        with self.tolerant("outputs"):
            self.runner.outputs(self.outputs(verdict))
        if self.dotenv:
            with self.tolerant("file that dotenv names"):
                self._write_variables(self.outputs(verdict))
        with self.tolerant("document"):
            if document:
                document.write(self.answer(verdict))
                document.flush()
        with self.tolerant("annotations"):
            self.runner.annotate(self.annotations(verdict))
        with self.tolerant("log"):
            self.show(verdict)
        with self.tolerant("summary"):
            self.runner.summary(self.summary(verdict))
        return self.exit_code(verdict) or (errors.ExitCode.DEFECT if self.defective else 0)

    def _write_variables(self, outputs: Mapping[str, str]) -> None:
        # Most runs don't pay for this import.
        from replicator.index import image_index
        from replicator.runtime import dotenv

        path = Path(self.dotenv)
        image_index.write(dotenv.lines(outputs).encode(), path.parent, path.name)

    def failed(self, error: errors.ReplicatorError) -> Verdict:
        """Note the failure that ended the run, and return the verdict."""
        problems = error.problems if isinstance(error, errors.BadSettings) else []
        self.notes += [about_input("error", problem) for problem in problems]
        if not problems:
            told = "\n".join(filter(None, [error.message, error.to_add]))
            self.notes.append(Annotation("error", error.title, told))
        return Verdict(Result.FAILED, error.exit_code, error.message.rstrip("."), error)

    def _show_traceback(self) -> None:
        for line in traceback.format_exc().splitlines():
            self.runner.line(line, indent=2)


def execute(
    kind: type[Run],
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    commands: bool,
    document: TextIO | None = None,
    of_action: bool = False,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Carry out a command, and write its results whatever happens. Returns the exit code.

    `given` maps inputs to their text. `commands` says whether to write workflow commands for the runner, or plain text.
    The results are also written to `document`, if given, as one JSON document.
    """
    run = kind(
        given=given,
        env=env,
        stdout=stdout,
        runner=Runner(env, stdout, commands=commands),
        of_action=of_action,
        dotenv=given.get("dotenv", "").strip(),
        loop_factory=loop_factory,
    )
    with listening() as signals:
        return run.tell(run.concluded(signals), document)
