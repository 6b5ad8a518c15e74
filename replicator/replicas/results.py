"""Judges a run by its replicas' outcomes: decides the result, the exit code and the sentence that ends it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.core.errors import ExitCode, Signalled
from replicator.core.replicas import Held, Outcome, Result
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.core.replicas import ReplicaResult

#: How many locations one sentence names.
_MOST_LISTED = 6

_HELD = {
    Held.FAMILY_IS_NEWER: "The family {family} belongs to a newer source already, so it was not taken back.",
    Held.WOULD_TAKE_FAMILY: "It is younger than the replica that leads the family {family} (or that one failed), so it "
    "would take the family away from home. The next release gets it.",
    Held.REQUIRED_FAILED: "The family {family} was not moved because a required location failed.",
    Held.PROMOTE_OFF: "The family {family} was not moved because promote is false.",
    Held.UNSIGNED: "The family {family} was not moved because the index is not signed.",
    Held.SOURCE_DEPRECATED: "The family {family} was not moved because the source is held back (marked DEPRECATED).",
    Held.SIGNAL: "The run was interrupted before the family {family} was moved.",
}


def judge(rows: Sequence[ReplicaResult], *, moved: str = "") -> Verdict:
    """Return the verdict on a run that ended by itself.

    `moved` says what had become of the source's family before, where required locations failed.
    """
    if any(row.outcome is Outcome.PLANNED for row in rows):
        refused = [row.where for row in rows if row.error]
        but = f"; {_listed(refused)} would fail" if refused else ""
        return Verdict(Result.PLANNED, ExitCode.DONE, f"Dry run: nothing was changed{but}")
    copies = [row for row in rows if row.outcome is not Outcome.SOURCE]
    failed = [row for row in copies if not row.outcome.verified]
    reasons = {row.reason for row in failed}
    names = _named(failed)
    if "internal" in reasons:
        return Verdict(Result.FAILED, ExitCode.DEFECT, f"A defect of the replicator met {names}")
    if not failed:
        return Verdict(Result.COMPLETE, ExitCode.DONE, _complete(rows))
    if len(failed) == len(copies) and len(reasons) == 1 and all(row.error and row.error.of_setup for row in failed):
        where = _listed([row.where for row in failed])
        what = f"Every replica was refused for one reason, {failed[0].reason}: {where}"
        return Verdict(Result.FAILED, ExitCode.SETUP, "; ".join(filter(None, [what, moved])))
    if any(row.replica.required for row in failed):
        what = _required(rows, failed)
        return Verdict(Result.FAILED, ExitCode.FAILED, "; ".join(filter(None, [what, moved])))
    if len(failed) == len(copies):
        there = _there(failed)
        what = f"No replica is verified: {names}; {there}" if there else f"No replica was made: {names}"
        return Verdict(Result.FAILED, ExitCode.DONE, f"{what}; the source is untouched")
    return Verdict(
        Result.PARTIAL, ExitCode.DONE, f"{_complete([row for row in rows if row.outcome.verified])}; failed: {names}"
    )


def stopped(rows: Sequence[ReplicaResult]) -> str:
    """What had not happened yet, and where, when a signal ended the run; empty if everything had."""
    copying = [row.where for row in rows if row.error and row.reason == Signalled.reason]
    waiting = [row.where for row in rows if row.held is Held.SIGNAL]
    parts = [f"the image was verified in {_listed(copying)}"] if copying else []
    return " and ".join([*parts, *([f"the family was moved in {_listed(waiting)}"] if waiting else [])])


def _required(rows: Sequence[ReplicaResult], failed: Sequence[ReplicaResult]) -> str:
    told = _named([row for row in failed if row.replica.required])
    others = [row for row in failed if not row.replica.required]
    also = f"; also failed: {_named(others)}" if others else ""
    carry = [row.where for row in rows if row.promoted and row.outcome is not Outcome.SOURCE]
    families = f"; in their family: {_listed(carry)}" if carry else ""
    if any(row.held for row in rows):
        families = f"; this run moved no family{families}"
    return f"A required location failed: {told}{also}{families}"


def _there(failed: Sequence[ReplicaResult]) -> str:
    """What exists all the same of replicas that are not verified: images that are there, and copies that go on."""
    there = [
        row.where + ("" if row.image.status == "READY" else f" ({row.image.status})") for row in failed if row.image
    ]
    going = [row.where for row in failed if row.outcome is Outcome.INTERRUPTED and row.operation and row.image is None]
    told = [f"there is an image in {_listed(there)}"] if there else []
    return "; ".join([*told, *([f"copies go on in {_listed(going)}"] if going else [])])


def _named(rows: Sequence[ReplicaResult]) -> str:
    return _listed([f"{row.where} ({row.reason})" for row in rows])


def message(row: ReplicaResult) -> str:
    """Say what people need to know about one replica besides its outcome; empty if all is well."""
    parts = [row.error.message] if row.error else []
    if row.held:
        parts.append(held(row))
    return " ".join([*parts, *row.notes])


def held(row: ReplicaResult, *, alike: bool = False) -> str:
    """Say why a verified replica doesn't carry its family; with `alike`, in words that fit several families."""
    return _HELD[row.held].format(family="of each" if alike else row.replica.family) if row.held else ""


def _complete(rows: Sequence[ReplicaResult]) -> str:
    verified = _listed([row.where for row in rows])
    without = [row.where for row in rows if row.held]
    but = f"; without their family: {_listed(without)}" if without else ""
    return f"The image is verified in {verified}{but}"


def _listed(words: Sequence[str]) -> str:
    """Join the words with commas; of more than six, name five and count the rest."""
    if len(words) <= _MOST_LISTED:
        return ", ".join(words)
    return f"{', '.join(words[: _MOST_LISTED - 1])} and {len(words) - _MOST_LISTED + 1} more"
