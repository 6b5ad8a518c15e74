"""Says how near the emulator is to the service, method by method; `emulator.fidelity` writes it as a page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from emulator.compute.discovery import DOCUMENT
from emulator.core.discovery.document import compiled
from emulator.core.fidelity import NOTHING, Behaviour, Measured, sources, supported
from emulator.core.fidelity import all_of as _all
from emulator.core.fidelity import differs as _differs
from emulator.core.fidelity import guess as _guess
from emulator.core.fidelity import seen as _seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BY_ID = _guess("By its numeric id, too.", "image_by_id", "the document's pattern of the parameter allows it")
_DATES = (
    *_guess("Dates that have passed are kept.", "past_dates", "Packer refuses them itself"),
    *_seen(
        "recorded",
        "Dates are kept in whatever form they are given.",
        "gcloud 528 and SUSE's gceimgutils write three forms",
        "date_form",
    ),
    *_guess(
        "A replacement need neither exist nor be in the same project.", "replacement", "all tools read name such a one"
    ),
    *_guess(
        "`{}` clears a deprecation, and so does `ACTIVE`.",
        "undeprecate",
        "for: the document, gce_image_publish; against `ACTIVE`: libcloud#852; against both: Google's page \"is "
        'irreversible"',
    ),
)
_PENDING = _guess("A PENDING image may be changed and deleted.", "pending_changes")
_SHOWS = _guess("It shows at once, before its operation has ended.", "changes_visible")
_CHANGE = (*_SHOWS, *_PENDING)
_LIST = (
    *_all("documented", "Filters in both languages, 500 a page at most, order by name or newest first."),
    *_all("recorded", "gcloud's `returnPartialSuccess` is accepted."),
    *_all("documented", "In filters OR binds tighter than AND (AIP-160, which the document names)."),
    *_guess("In filters `=` minds case.", "filter_case"),
    *_guess("In filters `:` finds a part of a text.", "filter_has"),
    *_differs("Regular expressions in filters are Python's, not RE2's."),
)
_FAMILY = (
    *_all("documented", "The newest image that is not deprecated, wherever it is stored."),
    *_guess("A PENDING image heads no family.", "pending_heads_family", "zebra#5044: a PENDING image is listed"),
    *_guess(
        "An image's own policy lets people resolve its family.",
        "family_by_image_policy",
        "for: Flatcar#1205; against: Flatcar#314",
    ),
)

_TEMPLATES = (
    *_all("documented", "Global ones and regional ones have names of their own."),
    *_differs("Of a template only its properties are kept, as given; nothing of them is checked but the form."),
)
_DISKS = (
    *_all("documented", "A disk is READY at once; an operation on it is its zone's."),
    *_differs("Blank disks only: one of an image, a snapshot or another disk is 501."),
)
_MADE = (
    *_TEMPLATES,
    *_guess("The images and families that it names need not exist.", "template_images"),
)

EVERYWHERE = (
    *_all(
        "documented", "Parameters, bodies and the emulator's own answers are checked against the discovery document."
    ),
    *_seen(
        "recorded",
        "Errors have `code`, `message` and `errors` with `message`, `domain`, `reason`.",
        "podman#28212; cloud-custodian's flights",
    ),
    *_all("recorded", "Links are of `www.googleapis.com`; references may have any host, or none."),
    *_all("recorded", "With principals: 401 `authError` for strangers, 403 `forbidden` naming the permission."),
    *_seen(
        "documented",
        "Quotas per minute start anew with each minute: 403 `rateLimitExceeded`.",
        "Google's page on rate quotas of 2026-04-14, whose names they have",
    ),
    *_all("read in source", "The wording of a quota per minute is the one Terraform's provider looks for."),
    *_guess("The form of a request is looked at before its sender's permission.", "first_check"),
    *_seen(
        "recorded",
        "Without permission, an image that does not exist is 403.",
        "compute-archlinux-image-builder#33; Flatcar#609",
        "forbidden_missing",
    ),
    *_guess("Unknown fields of a body are refused.", "unknown_fields"),
    *_guess("Output-only fields of a body are refused.", "read_only_fields", "AIP-203 would ignore them"),
    *_seen(
        "documented",
        "A project is named by its id or by its number (`project_numbers`); answers have the id.",
        "Resource Manager's pages",
    ),
    *_guess(
        "A request id whose operation failed gives that operation again.", "failed_request_id", "magic-modules#17259"
    ),
    *_differs("`fields`, `callback` and other formats than JSON are answered 501."),
    *_differs("Times carry -08:00 the whole year.", "recorded"),
)

METHODS: dict[str, tuple[Behaviour, ...]] = {
    "compute.images.insert": (
        *_all("documented", "Exactly one source; a repeated `requestId` gives the same operation."),
        *_all("documented", "A copy of a DEPRECATED image warns `DEPRECATED_RESOURCE_USED` in its operation."),
        *_guess(
            "One storage location at most.",
            "several_locations",
            "for: Packer 1.2.8, gcloud; against: a comment in osbuild/images",
        ),
        *_all("recorded", "409 `alreadyExists`; 400 `resourceNotReady` for a source that is PENDING."),
        *_seen(
            "recorded",
            "Too many copies of one source: its operation ends with `RESOURCE_OPERATION_RATE_EXCEEDED`, naming it.",
            "python-compute#279; gcp-compute-persistent-disk-csi-driver#1847 (snapshots)",
        ),
        *_seen("recorded", "A location the organisation forbids: 412 `conditionNotMet`.", "cluster-toolkit#1121"),
        *_seen(
            "recorded",
            "What a custom constraint forbids: 412 `conditionNotMet`, naming it.",
            "Google's pages on custom organisation policies; packer-plugin-googlecompute#145",
        ),
        *_seen("recorded", "The first answer is PENDING.", "libcloud's recording of 2014", "first_answers"),
        *_seen(
            "read in source",
            "A deprecation in the request counts.",
            "compute-image-tools, gce_image_publish",
            "inserted_deprecation",
        ),
        *_all(
            "read in source",
            "A copy inherits licences, guest features, architecture, shielded state and sizes; "
            "not family, description, labels, deprecation, policy.",
        ),
        *_guess(
            "A source that does not exist is 404 `notFound`.", "missing_source", "400 of instances: infrakit.gcp#1"
        ),
        *_seen(
            "recorded",
            "Licences of the request join the source's (and guest features, which is guessed).",
            "Kata Containers' page on nested virtualisation",
            "source_features",
        ),
        *_seen(
            "read in source",
            "Dual regions such as `nam4` are accepted.",
            "osbuild/images; compute-image-tools",
            "dual_regions",
        ),
        *_guess(
            "An image above the quota is refused at once.",
            "images_quota",
            "other quotas fail in the operation: ai-on-gke#849",
        ),
        *_guess("After the form, these are checked in this order: name, source, location, quota.", "insert_checks"),
        *_guess("A FAILED source is refused like a PENDING one.", "failed_source"),
        *_guess("A copy may not be smaller than its source.", "smaller_copy"),
        *_guess(
            "`copies_per_source` is counted for each source and each project that copies it.",
            "copies_counted",
            "python-compute#279: tests copy public images, which all the world copies",
        ),
        *_guess("Copies that began and failed do not count against `copies_per_source`.", "failed_copies"),
        *_differs("Every snapshot and file exists, and makes an image of 10 GB in `us` where nothing is said."),
        *_differs("Where no disk of a project was ever made, every disk exists, likewise; else it must be there."),
        *_differs("Of a customer's key only the hash is kept; nothing is checked."),
    ),
    "compute.images.get": (*_all("documented", "By name."), *_BY_ID),
    "compute.images.list": _LIST,
    "compute.images.patch": (
        *_all("documented", "Changes family and description; null or an empty text clears."),
        *_seen(
            "read in source",
            "A deprecation is ignored, although the document says that it is changed.",
            'coreos-assembler, mantle: it "did not seem to work when tested"',
            "patched_deprecation",
        ),
        *_guess("Another value for any other field is refused.", "patched_fields"),
        *_guess("An empty family takes the image out of its family.", "empty_family"),
        *_BY_ID,
        *_CHANGE,
    ),
    "compute.images.setLabels": (
        *_seen(
            "recorded",
            "Replaces all labels; a stale fingerprint is 412 `conditionNotMet`, located at `If-Match`.",
            "netapp-cloudmanager#39 (disks)",
        ),
        *_seen("recorded", "Its operation is DONE at once.", "cloud-custodian's flights"),
        *_seen("recorded", "The fingerprint of no labels is always the same.", "cloud-custodian's flights"),
        *_all("documented", "A fingerprint is a hash of the labels; which one, clients need not know."),
        *_PENDING,
    ),
    "compute.images.deprecate": (
        *_all(
            "documented", "Replaces the whole deprecation; times are informational, and state and family follow none."
        ),
        *_DATES,
        *_BY_ID,
        *_CHANGE,
    ),
    "compute.images.delete": (
        *_all("documented", "Copies stay."),
        *_seen(
            "recorded",
            "The image is DELETING and its name taken until the operation has ended.",
            "nanovms/ops#412",
            "deleted_images",
        ),
        *_BY_ID,
        *_CHANGE,
    ),
    "compute.images.getFromFamily": _FAMILY,
    "compute.imageFamilyViews.get": (
        *_FAMILY,
        *_seen("recorded", "404 names `zones/Z/imageFamilyViews/F`.", "Homebrew/actions#249"),
        *_differs("Roll-outs by zone do not exist."),
    ),
    "compute.imageViews.get": (
        *_seen("documented", "An image by name, read in a region.", "the discovery document"),
        *_differs("Every region sees a change at once (the service: within a minute)."),
    ),
    "compute.imageViews.list": (
        *_LIST,
        *_differs("Every region sees a change at once (the service: within a minute)."),
    ),
    "compute.images.getIamPolicy": _all("documented", "Conditions are shown from version 3 on, and else disguised."),
    "compute.images.setIamPolicy": (
        *_all("documented", "Replaces the whole policy; etags are compared decoded."),
        *_seen("recorded", "`allUsers` is refused, `allAuthenticatedUsers` accepted.", "prowler#9718"),
        *_seen(
            "recorded",
            "Members such as `deleted:user:…` are 400 `invalid`.",
            "terraform-provider-google#5151 (projects)",
            "deleted_members",
        ),
        *_guess(
            "A stale etag is 409 `aborted`.", "stale_etag", "terraform-provider-google#12512 (keys), pulumi-gcp#1028"
        ),
        *_guess(
            "A member of a domain that the organisation forbids is 400 `failedPrecondition`, which has details.",
            "foreign_domain",
            "terraform-example-foundation#1454 (projects)",
        ),
        *_guess("Members of such a domain who are there already may stay.", "known_members"),
    ),
    "compute.images.testIamPermissions": (
        *_all("documented", "Answers with those of the permissions that the caller has."),
        *_differs("Without principals in the scenario, everybody has all."),
    ),
    "compute.disks.insert": (
        *_DISKS,
        *_all("documented", "500 GB and `pd-standard` where nothing is said."),
        *_differs("Zones and types of disks are not looked up: those of the right form exist."),
    ),
    "compute.disks.get": _DISKS,
    "compute.disks.delete": (*_DISKS, *_all("documented", "Images that were made of it stay.")),
    "compute.disks.aggregatedList": (
        *_LIST,
        *_differs("Scopes are the zones that have disks."),
    ),
    "compute.globalOperations.get": (
        *_all("recorded", "A failed operation has `error`, and HTTP fields where it has a status."),
        *_differs("Finished operations are kept until a reset (the service: an hour to two weeks)."),
    ),
    "compute.globalOperations.wait": (
        *_all("documented", "Answers when the operation ends, or after two minutes."),
        *_guess(
            "It counts as one read against the quota per minute.",
            "wait_quota",
            "Google's page on rate quotas: not free",
        ),
        *_differs("It never answers early (the service may)."),
    ),
    "compute.globalOperations.list": _LIST,
    "compute.globalOperations.aggregatedList": (
        *_LIST,
        *_differs("Scopes are `global`, and the regions and zones that have operations."),
    ),
    "compute.globalOperations.delete": _all("documented", "Forgets the record; what it does goes on."),
    "compute.regionOperations.get": _all("documented", "As globalOperations.get."),
    "compute.regionOperations.wait": _all("documented", "As globalOperations.wait."),
    "compute.zoneOperations.get": _all("documented", "As globalOperations.get."),
    "compute.zoneOperations.wait": _all("documented", "As globalOperations.wait."),
    "compute.instanceTemplates.aggregatedList": (
        *_LIST,
        *_all("documented", "All scopes in one list; one that has nothing on a page warns `NO_RESULTS_ON_PAGE`."),
        *_differs("Scopes are `global`, one region, and those that have templates."),
    ),
    "compute.instanceTemplates.list": (*_LIST, *_all("documented", "Global ones only.")),
    "compute.instanceTemplates.get": _TEMPLATES,
    "compute.instanceTemplates.insert": _MADE,
    "compute.instanceTemplates.delete": (*_TEMPLATES, *_differs("There are no groups that use one.")),
    "compute.regionInstanceTemplates.list": _LIST,
    "compute.regionInstanceTemplates.get": _TEMPLATES,
    "compute.regionInstanceTemplates.insert": _MADE,
    "compute.regionInstanceTemplates.delete": (*_TEMPLATES, *_differs("There are no groups that use one.")),
}


def page(measured: Mapping[str, Measured] = NOTHING) -> str:
    """FIDELITY.md."""
    return "\n".join(_lines(measured)) + "\n"


def _lines(measured: Mapping[str, Measured]) -> Iterator[str]:
    api = compiled(DOCUMENT)
    yield "# How near the emulator is to the service\n"
    yield f"Made by `python -m emulator.fidelity` from Compute v1, revision {api.revision}; do not edit."
    yield from sources(measured)
    yield "\nEvery guess is a switch, and can be turned round in a scenario (`switches`); so can some that are none."
    yield "Reports are named by repository and number on GitHub.\n\n## Supported\n"
    yield from supported({"every method": EVERYWHERE, **METHODS}, measured)
    others = [method.id for method in api.methods.values() if not method.emulated]
    yield f"\n## Unsupported\n\nThe other {len(others)} methods of the document are answered 501; of these resources:\n"
    counts = Counter(each.removeprefix("compute.").rpartition(".")[0] for each in others)
    yield ", ".join(f"{resource} ({count})" for resource, count in sorted(counts.items())) + "."
