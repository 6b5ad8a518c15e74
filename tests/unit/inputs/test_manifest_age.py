from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from replicator.inputs import manifest_age, source_reference

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("built", "created", "says"),
    [
        (None, 900, ""),
        (1, 1, ""),
        (23, 23.5, ""),
        (1, 24, ""),
        (1, 25, ""),
        (24, 24, ""),
        (25, 25, ", 1 day ago. If this job built an image, that is not its manifest"),
        (48, 48, ", 2 days ago. If"),
        (24 * 90, 24 * 90, "90 days ago"),
        (1, 26, "it may be another image of that name"),
        (24 * 90, 1, "it may be another image of that name"),
    ],
    ids=[
        "unsaid",
        "just now",
        "yesterday",
        "a long build",
        "one of a day",
        "a day ago",
        "older",
        "of the day before yesterday",
        "committed",
        "older image",
        "newer image",
    ],
)
def test_ages(built: float | None, created: float, says: str) -> None:
    """Hours ago: when the build ended, and when the image was made."""
    told = manifest_age.doubt(None if built is None else NOW - built * HOUR, NOW - created * HOUR, NOW)
    assert says in told
    assert bool(told) is bool(says)


def test_both_times_are_told() -> None:
    assert manifest_age.doubt(NOW - 2 * HOUR, NOW - 50 * HOUR, NOW) == (
        "packer_manifest says that its last build ended at 2026-11-28 10:00 UTC, and the image that it names was made at "
        "2026-11-26 10:00 UTC: it may be another image of that name."
    )
    assert manifest_age.doubt(NOW - 72 * HOUR, NOW - 72 * HOUR, NOW).startswith(
        "packer_manifest is of a build that ended at 2026-11-25 12:00 UTC, 3 days ago. If"
    )


@pytest.mark.parametrize(
    ("times", "found"),
    [([1600000000], 1600000000), ([5, 7], 7), ([None], None), ([True], None), ([-1], None), ([10**30], None),
     (["1600000000"], None), ([1.5], None)],
)  # fmt: skip
def test_when_the_last_run_was_built(times: list[object], found: int | None) -> None:
    builds = [{"packer_run_uuid": "U", "build_time": time} for time in times]
    text = json.dumps({"builds": [{"packer_run_uuid": "X", "build_time": 99}, *builds], "last_run_uuid": "U"})
    built = source_reference.built_at(text)
    assert (built.timestamp() if built else None) == found
