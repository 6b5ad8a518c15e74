"""Says whether a plan costs more than it may. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.replicas.cost import words
from replicator.replicas.cost.estimate import rounded

if TYPE_CHECKING:
    from decimal import Decimal

    from replicator.replicas.cost.estimate import Cost

#: What the message of such a run begins with, for scripts.
REASON = "too_expensive"


def excess(cost: Cost, limit: Decimal) -> str:
    """Say by what a plan breaks the limit; empty where it keeps it.

    The exact amount counts, not the rounded one that is shown, and what is unknown may be any amount.
    """
    allowed = f"max_monthly_cost allows {words.money(limit, cost.prices)}"
    if cost.month > limit:
        shown = rounded(cost.month)
        least = "at least" if cost.unknown_locations else "about"
        # Rounded, the two may look alike.
        more = f"{least} {words.money(shown, cost.prices)}" if shown > limit else "a little more than that"
        return f"{REASON}: the plan costs {more} a month, and {allowed}"
    if cost.unknown_locations:
        where = words.named(cost.unknown_locations)
        lacks = "its size is unknown" if cost.lines[0].gib is None else f"no price is known for {where}"
        return f"{REASON}: what the plan costs can't be told ({lacks}), and {allowed}"
    return ""


def remedy(cost: Cost) -> str:
    """Say what to do where the cost can't be told; empty where it can."""
    if not cost.unknown_locations:
        return ""
    return (
        "Give the prices: `gce-image-replicator prices update` reads them, and the input prices names the file. Or "
        "leave those locations out, or max_monthly_cost."
    )
