"""Reads the outputs of a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Of a run, in the order in which they are written.
OUTPUTS = [
    "decision",
    "reason",
    "result",
    "images",
    "image_names",
    "image_us",
    "image_eu",
    "image_asia",
    "failed_locations",
    "replicas",
    "index_path",
    "index_digest",
    "bundle_path",
    "attestation_path",
]
RECORD = re.compile(r"^(?P<name>[^<\n]+)<<(?P<end>\S+)\n(?P<value>.*?)\n?(?P=end)$", re.MULTILINE | re.DOTALL)


def read_outputs(path: Path) -> dict[str, str]:
    """Every output in the runner's file, which must hold nothing else."""
    text = path.read_text(encoding="utf-8")
    assert not RECORD.sub("", text).strip(), text
    return {match["name"]: match["value"] for match in RECORD.finditer(text)}
