"""A verification from inputs to results: who signed the index → what it says, held against what exists.

Changes nothing. Of an index that somebody else wrote nothing is read, and no image is handed on unless all is right.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator import audit, errors, files, index, lookup, protocol, report, settings, summary, verify_settings
from replicator.actions import Annotation, Runner
from replicator.audit import Finding, State
from replicator.calls import Calls
from replicator.conduct import Conduct, concluded, in_loop, listening, tolerant
from replicator.faults import Credentials
from replicator.model import Result
from replicator.results import EXIT_INTERNAL, Verdict
from replicator.run import connected, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TextIO

    from replicator.conduct import Signals
    from replicator.index import Entry, Index, Served
    from replicator.trust import Signed
    from replicator.verify_settings import VerifyRequest, VerifySettings

#: Minutes in which everything must be read: nothing here waits for copies.
_MINUTES = 10
#: So many locations are named in one sentence, and shown in the summary; and of each so many characters.
_MOST_NAMED, _MOST_SHOWN, _LONGEST_TEXT = 6, 300, 1000
#: The inputs that name files.
_FILES = ("index", "bundle", "attestation", "key", "trusted_root")


@dataclass(kw_only=True)
class Verifying(Conduct):
    """What is known so far: whatever ends it, this is what gets reported."""

    findings: list[Finding] = field(default_factory=list)
    signed: Signed | None = None
    """Who signed the index, where that was asked and is as it must be."""
    digest: str = ""
    """Of the index, as soon as it is believed."""
    image: Served | None = None
    """The one that was asked for; handed on only if all is right."""


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    commands: bool,
    document: TextIO | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Verify, and report whatever happens. Returns the exit code: 0, 1, 4, or that of an error (5 of a signature's).

    The arguments are those of `replicator.run.run`.
    """
    this = Verifying(runner=Runner(env, stdout, commands=commands), env=env)

    def carry_out() -> Verdict:
        if given.get("index"):
            request = verify_settings.load(given, env)
            read = _read(this, request.settings)
            if not request.settings.offline_only:
                in_loop(_against_index(this, request, read, signals), loop_factory)
        else:
            verify_settings.refuse_without_index(given)
            in_loop(_against_settings(this, given, signals), loop_factory)
        return _judge(this)

    with listening() as signals:
        return _report(this, concluded(this, signals, carry_out), document)


def act(given: Mapping[str, str], env: Mapping[str, str], stdout: TextIO, *, commands: bool) -> int:
    """As `run`, for verify/action.yml: an index is needed, and files lie in the workspace or in RUNNER_TEMP."""

    def place(name: str) -> str:
        try:
            return str(files.place(given[name], env))
        except files.Unfit as error:
            problems.append(errors.InputProblem(name, str(error)))
            return given[name]

    problems: list[errors.InputProblem] = []
    given = {name: text.strip() for name, text in given.items()}
    if not given["index"]:
        problems.append(errors.InputProblem("index", "is needed"))
    placed = {name: place(name) for name in _FILES if given[name]}
    if not problems:
        return run({**given, **placed}, env, stdout, commands=commands)
    this = Verifying(runner=Runner(env, stdout, commands=commands), env=env)

    def refuse() -> Verdict:
        raise errors.BadSettings(problems)

    with listening() as signals:
        return _report(this, concluded(this, signals, refuse), None)


def _read(this: Verifying, wanted: VerifySettings) -> Index:
    """The index from the very bytes that were signed, as it must be. Raises SignatureWrong, BadSettings and others."""
    path = Path(wanted.index)
    try:
        data = index.read_bytes(path)
        if wanted.signatures:
            # Who looks at no signature does not pay for its import.
            from replicator import trust

            this.signed = trust.verify(data, wanted.signatures, trust.policy(wanted, this.env))
        read = index.parse(data, path)
    except index.BadIndex as error:
        raise errors.BadSettings([errors.InputProblem("index", str(error))]) from None
    this.digest = index.digest(data)
    this.image = pick(read, wanted)
    return read


