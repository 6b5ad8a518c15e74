"""Writes log lines, groups, annotations, outputs and the job summary, with text from outside made harmless.

`bootstrap.workflow_commands` does what must work before anything is installed; actions_toolkit does the rest.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from replicator.bootstrap import workflow_commands
from replicator.runtime.markdown import text as escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from replicator.core.errors import InputProblem


#: The runner drops the whole summary of a step if it is larger than this, in bytes.
LARGEST_SUMMARY = 2**20

#: The runner shows this many annotations of one type per step and drops the rest silently.
ANNOTATIONS_PER_TYPE = 10

#: The runner's variables that name folders in which inputs and results lie.
_FOLDERS = ("RUNNER_TEMP", "GITHUB_WORKSPACE")

Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation on the run's page."""

    level: Level
    title: str
    message: str
    file: str = ""
    """The file that it is about, which the runner shows in a pull request; mostly empty."""
    line: int = 0
    subject: str = ""
    """What both the title and the message name, because the runner's log shows messages without titles."""

    @property
    def titled(self) -> str:
        """The title and the message in one text, which names the subject once."""
        about = f"{self.subject}: " if self.subject else ""
        return f"{self.title}: {self.message.removeprefix(about)}"


def about_input(level: Level, problem: InputProblem) -> Annotation:
    """Return the annotation about an input."""
    title, file, line = f"Input {problem.input}", problem.file, problem.line
    return Annotation(level, title, workflow_commands.plain(problem), file=file, line=line, subject=problem.input)


def within_budget(annotations: Sequence[Annotation]) -> Sequence[Annotation]:
    """Reduce annotations of one type to the ten that the runner shows: the tenth holds all that are left."""
    if len(annotations) <= ANNOTATIONS_PER_TYPE:
        return annotations
    kept, rest = annotations[: ANNOTATIONS_PER_TYPE - 1], annotations[ANNOTATIONS_PER_TYPE - 1 :]
    level = rest[0].level
    together = "\n".join(item.titled for item in rest)
    return [*kept, Annotation(level, f"{len(rest)} more {level}s", together)]


class Runner:
    """Writes to the log and to the runner's files; without a runner, plain text to the terminal."""

    def __init__(self, env: Mapping[str, str], stdout: TextIO, *, commands: bool) -> None:
        self._env = env
        self._stdout = stdout
        self.commands = commands
        """Whether to write workflow commands; otherwise plain text."""

    def line(self, text: str, *, indent: int = 0) -> None:
        """Write one line to the log, made harmless: it can start no workflow command."""
        self._write(" " * indent + workflow_commands.plain(text) if text else "")

    def table(self, rows: Sequence[Sequence[str]], *, spare: Sequence[int] = ()) -> None:
        """Write rows as lines with aligned columns.

        A terminal that is too narrow goes without the columns that are `spare`: the first of them first.
        """
        plain = [[workflow_commands.plain(cell) for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in plain) for column in range(len(plain[0]))] if plain else []
        room, left_out = self._room(), set[int]()
        for column in spare:
            if sum(width + 2 for number, width in enumerate(widths) if number not in left_out) > room:
                left_out.add(column)
        plain = [[cell for number, cell in enumerate(row) if number not in left_out] for row in plain]
        widths = [width for number, width in enumerate(widths) if number not in left_out]
        for row in plain:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self._write(("  " + "  ".join(cells)).rstrip())

    def _room(self) -> float:
        """Return how many characters fit into a line: a log and a file have no end."""
        with contextlib.suppress(OSError, ValueError):
            if not self.commands and self._stdout.isatty():
                return shutil.get_terminal_size().columns
        return math.inf

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Write the lines of this context as a group that the runner folds."""
        if not self.commands:
            self.line(title)
            yield
            return
        # It imports requests, which commands without groups don't pay for.
        from actions_toolkit import core

        self._toolkit(core.start_group, workflow_commands.plain(title))
        try:
            yield
        finally:
            self._toolkit(core.end_group)

    def annotate(self, annotations: Sequence[Annotation]) -> None:
        """Show annotations; in the runner at most ten of each type."""
        for level in ("error", "warning", "notice"):
            items = [item for item in annotations if item.level == level]
            for item in within_budget(items) if self.commands else items:
                if self.commands:
                    line = str(item.line or "")
                    self._write(
                        workflow_commands.annotation(level, item.message, title=item.title, file=item.file, line=line)
                    )
                else:
                    first, *others = item.titled.splitlines()
                    self.line(f"{level}: {first}")
                    for other in others:
                        self.line(other, indent=4)

    def _toolkit(self, say: Callable[..., None], *words: str) -> None:
        # It prints to sys.stdout, unflushed.
        with contextlib.suppress(OSError, ValueError), contextlib.redirect_stdout(self._stdout):
            say(*words)
            self._stdout.flush()

    def _write(self, line: str) -> None:
        # A closed log must not end the run halfway through a copy.
        with contextlib.suppress(OSError, ValueError):
            workflow_commands.write_line(self._stdout, line)

    def outputs(self, values: Mapping[str, str]) -> None:
        """Set the step's outputs, all in one write."""
        workflow_commands.write_outputs(self._env, values)

    def summary(self, markdown: str) -> None:
        """Write the job summary, without the runner's folders. Raises ValueError if the runner takes none so large."""
        shown = self._without_folders(markdown)
        data = shown.encode("utf-8", "backslashreplace")
        if len(data) > LARGEST_SUMMARY:
            raise ValueError(f"the summary has {len(data)} bytes")
        workflow_commands.append(self._env.get("GITHUB_STEP_SUMMARY", ""), shown)

    def _without_folders(self, told: str) -> str:
        """Name files as they are seen from the runner's folders, and a folder itself by its variable."""
        for name in _FOLDERS:
            folder = self._env.get(name, "").rstrip("/")
            # A folder at the top would be a part of other words.
            if folder.count("/") > 1:
                either = "|".join(map(re.escape, (folder, escaped(folder))))
                instead = escaped(name)
                told = re.sub(rf"(?:{either})(/|(?![\w-]))", lambda found, to=instead: "" if found[1] else to, told)  # type: ignore[misc]
        return told
