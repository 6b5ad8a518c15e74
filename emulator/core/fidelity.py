"""Says of a service's methods what the emulator does, and by what evidence; the pages are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAGS = {
    "documented": "the discovery document or Google's documentation says so",
    "read in source": "a client or tool that works with the service is written for it",
    "recorded": "recorded from the service or from an unmodified client, or reported by users of the service",
    "guessed": "nobody has confirmed it",
}


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One thing that the emulator does, the class and place of the evidence; `switch` turns it round."""

    text: str
    tag: str
    switch: str = ""
    differs: bool = False
    evidence: str = ""


def all_of(tag: str, *texts: str) -> tuple[Behaviour, ...]:
    """Behaviours of one class."""
    return tuple(Behaviour(text=text, tag=tag) for text in texts)


def guess(text: str, switch: str, evidence: str = "") -> tuple[Behaviour, ...]:
    """What nobody has confirmed, and the switch that turns it round."""
    return (Behaviour(text=text, tag="guessed", switch=switch, evidence=evidence),)


def seen(tag: str, text: str, evidence: str, switch: str = "") -> tuple[Behaviour, ...]:
    """What the evidence shows."""
    return (Behaviour(text=text, tag=tag, switch=switch, evidence=evidence),)


def differs(text: str, tag: str = "documented") -> tuple[Behaviour, ...]:
    """Where the emulator is not like the service."""
    return (Behaviour(text=text, tag=tag, differs=True),)


def supported(methods: Mapping[str, tuple[Behaviour, ...]]) -> Iterator[str]:
    """The lines of the table of what is supported, method by method."""
    yield "| method | | behaviour | from | evidence | switch |\n|---|---|---|---|---|---|"
    for method, behaviours in methods.items():
        for index, each in enumerate(behaviours):
            name = "" if index else (f"`{method}`" if "." in method else method)
            switch = f"`{each.switch}`" if each.switch else ""
            cells = (name, "differs" if each.differs else "", each.text, each.tag, each.evidence, switch)
            yield f"| {' | '.join(cells)} |"
