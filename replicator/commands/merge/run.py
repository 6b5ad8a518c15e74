"""A merge from inputs to results: fragments → release → held against the live images → index → families.

Nothing is written before everything is verified, and no family moves before the index is written, and signed where
that was asked for.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from replicator.bootstrap import workflow_commands
from replicator.commands.merge import fragments as merges
from replicator.commands.merge.errors import FRAGMENTS_UNVERIFIED, INDEX_UNWRITTEN, BadFragments
from replicator.commands.merge.settings import load
from replicator.compute import lookup
from replicator.compute.connect import connected
from replicator.compute.errors import EndpointUnreachable
from replicator.compute.refusals import Refusal, error_of
from replicator.compute.retry import Calls
from replicator.core import errors
from replicator.core.images import Image
from replicator.core.replicas import Existing, Lineage, Outcome, Result
from replicator.index import image_index, seal
from replicator.index.image_index import BadIndex
from replicator.inputs import files
from replicator.replicas import audit, families, report, results, summary, work
from replicator.replicas.session import Session
from replicator.replicas.work import rows
from replicator.runtime.lifecycle import Conduct, concluded, folder, in_loop, listening, told
from replicator.runtime.runner import Annotation, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from replicator.commands.merge.fragments import Merged, Part
    from replicator.commands.merge.settings import MergeRequest
    from replicator.core.images import ImageRef
    from replicator.core.replicas import Plan, ReplicaResult
    from replicator.index.image_index import Index
    from replicator.replicas.audit import Seen
    from replicator.replicas.work import Work
    from replicator.runtime.lifecycle import Signals
    from replicator.runtime.verdict import Verdict


#: More than architectures times variants of any release.
_MOST_FRAGMENTS = 200


@dataclass(kw_only=True)
class Merging(Conduct):
    """What is known of the merge so far: whatever ends it, this is what gets reported."""

    merged: Merged | None = None
    rows: list[tuple[Part, ReplicaResult]] = field(default_factory=list)


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    commands: bool,
    document: TextIO | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Merge, and report whatever happens. Returns the exit code; the arguments are those of `replicator.run.run`."""
    this = Merging(runner=Runner(env, stdout, commands=commands), env=env)

    def carry_out() -> Verdict:
        request = load(given, env)
        seal.prepare(this, request.settings.sign)
        in_loop(_go(this, request, signals), loop_factory)
        return _judge(this)

    with listening() as signals:
        return _report(this, concluded(this, signals, carry_out), document)


async def _go(this: Merging, request: MergeRequest, signals: Signals) -> None:
    loop, wanted = asyncio.get_running_loop(), request.settings
    began = loop.time()

    def tell(where: str, text: str) -> None:
        this.runner.line(f"{loop.time() - began:5.0f} s  {where}: {text}", indent=1)

    with signals.cancelling():
        try:
            merged = this.merged = merges.merge(
                _read(this, wanted.fragments), wanted.expected, wanted.required_locations
            )
        except merges.NotOne as error:
            raise BadFragments(_problems(error.problems)) from None
        this.notes += [Annotation("warning", "Merge", str(item)) for item in merged.left_out]
        compute = await connected(wanted.compute_endpoint, this.env, anonymous=request.anonymous)
        calls = Calls(compute, deadline=began + 60 * wanted.timeout_minutes, tell=tell)
        found = await _confirm(calls, merged)
        required = merged.required(wanted.required_locations)
        plans = [
            (part, merges.promotion(part.entry, source, images, required=required, promote=wanted.promote))
            for part, source, images in found
        ]
        if wanted.dry_run:
            this.rows = [_row(part, row) for part, plan in plans for row in work.planned(plan)]
            return
        if this.signer is None:
            _write(this, merged)
        await _promote(this, merged, calls, plans, signals, tell)


def _read(this: Merging, fragments: str) -> dict[str, Index | BadIndex]:
    """The fragments by their paths in the folder. Raises BadSettings where the folder can't be looked through."""

    def one(path: Path) -> Index | BadIndex:
        try:
            return image_index.read(path, within=[place])
        except BadIndex as error:
            return error

    try:
        place = files.folder(fragments, this.env)
        found = files.below(place, suffix=".json", most=_MOST_FRAGMENTS)
    except files.Unfit as error:
        advice = "give the folder that they were downloaded to, and look whether any build kept a fragment"
        raise errors.BadSettings([errors.InputProblem("fragments", f"{error}; {advice}")]) from None
    return {name: one(path) for name, path in found.items()}


async def _confirm(calls: Calls, merged: Merged) -> list[tuple[Part, Image, dict[str, Existing]]]:
    """Hold every entry against the live API: each source, and what is in each location.

    Raises BadFragments where anything is not as the fragments say, or where that can't be told.
    """
    entries = [part.entry for part in merged.parts]
    refs = dict.fromkeys([*audit.named(entries), *(entry.source.ref for entry in entries)])
    with lookup.ending_the_run("Looking for what the fragments name"):
        images = await lookup.read_images(calls, refs)
        confirmed = []
        for part in merged.parts:
            source, seen = images.get(part.entry.source.ref), await audit.look(calls, [part.entry], images)
            confirmed.append((part, source, seen, await _existing(calls, source, seen, images)))
    wrong: list[str] = []
    unread: list[errors.ReplicaError] = []
    for part, source, seen, existing in confirmed:
        met = [source, *(item.image for item in seen), *existing.values()]
        unread += [item for item in met if isinstance(item, errors.ReplicaError)]
        if not isinstance(source, errors.ReplicaError):
            wrong += merges.doubts(part, source, seen, _proven(existing))
    if wrong:
        raise BadFragments(_problems(wrong))
    if unread and all(isinstance(error, errors.Unreachable) for error in unread):
        raise EndpointUnreachable(unread[0].what)
    if unread:
        said = list(dict.fromkeys(error.message for error in unread))
        raise BadFragments(_problems(said), advice=FRAGMENTS_UNVERIFIED)
    return [(part, source, _proven(existing)) for part, source, _, existing in confirmed if isinstance(source, Image)]