def pick(read: Index, wanted: VerifySettings) -> Served | None:
    """The image for an architecture, a variant and a location; None where none is asked for. Raises BadSettings."""
    if not (wanted.architecture or wanted.variant or wanted.location):
        return None
    entry = _entry(read.images, wanted)
    there = _or(entry.locations)
    if not wanted.location:
        raise _wrong("location", f"is needed for an image: {there}")
    if wanted.location not in entry.locations:
        raise _wrong(
            "location", f"'{wanted.location}' is not served by {_named(entry)} of this index, which is in {there}"
        )
    return entry.locations[wanted.location]


def _entry(entries: Iterable[Entry], wanted: VerifySettings) -> Entry:
    """The one entry that is meant."""
    left = list(entries)
    for name in ("architecture", "variant"):
        there = sorted({getattr(entry, name) for entry in left})
        asked = getattr(wanted, name)
        if not asked and len(there) > 1 and "" not in there:
            raise _wrong(name, f"is needed: the index holds {_or(there)}")
        left = [entry for entry in left if getattr(entry, name) == asked or (not asked and len(there) == 1)]
        if not left:
            raise _wrong(name, f"'{asked}' is not in this index, which holds {_or(filter(None, there)) or 'none'}")
    if len(left) > 1:
        raise _wrong("index", f"holds {_named(left[0])} more than once")
    return left[0]


def _named(entry: Entry) -> str:
    return "/".join(filter(None, (entry.architecture, entry.variant)))


