"""Says what a list found: the JSON document, the table for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle import dates, releases
from replicator.commands.lifecycle.indexed import Indexed
from replicator.commands.lifecycle.releases import Status
from replicator.commands.lifecycle.turn import versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.releases import ReplicaSet
    from replicator.commands.lifecycle.settings import ListSettings
    from replicator.commands.lifecycle.world import Reading
    from replicator.core.images import Image
    from replicator.runtime.runner import Runner
    from replicator.runtime.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One set as it is listed."""

    each: ReplicaSet
    version: str
    status: Status
    message: str
    digest: str = ""
    """The digest of the index that names it, if its signature was verified."""
    signed_at: str = ""
    """When that index was signed, as a log or an authority vouches for it."""


def rows(reading: Reading, wanted: ListSettings, now: datetime, indexed: Indexed | None = None) -> list[Row]:
    """Return a row for each set, line by line, newest first."""
    found: list[Row] = []
    for line in wanted.families:
        found += _rows(reading.world.of_line(line), reading, wanted, now, indexed or Indexed())
    return found


def lineless(reading: Reading, wanted: ListSettings, now: datetime, indexed: Indexed | None = None) -> list[Row]:
    """Return a row for each set that may be of any line, newest first."""
    return _rows(reading.world.lineless, reading, wanted, now, indexed or Indexed())


def _rows(
    sets: Sequence[ReplicaSet], reading: Reading, wanted: ListSettings, now: datetime, indexed: Indexed
) -> list[Row]:
    statuses = releases.statuses(sets, reading.head_ids, now)
    found = []
    for each in sets:
        status = statuses[each.root.id]
        digest, signed = indexed.proofs.get(each.root.id, ("", None))
        found.append(
            Row(
                each=each,
                version=versions.of(each, wanted.release_label, indexed.refs),
                status=status,
                message=" ".join(_notes(each, status, reading, wanted)),
                digest=digest,
                signed_at=time(signed) if signed else "",
            )
        )
    return found


def defaults(listed: Sequence[Row]) -> dict[str, str]:
    """Map each line that has a default to its version."""
    found: dict[str, str] = {}
    for status in (Status.DEFAULT, Status.PARTLY_DEFAULT):
        for row in listed:
            if row.status is status:
                found.setdefault(row.each.line, row.version)
    return found


def _notes(each: ReplicaSet, status: Status, reading: Reading, wanted: ListSettings) -> Iterator[str]:
    """What people should know of a set beside its status."""
    values = sorted(each.label(wanted.release_label) - {""})
    if len(values) > 1:
        yield f"ambiguous_release: the label {wanted.release_label} has the values {', '.join(values)}."
    if status is Status.PARTLY_DEFAULT:
        mine = {image.id for image in each.members}
        led = sorted(family for (_, family), head in reading.head_ids.items() if head in mine)
        yield f"It is the default of {', '.join(led)}."
    own = (each.root.ref.project, each.root.family)
    if status in {Status.STAGED, Status.BUSY} and reading.head_ids.get(own) == each.root.id:
        yield f"Its source is what the family {each.root.family} resolves to: the build moved it."
    if not each.line:
        yield (
            "No image of it carries a family, so nothing says of which line it is: promote takes it by index, or, for "
            "one family, by the name of its source."
        )
    unread = [image.ref.name for image in each.members if image.deleted and not dates.latest(image.deleted)]
    if unread:
        yield f"The date of deletion of {', '.join(unread)} can't be read."


def as_dict(row: Row, reading: Reading, wanted: ListSettings) -> dict[str, Any]:
    """Return the JSON object of one set."""
    each, heads = row.each, set(reading.head_ids.values())
    until = releases.until(each)
    return {
        "line": each.line,
        "version": row.version,
        "status": str(row.status),
        "source": _named(each.root),
        "created": time(each.root.created),
        "images": [image_dict(image, heads) for image in each.members],
        "critical": each.is_marked(wanted.critical_label),
        "hold": each.is_marked(wanted.hold_label),
        "digest": row.digest,
        "signed_at": row.signed_at,
        "decision": "",
        "reason": "",
        "until": time(until) if until else "",
        "message": row.message,
    }


