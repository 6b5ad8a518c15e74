"""Events about indexes that are signed here and now, by a key of the tests' own."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from replicator.commands.webhooks import event
from replicator.core.replicas import Sign
from replicator.index import image_index, provenance, sign
from testkit.signing import world

_PEM = world.private_key()
PUBLIC = world.public_key(_PEM)


def index(locations: int = 3, **changes: Any) -> dict[str, Any]:
    """An index, whose sources' ids may be others."""
    document = copy.deepcopy(world.document(locations))
    for entry in document["images"]:
        entry["source"] |= changes
    return document


def event_about(
    document: dict[str, Any],
    *,
    workflow: dict[str, str] | None = None,
    version: str = "v1",
    statement: bytes | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The event about an index, with its signature and statement; `more` replaces what the event says."""
    signer = sign.signer(Sign.KEY, {"SIGNING_KEY": _PEM})
    assert signer
    ran = {**world.workflow(), **(workflow or {})}
    data = image_index.to_bytes(document)
    bundle, attestation = signer.sign(data, statement or provenance.statement(document, ran))
    files = {"index": data, "bundle": bundle, "attestation": attestation}
    if "images" not in more:
        more["images"] = event.images(image_index.parse(data, Path("index.json")))
    return {
        "type": "image.published",
        "timestamp": "2026-11-28T19:45:00Z",
        "data": {
            "schema": 1,
            "repository": {"server_url": "https://github.com", "name": "o/r"},
            "commit": ran["GITHUB_SHA"],
            "version": version,
            "run": None,
            "release": None,
            **{name: event.file(name, text, inline=True, release_url="") for name, text in files.items()},
            **more,
        },
    }
