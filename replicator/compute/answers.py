"""Parses the answers of Compute Engine (images, policies, operations, errors) into our own values."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from replicator.compute.refusals import Refusal
from replicator.core import names
from replicator.core.images import (
    CUSTOMER_SUPPLIED,
    Binding,
    Image,
    ImageRef,
    Operation,
    Policy,
    Problem,
    ShieldedKey,
    Template,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Characters; a proxy's error page may come in place of the API's sentence.
_LONGEST_MESSAGE = 600
_LONGEST_CODE = 100
_MOST_DETAILS, _LONGEST_DETAIL = 30, 300
#: A warning on a page that says nothing but that it holds no item.
_HARMLESS = frozenset({"NO_RESULTS_ON_PAGE"})
_REF = re.compile(r"(?:^|/)projects/(?P<project>[^/]+)/global/images/(?P<name>[^/]+)$")

_TEMPLATE = re.compile(
    r"(?:^|/)projects/(?P<project>[^/]+)/(?P<name>(?:global|regions/[^/]+)/instanceTemplates/[^/]+)$"
)
_OPERATION = re.compile(r"/projects/(?P<project>[^/]+)/global/operations/")


class Garbled(ValueError):
    """An answer lacks what every answer of Compute Engine has."""


def parse_ref(uri: str) -> ImageRef | None:
    """Return the image that a URL (with any host) or a partial URI names; None if it names none."""
    match = _REF.search(unquote(uri))
    return ImageRef(match["project"], match["name"]) if match else None


def image(answer: Any) -> Image:
    """Parse one image. Raises Garbled."""
    own = parse_ref(answer.self_link)
    if own is None or not names.is_valid(own.name) or not names.is_project(own.project):
        raise Garbled("an image without a selfLink that names it")
    return Image(
        ref=own,
        id=str(answer.id),
        status=answer.status,
        created=_time(answer.creation_timestamp),
        storage_locations=tuple(answer.storage_locations),
        source_image=parse_ref(answer.source_image),
        source_image_id=answer.source_image_id,
        family=answer.family,
        description=answer.description,
        labels=dict(answer.labels),
        label_fingerprint=answer.label_fingerprint,
        disk_size_gb=answer.disk_size_gb,
        archive_size_bytes=answer.archive_size_bytes,
        architecture=answer.architecture,
        guest_os_features=frozenset(feature.type_ for feature in answer.guest_os_features),
        licenses=frozenset(_from_projects(uri) for uri in answer.licenses),
        deprecated="" if answer.deprecated.state == "ACTIVE" else answer.deprecated.state,
        encryption=_encryption(answer),
        license_codes=frozenset(str(code) for code in answer.license_codes),
        shielded_keys=frozenset(_shielded_keys(answer.shielded_instance_initial_state)),
        confidential=answer.enable_confidential_compute,
        replacement=answer.deprecated.replacement,
        deleted=answer.deprecated.deleted,
    )


def _shielded_keys(state: Any) -> Iterator[ShieldedKey]:
    platform = [state.pk] if "pk" in state else []
    for database, files in {"pk": platform, "keks": state.keks, "dbs": state.dbs, "dbxs": state.dbxs}.items():
        for file in files:
            yield ShieldedKey(database, f"{file.file_type or 'UNDEFINED'} {_digest(file.content)}")


def _digest(content: str) -> str:
    """The SHA-256 of what the text encodes, in whichever of the two alphabets of base64."""
    try:
        data = base64.b64decode(content.translate(str.maketrans("-_", "+/")) + "==")
    except ValueError:
        data = content.encode()
    return hashlib.sha256(data).hexdigest()


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Garbled("an image without a creationTimestamp that can be read") from None


def _encryption(answer: Any) -> str:
    if "image_encryption_key" not in answer:
        return ""
    # The service chooses the key's version, and a wanted key names none.
    return answer.image_encryption_key.kms_key_name.partition("/cryptoKeyVersions/")[0] or CUSTOMER_SUPPLIED


def page(pager: Any) -> tuple[list[Image], str]:
    """Parse one page of a list into its images and the token of the next page. Raises Garbled."""
    page = next(pager.pages)
    return [image(item) for item in page.items], page.next_page_token


def whole_page(pager: Any) -> tuple[list[Image], str]:
    """Parse one page of a list that must be complete. Raises Garbled, also for a page that may lack images."""
    page = next(pager.pages)
    if page.kind != "compute#imageList":
        raise Garbled("a list of images that doesn't say it is one")
    _check_whole("images", page)
    return [image(item) for item in page.items], page.next_page_token


def template_page(pager: Any) -> tuple[list[Template], str]:
    """Parse one page of the instance templates of all regions, which must be complete. Raises Garbled."""
    page = next(pager.pages)
    if page.kind != "compute#instanceTemplateAggregatedList":
        raise Garbled("a list of instance templates that doesn't say it is one")
    _check_whole("instance templates", page, *page.items.values())
    found = [template(item) for scope in page.items.values() for item in scope.instance_templates]
    return found, page.next_page_token


def template(answer: Any) -> Template:
    """Parse an instance template. Raises Garbled."""
    own = _TEMPLATE.search(unquote(answer.self_link))
    if own is None:
        raise Garbled("an instance template without a selfLink that names it")
    disks = [disk.initialize_params.source_image for disk in answer.properties.disks]
    custom = [disk.custom_image for disk in answer.source_instance_params.disk_configs]
    named = tuple(dict.fromkeys(text for text in (*disks, *custom) if text))
    return Template(project=own["project"], name=own["name"], images=named)


def _check_whole(what: str, *parts: Any) -> None:
    """Raise Garbled if a part of an answer warns that something is missing."""
    codes = [part.warning.code for part in parts if "warning" in part]
    if doubtful := [code for code in codes if code not in _HARMLESS]:
        raise Garbled(f"a list of {what} that may lack some: {doubtful[0]}"[:_LONGEST_MESSAGE])


def policy(answer: Any) -> Policy:
    """Parse an image's own access policy. Raises Garbled."""
    if not answer.etag:
        # Without an etag, a change would overwrite what somebody else granted meanwhile.
        raise Garbled("a policy without an etag")
    return Policy(tuple(_bindings(answer.bindings)), answer.etag)


