"""A10: sixty worlds, and the decision and the reason for one set of each, on both sides of every limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.lifecycle.retain.policy import Policy, Rules
from testkit.lifecycle.retention import NOW, POLICY, Seen, release

if TYPE_CHECKING:
    from replicator.core.images import Image

PAST, BARE, FUTURE = "2026-11-20T00:00:00Z", "2026-11-20", "2026-12-05T00:00:00Z"
#: A set that was retired and whose date has passed.
GONE = {"deprecated": "DEPRECATED", "deleted": PAST}


def old(**more: Any) -> list[Image]:
    """The set that is asked about: `web-v1`, 200 days old, in us, eu and asia."""
    return release("web-v1", **{"age": 200, **more})


def one(position: int, **more: Any) -> list[Image]:
    """The same with one member otherwise, as what begins with `own_` says."""
    images = old(**{key: value for key, value in more.items() if not key.startswith("own_")})
    own = {key.removeprefix("own_"): value for key, value in more.items() if key.startswith("own_")}
    images[position] = replace(images[position], **own)
    return images


def newer(*ages: float, **more: Any) -> list[Image]:
    """Newer releases of the same line, the first of them the default."""
    return [each for number, age in enumerate(ages) for each in release(f"web-v{9 - number}", age=age, **more)]


#: Three newer releases, so that neither rank nor age protects the one that is asked about.
THREE = newer(50, 60, 70)
ARM = [each for number in (7, 8, 9) for each in release(f"web-arm64-v{number}", line="web-arm64", age=100 - number)]


def labelled(images: list[Image], at: int = 0, **labels: str) -> list[Image]:
    """The images, with labels on one of them."""
    return [replace(each, labels=labels) if number == at else each for number, each in enumerate(images)]


def arm(**more: Any) -> list[Image]:
    """The release of the other architecture."""
    return release("web-arm64-v1", line="web-arm64", **{"age": 201, **more})


def with_rules(**more: Any) -> Policy:
    return Policy(lines={"web": Rules(**more), "web-arm64": Rules()})


GROUP = {"release": "r1"}
TABLE: list[tuple[str, list[Image], dict[str, Any], str]] = [
    # Age
    ("retired after routine days", [*old(), *THREE], {}, "retire"),
    ("to the day", [*old(age=90), *THREE], {}, "retire"),
    ("a second younger", [*old(age=90 - 1 / 86400), *THREE], {}, "age"),
    ("critical and younger", [*labelled(old(), 0, critical="true"), *THREE], {}, "age"),
    ("critical on a replica only", [*labelled(old(), 2, critical="cve"), *THREE], {}, "age"),
    ("critical: false counts as none", [*labelled(old(), 0, critical="false"), *THREE], {}, "retire"),
    ("critical and old enough", [*labelled(old(age=365), 0, critical="true"), *THREE], {}, "retire"),
    ("zero days", [*old(age=45), *newer(10, 20, 30)], {"policy": with_rules(routine_days=0)}, "retire"),
    (
        "an override, older",
        [*old(age=61), *newer(10, 20, 30)],
        {"policy": with_rules(routine_days=60, critical_days=730)},
        "retire",
    ),
    (
        "an override, younger",
        [*old(age=59), *newer(10, 20, 30)],
        {"policy": with_rules(routine_days=60, critical_days=730)},
        "age",
    ),
    (
        "an override, critical",
        [*labelled(old(age=729), 1, critical="yes"), *THREE],
        {"policy": with_rules(routine_days=60, critical_days=730)},
        "age",
    ),
    (
        "an override, critical and older",
        [*labelled(old(age=731), 1, critical="yes"), *THREE],
        {"policy": with_rules(routine_days=60, critical_days=730)},
        "retire",
    ),
    # Count
    ("third of three", [*old(), *newer(50, 60)], {}, "keep_count"),
    (
        "deprecated ones don't count",
        [*old(), *newer(60, 70), *release("web-v5", age=80, deprecated="DEPRECATED")],
        {},
        "keep_count",
    ),
    (
        "fourth of a family, third of another",
        [*old(), *newer(50, 60), *release("web-v5", age=80, places=("eu",))],
        {},
        "keep_count",
    ),
    ("retired, but one of the last", [*old(**GONE), *newer(50, 60)], {}, "keep_count"),
    ("all deprecated: the newest stay", [*old(**GONE), *newer(50, 60, **GONE)], {}, "keep_count"),
    ("all deprecated, beyond the count", [*old(**GONE), *newer(50, 60, 70, **GONE)], {}, "purge"),
    ("keep 1, not the default", [*old(), *newer(50)], {"policy": with_rules(keep=1)}, "retire"),
    ("keep 1, alone", old(), {"policy": with_rules(keep=1)}, "default"),
    ("keep 1, alone and deprecated", old(**GONE), {"policy": with_rules(keep=1)}, "keep_count"),
    ("copies in no family", [*old(promoted=False, **GONE), *newer(50, 60, promoted=False)], {}, "keep_count"),
    # The default
    ("the default", old(), {}, "default"),
    ("the default of one location", [*old(), *newer(50, 60, 70, places=("eu",))], {}, "default"),
    ("the default though held", labelled(old(), 0, hold="true"), {}, "default"),
    ("head by what was asked only", [*old(**GONE), *THREE], {"more_heads": {("p1", "elsewhere"): old()[1]}}, "default"),
    (
        "staged: its source heads the line's family",
        [
            *old(promoted=False),
            *release("web-v0", age=300),
            *release("web-v00", age=301),
            *release("web-v000", age=302),
        ],
        {},
        "default",
    ),
    (
        "rolled back: newer, deprecated",
        [*old(**GONE), *release("web-v0", age=300), *release("web-v00", age=301), *release("web-v000", age=302)],
        {},
        "newer_than_default",
    ),
    (
        "rolled back, without a date",
        [
            *old(deprecated="DEPRECATED"),
            *release("web-v0", age=300),
            *release("web-v00", age=301),
            *release("web-v000", age=302),
        ],
        {},
        "newer_than_default",
    ),
    ("rolled back, and later superseded", [*old(deprecated="DEPRECATED"), *THREE], {}, "retire"),
    ("the previous default, just superseded", [*old(), *newer(6)], {"policy": with_rules(keep=1)}, "previous"),
    ("the previous default, a grace later", [*old(), *newer(7)], {"policy": with_rules(keep=1)}, "retire"),
    ("before the previous default", [*old(), *newer(6, 150)], {"policy": with_rules(keep=1)}, "retire"),
    # Hold
    ("held", [*labelled(old(), 0, hold="legal"), *THREE], {}, "hold"),
    ("held by a replica", [*labelled(old(**GONE), 2, hold="until-2027"), *THREE], {}, "hold"),
    ("hold: false counts as none", [*labelled(old(**GONE), 2, hold="false"), *THREE], {}, "purge"),
    ("an empty hold counts", [*labelled(old(**GONE), 2, hold=""), *THREE], {}, "hold"),
    (
        "another hold label",
        [*labelled(old(**GONE), 2, keep="x"), *THREE],
        {"policy": replace(POLICY, hold_label="keep")},
        "hold",
    ),
    # Notice
    ("in grace", [*old(deprecated="DEPRECATED", deleted=FUTURE), *THREE], {}, "grace"),
    ("the date passed", [*old(**GONE), *THREE], {}, "purge"),
    ("to the second", [*old(deprecated="DEPRECATED", deleted="2026-11-28T12:00:00Z"), *THREE], {}, "purge"),
    ("a second before", [*old(deprecated="DEPRECATED", deleted="2026-11-28T12:00:01Z"), *THREE], {}, "grace"),
    ("one member's date is later", [*one(1, **GONE, own_deleted=FUTURE), *THREE], {}, "grace"),
    ("one member has no date", [*one(1, **GONE, own_deleted=""), *THREE], {}, "retire"),
    ("one member is ACTIVE", [*one(2, **GONE, own_deprecated=""), *THREE], {}, "retire"),
    ("ACTIVE with a date", [*old(deleted=PAST), *THREE], {}, "retire"),
    ("a bare date ends late", [*old(deprecated="OBSOLETE", deleted="2026-11-27"), *THREE], {}, "purge"),
    ("a bare date of today", [*old(deprecated="OBSOLETE", deleted="2026-11-28"), *THREE], {}, "grace"),
    (
        "without zone: twelve hours later",
        [*old(deprecated="DEPRECATED", deleted="2026-11-28T00:00:01"), *THREE],
        {},
        "grace",
    ),
    ("a raised count protects again", [*old(**GONE), *THREE], {"policy": with_rules(keep=4)}, "keep_count"),
    ("more days protect again", [*old(**GONE), *THREE], {"policy": with_rules(routine_days=201)}, "age"),
    ("a longer grace later doesn't count", [*old(**GONE), *THREE], {"policy": replace(POLICY, grace_days=30)}, "purge"),
    # Doubt
    ("a date nobody can read", [*one(2, **GONE, own_deleted="soon"), *THREE], {}, "unreadable"),
    ("two release labels", [*labelled(labelled(old(**GONE), 0, **GROUP), 1, release="r2"), *THREE], {}, "unreadable"),
    ("a member is PENDING", [*one(1, **GONE, own_status="PENDING"), *THREE], {}, "busy"),
    ("a member is DELETING", [*one(1, **GONE, own_status="DELETING"), *THREE], {}, "busy"),
    ("a member of today", [*one(1, **GONE, own_created=NOW - timedelta(hours=23)), *THREE], {}, "busy"),
    ("a member of yesterday", [*one(1, **GONE, own_created=NOW - timedelta(hours=24)), *THREE], {}, "purge"),
    ("a member FAILED", [*one(1, **GONE, own_status="FAILED"), *THREE], {}, "broken"),
    # Use
    ("a copy is used", [*old(**GONE), *THREE], {"uses": {"p1.web-v1-eu": "t"}}, "in_use"),
    ("the source is used", [*old(**GONE), *THREE], {"uses": {"p1.web-v1": "t"}}, "in_use"),
    ("not checked", [*old(**GONE), *THREE], {"uses": None}, "purge"),
    ("used, not yet retired", [*old(), *THREE], {"uses": {"p1.web-v1": "t"}}, "retire"),
    (
        "used, OBSOLETE would break it",
        [*old(), *THREE],
        {"uses": {"p1.web-v1": "t"}, "policy": replace(POLICY, retire_as="OBSOLETE")},
        "in_use",
    ),
    # Groups
    (
        "the other architecture is held",
        [*labelled(old(**GONE), 0, **GROUP), *THREE, *labelled(arm(**GONE), 1, **GROUP, hold="x"), *ARM],
        {},
        "group",
    ),
    (
        "the other isn't retired yet",
        [*labelled(old(**GONE), 0, **GROUP), *THREE, *labelled(arm(), 0, **GROUP), *ARM],
        {},
        "group",
    ),
    (
        "the other is in grace: this one is retired",
        [
            *labelled(old(), 0, **GROUP),
            *THREE,
            *labelled(arm(deprecated="DEPRECATED", deleted=FUTURE), 0, **GROUP),
            *ARM,
        ],
        {},
        "retire",
    ),
    (
        "both may go",
        [*labelled(old(**GONE), 0, **GROUP), *THREE, *labelled(arm(**GONE), 0, **GROUP), *ARM],
        {},
        "purge",
    ),
    (
        "the other has another label",
        [*labelled(old(**GONE), 0, **GROUP), *THREE, *labelled(arm(**GONE), 1, release="r2", hold="x"), *ARM],
        {},
        "purge",
    ),
    (
        "of two releases by label",
        [
            *labelled(old(**GONE), 0, **GROUP),
            *THREE,
            *labelled(labelled(arm(**GONE), 0, **GROUP), 1, release="r2"),
            *ARM,
        ],
        {},
        "group",
    ),
    # Cap
    ("within the cap", [*old(**GONE), *THREE], {"policy": replace(POLICY, max_deletions=3)}, "purge"),
    ("larger than the cap", [*old(**GONE), *THREE], {"policy": replace(POLICY, max_deletions=2)}, "cap"),
    (
        "after an older one that fills the cap",
        [*old(**GONE), *release("web-v0", age=300, **GONE), *THREE],
        {"policy": replace(POLICY, max_deletions=5)},
        "cap",
    ),
    (
        "retiring has a cap of its own",
        [*old(), *release("web-v0", age=300, **GONE), *THREE],
        {"policy": replace(POLICY, max_deletions=3)},
        "retire",
    ),
]


@pytest.mark.parametrize(("images", "world", "expected"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_the_table(images: list[Image], world: dict[str, Any], expected: str) -> None:
    plan = Seen(images=tuple(images), **world).plan()
    decided = plan.of("p1.web-v1")
    assert decided is not None
    assert (decided.reason or decided.decision) == expected
    assert (decided.detail != "") == (decided.reason is not None)
    assert bool(decided.due) == (decided.reason is None)


def test_the_table_is_as_long_as_it_says() -> None:
    assert len(TABLE) >= 60
    assert len({row[0] for row in TABLE}) == len(TABLE)


def test_what_is_written() -> None:
    """The head of each member's own family as replacement; what people wrote is kept, a later date, too."""
    images = old()
    images[1] = replace(images[1], deprecated="OBSOLETE", replacement="by hand")
    images[2] = replace(images[2], deleted="2027-03-01")
    (decided,) = Seen(images=(*images, *THREE), now=NOW + timedelta(microseconds=1)).plan().retire
    assert [(each.image.ref.name, each.state, each.replacement, each.deleted) for each in decided.retirements] == [
        ("web-v1-asia", "DEPRECATED", "projects/p1/global/images/web-v9-asia", "2027-03-01"),
        ("web-v1-eu", "OBSOLETE", "by hand", "2026-12-05T12:00:01Z"),
        ("web-v1", "DEPRECATED", "projects/p1/global/images/web-v9", "2026-12-05T12:00:01Z"),
    ]
    assert decided.until is not None
    assert decided.until.isoformat() == "2027-03-02T12:00:00+00:00"


def test_the_rest_of_a_half_retired_set() -> None:
    """Only what lacks something is written; the date of the others stays."""
    images = one(0, deprecated="DEPRECATED", deleted=FUTURE, own_deprecated="", own_deleted="")
    (decided,) = Seen(images=(*images, *THREE)).plan().retire
    assert [each.image.ref.name for each in decided.retirements] == ["web-v1"]
    assert decided.until == NOW + timedelta(days=7)


def test_purges_are_oldest_first_over_all_lines_and_a_large_set_is_told() -> None:
    wide = ("eu", "asia", "us-west1")
    images = [
        *old(**GONE),
        *newer(50, 60, 70, places=wide),
        *arm(**GONE),
        *ARM,
        *release("web-v0", age=300, places=wide, **GONE),
    ]
    plan = Seen(images=tuple(images)).plan()
    assert [decided.each.root.ref.name for decided in plan.purge] == ["web-v0", "web-arm64-v1", "web-v1"]
    small = Seen(images=tuple(images), policy=replace(POLICY, max_deletions=3)).plan()
    assert [decided.each.root.ref.name for decided in small.oversized] == ["web-v0"]
    assert small.purge == ()
