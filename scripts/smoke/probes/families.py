"""Asks what a family leads to, and what lists find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.smoke.lab import source_description
from scripts.smoke.probe import Probe, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.smoke.lab import Lab


def _without_head(lab: Lab) -> Seen:
    lab.pend()
    before = lab.send("GET", lab.family("pend")).status
    marked = lab.changed("POST", f"{lab.path('pend')}/deprecate", {"state": "DEPRECATED"})
    return {"before": before, **marked, "after": lab.send("GET", lab.family("pend")).seen()}


def _headless(seen: Seen) -> str | None:
    if seen["before"] != 200 or seen["status"] != 200:
        return None
    return f"{seen['after']['status']} {seen['after'].get('reason', '')}".strip()


def _view(lab: Lab) -> Seen:
    head = lab.send("GET", lab.family("family"))
    view = lab.send(
        "GET", f"projects/{lab.options.project}/zones/{lab.options.zone}/imageFamilyViews/{lab.name('family')}"
    )
    return {"head": head.body.get("id", ""), "view": (view.body.get("image") or {}).get("id", ""), **view.seen()}


def _found(lab: Lab, query: str) -> Seen:
    answer = lab.send("GET", lab.images, filter=query)
    names = [str(each.get("name", "")) for each in answer.body.get("items", [])]
    return {**answer.seen(), "filter": query, "found": lab.name("src") in names}


def _one_of(yes: str, no: str) -> Callable[[Seen], str | None]:
    return lambda seen: (yes if seen["found"] else no) if seen["status"] == 200 else None


def _case(lab: Lab) -> Seen:
    return _found(lab, f'description = "{source_description(lab.options).upper()}"')


def _part(lab: Lab) -> Seen:
    return _found(lab, f'description:"source {lab.options.run}"')


PROBES = (
    Probe(
        id="deprecated_head",
        permissions=("compute.images.deprecate",),
        guess="A family whose images are all DEPRECATED is answered 404 `notFound`.",
        assumed="404 notFound",
        steps=_without_head,
        settles=_headless,
    ),
    Probe(
        id="zone_view",
        guess="`imageFamilyViews` of a zone leads to the same image as the family.",
        assumed="the same",
        steps=_view,
        settles=lambda seen: (
            None if seen["status"] != 200 else "the same" if seen["head"] == seen["view"] else "another"
        ),
    ),
    Probe(id="filter_case", steps=_case, settles=_one_of("ignore", "mind")),
    Probe(id="filter_has", steps=_part, settles=_one_of("part", "whole")),
)
