"""Refuses to conclude anything from dates while the machine's clock is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from replicator.commands.lifecycle.errors import Doubtful
from replicator.compute import waits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from replicator.compute.client import Compute
    from replicator.core.images import Image

#: Two clocks that are kept by NTP are never this far apart.
_LARGEST = timedelta(minutes=5)
_REMEDY = "Set the clock of this machine (by NTP), then run this again."


def check(compute: Compute, images: Iterable[Image], now: datetime) -> None:
    """Raise Doubtful if the machine's time `now` can't be right.

    It is compared with the `Date` of Compute Engine's first answer, where it had one, and with when images were made.
    """
    latest = now + _LARGEST
    if compute.clock:
        ahead = compute.clock.now(waits.now()) - now
        if abs(ahead) > _LARGEST:
            side = "behind" if ahead > timedelta() else "ahead of"
            raise Doubtful(f"The clock of this machine is {_told(ahead)} {side} Compute Engine's", remedy=_REMEDY)
    newest = max(images, key=lambda image: image.created, default=None)
    if newest and newest.created > latest:
        raise Doubtful(
            f"{newest.ref} was made {_told(newest.created - now)} from now, by this machine's clock", remedy=_REMEDY
        )


def _told(span: timedelta) -> str:
    return f"{abs(span).total_seconds() / 60:.0f} minutes"
