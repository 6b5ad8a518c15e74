"""Estimates what a plan stores more, and what that costs a month, exactly to the last digit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING

from replicator.core.replicas import Action

if TYPE_CHECKING:
    from replicator.core.replicas import Plan, Step
    from replicator.inputs.price_list import PriceList

#: Compute Engine's price list calls 2^30 bytes a GB (its page on image pricing: JEDEC's binary units).
_GIB = Decimal(2**30)
#: A size has 19 digits, divided by 2^30 thirty more behind the point, and a price has 18: nothing is ever rounded.
_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One copy that is to be made."""

    location: str
    gib: Decimal | None
    """Its size in GiB (2^30 bytes), exactly; None while the source's is unknown."""
    month: Decimal | None
    """What storing it costs a month, exactly; None where the price or the size is unknown."""
    assumed: bool = False
    """Whether its price is that of another location."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a plan costs beyond what is stored already."""

    prices: PriceList
    lines: tuple[Line, ...]
    """The copies that are to be made, in the order of the plan."""
    month: Decimal
    """What those cost a month whose price is known, exactly. The whole only where no location is unknown."""
    unknown_locations: tuple[str, ...]
    """Where a copy is to be made whose cost can't be told."""
    transfer: Decimal | None
    """What copying to other locations costs, once; None where that is unknown."""
    stored: tuple[str, ...]
    """Where an image of this plan is stored already, or is being made by others."""

    @property
    def known(self) -> tuple[Line, ...]:
        """The copies whose cost is known."""
        return tuple(line for line in self.lines if line.month is not None)


def estimate(plan: Plan, prices: PriceList) -> Cost:
    """Estimate what the copies cost that the plan makes. What is unknown is left out of the sum, and named."""
    size = plan.source.archive_size_bytes
    gib = _EXACT.divide(Decimal(size), _GIB) if size else None
    lines = tuple(_line(step.replica.location, gib, prices) for step in made(plan))
    month = Decimal(0)
    for line in lines:
        month = _EXACT.add(month, line.month or Decimal(0))
    return Cost(
        prices=prices,
        lines=lines,
        month=month,
        unknown_locations=tuple(line.location for line in lines if line.month is None),
        transfer=_transfer(plan, gib, prices),
        stored=tuple(step.replica.location for step in plan.steps if _is_stored(step)),
    )


def made(plan: Plan) -> list[Step]:
    """The steps that make a copy, at once or when an image that is being deleted is gone."""
    return [step for step in plan.steps if step.copies or _is_leaving(step)]


def rounded(amount: Decimal) -> Decimal:
    """Return an amount of money rounded to hundredths, half to even."""
    return amount.quantize(_CENT, context=_EXACT)


def _line(location: str, gib: Decimal | None, prices: PriceList) -> Line:
    price, assumed = prices.price(location)
    month = None if price is None or gib is None else _EXACT.multiply(gib, price)
    return Line(location=location, gib=gib, month=month, assumed=assumed and month is not None)


def _transfer(plan: Plan, gib: Decimal | None, prices: PriceList) -> Decimal | None:
    """What leaves the source's locations, once; where replicas are copied in turn it is the same number of copies."""
    if prices.transfer_gib is None or gib is None:
        return None
    away = [step for step in made(plan) if step.replica.location not in plan.source.storage_locations]
    return _EXACT.multiply(_EXACT.multiply(gib, prices.transfer_gib), Decimal(len(away)))


def _is_leaving(step: Step) -> bool:
    return step.action is Action.WAIT and step.existing is not None and step.existing.image.status == "DELETING"


def _is_stored(step: Step) -> bool:
    return step.action in {Action.SERVE, Action.CHECK} or (step.action is Action.WAIT and not _is_leaving(step))
