"""Where copies go, and how long each takes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Every region that Compute v1 had an endpoint for on 2026-11-06, so ordered that the first few lie far apart.
REGIONS = (
    *("europe-west1", "asia-east1", "us-central1", "australia-southeast1", "southamerica-east1", "me-west1"),
    *("africa-south1", "northamerica-northeast1", "asia-south1", "asia-east2", "asia-northeast1", "asia-northeast2"),
    *("asia-northeast3", "asia-south2", "asia-southeast1", "asia-southeast2", "asia-southeast3"),
    *("australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1"),
    *("europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8", "europe-west9"),
    *("europe-west10", "europe-west12", "me-central1", "me-central2", "northamerica-northeast2"),
    *("northamerica-south1", "southamerica-west1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1"),
    *("us-west2", "us-west3", "us-west4"),
)

#: Another continent takes so much longer than the source's own.
_FAR = 1.5
#: How far copies of one kind lie apart: two of three within a factor of 1.4.
_SIGMA = 0.35


def copy_seconds(locations: Sequence[str], *, slowest: float, seed: int) -> Mapping[str, float]:
    """Location → seconds that a copy from `us` takes; the slowest takes exactly `slowest`.

    No distribution is published. Durations of transfers are skewed to the right, so they are drawn log-normally, and
    those to other continents are longer. Only their proportions matter: minutes are made seconds.
    """
    draw = random.Random(seed)  # noqa: S311 - to be drawn again, not to keep a secret
    drawn = {
        location: draw.lognormvariate(0, _SIGMA) * (1 if location.startswith(("us", "northamerica")) else _FAR)
        for location in locations
    }
    scale = slowest / max(drawn.values())
    return {location: round(seconds * scale, 3) for location, seconds in drawn.items()}
