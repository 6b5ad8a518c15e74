"""What a verification found, told: verdict, outputs, document, annotations, log and summary."""

from __future__ import annotations

import json
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
from replicator.runtime import markdown
from replicator.runtime.lifecycle import Conduct, tolerant
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from typing import TextIO

    from replicator.index.image_index import Served
    from replicator.index.verify_signature import Signed
    from replicator.replicas.audit import Finding


#: So many locations are named in one sentence, and shown in the summary; and of each so many characters.
_MOST_NAMED, _MOST_SHOWN, _LONGEST_TEXT = 6, 300, 1000

#: For whoever deploys, then for whoever publishes.
_REMEDIES: dict[int, str] = {
    ExitCode.FAILED: "Deploy none of these images. Their publisher runs the replication again, with its own settings: "
    "it repairs what it can, makes what is missing, and says what to do about the rest. This shows what it would do:",
    ExitCode.UNREACHABLE: "Run this again. If it stays so, see that this identity may read these images.",
}


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
    sources: list[str] = field(default_factory=list)
    """The images that what is verified was copied from, each as a reference."""


def judge(this: Verifying) -> Verdict:
    """What all findings come to."""
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


def _named(finding: Finding) -> str:
    """What was found of which image; an index may know of none."""
    return ": ".join(filter(None, (finding.uri, _state(finding))))


def _told(finding: Finding) -> str:
    return "; ".join([*(str(difference) for difference in finding.differences), *filter(None, [finding.message])])


def tell(this: Verifying, verdict: Verdict, document: TextIO | None) -> int:
    """Tell everybody, and whatever fails, the rest. Returns the exit code."""
    code = verdict.exit_code
    if isinstance(verdict.error, EndpointUnreachable):
        code = ExitCode.UNREACHABLE
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
        _show(this, code)
    with tolerant(this, "summary"):
        this.runner.summary(_summary(this, verdict, code))
    return code or (ExitCode.DEFECT if this.defective else 0)


def _document(this: Verifying, verdict: Verdict, code: int) -> dict[str, Any]:
    """Everything for machines: what `--json` prints."""
    problems: list[str] = []
    if verdict.error:
        bad = isinstance(verdict.error, errors.BadSettings)
        problems = [str(item) for item in verdict.error.problems] if bad else [verdict.error.message]  # type: ignore[attr-defined]
    result = (
        "error" if problems else "correct" if not code else "unreachable" if code == ExitCode.UNREACHABLE else "wrong"
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
        "reason": workflow_commands.plain(verdict.reason[: report.LONGEST_REASON]),
        "image": image.get("uri", ""),
        "image_name": image.get("name", ""),
        "image_id": image.get("id", ""),
        "index_digest": told["index_digest"],
        "signed_by": workflow_commands.plain(signed.get("by", "")),
        "findings": report.to_json(told["findings"]),
    }


def _annotations(this: Verifying, verdict: Verdict, code: int) -> list[Annotation]:
    if not code:
        return [Annotation("notice", "Verified", f"{verdict.reason}.")]
    wrong = (item for item in this.findings if item.state is not State.CORRECT)
    return [Annotation("error", _where(item), f"{_named(item)}. {_told(item)}".strip()) for item in wrong]


def _show(this: Verifying, code: int) -> None:
    if this.signed:
        confirmed = f", as {this.signed.issuer} confirmed" if this.signed.issuer else ""
        this.runner.line(f"{this.signed.digest} was signed by {this.signed.by}{confirmed}")
    this.runner.table(
        [[item.location, item.architecture, _state(item), item.uri, _told(item)] for item in this.findings]
    )
    counts = Counter(item.state for item in this.findings)
    this.runner.line(", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in State if counts[state]))
    for line in _todo(this, code):
        this.runner.line(line)


def _todo(this: Verifying, code: int) -> list[str]:
    """What to do about what was found, and what can be typed."""
    if not this.findings or code not in _REMEDIES:
        return []
    plans = [snippets.plan(source) for source in this.sources] if code == ExitCode.FAILED else []
    return [_REMEDIES[code], *plans]


def _summary(this: Verifying, verdict: Verdict, code: int) -> str:
    head = f"### {'❌' if code else '✅'} {markdown.text(verdict.headline)}\n\n"
    rows = [
        f"| {' | '.join(map(markdown.text, (_where(item), item.uri, _state(item), _told(item)[:_LONGEST_TEXT])))} |\n"
        for item in sorted(this.findings, key=lambda item: item.state is State.CORRECT)[:_MOST_SHOWN]
    ]
    if not rows:
        return head
    more = f"\n… {len(this.findings) - _MOST_SHOWN} more, see the log\n" if len(this.findings) > _MOST_SHOWN else ""
    todo = ""
    if advice := _todo(this, code):
        remedy, *commands = advice
        todo = f"\n**What to do:** {markdown.text(remedy)}\n"
        if commands:
            todo += f"\n{markdown.fence('sh', commands)}"
    return f"{head}| Location | Image | Found | What differs |\n|---|---|---|---|\n{''.join(rows)}{more}{todo}"
