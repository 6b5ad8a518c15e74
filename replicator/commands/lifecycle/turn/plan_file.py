"""Writes `families-plan.json`: what a promotion or a rollback would change, for the one who looks at a dry run. Pure.

Canonical JSON without times, so that the same plan has the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.turn import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.commands.lifecycle.turn.report import Row
    from replicator.core.images import Image

NAME = "families-plan.json"


def write(verb: str, release: str, rows: Iterable[Row], changes: Mapping[str, Iterable[Image]]) -> bytes:
    """Return the file. `changes` are the images to change, by what is to be done with them, in order."""
    families = [report.as_dict(row) for row in rows]
    for family in families:
        # What it resolves to afterwards is the result, not the plan.
        del family["after"]
    whole = {
        "schema": 1,
        "verb": verb,
        "release": release,
        "families": sorted(families, key=lambda family: (family["project"], family["family"])),
        "images": {
            what: [{"project": image.ref.project, "name": image.ref.name, "id": image.id} for image in images]
            for what, images in changes.items()
        },
    }
    return (json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
