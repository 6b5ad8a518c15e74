"""Says of a service's methods what the emulator does, and by what evidence; the pages are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAGS = {
    "documented": "the discovery document or Google's documentation says so",
    "read in source": "a client or tool that works with the service is written for it",
    "recorded": "recorded from the service or from an unmodified client, or reported by users of the service",
    "guessed": "nobody has confirmed it",
}
MEASURED = "measured"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a report of the smoke observed of a switch, and on which day."""

    value: object
    date: str


NOTHING: Mapping[str, Measured] = MappingProxyType({})


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


def sources(measured: Mapping[str, Measured]) -> Iterator[str]:
    """The lines that say where behaviours are from; `measured` is what is known of switches."""
    if measured:
        yield "What is measured was checked against the live service. Where a behaviour is from:\n"
        yield f"- *{MEASURED}*: a run of this project's smoke on the real cloud saw it (`docs/evidence/`)"
    else:
        yield "Nothing here was checked against the live service by this project. Where a behaviour is from:\n"
    yield from (f"- *{tag}*: {meaning}" for tag, meaning in TAGS.items())


def supported(
    methods: Mapping[str, tuple[Behaviour, ...]], measured: Mapping[str, Measured] = NOTHING
) -> Iterator[str]:
    """The lines of the table of what is supported; what was measured counts more than what was read."""
    yield "| method | | behaviour | from | evidence | switch |\n|---|---|---|---|---|---|"
    for method, behaviours in methods.items():
        for index, each in enumerate(behaviours):
            name = "" if index else (f"`{method}`" if "." in method else method)
            switch = f"`{each.switch}`" if each.switch else ""
            found = measured.get(each.switch)
            tag, evidence = (
                (each.tag, each.evidence) if found is None else (MEASURED, f"smoke of {found.date}: `{found.value}`")
            )
            cells = (name, "differs" if each.differs else "", each.text, tag, evidence, switch)
            yield f"| {' | '.join(cells)} |"
