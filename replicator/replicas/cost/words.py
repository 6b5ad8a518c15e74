"""Says what a plan costs: in the log and the summary for people, and in the JSON document. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from replicator.replicas.cost.estimate import made, rounded
from replicator.runtime.markdown import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from decimal import Decimal

    from replicator.core.replicas import Plan
    from replicator.inputs.price_list import PriceList
    from replicator.replicas.cost.estimate import Cost

#: Prices that are older are said to be old.
FRESH = timedelta(days=180)
_SIGNS = {"USD": "$"}
#: How many locations one line names.
_MOST_NAMED = 8


def lines(plan: Plan, cost: Cost | None, today: date) -> list[str]:
    """Return lines on what is copied, how much that stores, and, unless `cost` is None, what it costs."""
    copies, each = len(made(plan)), plan.source.archive_size_bytes
    total = f" = {size(copies * each)} more in storage" if each else ""
    first = f"{copies} to copy, {size(each)} each{total}" if copies else "nothing to copy"
    if cost is None:
        return [first]
    told = [f"{first}{_money_in_words(cost)}"]
    if cost.stored:
        told.append(f"stored already: {named(cost.stored)}")
    if cost.lines and (old := age(cost.prices, today)):
        told.append(old)
    return told


def age(prices: PriceList, today: date) -> str:
    """Say that prices are old, and how to get newer ones; empty where they are not."""
    if today - prices.as_of <= FRESH:
        return ""
    how = "`gce-image-replicator prices update` reads newer ones"
    return f"prices are of {prices.as_of}, more than {FRESH.days} days ago; {how}"


def _money_in_words(cost: Cost) -> str:
    if not cost.lines:
        return ""
    if all(line.gib is None for line in cost.lines):
        return "; its size is unknown, and so is what it costs"
    unknown = f"{named(cost.unknown_locations)}: no price known" if cost.unknown_locations else ""
    if not cost.known:
        return f"; {unknown}"
    only = f" for {named([line.location for line in cost.known])}" if unknown else ""
    told = f", {about(cost.month, cost.prices)} a month{only} ({_basis(cost)}; {_transfer(cost)})"
    return "; ".join(filter(None, [told, unknown]))


def about(amount: Decimal, prices: PriceList) -> str:
    """Return an estimated amount as people read it; it is never said to be nothing unless it is."""
    if amount and not rounded(amount):
        return f"less than {money('0.01', prices)}"
    return f"about {money(rounded(amount), prices)}"


def money(amount: Decimal | str, prices: PriceList) -> str:
    """Return an amount with its currency: `$0.05`, `EUR 0.05`."""
    sign = _SIGNS.get(prices.currency, f"{prices.currency} ")
    return f"{sign}{amount:f}" if not isinstance(amount, str) else f"{sign}{amount}"


def _basis(cost: Cost) -> str:
    """Which prices these are, and since when."""
    prices, known = cost.prices, cost.known
    if any(line.assumed for line in known):
        return f"list {_assumed(prices)}, {prices.as_of}"
    if len(known) == 1:
        return f"list price of {known[0].location}, {prices.as_of}"
    return f"list prices, {prices.as_of}"


def _assumed(prices: PriceList) -> str:
    models = prices.model_locations
    return f"price of {named(models)} assumed" if models else "price assumed"


def _transfer(cost: Cost) -> str:
    if cost.transfer is None:
        return "transfer not included: no published price was found"
    return f"and {about(cost.transfer, cost.prices)} once for transfer"


def named(locations: Sequence[str]) -> str:
    """Return the locations, or their number where they are many."""
    return ", ".join(locations) if len(locations) <= _MOST_NAMED else f"{len(locations)} locations"


def table(cost: Cost) -> Iterator[list[str]]:
    """Yield a row for each copy: location, GiB, and what it costs a month."""
    for line in cost.lines:
        gib = "size unknown" if line.gib is None else f"{line.gib:.3f} GiB"
        if line.month is None:
            yield [line.location, gib, "no price known"]
        else:
            assumed = f" ({_assumed(cost.prices)})" if line.assumed else ""
            yield [line.location, gib, f"{about(line.month, cost.prices)} a month{assumed}"]


def as_dict(cost: Cost) -> dict[str, Any]:
    """Return the cost as it is in the JSON document; money as texts with two decimals, null where it is unknown."""
    return {
        "currency": cost.prices.currency,
        "as_of": cost.prices.as_of.isoformat(),
        "assumed": any(line.assumed for line in cost.lines),
        "month": None if cost.lines and not cost.known else _text(cost.month),
        "lines": [
            {
                "location": line.location,
                "gib": None if line.gib is None else f"{line.gib:.3f}",
                "month": _text(line.month),
            }
            for line in cost.lines
        ],
        "unknown": list(cost.unknown_locations),
        "transfer": _text(cost.transfer),
        "stored": list(cost.stored),
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{rounded(amount):f}"
