"""Checks the form of locations, architectures, variants and labels, and suggests what was probably meant."""

from __future__ import annotations

import re

from replicator.core import locations

_ARCHITECTURE = re.compile(r"[A-Z][A-Z0-9_]*")
_ARCHITECTURES = {"AMD64": "X86_64", "X64": "X86_64", "X86-64": "X86_64", "AARCH64": "ARM64"}
_VARIANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")

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
    return f"'{location}' isn't a storage location: {hint}"


def architecture_problem(architecture: str) -> str:
    """Return why the text isn't a valid architecture, with what was probably meant; empty if it is one."""
    upper = architecture.upper()
    meant = _ARCHITECTURES.get(upper, upper)
    if _ARCHITECTURE.fullmatch(architecture) and meant == architecture:
        return ""
    hint = f"write '{meant}'" if _ARCHITECTURE.fullmatch(meant) else "write X86_64 or ARM64"
    return f"'{architecture}' isn't a valid architecture: {hint}"


def variant_problem(variant: str) -> str:
    """Return why the text isn't a valid variant, which tells images of one release apart; empty if it is one."""
    if _VARIANT.fullmatch(variant):
        return ""
    return f"'{variant}' isn't a valid variant: at most 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first"


def label_problems(key: str, value: str) -> list[str]:
    """Return the reasons why a key and a value aren't a valid label."""
    problems = []
    if not _LABEL_KEY.fullmatch(key):
        problems.append(f"'{key}' isn't a valid label key: a lower case letter, then at most 62 of a-z, 0-9, _ and -")
    if not _LABEL_VALUE.fullmatch(value):
        problems.append(f"'{value}' (of '{key}') isn't a valid label value: at most 63 of a-z, 0-9, _ and -")
    return problems


def labels_problems(labels: dict[str, str]) -> list[str]:
    """Return the reasons why these aren't valid labels of one image."""
    problems = [problem for key, value in labels.items() for problem in label_problems(key, value)]
    if len(labels) > MOST_LABELS:
        problems.append(f"{len(labels)} labels are given; an image can have {MOST_LABELS}")
    return problems


def refuse(problems: list[str]) -> None:
    """Raise ValueError with all problems, if there are any."""
    if problems:
        raise ValueError("; ".join(problems))
