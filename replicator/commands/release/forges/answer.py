"""Defines what a forge answered to one request. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, the body as parsed JSON (None if it is none), and what the forge said, made harmless."""

    status: int
    body: Any
    said: str
    headers: Mapping[str, str]
