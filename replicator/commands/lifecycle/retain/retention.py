"""Decides which sets are retired, deleted or kept, from what was read at one moment. Pure.

Anything unclear is kept. Only a set that no rule protects is retired: every member gets a date, a week away by default;
only a retired set is deleted, whole, once that date has passed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from replicator.commands.lifecycle import dates, releases
from replicator.commands.lifecycle.retain import limits
from replicator.commands.lifecycle.retain.decision import Decided, Decision, Plan, Reason, Retirement
from replicator.commands.lifecycle.retain.standing import standing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from replicator.commands.lifecycle.releases import ReplicaSet, World
    from replicator.commands.lifecycle.retain.limits import Approved
    from replicator.commands.lifecycle.retain.policy import Policy, Rules
    from replicator.commands.lifecycle.retain.standing import Heads, Newest, Standing
    from replicator.core.images import Image

    #: The instance templates that name an image, by the image's id; None if that isn't checked.
    Uses = Mapping[str, str] | None

#: Within this time of its creation, a replica may still be worked on.
_SETTLED = timedelta(hours=24)


def decide(
    world: World,
    *,
    heads: Heads,
    newest: Newest,
    uses: Uses,
    policy: Policy,
    now: datetime,
    approved: Approved | None = None,
) -> Plan:
    """Decide for each set of the world. The order of what was read is irrelevant.

    `heads` is what each family resolves to as it was asked, `newest` the same as it follows from all images that were
    listed; an image is protected by either.
    """
    strangers = {image.id: image for _, image in world.strangers}
    judged = [
        _Judge(where, strangers=strangers, heads=heads, uses=uses, policy=policy, rules=rules, now=now).judge(each)
        for line, rules in policy.lines.items()
        if (sets := world.of_line(line))
        for where in [standing(sets, heads, newest, rules, now)]
        for each in sets
    ]
    return limits.limited(limits.grouped(judged, policy.release_label), policy.max_deletions, approved)


class _Judge:
    """Judges sets of one line, each by itself."""

    def __init__(
        self,
        where: Standing,
        *,
        strangers: Mapping[str, Image],
        heads: Heads,
        uses: Uses,
        policy: Policy,
        rules: Rules,
        now: datetime,
    ) -> None:
        self.standing, self.strangers, self.heads, self.uses = where, strangers, heads, uses
        self.policy, self.rules, self.now = policy, rules, now

    def judge(self, each: ReplicaSet) -> Decided:
        """Say what is to be done with a set, apart from groups and limits."""
        until = releases.until(each)
        decided = self._protected(each) or self._out(each, until)
        return decided if decided.until else replace(decided, until=until)

    def _protected(self, each: ReplicaSet) -> Decided | None:
        """What keeps a set that isn't to be retired; None if nothing does."""
        for reason, detail in (
            (Reason.UNREADABLE, self._unreadable(each)),
            (Reason.BUSY, self._busy(each)),
            (Reason.BROKEN, ", ".join(image.ref.name for image in each.members if image.status == "FAILED")),
            (Reason.DEFAULT, self._led(each)),
            (Reason.NEWER_THAN_DEFAULT, self._newer(each)),
            (Reason.HOLD, self._held(each)),
            (Reason.KEEP_COUNT, self._counted(each)),
            (Reason.PREVIOUS, self._previous(each)),
            (Reason.AGE, self._young(each)),
        ):
            if detail:
                return Decided(each=each, decision=Decision.KEEP, reason=reason, detail=detail)
        return None

    def _out(self, each: ReplicaSet, until: datetime | None) -> Decided:
        used = self._used(each)
        if retirements := tuple(self._retirements(each)):
            if used and self.policy.retire_as == "OBSOLETE":
                # Nobody can make a machine of an OBSOLETE image, so it would break what uses it.
                return Decided(each=each, decision=Decision.KEEP, reason=Reason.IN_USE, detail=used)
            last = max(filter(None, (dates.latest(item.deleted) for item in retirements)))
            until = max(last, *(dates.latest(image.deleted) or last for image in each.members))
            return Decided(each=each, decision=Decision.RETIRE, retirements=retirements, until=until)
        if until is None or self.now < until:
            return Decided(each=each, decision=Decision.KEEP, reason=Reason.GRACE, detail="retired", until=until)
        if used:
            return Decided(each=each, decision=Decision.KEEP, reason=Reason.IN_USE, detail=used)
        return Decided(each=each, decision=Decision.PURGE, purges=leaves_first(each, self.strangers), until=until)

    def _unreadable(self, each: ReplicaSet) -> str:
        values = sorted(each.label(self.policy.release_label) - {""})
        if len(values) > 1:
            return f"ambiguous_release: the label {self.policy.release_label} has the values {', '.join(values)}"
        wrong = [image.ref.name for image in each.members if image.deleted and not dates.latest(image.deleted)]
        return f"the date of deletion of {', '.join(wrong)} can't be read" if wrong else ""

    def _busy(self, each: ReplicaSet) -> str:
        unsettled = [image.ref.name for image in each.members if image.status not in {"READY", "FAILED"}]
        young = [image.ref.name for image in each.members if self.now - image.created < _SETTLED]
        return f"{', '.join(unsettled)} not READY" if unsettled else f"{', '.join(young)} made today" if young else ""

    def _led(self, each: ReplicaSet) -> str:
        led = self.standing.led
        families = {family for image in each.members for family in led.get(image.id, ())}
        return ", ".join(sorted(families))

    def _newer(self, each: ReplicaSet) -> str:
        default = self.standing.default
        return f"newer than {default.root.ref.name}" if default and each.age > default.age else ""

    def _held(self, each: ReplicaSet) -> str:
        key = self.policy.hold_label
        values = sorted(each.label(key) - {"false"})
        return ", ".join(f"{key}={value}" for value in values)

    def _counted(self, each: ReplicaSet) -> str:
        if each.root.id not in self.standing.ranks:
            return ""
        rank, family = self.standing.ranks[each.root.id]
        return f"number {rank + 1} of {self.rules.keep} kept in {family}"

    def _previous(self, each: ReplicaSet) -> str:
        default = self.standing.default
        recent = default is not None and self.now - default.root.created < self.policy.grace
        return "the default before the one of today" if recent and each.root.id == self.standing.previous else ""

    def _young(self, each: ReplicaSet) -> str:
        critical = each.is_marked(self.policy.critical_label)
        days = self.rules.critical_days if critical else self.rules.routine_days
        age = self.now - each.root.created
        if age >= timedelta(days=days):
            return ""
        return f"{max(age.days, 0)} of {days} days{', critical' if critical else ''}"

    def _used(self, each: ReplicaSet) -> str:
        uses = self.uses or {}
        found = {uses[image.id] for image in each.members if image.id in uses}
        return ", ".join(sorted(found))

    def _retirements(self, each: ReplicaSet) -> list[Retirement]:
        """What members lack that make the set deletable one day: a state, a date. Replicas first, the source last."""
        planned = (self.now + self.policy.grace).astimezone(UTC)
        found = []
        for image in leaves_first(each, self.strangers):
            if image.deprecated and image.deleted:
                continue
            known = dates.latest(image.deleted)
            head = self.heads.get((image.ref.project, image.family))
            usual = head.ref.uri if head else ""
            found.append(
                Retirement(
                    image=image,
                    state=image.deprecated or self.policy.retire_as,
                    replacement=image.replacement if image.deprecated else usual,
                    deleted=image.deleted if known and known > planned else written(planned),
                )
            )
        return found


def written(moment: datetime) -> str:
    """Return the moment, in UTC, as it is written to an image: whole seconds, rounded up."""
    whole = moment.astimezone(UTC)
    if whole.microsecond:
        whole = whole.replace(microsecond=0) + timedelta(seconds=1)
    return whole.isoformat().replace("+00:00", "Z")


def leaves_first(each: ReplicaSet, strangers: Mapping[str, Image]) -> tuple[Image, ...]:
    """Return the members so that each copy comes before what it was copied from, and the source last.

    The chain of a member may lead through strangers, which stay: without its parents it would be of no set any more.
    """
    kin = {**strangers, **{image.id: image for image in each.members}}

    def depth(image: Image) -> int:
        seen = {image.id}
        while (parent := kin.get(image.source_image_id)) and parent.id not in seen:
            seen.add(parent.id)
            image = parent
        return len(seen)

    copies = sorted(each.copies, key=lambda image: (-depth(image), image.ref))
    return (*copies, each.root)