def sourceless_dict(line: str, image: Image, heads: set[str | None]) -> dict[str, Any]:
    """Return the JSON object of a replica whose source is gone."""
    return {
        "line": line,
        "version": image.ref.name,
        "status": str(Status.SOURCELESS),
        "source": dict.fromkeys(("project", "name", "id", "uri"), ""),
        "created": time(image.created),
        "images": [image_dict(image, heads)],
        "critical": False,
        "hold": False,
        "digest": "",
        "signed_at": "",
        "decision": "",
        "reason": "",
        "until": "",
        "message": "Its source is gone, so nothing shows which release it is of; no command touches it.",
    }


def image_dict(image: Image, heads: set[str | None]) -> dict[str, Any]:
    """Return the JSON object of one image."""
    return {
        **_named(image),
        "location": image.home,
        "family": image.family,
        "state": state(image),
        "deleted": image.deleted if image.deprecated else "",
        "head": image.id in heads,
    }


def state(image: Image) -> str:
    """Its deprecation; ACTIVE without one, or its status while it isn't READY."""
    return image.deprecated or ("ACTIVE" if image.status == "READY" else image.status)


def document(verdict: Verdict, **told: Any) -> dict[str, Any]:
    """Return the JSON document of a run: the same keys for every verb, and what `told` says of them."""
    usual: dict[str, Any] = {
        "default": {},
        "releases": [],
        "families": [],
        "due": 0,
        "retired": 0,
        "purged": 0,
        "failed": 0,
        "plan_path": "",
        "plan_digest": "",
    }
    known = {"result": str(verdict.result), "reason": verdict.reason, "exit_code": verdict.exit_code}
    return {**known, **usual, **told}


def _named(image: Image) -> dict[str, str]:
    return {"project": image.ref.project, "name": image.ref.name, "id": image.id, "uri": image.ref.uri}


def as_json(value: Any) -> str:
    """One output of an action that isn't text."""
    return json.dumps(value, ensure_ascii=False)


def time(moment: datetime) -> str:
    """A moment in UTC, in the form of the API."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def show(runner: Runner, listed: Sequence[Row], reading: Reading, wanted: ListSettings, project: str) -> None:
    """Print a table for each line, then what --all lists."""
    default = defaults(listed)
    for line in wanted.families:
        own = [row for row in listed if row.each.line == line]
        runner.line(f"{line} ({project}): {_count(own)}, default {default.get(line, 'none')}")
        runner.table([_cells(row, wanted) for row in own])
    if lineless := [row for row in listed if not row.each.line]:
        runner.line(f"without a family ({project}): {_count(lineless)}")
        runner.table([_cells(row, wanted) for row in lineless])
    strangers, sourceless = reading.world.strangers, reading.world.sourceless
    if not wanted.all:
        if strangers or sourceless:
            counted = f"strangers: {len(strangers)}, without a source: {len(sourceless)}"
            runner.line(f"Other copies ({counted}) are listed with --all.")
        return
    runner.table(
        [
            *(["stranger", image.ref.uri, f"a copy of {each.root.ref.name}"] for each, image in strangers),
            *([str(Status.SOURCELESS), image.ref.uri, f"{line}: its source is gone"] for line, image in sourceless),
        ]
    )


def _count(listed: Sequence[Row]) -> str:
    return f"{len(listed)} release{'' if len(listed) == 1 else 's'}"


def _cells(row: Row, wanted: ListSettings) -> list[str]:
    each, until = row.each, releases.until(row.each)
    marks = [
        *(["hold"] if each.is_marked(wanted.hold_label) else []),
        *(["critical"] if each.is_marked(wanted.critical_label) else []),
        *([f"may be deleted from {time(until)}"] if until else []),
    ]
    source = f"{each.root.ref.name} in {each.root.home or 'several locations'}"
    copies = ",".join(image.home for image in each.copies) or "no copies"
    said = "; ".join(filter(None, [*marks, row.message]))
    return [str(row.status), row.version, f"{each.root.created:%Y-%m-%d}", source, copies, said]
