"""Worlds of releases for tests of retention: images of two lines, what families resolve to, what a sweep leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from replicator.commands.lifecycle import releases
from replicator.commands.lifecycle.lines import Scope
from replicator.commands.lifecycle.retain import retention
from replicator.commands.lifecycle.retain.policy import Policy, Rules
from replicator.commands.lifecycle.retain.standing import newest
from replicator.core.images import Image, ImageRef
from replicator.replicas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from replicator.commands.lifecycle.retain.decision import Plan
    from replicator.commands.lifecycle.retain.limits import Approved

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SCOPE = Scope.of("p1", ["web", "web-arm64"], Settings())
#: An update of web-arm64's rules: 003.6 asks for one line that keeps releases for other times.
POLICY = Policy(lines={"web": Rules(), "web-arm64": Rules(routine_days=60, critical_days=730, keep=2)})
PLACES = ("us", "eu", "asia", "us-west1")


def image(name: str, *, parent: Image | None = None, project: str = "p1", age: float = 0, **more: Any) -> Image:
    """Return an image of so many days, READY, stored in `us` unless `more` says otherwise."""
    fields = {
        "ref": ImageRef(project, name),
        "id": f"{project}.{name}",
        "status": "READY",
        "created": NOW - timedelta(days=age),
        "storage_locations": ("us",),
        "source_image": parent and parent.ref,
        "source_image_id": parent.id if parent else "",
        "family": "",
        "description": "",
        "labels": {},
        "label_fingerprint": "f",
        "disk_size_gb": 10,
        "archive_size_bytes": 1,
        "architecture": "X86_64",
        "guest_os_features": frozenset(),
        "licenses": frozenset(),
        "deprecated": "",
        "encryption": "",
    }
    return Image(**{**fields, **more})


def release(
    name: str, *, line: str = "web", age: float, places: Sequence[str] = ("eu", "asia"), **more: Any
) -> list[Image]:
    """Return a source in `us` and its copies, each in its family, made an hour later."""
    carried = more.pop("promoted", True)
    root = image(name, family=line, age=age, **more)
    copies = [
        image(
            f"{name}-{place}",
            parent=root,
            age=age - 1 / 24,
            storage_locations=(place,),
            family=f"{line}-{place}" if carried else "",
            **more,
        )
        for place in places
    ]
    return [root, *copies]


def heads(images: Iterable[Image]) -> dict[tuple[str, str], Image | None]:
    """What each family resolves to, as Compute Engine documents it; None where all of its images are deprecated."""
    known = sorted(images, key=lambda each: (each.created, each.ref))
    found: dict[tuple[str, str], Image | None] = {
        (each.ref.project, each.family): None for each in known if each.family
    }
    usable = (each for each in known if each.status == "READY" and not each.deprecated and each.family)
    return {**found, **{(each.ref.project, each.family): each for each in usable}}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a sweep reads, and what it goes by."""

    images: tuple[Image, ...]
    uses: Mapping[str, str] | None = None
    policy: Policy = POLICY
    now: datetime = NOW
    more_heads: Mapping[tuple[str, str], Image | None] | None = None

    def plan(self, approved: Approved | None = None) -> Plan:
        """Decide."""
        return retention.decide(
            releases.grouped(SCOPE, self.images),
            heads={**heads(self.images), **(self.more_heads or {})},
            newest=newest(self.images),
            uses=self.uses,
            policy=self.policy,
            now=self.now,
            approved=approved,
        )

    def after(self, plan: Plan, *, days: float = 0) -> Seen:
        """Return what the next sweep reads, so many days after a plan was carried out."""
        written = {each.image.id: each for decided in plan.retire for each in decided.retirements}
        gone = {image.id for decided in plan.purge for image in decided.purges}
        left = [
            replace(
                each,
                deprecated=written[each.id].state,
                replacement=written[each.id].replacement,
                deleted=written[each.id].deleted,
            )
            if each.id in written
            else each
            for each in self.images
            if each.id not in gone
        ]
        return replace(self, images=tuple(left), now=self.now + timedelta(days=days))


