"""Reports which image was found: the answer in each form, outputs, document, warnings, summary."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from replicator.bootstrap import workflow_commands
from replicator.commands.resolve import candidates
from replicator.commands.resolve import errors as own
from replicator.core import errors
from replicator.core.errors import ExitCode
from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.commands.resolve.candidates import Candidate, PassedOver
    from replicator.core.images import Image
    from replicator.runtime.verdict import Verdict

_SELF_LINK = "https://www.googleapis.com/compute/v1/"
_LONGEST_REASON = 1000
_RESULTS = {
    own.NO_REPLICA.title: "no_replica",
    own.PASSED_OVER_ALL.title: "passed_over_all",
    own.DIGEST_DIFFERS.title: "digest_differs",
    own.PLACE_UNKNOWN.title: "place_unknown",
}
_BY_EXIT_CODE = {ExitCode.UNREACHABLE: "unreachable", ExitCode.SIGNATURE_WRONG: "signature_wrong"}


@dataclass(kw_only=True)
class Known:
    """What a run knows so far, which is reported however it ends."""

    format: str = "text"
    place: str = ""
    """The region or multi-region that the image is for."""
    order: list[Candidate] = field(default_factory=list)
    """All candidates, nearest first, those that `fallback` forbids included."""
    passed_over: list[PassedOver] = field(default_factory=list)
    chosen: Candidate | None = None
    image: Image | None = None
    """The chosen image as it was read; None if nothing was asked."""
    variant: str = ""
    source: str = ""
    """What the chosen image is a copy of: the source that the index names, or the family that was given."""
    index_digest: str = ""
    signed_by: str = ""
    warns_deprecated: bool = True
    """Whether to tell of an image that is marked DEPRECATED."""


def result(verdict: Verdict) -> str:
    """Return the output `result`: `resolved`, or why not."""
    if not verdict.exit_code:
        return "resolved"
    named = _RESULTS.get(verdict.error.title, "") if verdict.error else ""
    return named or _BY_EXIT_CODE.get(exit_code(verdict), "error")  # type: ignore[call-overload]


def exit_code(verdict: Verdict) -> int:
    """Return the exit code: the verdict's, but 4 if the API didn't answer, since no image is known to be wrong."""
    if not verdict.error:
        return verdict.exit_code
    # Others don't pay for its import.
    from replicator.compute.errors import EndpointUnreachable

    return ExitCode.UNREACHABLE if isinstance(verdict.error, EndpointUnreachable) else verdict.exit_code


def document(known: Known, verdict: Verdict) -> dict[str, Any]:
    """Return the results for machines: what `--format json` prints."""
    chosen = known.chosen if not verdict.exit_code else None
    offer, image = (chosen.offer, known.image) if chosen else (None, None)
    bad = isinstance(verdict.error, errors.BadSettings)
    problems = [str(item) for item in verdict.error.problems] if bad else []  # type: ignore[union-attr]
    return {
        "schema": 1,
        "result": result(verdict),
        "image": offer.ref.uri if offer else "",
        "self_link": f"{_SELF_LINK}{offer.ref.uri}" if offer else "",
        "id": offer.id if offer else "",
        "location": chosen.location if chosen else "",
        "place": known.place,
        "tier": chosen.ranked.tier if chosen else None,
        "km": chosen.ranked.km if chosen else None,
        "reason": verdict.reason,
        "architecture": offer.architecture if offer else "",
        "variant": known.variant,
        "family": (offer.family or None) if offer else None,
        "deprecated": image.deprecated if image else "",
        "replacement": image.replacement if image else "",
        "index_digest": known.index_digest,
        "signed_by": known.signed_by,
        "verified": image is not None,
        "passed_over": [
            {"location": item.location, "image": item.image, "why": item.why} for item in known.passed_over
        ],
        "order": [
            {"location": item.location, "image": item.offer.ref.uri, "tier": item.ranked.tier, "km": item.ranked.km}
            for item in known.order
        ],
        "problems": problems or ([verdict.error.message] if verdict.error else []),
    }


def outputs(known: Known, verdict: Verdict) -> dict[str, str]:
    """Return every output of resolve/action.yml, as text."""
    told = document(known, verdict)
    return {
        "result": told["result"],
        "reason": workflow_commands.plain(verdict.reason[:_LONGEST_REASON]),
        "image": told["image"],
        "image_name": told["image"].rpartition("/")[2],
        "image_id": told["id"],
        "location": told["location"],
        "tier": _number(told["tier"]),
        "km": _number(told["km"]),
    }


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def answer(known: Known, verdict: Verdict) -> str:
    """Return what goes to stdout: nothing without an image, but a document in the form `json`."""
    told = document(known, verdict)
    if known.format == "json":
        return json.dumps(told) + "\n"
    if not told["image"]:
        return ""
    if known.format in {"text", "uri"}:
        return f"{told['image']}\n"
    if known.format == "shell":
        variables = {"IMAGE": told["image"], "IMAGE_ID": told["id"], "IMAGE_LOCATION": told["location"]}
        return "".join(f"{name}={_shell(value)}\n" for name, value in variables.items())
    if known.format == "tf-external":
        texts = {name: value for name, value in told.items() if isinstance(value, str)}
        return json.dumps({**texts, "family": told["family"] or ""}) + "\n"
    return ""


def _shell(value: str) -> str:
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def remarks(known: Known, verdict: Verdict, *, commands: bool) -> list[Annotation]:
    """Return a warning for each thing that people should act on, and in a job the choice as a notice."""
    found = [
        Annotation("warning", item.location, f"{item.image} was passed over: {item.why}.") for item in known.passed_over
    ]
    chosen, image = known.chosen, known.image
    if verdict.exit_code or chosen is None:
        return found
    if image and image.deprecated and known.warns_deprecated:
        named = f" {image.replacement} is named in its place." if image.replacement else ""
        found.append(Annotation("warning", "Held back", f"{image.ref} is marked {image.deprecated}.{named}"))
    if known.format == "uri":
        return found
    if known.place and (strange := candidates.strangeness(known.place)):
        found.append(Annotation("warning", "Place", strange))
    if chosen.ranked.tier > 1:
        found.append(Annotation("warning", "Far away", f"{verdict.reason}. {_cure(known)}"))
    if commands and known.format == "github":
        found.append(Annotation("notice", "Resolved", f"{chosen.offer.ref}: {verdict.reason}."))
    return found


def _cure(known: Known) -> str:
    """Return the line by which the publisher adds a replica in the place."""
    wanted = ",".join(sorted({item.location for item in known.order} | {known.place}))
    return (
        "Reading from afar is slower, and said to be billed as transfer. Its publisher adds a replica by: "
        f"gce-image-replicator replicate --source-image={shlex.quote(known.source)} --locations={wanted}"
    )


def lines(known: Known, verdict: Verdict) -> Sequence[str]:
    """Return what the log says of the choice, for people."""
    if known.format in {"uri", "github"} or verdict.exit_code or known.chosen is None:
        return []
    checked = "the image was read and is right" if known.image else "nothing was asked: the index alone says so"
    return [f"{verdict.reason}; {checked}."]


def summary(known: Known, verdict: Verdict) -> str:
    """Render the choice and the order as a table, for the summary of a job."""
    if known.format != "github":
        return ""
    # Only a job has a summary.
    from replicator.runtime import markdown

    head = f"### {'❌' if verdict.exit_code else '✅'} {markdown.text(verdict.headline)}\n\n"
    why = {item.location: item.why for item in known.passed_over}
    chosen = known.chosen.location if known.chosen and not verdict.exit_code else ""
    rows = [
        f"| {markdown.text(item.location)} | {markdown.code(item.offer.ref.uri)} | {_number(item.ranked.km)} "
        f"| {'**chosen**' if item.location == chosen else markdown.shortened(why.get(item.location, ''))} |"
        for item in known.order
    ]
    if not rows:
        return head
    table = markdown.cut(rows, "\n… {} more")
    return head + "| Location | Image | km | |\n|---|---|---|---|\n" + "\n".join(table) + "\n"
