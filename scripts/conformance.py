"""Renders the tables of testkit/conformance for docs/reliability.md: how every fault at every call is handled."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from testkit.conformance.calls import CALLS, Guard
from testkit.conformance.events import MOMENTS, cells
from testkit.conformance.faults import FAULTS, Class
from testkit.conformance.verdicts import CELLS, EXCEPTIONS, GRID, OFTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from testkit.conformance.verdicts import Verdict

    Table = Callable[[list[str], Iterable[list[str]]], str]


def tables(table: Table) -> str:
    """Return all tables. `table` makes one from its head and rows."""
    return f"""\
{len(CELLS)} pairs of a call and a fault, each with the fault once, twice and for ever: {len(CELLS) * len(OFTEN)} runs,
each healed by the next one.

{table(["What goes wrong", "Tried as", "What is done", "If it never ends"], _faults())}

The calls, and what keeps each harmless when it is sent twice:

{table(["Call", "Method", "Sent twice", "Its failure takes with it"], _calls())}

Where a call has a reason of its own to be treated otherwise:

{table(["Call", "Fault", "What is done", "Why"], _exceptions())}

What others do just before a call ({len(cells())} runs): the source's access is read, the copy is asked for, waited for,
read, opened; the family's head is read, the family moved, the head read again. How the replica ends in this run and,
where that is not `ok`, in the next:

{table(["What happens", *MOMENTS], _events())}"""


def _faults() -> Iterator[list[str]]:
    for kind in Class:
        tried = ", ".join(fault.name for fault in FAULTS if fault.kind is kind)
        for verdict, guards in _by_verdict(kind):
            what = kind.value if len(guards) == len(Guard) else f"{kind.value}, {_of(guards)}"
            yield [what, tried, verdict.value.text, _for_ever(kind, verdict)]


def _by_verdict(kind: Class) -> list[tuple[Verdict, list[Guard]]]:
    rows = sorted(GRID[kind].items(), key=lambda item: item[1].name)
    return [(verdict, [guard for guard, _ in row]) for verdict, row in groupby(rows, key=lambda item: item[1])]


def _of(guards: list[Guard]) -> str:
    if Guard.READ_BACK in guards and len(guards) == 1:
        return "where what was just done is read back"
    if {Guard.FINGERPRINT, Guard.ETAG} == set(guards):
        return "of a change guarded by labelFingerprint or etag"
    return "otherwise"


def _for_ever(kind: Class, verdict: Verdict) -> str:
    if verdict.value.harmless:
        return "the run ends well"
    reasons = {fault.reason for fault in FAULTS if fault.kind is kind}
    ends = [verdict.value.for_ever] if verdict.value.for_ever else sorted(reasons)
    return ", ".join(f"`{reason}`" for reason in ends)


def _calls() -> Iterator[list[str]]:
    for call in CALLS:
        yield [call.name, f"`{call.method.removeprefix('compute.')}`", call.guard.value, call.stage.value]


def _exceptions() -> Iterator[list[str]]:
    for (call, fault), exception in EXCEPTIONS.items():
        does = exception.verdict.value.text + (f": `{exception.reason}`" if exception.reason else "")
        yield [call, "any" if fault == "*" else fault, does, exception.why]


def _events() -> Iterator[list[str]]:
    for event, row in groupby(cells(), key=lambda cell: cell[0]):
        ends = {moment: f"{first}, then {second}" if second != "ok" else first for _, moment, first, second in row}
        yield [event, *(ends.get(moment, " ") for moment in MOMENTS)]