_DATES = ("", "", "2026-11-20T00:00:00Z", "2026-11-28", "2026-12-05T00:00:00", "2027-01-01T00:00:00Z", "soon")
_CALM_DATES = ("", "2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-25", "2026-12-05T00:00:00")


class _Drawing:
    """Draws a world. Hypothesis gives the random numbers only: drawing each of them by itself takes twenty times as long."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.pick = random.choice

    def labels(self) -> dict[str, str]:
        values = {"release": ("r1", "r2", ""), "hold": ("true", "false", "legal"), "critical": ("true", "false")}
        return {key: self.pick(known) for key, known in values.items() if self.random.random() < 0.2}

    def marks(self) -> dict[str, Any]:
        state = self.pick(["", "DEPRECATED", "DEPRECATED", "OBSOLETE", "DELETED"])
        return {"deprecated": state, "deleted": self.pick(_DATES), "labels": self.labels()}

    def release(self, number: int) -> list[Image]:
        """A source with copies, copies of copies and strangers; mostly one that is retired whole, or not at all."""
        line, calm = self.pick(SCOPE.families), self.random.random() < 0.8
        same = self.marks() if not calm else {"deprecated": "", "labels": self.labels()}
        if calm and self.random.random() < 0.6:
            same |= {"deprecated": "DEPRECATED", "deleted": self.pick(_CALM_DATES)}
        own = line if self.random.random() < 0.8 else ""
        root = image(f"{line}-v{number}", age=number, family=own, **same)
        family = [root]
        for place in self.random.sample(PLACES, self.random.randrange(4)):
            marks = same if calm else self.marks()
            status = "READY" if calm else self.pick(["READY", "READY", "READY", "PENDING", "FAILED", "DELETING"])
            own = f"{line}-{place}" if self.random.random() < 0.8 else self.pick(["", "db"])
            age = number - self.random.uniform(0, max(number - 1, 0.5) if self.random.random() < 0.3 else 0.5)
            wanted: dict[str, Any] = {"storage_locations": (place,), "family": own, "status": status, "age": age}
            family.append(image(f"{root.ref.name}-{place}", parent=self.pick(family), **wanted, **marks))
            if self.random.random() < 0.1:
                name = f"test-{root.ref.name}-{place}"
                family.append(image(name, parent=family[-1], age=age, family=f"{line}-eu"))
        return family

    def world(self) -> Seen:
        numbers = self.random.sample(range(400), self.random.randrange(1, 12))
        lost: dict[str, Any] = {
            "source_image": ImageRef("p1", "gone"),
            "source_image_id": "77",
            "storage_locations": ("eu",),
        }
        images = [
            *(each for number in numbers for each in self.release(number)),
            image("db-v1", family="db", age=300),
            image("web-v9", project="p9", family="web", age=50),
            image("orphan-eu", family="web-eu", age=400, **lost),
        ]
        self.random.shuffle(images)
        used = [self.pick(images) for _ in range(self.random.randrange(3))]
        uses = {each.id: "template t" for each in used}
        policy = Policy(
            lines={line: self.rules() for line in SCOPE.families},
            grace_days=self.random.randrange(1, 9),
            max_deletions=self.pick([4, 20, 100]),
            retire_as=self.pick(["DEPRECATED", "OBSOLETE"]),
        )
        return Seen(images=tuple(images), uses=self.pick([uses, uses, None]), policy=policy)

    def rules(self) -> Rules:
        routine = self.random.randrange(120)
        return Rules(
            routine_days=routine, critical_days=routine + self.random.randrange(300), keep=self.pick([1, 1, 2, 3])
        )


def world_of(random: Random) -> Seen:
    """Draw several releases, images of others, templates, and rules short enough that things go."""
    return _Drawing(random).world()


def worlds() -> st.SearchStrategy[Seen]:
    """Draw any world."""
    return st.builds(world_of, st.randoms(use_true_random=True))
