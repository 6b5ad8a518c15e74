"""Says which images lead families, or may: a family resolves to its newest READY image that isn't deprecated. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.core import compare

if TYPE_CHECKING:
    from replicator.core.images import Image

    #: A project and a family in it.
    Family = tuple[str, str]

#: In these states an image isn't a head of a family, and will never be one.
DEAD = frozenset({"FAILED", "DELETING"})


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing may be changed: the reason of the closed list, the family, and the sentence for people."""

    reason: str
    family: Family
    line: str
    text: str


def family_of(image: Image) -> Family:
    """The project and the family of an image that carries one."""
    return image.ref.project, image.family


def can_lead(image: Image) -> bool:
    """Whether a family resolves to the image where no newer one is, now or when it is READY."""
    return not image.deprecated and image.status not in DEAD


def age(image: Image) -> tuple[object, str]:
    """Orders the images of a family: the newest leads it."""
    return image.created, image.id


def wrong(root: Image, image: Image) -> str:
    """Why a member of a set can't lead a family, for people; empty if it can. Labels and access don't matter."""
    if image.status != "READY":
        return f"{image.ref} is {image.status}"
    if unlike := compare.shared(root, image):
        return f"{image.ref} is not what its source is: {unlike[0]}"
    return ""
