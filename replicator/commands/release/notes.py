"""Writes SHA256SUMS and the notes of a release from what the release holds. Pure: the same files give the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.commands.release import names
from replicator.commands.release.plan import MARKER
from replicator.core.replicas import Sign
from replicator.runtime import markdown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from replicator.commands.release.plan import Wanted

#: GitHub takes 125,000 characters; the table of a large release is cut far below that.
_MOST_ROWS = 200


def sums(assets: Sequence[Wanted]) -> bytes:
    """Return SHA256SUMS, which `sha256sum -c` reads, in the order of LC_ALL=C."""
    return "".join(f"{item.sha256}  {item.name}\n" for item in sorted(assets, key=_bytewise)).encode()


def notes(
    assets: Sequence[Wanted], *, commit: str, index: dict[str, Any] | None = None, own: str = "", by: Sign = Sign.OFF
) -> str:
    """Return the notes: a person's own text or the generated one, and the line that marks the release as ours."""
    parts = [own.replace(MARKER, "").strip()] if own.strip() else _generated(assets, commit, index, by)
    return "\n".join([*parts, "", MARKER, ""])


def _generated(assets: Sequence[Wanted], commit: str, index: dict[str, Any] | None, by: Sign) -> list[str]:
    lines = [f"Built from commit {markdown.code(commit)}.", ""]
    if index:
        lines += ["| Architecture | Location | Image |", "| --- | --- | --- |", *_images(index), ""]
    rows = sorted(assets, key=_bytewise)
    lines += ["| File | Bytes | SHA-256 |", "| --- | --- | --- |"]
    lines += [f"| {markdown.code(item.name)} | {item.size} | `{item.sha256}` |" for item in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines.append(f"| {len(rows) - _MOST_ROWS} more | | |")
    lines += ["", "To check what you downloaded:", "", f"    sha256sum --ignore-missing -c {names.SUMS}"]
    if by is not Sign.OFF:
        policy = "--key KEY.pub" if by is Sign.KEY else "--certificate-identity WHO --certificate-oidc-issuer ISSUER"
        verify = f"    cosign verify-blob --bundle {names.SUMS_BUNDLE} {policy} {names.SUMS}"
        lines += ["", f"`{names.SUMS}` is signed:", "", verify]
    return lines


def _images(index: dict[str, Any]) -> list[str]:
    rows = [
        f"| {markdown.text(entry['architecture'])} | {markdown.text(location)} | {markdown.code(image['uri'])} |"
        for entry in index["images"]
        for location, image in sorted(entry["locations"].items())
    ]
    return markdown.cut(rows[:_MOST_ROWS], "| {} more | | |")


def _bytewise(item: Wanted) -> bytes:
    return item.name.encode()
