"""Reports what a verification found: verdict, outputs, document, annotations, log and summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from replicator.bootstrap import workflow_commands
from replicator.compute.errors import EndpointUnreachable
from replicator.core import errors
from replicator.core.errors import ExitCode
from replicator.core.replicas import Result
from replicator.replicas import audit, report, snippets
from replicator.replicas.audit import State
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from replicator.index.image_index import Served
    from replicator.index.verify_signature import Signed
    from replicator.replicas.audit import Finding
    from replicator.runtime.runner import Runner


#: How many locations one sentence names.
_MOST_NAMED = 6

_UNREACHABLE = "Run this again. If that doesn't help, check that this identity may read these images."
_TO_DEPLOYERS = (
    "Deploy none of these images. Their publisher should run the replication again, with its own settings: it repairs "
    "what it can, makes what is missing, and says what to do about the rest. This shows what it would do:"
)
_TO_PUBLISHERS = (
    "Run the replication again with the same settings: it repairs what it can, makes what is missing, and says what to "
    "do about the rest. This shows what it would do:"
)


@dataclass(kw_only=True)
class Known:
    """What a verification knows so far, which is reported however it ends."""

    findings: list[Finding] = field(default_factory=list)
    signed: Signed | None = None
    """Who signed the index, once its signature is verified."""
    digest: str = ""
    """The digest of the index, once it is verified and parsed."""
    image: Served | None = None
    """The image that was asked for; output only if everything is correct."""
    plans: list[list[str]] = field(default_factory=list)
    """The commands, in words, that show what a replication would do about what is wrong."""
    of_publisher: bool = False
    """Whether it is the publisher who asks, who has the settings; without them it is one who deploys."""


def judge(known: Known) -> Verdict:
    """Return the verdict on all findings."""
    code = audit.exit_code(known.findings)
    if code:
        wrong = [item for item in known.findings if item.state is not State.CORRECT]
        listed = [f"{where(item)} {state(item)}" for item in wrong[:_MOST_NAMED]]
        more = [f"{len(wrong) - _MOST_NAMED} more"] * (len(wrong) > _MOST_NAMED)
        return Verdict(Result.FAILED, code, f"Not everything is correct: {', '.join([*listed, *more])}")
    images = f"{len(known.findings)} images are correct" if known.findings else "no image was checked"
    signed = f"The index was signed by {known.signed.by}" if known.signed else "No signature was checked"
    marked = [where(item) for item in known.findings if item.deprecated]
    others = [f"{len(marked) - _MOST_NAMED} more"] * (len(marked) > _MOST_NAMED)
    held = f"; marked DEPRECATED, or their source is: {', '.join([*marked[:_MOST_NAMED], *others])}" if marked else ""
    return Verdict(Result.COMPLETE, 0, f"{signed}; {images}{held}")


def where(finding: Finding) -> str:
    """Return the architecture, where there are several, and the location."""
    return " ".join(filter(None, (finding.architecture, finding.location)))


def state(finding: Finding) -> str:
    """Return the state in words."""
    return finding.state.replace("_", " ")


def _named(finding: Finding) -> str:
    """Say which image was found in which state; the image is left out if the index names none."""
    return ": ".join(filter(None, (finding.uri, state(finding))))


def told_of(finding: Finding) -> str:
    """Return what differs, and what else is to be said."""
    return "; ".join([*(str(difference) for difference in finding.differences), *filter(None, [finding.told])])


def exit_code(verdict: Verdict) -> int:
    """Return the exit code: the verdict's, but 4 if the API didn't answer, since no image is known to be wrong."""
    return ExitCode.UNREACHABLE if isinstance(verdict.error, EndpointUnreachable) else verdict.exit_code


def document(known: Known, verdict: Verdict) -> dict[str, Any]:
    """Return the results for machines: what `--json` prints."""
    problems: list[str] = []
    code = exit_code(verdict)
    if verdict.error:
        bad = isinstance(verdict.error, errors.BadSettings)
        problems = [str(item) for item in verdict.error.problems] if bad else [verdict.error.message]  # type: ignore[attr-defined]
    result = (
        "error" if problems else "correct" if not code else "unreachable" if code == ExitCode.UNREACHABLE else "wrong"
    )
    image = known.image if not code else None
    return {
        "result": result,
        "index_digest": known.digest,
        "signed": asdict(known.signed) if known.signed else None,
        "image": image.model_dump(include={"uri", "project", "name", "id"}) if image else None,
        "findings": [audit.as_dict(item) for item in known.findings],
        "problems": problems,
    }


def outputs(known: Known, verdict: Verdict) -> dict[str, str]:
    """Return every output of verify/action.yml, as text."""
    told = document(known, verdict)
    image, signed = told["image"] or {}, told["signed"] or {}
    return {
        "result": told["result"],
        "reason": workflow_commands.plain(verdict.reason[: report.LONGEST_REASON]),
        "image": image.get("uri", ""),
        "image_name": image.get("name", ""),
        "image_id": image.get("id", ""),
        "index_digest": told["index_digest"],
        "signed_by": workflow_commands.plain(signed.get("by", "")),
        "findings": report.to_json(told["findings"]),
    }


def remarks(known: Known, verdict: Verdict) -> list[Annotation]:
    """Return an error for each image that isn't correct, or one notice."""
    if not exit_code(verdict):
        marked = dict.fromkeys(item.deprecated for item in known.findings if item.deprecated)
        warning = f"{' '.join(marked)} refuse_deprecated: true refuses such images."
        return [
            Annotation("notice", "Verified", f"{verdict.reason}."),
            *([Annotation("warning", "Held back", warning)] if marked else []),
        ]
    wrong = (item for item in known.findings if item.state is not State.CORRECT)
    return [Annotation("error", where(item), f"{_named(item)}. {told_of(item)}".strip()) for item in wrong]


def show(runner: Runner, known: Known, verdict: Verdict, program: str) -> None:
    """Print the findings as a table, and what to do."""
    if known.signed:
        confirmed = f", as {known.signed.issuer} confirmed" if known.signed.issuer else ""
        runner.line(f"{known.signed.digest} was signed by {known.signed.by}{confirmed}")
    rows = [[item.location, item.architecture, state(item), item.uri, told_of(item)] for item in known.findings]
    runner.table(rows, spare=(1,) if len({item.architecture for item in known.findings}) == 1 else ())
    counts = Counter(item.state for item in known.findings)
    runner.line(", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in State if counts[state]))
    for line in todo(known, exit_code(verdict), program):
        runner.line(line)


def todo(known: Known, code: int, program: str) -> list[str]:
    """Return what to do about the findings, then commands to type."""
    if not known.findings or code not in {ExitCode.FAILED, ExitCode.UNREACHABLE}:
        return []
    if code == ExitCode.UNREACHABLE:
        return [_UNREACHABLE]
    plans = [line for words in known.plans for line in snippets.typed(program, words)]
    return [_TO_PUBLISHERS if known.of_publisher else _TO_DEPLOYERS, *plans]
