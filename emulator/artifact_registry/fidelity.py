"""Says how near the emulator is to Artifact Registry, method by method; `emulator.fidelity` writes it as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.artifact_registry.discovery import DOCUMENT
from emulator.core.discovery.document import compiled
from emulator.core.fidelity import NOTHING, Behaviour, Measured, all_of, differs, guess, seen, sources, supported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EVERYWHERE = (
    *all_of("documented",
        "Parameters, bodies and the emulator's own answers are checked against the discovery document."),
    *seen("recorded", "Enumerations are taken as words in any case, and as numbers.",
        "gcloud 528 sends `Delete` and `any`, Google's library 1.23 numbers"),
    *guess("Enumerations come back as the document spells them, durations without `.0`.", "ar_enum_case",
        "gcloud shows them as they come"),
    *differs("Any project exists, and any location of the form of a region; `eu` is none."),
    *differs("There is no data plane: nothing can be pulled or pushed."),
)  # fmt: skip
_POLICIES = guess(
    "Remote repositories take cleanup policies.",
    "ar_policies_on_remote",
    "for: marin-community/marin#2996 sets them; against: Google's pages say for standard repositories, in one edition",
)
_SECRETS = seen(
    "documented",
    "The service agent must be able to read the secret of `upstreamCredentials`; else 400 `failedPrecondition`.",
    "Google's page on sign-in to upstreams; the wording is made up",
)
METHODS: dict[str, tuple[Behaviour, ...]] = {
    "artifactregistry.repositories.create": (
        *all_of("documented", "An operation.",
            "A remote repository names one upstream: `commonRepository`, or one of `dockerRepository`."),
        *seen("read in source", "A name that exists is 409 `alreadyExists`.", "gcloud 528"),
        *seen("recorded", "The body may hold the name of the repository.", "gcloud 528"),
        *guess("Upstreams are not asked, whatever they are.", "ar_validates_upstream",
            "`disableUpstreamValidation` of the document: else the service asks"),
        *guess("What is wrong with upstream or secret is refused in the answer.", "ar_refusals"),
        *guess("What is being made can't be read yet, and its name is taken.", "ar_unfinished"),
        *_POLICIES,
        *_SECRETS,
    ),
    "artifactregistry.repositories.get": all_of("documented", "By name; 404 `notFound`."),
    "artifactregistry.repositories.list": (
        *all_of("documented", "In pages, by name."),
        *seen("recorded", "`--filter` is the client's business.", "gcloud 528"),
        *differs("`filter` and `orderBy` are answered 501."),
    ),
    "artifactregistry.repositories.patch": (
        *all_of("documented", "At once, and the answer is the repository.",
            "What the mask names and the body lacks is cleared."),
        *seen("read in source", "Without a mask the whole repository is replaced.",
            "gcloud 528, whose `delete-cleanup-policies` sends none"),
        *seen("recorded", "The whole repository may be sent beside a mask.", "gcloud 528"),
        *guess("Mode, format, upstream and key can't be changed: 400 `invalid`.", "ar_fixed_fields",
            "of the mode Google's page says so"),
        *guess("A repository that does not exist is 404.", "ar_patch_missing"),
        *_POLICIES,
        *_SECRETS,
    ),
    "artifactregistry.repositories.delete": all_of("documented", "An operation."),
    "artifactregistry.repositories.getIamPolicy": all_of("documented",
        "The repository's own policy; one never set has an etag only."),
    "artifactregistry.repositories.setIamPolicy": (
        *all_of("documented", "Replaces the whole policy."),
        *guess("A stale etag is 409 `aborted`.", "ar_stale_etag", "IAM's page on concurrent changes names 409"),
        *differs("No member is refused, whatever domains an organisation allows."),
    ),
    "artifactregistry.repositories.testIamPermissions": (
        *all_of("documented", "Answers with those of the permissions that the caller has."),
        *differs("Without principals in the scenario, everybody has all."),
    ),
    "artifactregistry.operations.get": (
        *all_of("documented", "Done with `response` or `error`, in the codes of google.rpc."),
        *differs("Anybody may ask; which permission it takes is not documented."),
        *differs("Finished operations are kept until a reset."),
    ),
    "artifactregistry.locations.get": all_of("documented", "A location by its name."),
    "artifactregistry.locations.list": differs("Three multi-regions and a few regions."),
    "artifactregistry.locations.listBeta": (
        *seen("recorded", "The path of v1beta2, which is not in the document.", "gcloud 528"),
        *differs("Three multi-regions and a few regions."),
    ),
}  # fmt: skip


def page(measured: Mapping[str, Measured] = NOTHING) -> str:
    """The page."""
    return "\n".join(_lines(measured)) + "\n"


def _lines(measured: Mapping[str, Measured]) -> Iterator[str]:
    revision = compiled(DOCUMENT).revision
    yield "# How near the emulator is to Artifact Registry\n"
    yield f"Made by `python -m emulator.fidelity` from version 1, revision {revision}; do not edit."
    yield from sources(measured)
    yield "\nEvery guess is a switch, and can be turned round in a scenario (`switches`).\n"
    yield from supported({"every method": EVERYWHERE, **METHODS}, measured)
    yield "\nAll other methods of the document are answered 501."