def _bindings(bindings: Iterable[Any]) -> Iterator[Binding]:
    for binding in bindings:
        condition = ""
        if "condition" in binding:
            fields = type(binding.condition).to_dict(binding.condition)
            condition = json.dumps({key: value for key, value in fields.items() if value}, sort_keys=True)
        yield Binding(binding.role, frozenset(binding.members), condition)


def operation(answer: Any) -> Operation:
    """Parse an operation and, if it failed, its error. Raises Garbled."""
    place = _OPERATION.search(answer.self_link)
    if place is None:
        raise Garbled("an operation without a selfLink")
    problem = None
    first = next(iter(answer.error.errors), None)
    if first is not None or answer.http_error_status_code >= 400:
        infos = [detail.error_info for detail in first.error_details if "error_info" in detail] if first else []
        problem = Problem(
            code=first.code[:_LONGEST_CODE] if first is not None else "",
            message=((first.message if first is not None else "") or answer.http_error_message)[:_LONGEST_MESSAGE],
            http_status=answer.http_error_status_code,
            reasons=tuple(info.reason[:_LONGEST_CODE] for info in infos if info.reason),
            details=tuple(_listed(value for info in infos for value in dict(info.metadatas).items())),
        )
    return Operation(
        project=unquote(place["project"]),
        name=answer.name,
        done=answer.status == type(answer).Status.DONE,
        progress=answer.progress,
        problem=problem,
        target_id=str(answer.target_id or ""),
    )


def refusal(method: str, project: str, error: Any) -> Refusal:
    """Convert an error of the library's to a Refusal, with the seconds that Retry-After asks for."""
    listed: list[Mapping[str, Any]] = [item for item in error.errors if isinstance(item, dict)]
    details: list[Mapping[str, Any]] = [item for item in error.details if isinstance(item, dict)]
    codes = [str(item.get("reason", "")) for item in (*listed, *details)]
    # Only an HTTP response has headers.
    after = getattr(error.response, "headers", {}).get("retry-after", "")
    return Refusal(
        method,
        project=project,
        status=error.code,
        codes=tuple(code for code in codes if code),
        # The library puts the method and the whole URL, request id included, before the API's own words.
        message=re.sub(r"^[A-Z]+ https?://\S+: ", "", error.message or "")[:_LONGEST_MESSAGE],
        details=tuple(_listed(value for item in details for value in _named(item))),
        retry_after=float(after) if re.fullmatch(r"\d{1,6}", after) else 0.0,
    )


def _named(detail: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a detail of an error names: the metadata of an ErrorInfo, the violations of a PreconditionFailure."""
    metadata, violations = (detail.get(key) for key in ("metadata", "violations"))
    if isinstance(metadata, dict):
        yield from metadata.items()
    for violation in violations if isinstance(violations, list) else ():
        if isinstance(violation, dict):
            yield from violation.items()


def _listed(values: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    for key, value in islice(values, _MOST_DETAILS):
        yield f"{key}={value}"[:_LONGEST_DETAIL]


def _from_projects(uri: str) -> str:
    return uri[uri.find("projects/") :]