def _or(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _wrong(name: str, text: str) -> errors.BadSettings:
    return errors.BadSettings([errors.InputProblem(name, text)])


def _silent(_where: str, _text: str) -> None:
    """Waits of a verification are short, and its output may be read by a machine."""


async def _against_settings(this: Verifying, given: Mapping[str, str], signals: Signals) -> None:
    with signals.cancelling():
        request = settings.load(given, this.env)
        calls = await _calls(this, request.settings.compute_endpoint, anonymous=request.anonymous)
        source = await lookup.read_source(calls, request.source)
        plan = await survey(calls, request.settings, source)
    this.findings = [audit.of_step(plan, step) for step in plan.steps]


async def _against_index(this: Verifying, request: VerifyRequest, read: Index, signals: Signals) -> None:
    with signals.cancelling():
        calls = await _calls(this, request.settings.compute_endpoint, anonymous=request.anonymous)
        try:
            this.findings = await audit.check(calls, read)
        except Credentials as error:
            raise error.error from None
        except errors.Deadline as error:
            raise errors.EndpointUnreachable(error.what) from error


async def _calls(this: Verifying, endpoint: str, *, anonymous: bool) -> Calls:
    compute = await connected(endpoint, this.env, anonymous=anonymous)
    deadline = asyncio.get_running_loop().time() + 60 * _MINUTES
    return Calls(compute, deadline=deadline, tell=_silent, within=f"the {_MINUTES} minutes of a verification")


def _judge(this: Verifying) -> Verdict:
    code = audit.exit_code(this.findings)
    if code:
        wrong = [item for item in this.findings if item.state is not State.CORRECT]
        listed = [f"{_where(item)} {_state(item)}" for item in wrong[:_MOST_NAMED]]
        more = [f"{len(wrong) - _MOST_NAMED} more"] * (len(wrong) > _MOST_NAMED)
        return Verdict(Result.FAILED, code, f"Not all is as it must be: {', '.join([*listed, *more])}")
    images = f"{len(this.findings)} images are as they must be" if this.findings else "no image was looked at"
    signed = f"The index was signed by {this.signed.by}" if this.signed else "No signature was looked at"
    return Verdict(Result.COMPLETE, 0, f"{signed}; {images}")


def _where(finding: Finding) -> str:
    return " ".join(filter(None, (finding.architecture, finding.location)))


def _state(finding: Finding) -> str:
    return finding.state.replace("_", " ")


def _told(finding: Finding) -> str:
    return "; ".join([*(str(difference) for difference in finding.differences), *filter(None, [finding.message])])


def _report(this: Verifying, verdict: Verdict, document: TextIO | None) -> int:
    code = verdict.exit_code
    if isinstance(verdict.error, errors.EndpointUnreachable):
        code = audit.EXIT_UNREACHABLE
    told = _document(this, verdict, code)
    with tolerant(this, "outputs"):
        this.runner.outputs(_outputs(told, verdict))
    if document:
        with tolerant(this, "document"):
            document.write(json.dumps(told) + "\n")
            document.flush()
    with tolerant(this, "annotations"):
        this.runner.annotate([*this.notes, *(_annotations(this, verdict, code) if this.runner.commands else ())])
    with tolerant(this, "log"):
        _show(this)
    with tolerant(this, "summary"):
        this.runner.summary(_summary(this, verdict, code))
    return code or (EXIT_INTERNAL if this.defective else 0)


def _document(this: Verifying, verdict: Verdict, code: int) -> dict[str, Any]:
    """Everything for machines: what `--json` prints."""
    problems: list[str] = []
    if verdict.error:
        bad = isinstance(verdict.error, errors.BadSettings)
        problems = [str(item) for item in verdict.error.problems] if bad else [verdict.error.message]  # type: ignore[attr-defined]
    result = (
        "error" if problems else "correct" if not code else "unreachable" if code == audit.EXIT_UNREACHABLE else "wrong"
    )
    image = this.image if not code else None
    return {
        "result": result,
        "index_digest": this.digest,
        "signed": asdict(this.signed) if this.signed else None,
        "image": image.model_dump(include={"uri", "project", "name", "id"}) if image else None,
        "findings": [audit.as_dict(item) for item in this.findings],
        "problems": problems,
    }


def _outputs(told: dict[str, Any], verdict: Verdict) -> dict[str, str]:
    """Every output of verify/action.yml, as the runner's file takes it."""
    image, signed = told["image"] or {}, told["signed"] or {}
    return {
        "result": told["result"],
        "reason": protocol.plain(verdict.reason[: report.LONGEST_REASON]),
        "image": image.get("uri", ""),
        "image_name": image.get("name", ""),
        "image_id": image.get("id", ""),
        "index_digest": told["index_digest"],
        "signed_by": protocol.plain(signed.get("by", "")),
        "findings": report.to_json(told["findings"]),
    }


def _annotations(this: Verifying, verdict: Verdict, code: int) -> list[Annotation]:
    if not code:
        return [Annotation("notice", "Verified", f"{verdict.reason}.")]
    wrong = (item for item in this.findings if item.state is not State.CORRECT)
    return [Annotation("error", _where(item), f"{item.uri} is {_state(item)}. {_told(item)}".strip()) for item in wrong]


def _show(this: Verifying) -> None:
    if this.signed:
        confirmed = f", as {this.signed.issuer} confirmed" if this.signed.issuer else ""
        this.runner.line(f"{this.signed.digest} was signed by {this.signed.by}{confirmed}")
    this.runner.table(
        [[item.location, item.architecture, _state(item), item.uri, _told(item)] for item in this.findings]
    )
    counts = Counter(item.state for item in this.findings)
    this.runner.line(", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in State if counts[state]))


def _summary(this: Verifying, verdict: Verdict, code: int) -> str:
    head = f"### {'❌' if code else '✅'} {summary.text(verdict.headline)}\n\n"
    rows = [
        f"| {' | '.join(map(summary.text, (_where(item), item.uri, _state(item), _told(item)[:_LONGEST_TEXT])))} |\n"
        for item in sorted(this.findings, key=lambda item: item.state is State.CORRECT)[:_MOST_SHOWN]
    ]
    if not rows:
        return head
    more = f"\n… {len(this.findings) - _MOST_SHOWN} more, see the log\n" if len(this.findings) > _MOST_SHOWN else ""
    return f"{head}| Location | Image | Found | What differs |\n|---|---|---|---|\n{''.join(rows)}{more}"