async def _existing(
    calls: Calls,
    source: Image | errors.ReplicaError | None,
    seen: Sequence[Seen],
    known: Mapping[ImageRef, Image | errors.ReplicaError],
) -> dict[str, Existing | errors.ReplicaError]:
    """What is in each location, and whether it comes from the source."""

    async def one(item: Seen, image: Image, source: Image) -> Existing | errors.ReplicaError:
        try:
            lineage = (
                Lineage.OURS if image.id == source.id else await lookup.lineage_of(calls, source, image, known=known)
            )
        except Refusal as refusal:
            return error_of(refusal, doing=f"Examining {image.ref}")
        return Existing(image=image, lineage=lineage, policy=item.policy)

    if not isinstance(source, Image):
        return {}
    there = [(item, item.image) for item in seen if isinstance(item.image, Image)]
    found = await asyncio.gather(*(one(item, image, source) for item, image in there))
    return {item.location: existing for (item, _), existing in zip(there, found, strict=True)}


def _proven(found: Mapping[str, Existing | errors.ReplicaError]) -> dict[str, Existing]:
    return {location: item for location, item in found.items() if isinstance(item, Existing)}


def _write(this: Merging, merged: Merged) -> None:
    data = image_index.to_bytes(merged.document())
    try:
        path = image_index.write(data, folder(this))
    except OSError as error:
        raise errors.ReplicatorError(INDEX_UNWRITTEN, f"The index could not be written: {error}") from error
    this.written = image_index.Written(index_path=str(path), index_digest=image_index.digest(data))


async def _promote(
    this: Merging,
    merged: Merged,
    calls: Calls,
    plans: Sequence[tuple[Part, Plan]],
    signals: Signals,
    tell: Callable[[str, str], None],
) -> None:
    """Sign the index if it is to be signed, and move the families of all images: all of them are verified by now."""
    now = asyncio.get_running_loop().time
    works = [(part, plan, _verified(plan, now())) for part, plan in plans]

    def session(part: Part, plan: Plan, items: Sequence[Work]) -> Session:
        def changed(item: Work, text: str) -> None:
            tell(f"{part.key} {item.replica.location}", text)

        return Session(plan=plan, calls=calls, works=items, changed=changed)

    try:
        if this.signer:
            await seal.seal(this, merged.document())
        await asyncio.gather(*(families.families(session(*each)) for each in works))
    finally:
        this.rows = [
            _row(part, row)
            for part, plan, items in works
            for row in rows(plan, items, signals, now(), unsigned=this.unsigned)
        ]


def _row(part: Part, row: ReplicaResult) -> tuple[Part, ReplicaResult]:
    return part, replace(row, key=str(part.key))


def _verified(plan: Plan, now: float) -> list[Work]:
    works = work.start(plan, now)
    for item in works:
        item.verified = True
        item.end(now)
    return works


def _judge(this: Merging) -> Verdict:
    verdict = results.judge([row for _, row in this.rows])
    left_out = this.merged.left_out if this.merged else ()
    if not left_out or verdict.result is not Result.COMPLETE:
        return verdict
    locations = ", ".join(dict.fromkeys(item.location for item in left_out))
    return replace(verdict, result=Result.PARTIAL, reason=f"{verdict.reason}; left out: {locations}")


def _report(this: Merging, verdict: Verdict, document: TextIO | None) -> int:
    plain = [row for _, row in this.rows]
    return told(
        this,
        verdict,
        plain,
        this.written,
        outputs=lambda: _outputs(this, verdict),
        document=lambda: json.dumps(_document(this, verdict)) + "\n",
        stream=document,
        summary=lambda notes: summary.render(verdict, None, plain, notes),
    )


def _outputs(this: Merging, verdict: Verdict) -> dict[str, str]:
    """Every output of merge/action.yml, as the runner's file takes it."""
    told = _document(this, verdict)
    failed = [row.replica.location for _, row in this.rows if row.outcome in {Outcome.FAILED, Outcome.INTERRUPTED}]
    left_out = [item.location for item in this.merged.left_out] if this.merged else []
    return {
        "decision": "replicate",
        "reason": workflow_commands.plain(verdict.reason[: report.LONGEST_REASON]),
        "result": told["result"],
        "images": report.to_json(told["images"]),
        "image_names": report.to_json(
            {key: {at: uri.rpartition("/")[2] for at, uri in found.items()} for key, found in told["images"].items()}
        ),
        "failed_locations": ",".join(dict.fromkeys([*left_out, *failed])),
        "replicas": report.to_json(told["replicas"]),
        **asdict(this.written),
    }


def _document(this: Merging, verdict: Verdict) -> dict[str, Any]:
    """Everything for machines: what `--json` prints."""
    images: dict[str, dict[str, str]] = {}
    for part, row in this.rows:
        if row.outcome.verified and not this.unsigned:
            images.setdefault(str(part.key), {})[row.replica.location] = row.replica.ref.uri
    return {
        "result": str(verdict.result),
        "reason": verdict.reason,
        "exit_code": verdict.exit_code,
        "images": images,
        "replicas": [
            {"architecture": part.key.architecture, "variant": part.key.variant, **report.as_dict(row)}
            for part, row in this.rows
        ],
        **asdict(this.written),
    }


def _problems(texts: Sequence[str]) -> list[errors.InputProblem]:
    return [errors.InputProblem("fragments", text) for text in texts]
