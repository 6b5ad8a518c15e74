"""Says how near the emulator is to the service, method by method.

`python -m emulator.compute.fidelity` prints FIDELITY.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.compute.discovery import DOCUMENT
from emulator.core.discovery.document import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS = {
    "documented": "the discovery document or Google's documentation says so",
    "read in source": "a client or tool that works with the service is written for it",
    "measured": "recorded from the service or from an unmodified client, or reported by users of the service",
    "guessed": "nobody has confirmed it",
}


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One thing that the emulator does; `switch` turns a guess round."""

    text: str
    tag: str
    switch: str = ""
    differs: bool = False


def _all(tag: str, *texts: str) -> tuple[Behaviour, ...]:
    return tuple(Behaviour(text=text, tag=tag) for text in texts)


def _guess(text: str, switch: str) -> tuple[Behaviour, ...]:
    return (Behaviour(text=text, tag="guessed", switch=switch),)


def _differs(text: str, tag: str = "documented") -> tuple[Behaviour, ...]:
    return (Behaviour(text=text, tag=tag, differs=True),)


_PENDING = _guess("A PENDING image may be changed and deleted.", "pending_changes")
_CHANGE = (*_guess("It shows at once, before its operation has ended.", "changes_visible"), *_PENDING)
_LIST = (
    *_all("documented", "Filters in both languages, 500 a page at most, order by name or newest first."),
    *_all("measured", "gcloud's `returnPartialSuccess` is accepted."),
    *_all("documented", "In filters OR binds tighter than AND (AIP-160, which the document names)."),
    *_guess("In filters `=` minds case.", "filter_case"),
    *_guess("In filters `:` finds a part of a text.", "filter_has"),
    *_differs("Regular expressions in filters are Python's, not RE2's."),
)
_FAMILY = (
    *_all("documented", "The newest image that is not deprecated, wherever it is stored."),
    *_guess("A PENDING image heads no family.", "pending_heads_family"),
)

EVERYWHERE = (
    *_all(
        "documented", "Parameters, bodies and the emulator's own answers are checked against the discovery document."
    ),
    *_all("measured", "Errors have `code`, `message` and `errors` with `message`, `domain`, `reason`."),
    *_all("measured", "Links are of `www.googleapis.com`; references may have any host, or none."),
    *_all("measured", "With principals: 401 `authError` for strangers, 403 `forbidden` naming the permission."),
    *_all("documented", "Quotas per minute start anew with each minute: 403 `rateLimitExceeded`."),
    *_all("read in source", "The wording of a quota per minute is the one Terraform's provider looks for."),
    *_guess("The form of a request is looked at before its sender's permission.", "first_check"),
    *_guess("Without permission, an image that does not exist is 403.", "forbidden_missing"),
    *_guess("Unknown fields of a body are refused.", "unknown_fields"),
    *_guess("Output-only fields of a body are refused.", "read_only_fields"),
    *_guess("A request id whose operation failed gives that operation again.", "failed_request_id"),
    *_differs("`fields`, `callback` and other formats than JSON are answered 501."),
    *_differs("Times carry -08:00 the whole year.", "measured"),
)

