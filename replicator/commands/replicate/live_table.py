"""Shows a live table of the replicas on a terminal if rich is installed; everywhere else the log has lines."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from replicator.bootstrap import workflow_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from rich.console import Console
    from rich.table import Table

    from replicator.replicas.work import Work


#: Lines of the screen without a replica: title, header, the count of those left out, prompt.
_FRAME = 5
#: Narrower screens go without a column, and without another.
_NARROW, _VERY_NARROW = 60, 45


def is_wanted(stdout: TextIO, env: Mapping[str, str]) -> bool:
    """Return whether the output is a terminal that can be redrawn."""
    try:
        seen = stdout.isatty()
    except ValueError:  # a closed stream
        return False
    in_runner = env.get("GITHUB_ACTIONS") == "true"
    return seen and not in_runner and not env.get("NO_COLOR") and env.get("TERM") != "dumb"


@contextlib.contextmanager
def live(
    stdout: TextIO, env: Mapping[str, str], works: Sequence[Work], clock: Callable[[], float]
) -> Iterator[Screen | None]:
    """Show the table during this context; yields None if there is none and lines are needed."""
    console = _console(stdout) if is_wanted(stdout, env) else None
    if console is None:
        yield None
        return
    from rich.live import Live

    screen = Screen(console, works, clock)
    table = Live(get_renderable=screen.table, console=console, transient=True, refresh_per_second=4)
    # A closed terminal must not end the run halfway through a copy.
    with contextlib.suppress(OSError, ValueError):
        table.start()
    try:
        yield screen
    finally:
        with contextlib.suppress(OSError, ValueError):
            table.stop()


def _console(stdout: TextIO) -> Console | None:
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stdout)


class Screen:
    """The table on the terminal: location, percent, time elapsed, state."""

    def __init__(self, console: Console, works: Sequence[Work], clock: Callable[[], float]) -> None:
        self._console = console
        self._works = works
        self._clock = clock
        self._said: dict[str, str] = {}

    def say(self, where: str, text: str) -> None:
        """Show the text as the state of a location; above the table if the location isn't in it."""
        from rich.text import Text

        if any(work.replica.location == where for work in self._works):
            self._said[where] = workflow_commands.plain(text)
        else:
            with contextlib.suppress(OSError, ValueError):
                self._console.print(Text(workflow_commands.plain(f"{where}: {text}")))

    def table(self) -> Table:
        """Render the table as of now: running replicas first, and only as many rows as fit on the screen."""
        from rich.table import Table
        from rich.text import Text

        done = [work for work in self._works if not work.running]
        rows = sorted(self._works, key=lambda work: (not work.running, work.error is None))
        room = max(3, self._console.height - _FRAME)
        table = Table(title=f"{len(done)} of {len(rows)} replicas done", title_justify="left", box=None, expand=True)
        columns: dict[str, Callable[[Work], str]] = {"Percent": self._percent, "Elapsed": self._elapsed}
        # A column without a number says nothing; on a narrow screen the state says more than any number.
        if self._console.width < _NARROW or not any(work.percent is not None for work in rows[:room]):
            del columns["Percent"]
        if self._console.width < _VERY_NARROW:
            del columns["Elapsed"]
        table.add_column("Location", no_wrap=True)
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("State", no_wrap=True, overflow="ellipsis", ratio=1)
        for work in rows[:room]:
            numbers = (Text(show(work)) for show in columns.values())
            table.add_row(Text(work.replica.location), *numbers, Text(self._state(work), style=_style(work)))
        if len(rows) > room:
            table.add_row(Text(f"… {len(rows) - room} more"))
        return table

    def _percent(self, work: Work) -> str:
        if work.verified:
            return "100 %"
        return f"{work.percent} %" if work.percent is not None else ""

    def _elapsed(self, work: Work) -> str:
        minutes, seconds = divmod(int((self._clock() if work.ended is None else work.ended) - work.began), 60)
        return f"{minutes}:{seconds:02}"

    def _state(self, work: Work) -> str:
        if work.error:
            return f"{work.outcome}: {workflow_commands.plain(work.error.what)}"
        if work.state == "waiting" and work.verified:
            return "the source is stored here"
        return work.state if work.state == "copying" else self._said.get(work.replica.location, work.state)


def _style(work: Work) -> str:
    if work.error:
        return "red"
    return "green" if work.verified else "cyan"
