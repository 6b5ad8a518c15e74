"""Puts a Packer manifest where a build would leave it: the one that Packer wrote, as if its builds had just ended."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from testkit.places import DATA

if TYPE_CHECKING:
    from pathlib import Path


def put(folder: Path) -> Path:
    """Write `packer-manifest.json` into the folder."""
    manifest = json.loads((DATA / "packer-manifest.json").read_text("utf-8"))
    for build in manifest["builds"]:
        build["build_time"] = int(time.time())
    path = folder / "packer-manifest.json"
    path.write_text(json.dumps(manifest, indent=2), "utf-8")
    return path
