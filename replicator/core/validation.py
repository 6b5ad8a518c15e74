"""Checks the form of locations, architectures, variants and labels, and suggests what was probably meant."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import is_credential, quoted
from replicator.core import locations

if TYPE_CHECKING:
    from collections.abc import Mapping

_ARCHITECTURE = re.compile(r"[A-Z][A-Z0-9_]*")
_ARCHITECTURES = {"AMD64": "X86_64", "X64": "X86_64", "X86-64": "X86_64", "AARCH64": "ARM64"}
_VARIANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
#: Characters and bytes that a label's key or value has at most.
_LONGEST_LABEL = 63
_MOST_LABEL_BYTES = 128
#: Letters of any script that have no lower case or are lower case, in Unicode's categories; and digits.
_LABEL_LETTERS = frozenset({"Ll", "Lo"})
_LABEL_DIGITS = frozenset({"Nd", "Nl", "No"})

#: The most labels that Compute Engine allows an image to have.
MOST_LABELS = 64


def location_problem(location: str) -> str:
    """Return why the text isn't a storage location, with what was probably meant; empty if it is one.

    The form decides, not a list, because new regions appear more often than releases of this program.
    """
    if locations.is_location(location):
        return ""
    lower = location.lower()
    listed = ", ".join(locations.MULTI_REGIONS)
    if lower in locations.DUAL_REGIONS:
        hint = f"that is a dual-region of Cloud Storage; images take {listed} or one region"
    elif meant := locations.multi_region_meant(lower):
        hint = f"write '{meant}'"
    elif locations.is_location(lower):
        hint = f"write '{lower}'"
    elif region := locations.region_of_zone(lower):
        hint = f"that is a zone; write its region, '{region}'"
    else:
        hint = f"write {listed} or a region such as us-central1"
    return f"{quoted(location)} isn't a storage location: {hint}"


def architecture_problem(architecture: str) -> str:
    """Return why the text isn't a valid architecture, with what was probably meant; empty if it is one."""
    upper = architecture.upper()
    meant = _ARCHITECTURES.get(upper, upper)
    if _ARCHITECTURE.fullmatch(architecture) and meant == architecture:
        return ""
    hint = f"write '{meant}'" if _ARCHITECTURE.fullmatch(meant) else "write X86_64 or ARM64"
    return f"{quoted(architecture)} isn't a valid architecture: {hint}"


def variant_problem(variant: str) -> str:
    """Return why the text isn't a valid variant, which tells images of one release apart; empty if it is one."""
    if _VARIANT.fullmatch(variant) and not is_credential(variant):
        return ""
    return f"{quoted(variant)} isn't a valid variant: at most 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first"


def label_problems(key: str, value: str) -> list[str]:
    """Return the reasons why a key and a value aren't a valid label."""
    problems = []
    if not (key and unicodedata.category(key[0]) in _LABEL_LETTERS and _fits_label(key)):
        problems.append(
            f"{quoted(key)} isn't a valid label key: a lower case letter, then at most 62 lower case letters, digits, "
            "_ and -"
        )
    if not _fits_label(value):
        problems.append(
            f"{quoted(value)} (of {quoted(key)}) isn't a valid label value: at most 63 lower case letters, digits, "
            "_ and -"
        )
    return problems


def _fits_label(text: str) -> bool:
    """Whether a label's key or value can hold the text: letters of all scripts, as Compute Engine takes them."""
    return (
        len(text) <= _LONGEST_LABEL
        and len(text.encode("utf-8", "surrogatepass")) <= _MOST_LABEL_BYTES
        and all(char in "_-" or unicodedata.category(char) in _LABEL_LETTERS | _LABEL_DIGITS for char in text)
        and not is_credential(text)
    )


def labels_problems(labels: dict[str, str]) -> list[str]:
    """Return the reasons why these aren't valid labels of one image."""
    problems = [problem for key, value in labels.items() for problem in label_problems(key, value)]
    if len(labels) > MOST_LABELS:
        problems.append(f"{len(labels)} labels are given; an image can have {MOST_LABELS}")
    return problems


def too_many_labels(source: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Return why a replica can't have the source's labels and the added ones together; empty if it can."""
    more = set(labels) - set(source)
    count = len(source) + len(more)
    if count <= MOST_LABELS:
        return ""
    return (
        f"{len(more)} labels on top of the source's {len(source)} make {count}, and an image can have {MOST_LABELS}: "
        "leave some out"
    )


def refuse(problems: list[str]) -> None:
    """Raise ValueError with all problems, if there are any."""
    if problems:
        raise ValueError("; ".join(problems))