METHODS: dict[str, tuple[Behaviour, ...]] = {
    "compute.images.insert": (
        *_all(
            "documented", "Exactly one source; one storage location; a repeated `requestId` gives the same operation."
        ),
        *_all("measured", "409 `alreadyExists`; 400 `resourceNotReady` for a source that is PENDING."),
        *_all(
            "measured",
            "Too many copies of one source: the operation ends with `RESOURCE_OPERATION_RATE_EXCEEDED`, 403.",
        ),
        *_all("measured", "A location the organisation forbids: 412 `conditionNotMet`."),
        *_all(
            "read in source",
            "A copy inherits licences, guest features, architecture, shielded state and sizes; "
            "not family, description, labels, deprecation, policy.",
        ),
        *_guess("A source that does not exist is 404 `notFound`.", "missing_source"),
        *_guess("Licences and guest features of the request join the source's.", "source_features"),
        *_guess("Dual regions such as `nam4` are refused.", "dual_regions"),
        *_guess("An image above the quota is refused at once.", "images_quota"),
        *_guess("After the form, these are checked in this order: name, source, location, quota.", "insert_checks"),
        *_guess("A FAILED source is refused like a PENDING one.", "failed_source"),
        *_guess("A copy may not be smaller than its source.", "smaller_copy"),
        *_guess("`copies_per_source` is counted for each source, whoever copies it.", "copies_counted"),
        *_guess("Copies that began and failed do not count against `copies_per_source`.", "failed_copies"),
        *_differs("Every disk, snapshot and file exists, and makes an image of 10 GB in `us` where nothing is said."),
        *_differs("Of a customer's key only the hash is kept; nothing is checked."),
    ),
    "compute.images.get": _all("documented", "By name or by id."),
    "compute.images.list": _LIST,
    "compute.images.patch": (
        *_all("documented", "Changes family, description and deprecation; null or an empty text clears."),
        *_guess("Another value for any other field is refused.", "patched_fields"),
        *_CHANGE,
    ),
    "compute.images.setLabels": (
        *_all("documented", "Replaces all labels; a stale fingerprint is 412 `conditionNotMet`."),
        *_all("measured", "Its operation is DONE at once."),
        *_all("documented", "A fingerprint is a hash of the labels; which one, clients need not know."),
        *_PENDING,
    ),
    "compute.images.deprecate": (
        *_all("documented", "Sets or, with `{}`, clears the deprecation; times are informational."),
        *_CHANGE,
    ),
    "compute.images.delete": (*_all("documented", "Copies stay."), *_CHANGE),
    "compute.images.getFromFamily": _FAMILY,
    "compute.imageFamilyViews.get": (*_FAMILY, *_differs("Roll-outs by zone do not exist.")),
    "compute.images.getIamPolicy": _all("documented", "Conditions are shown from version 3 on, and else disguised."),
    "compute.images.setIamPolicy": (
        *_all("documented", "Replaces the whole policy; etags are compared decoded."),
        *_all("measured", "`allUsers` is refused, `allAuthenticatedUsers` accepted."),
        *_guess("A stale etag is 412 `conditionNotMet`.", "stale_etag"),
        *_guess(
            "A member of a domain that the organisation forbids is 400 `failedPrecondition`, naming the constraint.",
            "foreign_domain",
        ),
        *_guess("Members of such a domain who are there already may stay.", "known_members"),
    ),
    "compute.images.testIamPermissions": (
        *_all("documented", "Answers with those of the permissions that the caller has."),
        *_differs("Without principals in the scenario, everybody has all."),
    ),
    "compute.globalOperations.get": (
        *_all(
            "measured",
            "The first answer is RUNNING; a failed operation has `error`, and HTTP fields where it has a status.",
        ),
        *_differs("Finished operations are kept until a reset (the service: an hour to two weeks)."),
    ),
    "compute.globalOperations.wait": (
        *_all("documented", "Answers when the operation ends, or after two minutes."),
        *_guess("It counts as one read against the quota per minute.", "wait_quota"),
        *_differs("It never answers early (the service may)."),
    ),
    "compute.globalOperations.list": _LIST,
    "compute.globalOperations.aggregatedList": (*_LIST, *_differs("There are operations in the global scope only.")),
    "compute.globalOperations.delete": _all("documented", "Forgets the record; what it does goes on."),
}


def page() -> str:
    """FIDELITY.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    api = compiled(DOCUMENT)
    yield "# How near the emulator is to the service\n"
    yield f"Made by `python -m emulator.compute.fidelity` from Compute v1, revision {api.revision}; do not edit."
    yield "Nothing here was checked against the live service by this project. Where a behaviour is from:\n"
    yield from (f"- *{tag}*: {meaning}" for tag, meaning in TAGS.items())
    yield "\nEvery guess is a switch, and can be turned round in a scenario (`switches`).\n\n## Supported\n"
    yield "| method | | behaviour | from | switch |\n|---|---|---|---|---|"
    for method, behaviours in {"every method": EVERYWHERE, **METHODS}.items():
        for index, each in enumerate(behaviours):
            name = "" if index else (f"`{method}`" if "." in method else method)
            switch = f"`{each.switch}`" if each.switch else ""
            yield f"| {name} | {'differs' if each.differs else ''} | {each.text} | {each.tag} | {switch} |"
    others = [method.id for method in api.methods.values() if not method.emulated]
    yield f"\n## Unsupported\n\nThe other {len(others)} methods of the document are answered 501; of these resources:\n"
    counts = Counter(each.removeprefix("compute.").rpartition(".")[0] for each in others)
    yield ", ".join(f"{resource} ({count})" for resource, count in sorted(counts.items())) + "."


if __name__ == "__main__":
    sys.stdout.write(page())
