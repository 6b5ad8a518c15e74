"""Writes and reads the statement about an index: its sources, its workflow and its parts, as SLSA provenance v1.

Pure.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from replicator.index import image_index
from replicator.inputs import ci_build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.inputs.ci_build import CiBuild


HOME = "https://github.com/gce-image-replicator/gce-image-replicator"
#: This page explains the fields below.
BUILD_TYPE = f"{HOME}/blob/main/docs/signing.md#build-type"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
#: cosign's `attest-blob --predicate` writes the older type.
STATEMENT_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_COMPUTE = "https://compute.googleapis.com/compute/v1"


def statement(document: dict[str, Any], env: Mapping[str, str]) -> bytes:
    """Return the statement about an index that was made in this environment, as canonical JSON."""
    build = ci_build.of(env)
    subject = {"name": image_index.FILE_NAME, "digest": {"sha256": _sha256(document)}}
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"workflow": dict(build.workflow) if build else {}},
            "internalParameters": {build.system: dict(build.parameters)} if build else {},
            "resolvedDependencies": [*_commit(build), *map(_source, document["images"])],
        },
        "runDetails": {
            "builder": {"id": build.builder if build and build.builder else HOME},
            "metadata": {"invocationId": build.run} if build and build.run else {},
            "byproducts": [_child(document, entry) for entry in document["images"]],
        },
    }
    whole = {
        "_type": STATEMENT_TYPES[0],
        "subject": [subject],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def child(document: dict[str, Any], architecture: str, variant: str = "") -> bytes:
    """Return the index of one architecture from an index of several, for users who pin that architecture only."""
    entries = [
        entry for entry in document["images"] if (entry["architecture"], entry["variant"]) == (architecture, variant)
    ]
    return image_index.to_bytes({**document, "images": entries})


def digests(payload: bytes) -> list[str]:
    """Return the SHA-256 of each file that a statement is about: the index's, then its children's.

    Raises ValueError if it isn't a valid statement of SLSA provenance.
    """
    try:
        read = json.loads(payload)
        if read["_type"] not in STATEMENT_TYPES or read["predicateType"] != PREDICATE_TYPE:
            raise ValueError("another kind of statement")
        predicate = read["predicate"]
        # The by-products of other build types may be anything.
        ours = predicate["buildDefinition"]["buildType"] == BUILD_TYPE
        children = predicate["runDetails"]["byproducts"] if ours else []
        return [str(item["digest"]["sha256"]) for item in [*read["subject"], *children]]
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("a statement that isn't valid JSON") from None
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("a statement without what it must have") from None


def sources(payload: bytes) -> set[tuple[str, str]] | None:
    """Return URI and id of each source image that a statement names; None if its build type isn't ours."""
    predicate = json.loads(payload)["predicate"]["buildDefinition"]
    if predicate["buildType"] != BUILD_TYPE:
        return None
    named = [item for item in predicate["resolvedDependencies"] if "annotations" in item]
    return {(str(item["name"]), str(item["annotations"]["id"])) for item in named}


def _source(entry: dict[str, Any]) -> dict[str, Any]:
    source = entry["source"]
    return {
        "name": source["uri"],
        "uri": f"{_COMPUTE}/{source['uri']}",
        "annotations": {"id": source["id"], "architecture": entry["architecture"]},
    }


def _child(document: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    architecture, variant = entry["architecture"], entry["variant"]
    return {
        "name": f"{image_index.FILE_NAME} of {' '.join(filter(None, (architecture, variant)))}",
        "digest": {"sha256": hashlib.sha256(child(document, architecture, variant)).hexdigest()},
        "annotations": {
            "architecture": architecture,
            "variant": variant,
            "source": _identity(entry["source"]),
            "images": {location: _identity(image) for location, image in entry["locations"].items()},
        },
    }


def _identity(image: dict[str, Any]) -> dict[str, str]:
    return {"uri": image["uri"], "id": image["id"]}


def _sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(image_index.to_bytes(document)).hexdigest()


def _commit(build: CiBuild | None) -> list[dict[str, Any]]:
    if build is None or not build.commit:
        return []
    digest = {"gitCommit": build.commit}
    if build.url:
        return [{"uri": f"git+{build.url}@{build.ref}", "digest": digest}]
    # Cloud Build doesn't say on which server the repository is.
    return [{"name": f"{build.repository}@{build.ref}", "digest": digest}]
