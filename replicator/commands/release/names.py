"""Checks the names of assets, and orders and names what belongs to them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 150
#: What git-check-ref-format refuses in a tag or branch, and what a URL or a log could take for more than a name.
NOT_IN_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|[./]$|^/|^-")
SUMS = "SHA256SUMS"
SUMS_BUNDLE = f"{SUMS}.sigstore.json"

# What GitHub renames (blanks, brackets, runs of dots) would be another file than the one that SHA256SUMS names; Gitea
# stores `../../x` and line breaks as they are.
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+@-]*(?:\.[A-Za-z0-9_+@-]+)*")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_PART = re.compile(r"(?P<name>.+)\.part-[0-9a-f]{12}")


def problem(name: str) -> str:
    """Return what is wrong with the name of an asset; empty if it is valid everywhere and stays as it is."""
    how = "write NAME=path with a name of letters, digits and _ + @ - joined by single dots"
    if len(name) > LONGEST:
        return f"the name of an asset has {len(name)} characters, of {LONGEST} at most; {how}"
    if not _VALID.fullmatch(name) or _DEVICE.fullmatch(name):
        return f"{quoted(name)} isn't a valid name of an asset; {how}"
    return ""


def clashes(names: Iterable[str]) -> list[str]:
    """Return a problem for each name that is there twice, compared without case, as some file systems do."""
    count = Counter(name.lower() for name in names)
    return [
        f"{times} files would be the asset {quoted(name)} (case ignored); rename one with NAME=path"
        for name, times in count.items()
        if times > 1
    ]


def part(name: str, sha256: str) -> str:
    """Return the name under which a replacement is uploaded before the old asset goes."""
    return f"{name}.part-{sha256[:12]}"


def of_part(name: str) -> str:
    """Return the asset that a `.part-` is to replace; empty if the name has another form."""
    found = _PART.fullmatch(name)
    return found["name"] if found else ""
