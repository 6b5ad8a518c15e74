"""`replicator verify`: what exists held against an index, or against a source and settings. Changes nothing.

Where there is a signature over the index, that comes first: of an index that somebody else wrote nothing is read.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator import access, errors, faults, index, lookup, settings, trust, verify
from replicator.actions import Runner
from replicator.calls import Calls
from replicator.faults import Credentials, Refusal
from replicator.model import Action, Difference, Image, ImageRef, Lineage
from replicator.run import connect, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

    from replicator.index import Entry, Index, Served
    from replicator.model import Existing, Plan, Policy, Replica, Step
    from replicator.trust import Signed

EXIT_WRONG = 1
EXIT_UNREACHABLE = 4
_NO_ANSWER = (errors.EndpointUnreachable, errors.TokenServiceSilent)
#: Seconds in which everything must be read: nothing here waits for copies.
_TIME = 600.0


class State(StrEnum):
    """How one location was found."""

    CORRECT = "correct"
    DRIFTED = "drifted"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    """It could not be read, which says nothing about it."""
    UNPROVEN = "unproven"
    NOT_PROMOTED = "not_promoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One location of one architecture: how it was found, and each difference by field."""

    location: str
    uri: str
    state: State
    architecture: str = ""
    differences: tuple[Difference, ...] = ()
    message: str = ""


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    index_file: str,
    as_json: bool,
    offline_only: bool = False,
) -> int:
    """Verify and say what was found. Returns the exit code: 0, 1, 4, or that of an error (5 of a signature's).

    `given` holds the options about signatures, too. `offline_only`: nothing but the signature is verified.
    """
    runner = Runner(env, stdout, commands=False)
    findings: list[Finding] = []
    problems: list[str] = []
    signed: Signed | None = None
    try:
        policy = trust.policy({**given, "index": index_file}, offline=offline_only)
        if not index_file:
            findings = asyncio.run(_against_settings(given, env))
        else:
            read, signed = _read(Path(index_file), given, policy)
            findings = [] if offline_only else asyncio.run(_against_index(given, env, read))
        code = exit_code(findings)
    except errors.ReplicatorError as error:
        problems = [str(item) for item in error.problems] if isinstance(error, errors.BadSettings) else [error.message]
        code = EXIT_UNREACHABLE if isinstance(error, errors.EndpointUnreachable) else error.exit_code
    except Exception as error:  # noqa: BLE001 - a defect must not look like drift
        unforeseen = errors.Unforeseen(f"{type(error).__name__}: {error}")
        problems, code = [unforeseen.message], unforeseen.exit_code
    if as_json:
        result = "error" if problems else "wrong" if code else "correct"
        document = {
            "result": result,
            "signed": asdict(signed) if signed else None,
            "findings": [as_dict(item) for item in findings],
            "problems": problems,
        }
        stdout.write(json.dumps(document) + "\n")
        return code
    if signed:
        confirmed = f", as {signed.issuer} confirmed" if signed.issuer else ""
        runner.line(f"{signed.digest} was signed by {signed.by}{confirmed}")
    for problem in problems:
        runner.line(f"error: {problem}")
    rows = [
        [item.location, item.architecture, item.state.replace("_", " "), item.uri, _told(item)] for item in findings
    ]
    runner.table(rows)
    counts = {state: sum(item.state is state for item in findings) for state in State}
    runner.line(", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items() if count))
    return code


def exit_code(findings: Iterable[Finding]) -> int:
    """What is known to be wrong counts before what could not be read."""
    states = {item.state for item in findings}
    if states & {State.DRIFTED, State.MISSING, State.UNPROVEN, State.NOT_PROMOTED}:
        return EXIT_WRONG
    return EXIT_UNREACHABLE if State.UNREACHABLE in states else 0


def as_dict(finding: Finding) -> dict[str, Any]:
    """One finding for machines."""
    return {
        "location": finding.location,
        "architecture": finding.architecture,
        "uri": finding.uri,
        "state": str(finding.state),
        "differences": [
            {"field": item.field, "wanted": item.wanted, "found": item.found} for item in finding.differences
        ],
        "message": finding.message,
    }


def of_step(plan: Plan, step: Step) -> Finding:
    """What a plan's step says of its location: whatever the plan would do is what is wrong."""
    found = partial(
        Finding, location=step.replica.location, uri=step.replica.ref.uri, architecture=plan.source.architecture
    )
    error = step.error
    if step.action is Action.COPY:
        return found(state=State.MISSING)
    if error and not step.existing:
        return found(state=State.UNREACHABLE, message=error.message)
    if step.existing and step.action in {Action.REFUSE, Action.WAIT, Action.REPLACE}:
        state = State.UNPROVEN if isinstance(error, errors.Unproven) else State.DRIFTED
        differences = unfit(plan.source, step.replica, step.existing)
        return found(state=state, differences=differences, message=error.message if error else "")
    only_family = step.changes and all(change.field == "family" for change in step.changes)
    state = State.NOT_PROMOTED if only_family else State.DRIFTED
    return found(state=state if step.changes else State.CORRECT, differences=step.changes)


def unfit(source: Image, replica: Replica, existing: Existing) -> tuple[Difference, ...]:
    """Why an image can't be the replica as it is: another origin, another place, its state, or what it holds."""
    image, ours = existing.image, existing.lineage is Lineage.OURS
    basic = _different(
        ("sourceImageId", source.id, image.source_image_id) if not ours else ("", "", ""),
        ("storageLocations", replica.location, ", ".join(image.storage_locations)),
        ("status", "READY", image.status),
        _deprecated(image),
    )
    content = verify.content(source, replica, image) if ours and image.status == "READY" else ()
    return tuple({each.field: each for each in (*basic, *content)}.values())


def of_entry(
    entry: Entry, location: str, served: Served, image: Image | errors.ReplicaError | None, policy: Policy | None
) -> Finding:
    """One entry of an index against the image under its name."""
    found = partial(Finding, location=location, uri=served.uri, architecture=entry.architecture)
    if image is None:
        return found(state=State.MISSING)
    if isinstance(image, errors.ReplicaError):
        return found(state=State.UNREACHABLE, message=image.message)
    differences = _different(
        ("id", served.id, image.id),
        ("sourceImageId", served.source_image_id, image.source_image_id),
        ("status", "READY", image.status),
        ("storageLocations", location, ", ".join(image.storage_locations)),
        ("architecture", entry.architecture, image.architecture or "ARCHITECTURE_UNSPECIFIED"),
        ("diskSizeGb", served.disk_size_gb, str(image.disk_size_gb)),
        _deprecated(image),
        *((f"labels.{key}", value, image.labels.get(key)) for key, value in sorted(served.labels.items())),
        *([("access", "public", access.found(policy))] if served.public else []),
    )
    if differences:
        return found(state=State.DRIFTED, differences=differences)
    if served.family and image.family != served.family:
        return found(state=State.NOT_PROMOTED, differences=(Difference("family", served.family, image.family),))
    return found(state=State.CORRECT)


def _different(*compared: tuple[str, str, str | None]) -> tuple[Difference, ...]:
    """Those of (field, wanted, found) that differ."""
    return tuple(
        Difference(field, wanted or "(empty)", found or "nothing")
        for field, wanted, found in compared
        if wanted != found
    )


def _deprecated(image: Image) -> tuple[str, str, str]:
    """An image that is DEPRECATED can still be used."""
    return ("deprecated", "", "" if image.deprecated == "DEPRECATED" else image.deprecated)


def _told(finding: Finding) -> str:
    return "; ".join([*(str(difference) for difference in finding.differences), *filter(None, [finding.message])])


def _silent(_where: str, _text: str) -> None:
    """Waits of a verification are short, and its output may be read by a machine."""


async def _against_settings(given: Mapping[str, str], env: Mapping[str, str]) -> list[Finding]:
    request = settings.load(given, env)
    compute = connect(request.settings.compute_endpoint, env, anonymous=request.anonymous)
    calls = Calls(compute, deadline=asyncio.get_running_loop().time() + _TIME, tell=_silent)
    source = await lookup.read_source(calls, request.source)
    plan = await survey(calls, request.settings, source)
    return [of_step(plan, step) for step in plan.steps]


def _read(path: Path, given: Mapping[str, str], policy: trust.Policy | None) -> tuple[Index, Signed | None]:
    """The index, and who signed the very bytes that it was read from."""
    try:
        data = index.read_bytes(path)
        signed = trust.verify(data, given, policy) if policy else None
        return index.parse(data, path), signed
    except index.BadIndex as error:
        raise errors.BadSettings([errors.InputProblem("index", str(error))]) from None


async def _against_index(given: Mapping[str, str], env: Mapping[str, str], read: Index) -> list[Finding]:
    endpoint, anonymous = settings.load_connection(given, env)
    calls = Calls(
        connect(endpoint, env, anonymous=anonymous), deadline=asyncio.get_running_loop().time() + _TIME, tell=_silent
    )
    try:
        return await _check(calls, read)
    except Credentials as error:
        raise error.error from None
    except errors.Deadline as error:
        raise errors.EndpointUnreachable(error.what) from error


async def _check(calls: Calls, read: Index) -> list[Finding]:
    seen = await look(calls, read.images, await lookup.read_images(calls, named(read.images)))
    lacking = [
        Finding(location=location, uri="", state=State.MISSING, architecture=entry.architecture)
        for entry in read.images
        for location in entry.wanted_locations
        if location not in entry.locations
    ]
    return [*(item.finding for item in seen), *lacking]


def named(entries: Iterable[Entry]) -> list[ImageRef]:
    """The images that entries of an index name as serving a location."""
    return [served.ref for entry in entries for served in entry.locations.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an index says of one location, and what was found."""

    entry: Entry
    location: str
    served: Served
    image: Image | errors.ReplicaError | None
    policy: Policy | None
    """Read where the index says that the image is public."""

    @property
    def finding(self) -> Finding:
        """The one held against the other."""
        return of_entry(self.entry, self.location, self.served, self.image, self.policy)


async def look(
    calls: Calls, entries: Iterable[Entry], images: Mapping[ImageRef, Image | errors.ReplicaError]
) -> list[Seen]:
    """Each location of each entry beside its image, with the policy of those that are said to be public."""
    served = [(entry, location, image) for entry in entries for location, image in sorted(entry.locations.items())]
    return await asyncio.gather(*(_look_at(calls, *item, images) for item in served))


async def _look_at(
    calls: Calls, entry: Entry, location: str, served: Served, images: Mapping[ImageRef, Image | errors.ReplicaError]
) -> Seen:
    ref = served.ref
    image = images.get(ref)
    policy = None
    if served.public and isinstance(image, Image):
        doing = f"Reading who may use {ref}"
        try:
            policy = await calls(calls.compute.get_policy(ref), doing=doing, where=location, patience=lookup.PATIENCE)
        except Refusal as refusal:
            image = faults.error_of(refusal, doing=doing)
    return Seen(entry=entry, location=location, served=served, image=image, policy=policy)
