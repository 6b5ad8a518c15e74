"""Tests what is found wrong with live images: by a plan, by an index, and where something can't be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.compute import lookup
from replicator.core import errors
from replicator.core.images import Difference, ImageRef, Policy
from replicator.core.replicas import Action, Existing, Lineage, Outcome, Plan, ReplicaResult, Step
from replicator.index import image_index
from replicator.replicas import audit
from replicator.replicas.audit import Finding, State
from testkit.make import PUBLIC, copy, image, replica
from testkit.virtual import LOST, Cloud, refusal

if TYPE_CHECKING:
    from replicator.core.images import Image
    from replicator.index.image_index import Index

#: What is true of one architecture and location is true of each.
each = pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
everywhere = pytest.mark.parametrize("at", ["eu", "asia"])


def source_of(architecture: str = "X86_64", **fields: Any) -> Image:
    return image(architecture=architecture, **fields)


def copy_in(at: str, architecture: str = "X86_64", **fields: Any) -> Image:
    """A right copy. Like each image it has an id of its own."""
    return copy(at, architecture=architecture, **{"id": {"eu": "2", "asia": "3"}[at], **fields})


def index_of(architecture: str = "X86_64", *, public: bool = True, **family: str) -> Index:
    """The index of a release that is everywhere."""
    seen = "public" if public else "private"
    source = source_of(architecture)
    made = [replica(at, **family) for at in ("eu", "asia")]
    rows = [
        ReplicaResult(replica=replica("us", family="web"), outcome=Outcome.SOURCE, image=source, access=seen),
        *(
            ReplicaResult(
                replica=each, outcome=Outcome.CREATED, image=copy_in(each.location, architecture), access=seen
            )
            for each in made
        ),
    ]
    built = image_index.build(source, ["us", "eu", "asia"], rows, None)
    return image_index.parse(image_index.to_bytes(built), Path("index"))


def compared(at: str, architecture: str, found: Any, policy: Policy | None = PUBLIC, **more: Any) -> Finding:
    """What is found in one location of that release."""
    (entry,) = index_of(architecture).images
    finding = audit.of_entry(entry, at, entry.locations[at], found, policy, **more)
    assert (finding.location, finding.architecture) == (at, architecture)
    assert finding.uri == entry.locations[at].uri
    return finding


def told(finding: Finding) -> list[tuple[str, str, str]]:
    return [(item.field, item.wanted, item.found) for item in finding.differences]


#: What may be wrong with the image in {at}, and what is told of it.
DRIFT: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "a copy of another image": ({"source_image_id": "7"}, [("sourceImageId", "1", "7")]),
    "no copy": ({"source_image_id": ""}, [("sourceImageId", "1", "nothing")]),
    "not ready": ({"status": "PENDING"}, [("status", "READY", "PENDING")]),
    "elsewhere": ({"storage_locations": ("us",)}, [("storageLocations", "{at}", "us")]),
    "in several places": (
        {"storage_locations": ("asia", "eu")},
        [("storageLocations", "{at}", "asia, eu")],
    ),
    "nowhere": ({"storage_locations": ()}, [("storageLocations", "{at}", "nothing")]),
    "of no architecture": ({"architecture": ""}, [("architecture", "{of}", "ARCHITECTURE_UNSPECIFIED")]),
    "of another size": ({"disk_size_gb": 50}, [("diskSizeGb", "20", "50")]),
    "obsolete": ({"deprecated": "OBSOLETE"}, [("deprecated", "(empty)", "OBSOLETE")]),
    "deleted": ({"deprecated": "DELETED"}, [("deprecated", "(empty)", "DELETED")]),
    "without a label": ({"labels": {}}, [("labels.a", "b", "nothing")]),
    "with another label": ({"labels": {"a": "c"}}, [("labels.a", "b", "c")]),
    "several": (
        {"status": "FAILED", "disk_size_gb": 50, "family": ""},
        [("status", "READY", "FAILED"), ("diskSizeGb", "20", "50")],
    ),
}


@each
@everywhere
class TestByAnIndex:
    @pytest.mark.parametrize("case", DRIFT)
    def test_drift(self, at: str, architecture: str, case: str) -> None:
        fields, wanted = DRIFT[case]
        for source in (None, source_of(architecture)):
            finding = compared(at, architecture, replace(copy_in(at, architecture), **fields), source=source)
            assert (finding.state, finding.message) == (State.DRIFTED, "")
            assert told(finding) == [
                (field, wished.format(at=at, of=architecture), now) for field, wished, now in wanted
            ]  # fmt: skip

    def test_another_image(self, at: str, architecture: str) -> None:
        """It may look alike: it is told as another one, with its time on the clock that logs have."""
        zone = timezone(timedelta(hours=2))
        other = replace(copy_in(at, architecture, id="9"), created=datetime(2026, 3, 4, 1, 30, tzinfo=zone))
        finding = compared(at, architecture, other)
        assert finding.state is State.DRIFTED
        assert told(finding) == [("id", {"eu": "2", "asia": "3"}[at], "9")]
        assert finding.told == "Another image has its name now, made 2026-03-03 23:30 UTC."

    @pytest.mark.parametrize(
        "fields",
        [{}, {"deprecated": "DEPRECATED"}, {"labels": {"a": "b", "c": "d"}}, {"description": "x"}],
        ids=["as it was", "still to be used", "more labels", "another description"],
    )
    def test_correct(self, at: str, architecture: str, fields: dict[str, Any]) -> None:
        for source in (None, source_of(architecture)):
            finding = compared(at, architecture, replace(copy_in(at, architecture), **fields), source=source)
            assert finding == Finding(
                location=at, uri=f"projects/p1/global/images/web-1-{at}", state=State.CORRECT, architecture=architecture
            )

    def test_access(self, at: str, architecture: str) -> None:
        found = copy_in(at, architecture)
        for policy, seen in ((Policy(), "private"), (None, "nothing")):
            assert told(compared(at, architecture, found, policy)) == [("access", "public", seen)]
            assert compared(at, architecture, found, policy, compare_access=False).state is State.CORRECT
        (entry,) = index_of(architecture, public=False).images
        for policy in (Policy(), PUBLIC, None):
            assert audit.of_entry(entry, at, entry.locations[at], found, policy).state is State.CORRECT

    def test_what_boots_must_be_the_source_s(self, at: str, architecture: str) -> None:
        found = replace(copy_in(at, architecture), guest_os_features=frozenset(), family="")
        finding = compared(at, architecture, found, source=source_of(architecture))
        assert finding.state is State.DRIFTED
        assert told(finding) == [("guestOsFeatures", "UEFI_COMPATIBLE", "nothing")]

    @pytest.mark.parametrize(("carried", "seen"), [("", "nothing"), ("web-9", "web-9")])
    def test_a_family(self, at: str, architecture: str, carried: str, seen: str) -> None:
        found = replace(copy_in(at, architecture), family=carried)
        for source in (None, source_of(architecture)):
            finding = compared(at, architecture, found, source=source)
            assert (finding.state, told(finding)) == (State.NOT_PROMOTED, [("family", f"web-{at}", seen)])
        (entry,) = index_of(architecture, family="").images
        assert audit.of_entry(entry, at, entry.locations[at], found, PUBLIC).state is State.CORRECT

    def test_there_is_none(self, at: str, architecture: str) -> None:
        for source in (None, source_of(architecture)):
            assert compared(at, architecture, None, source=source).state is State.MISSING

    def test_nobody_can_tell(self, at: str, architecture: str) -> None:
        for source in (None, source_of(architecture)):
            finding = compared(at, architecture, errors.Forbidden("No"), None, source=source)
            assert (finding.state, finding.differences) == (State.UNREACHABLE, ())
            assert finding.told == errors.Forbidden("No").message


@each
class TestTheSourceItself:
    """It serves each location that it is stored in; by id, for its name may be another image's by now."""

    def found(self, architecture: str, live: Image, **served: Any) -> list[tuple[str, str, str]]:
        (entry,) = index_of(architecture).images
        own = entry.locations["us"].model_copy(update=served)
        for source in (None, live):
            finding = audit.of_entry(entry, "us", own, live, PUBLIC, source=source)
        return told(finding)

    def test_in_several_locations(self, architecture: str) -> None:
        spread = source_of(architecture, storage_locations=("eu", "us"))
        assert self.found(architecture, spread) == []
        assert self.found(architecture, replace(spread, id="9")) == [("id", "1", "9")]
        assert self.found(architecture, replace(spread, id="5"), id="5") == [("storageLocations", "us", "eu, us")]

    def test_moved_away(self, architecture: str) -> None:
        moved = source_of(architecture, storage_locations=("eu", "asia"))
        assert self.found(architecture, moved) == [("storageLocations", "us", "eu, asia")]


def planned(step: Step, architecture: str = "X86_64") -> Finding:
    plan = Plan(
        source=source_of(architecture), source_policy=None, readers=(), steps=(step,), leads={}, promote=True
    )  # fmt: skip
    finding = audit.of_step(plan, step)
    assert (finding.location, finding.uri) == (step.replica.location, step.replica.ref.uri)
    assert finding.architecture == architecture
    return finding


LABEL, FAMILY = Difference("labels.a", "b", "nothing"), Difference("family", "web-eu", "nothing")


def existing(at: str, architecture: str, lineage: Lineage = Lineage.OURS, **fields: Any) -> Existing:
    return Existing(image=replace(copy_in(at, architecture), **fields), lineage=lineage)


@each
@everywhere
class TestByAPlan:
    """Whatever the plan would do is something wrong."""

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            ((), State.CORRECT),
            ((FAMILY,), State.NOT_PROMOTED),
            ((LABEL,), State.DRIFTED),
            ((LABEL, FAMILY), State.DRIFTED),
        ],
    )
    def test_what_would_be_changed(
        self, at: str, architecture: str, changes: tuple[Difference, ...], state: State
    ) -> None:
        step = Step(
            replica=replica(at), action=Action.CHECK, existing=existing(at, architecture), changes=changes
        )  # fmt: skip
        finding = planned(step, architecture)
        assert (finding.state, finding.differences, finding.told) == (state, changes, "")

    def test_what_would_be_made(self, at: str, architecture: str) -> None:
        finding = planned(Step(replica=replica(at), action=Action.COPY), architecture)
        assert (finding.state, finding.differences, finding.told) == (State.MISSING, (), "")

    def test_the_source_serves(self, at: str, architecture: str) -> None:
        assert planned(Step(replica=replica(at), action=Action.SERVE), architecture).state is State.CORRECT

    def test_nobody_can_tell(self, at: str, architecture: str) -> None:
        error = errors.Forbidden("No")
        finding = planned(Step(replica=replica(at), action=Action.REFUSE, error=error), architecture)
        assert (finding.state, finding.differences, finding.told) == (State.UNREACHABLE, (), error.message)

    @pytest.mark.parametrize(
        ("error", "state"), [(errors.Unproven("Gone"), State.UNPROVEN), (errors.Conflict("No"), State.DRIFTED)]
    )
    def test_what_stands_in_the_way(self, at: str, architecture: str, error: errors.ReplicaError, state: State) -> None:
        other = existing(at, architecture, Lineage.FOREIGN, source_image_id="7")
        step = Step(replica=replica(at), action=Action.REFUSE, existing=other, error=error)
        finding = planned(step, architecture)
        assert (finding.state, told(finding)) == (state, [("sourceImageId", "1", "7")])
        assert finding.told == error.message

    @pytest.mark.parametrize(
        ("action", "status"), [(Action.WAIT, "PENDING"), (Action.WAIT, "DELETING"), (Action.REPLACE, "FAILED")]
    )
    def test_what_is_not_ready(self, at: str, architecture: str, action: Action, status: str) -> None:
        there = existing(at, architecture, status=status, disk_size_gb=0)
        finding = planned(Step(replica=replica(at), action=action, existing=there), architecture)
        assert (finding.state, told(finding)) == (State.DRIFTED, [("status", "READY", status)])
        assert finding.told == ""

    def test_a_copy_of_a_copy_comes_from_the_source(self, at: str, architecture: str) -> None:
        there = existing(at, architecture, source_image_id="77", disk_size_gb=50)
        unfit = audit.unfit(source_of(architecture), replica(at), there)
        assert [item.field for item in unfit] == ["diskSizeGb"]

    def test_content(self, at: str, architecture: str) -> None:
        """Each field is told once, although two comparisons look at it."""
        there = existing(at, architecture, storage_locations=("us", "nam4"), disk_size_gb=50, deprecated="OBSOLETE")
        unfit = audit.unfit(source_of(architecture), replica(at), there)
        assert [(item.field, item.wanted, item.found) for item in unfit] == [
            ("storageLocations", at, "us, nam4"),
            ("deprecated", "(empty)", "OBSOLETE"),
            ("diskSizeGb", "20", "50"),
        ]
        foreign = replace(there, lineage=Lineage.FOREIGN, image=replace(there.image, source_image_id=""))
        unfit = audit.unfit(source_of(architecture), replica(at), foreign)
        assert [(item.field, item.found) for item in unfit] == [
            ("sourceImageId", "nothing"), ("storageLocations", "us, nam4"), ("deprecated", "OBSOLETE")
        ]  # fmt: skip


def test_a_finding_for_machines() -> None:
    finding = Finding(
        location="eu",
        uri="u",
        state=State.NOT_PROMOTED,
        architecture="ARM64",
        differences=(FAMILY,),
        message="It is so.",
        deprecated="It is held back.",
    )
    assert audit.as_dict(finding) == {
        "location": "eu",
        "architecture": "ARM64",
        "uri": "u",
        "state": "not_promoted",
        "differences": [{"field": "family", "wanted": "web-eu", "found": "nothing"}],
        "message": "It is so. It is held back.",
    }


def test_words_of_the_states() -> None:
    """The schema of `verify --json` promises them."""
    assert {str(state) for state in State} == {
        "correct", "drifted", "missing", "unreachable", "unproven", "not_promoted"
    }  # fmt: skip


@pytest.mark.parametrize("state", State)
def test_exit_codes(state: State) -> None:
    """What is known to be wrong counts before what could not be read."""
    code = {State.CORRECT: 0, State.UNREACHABLE: 4}.get(state, 1)
    found = Finding(location="eu", uri="", state=state, architecture="")
    assert audit.exit_code([found]) == code
    assert audit.exit_code([found, replace(found, state=State.CORRECT)]) == code
    assert audit.exit_code([replace(found, state=State.UNREACHABLE), found]) == (code or 4)
    assert audit.exit_code([]) == 0


@each
def test_what_a_partial_release_lacks(architecture: str) -> None:
    whole = index_of(architecture)
    assert audit.lacking(whole) == []
    (entry,) = whole.images
    left = entry.model_copy(update={"locations": {"us": entry.locations["us"]}})
    assert audit.lacking(whole.model_copy(update={"images": [left]})) == [
        Finding(location=at, uri="", state=State.MISSING, architecture=architecture) for at in ("asia", "eu")
    ]


def check(cloud: Cloud, index: Index) -> dict[str, Finding]:
    """What is found in each location."""
    seen = cloud.play(lambda calls: audit.check(calls, index))
    (entry,) = index.images
    assert [(item.entry, item.served) for item in seen] == [(entry, entry.locations[item.location]) for item in seen]
    return {item.location: item.finding for item in seen}


def cloud_of(architecture: str) -> Cloud:
    return Cloud(source_of(architecture), copy_in("eu", architecture), copy_in("asia", architecture))


def states(found: dict[str, Finding]) -> dict[str, str]:
    return {at: str(finding.state) for at, finding in found.items()}


WELL = {"asia": "correct", "eu": "correct", "us": "correct"}


@each
class TestCheck:
    def test_all_is_well(self, architecture: str) -> None:
        cloud = cloud_of(architecture)
        found = check(cloud, index_of(architecture))
        assert (states(found), {finding.told for finding in found.values()}) == (WELL, {""})
        assert list(found) == sorted(found)
        policies = {f"getIamPolicy {name}" for name in ("web-1", "web-1-eu", "web-1-asia")}
        assert (cloud.asked[0], set(cloud.asked[1:]), len(cloud.asked)) == ("list p1", policies, 4)

    def test_nobody_asks_who_may_use_what_is_private(self, architecture: str) -> None:
        cloud = cloud_of(architecture)
        found = check(cloud, index_of(architecture, public=False))
        assert (states(found), cloud.asked) == (WELL, ["list p1"])

    def test_a_policy(self, architecture: str) -> None:
        for at in ("eu", "asia"):
            cloud = cloud_of(architecture)
            cloud.policies[ImageRef("p1", f"web-1-{at}")] = Policy()
            found = check(cloud, index_of(architecture))
            assert (states(found), told(found[at])) == ({**WELL, at: "drifted"}, [("access", "public", "private")])

    def test_a_policy_that_may_not_be_read(self, architecture: str) -> None:
        for at in ("eu", "asia"):
            cloud = cloud_of(architecture)
            cloud.refused[f"getIamPolicy web-1-{at}"] = refusal("getIamPolicy")
            found = check(cloud, index_of(architecture))
            assert states(found) == {**WELL, at: "unreachable"}
            assert f"Reading who may use projects/p1/global/images/web-1-{at}" in found[at].told

    def test_what_boots_is_compared_where_the_source_is_there(self, architecture: str) -> None:
        """Its name may belong to another image by now, of which nothing follows."""
        index = index_of(architecture)
        other = replace(copy_in("eu", architecture), guest_os_features=frozenset())
        for source, state in (
            (source_of(architecture), "drifted"),
            (source_of(architecture, id="9", storage_locations=("us",)), "correct"),
        ):
            found = check(Cloud(source, other, copy_in("asia", architecture)), index)
            assert (states(found)["eu"], states(found)["asia"]) == (state, "correct")
        found = check(Cloud(other, copy_in("asia", architecture)), index)
        assert states(found) == {**WELL, "us": "missing"}

    def test_a_source_that_serves_nowhere_is_read_too(self, architecture: str) -> None:
        (entry,) = index_of(architecture).images
        away = entry.model_copy(update={"locations": {"eu": entry.locations["eu"]}})
        index = index_of(architecture).model_copy(update={"images": [away]})
        unlike = replace(copy_in("eu", architecture), guest_os_features=frozenset())
        cloud = Cloud(source_of(architecture), unlike)
        assert states(check(cloud, index)) == {"eu": "drifted"}

    def test_nobody_answers(self, architecture: str) -> None:
        """A verification gives up sooner than a replication does."""
        for refused, doing in (("list", "Looking for images in p1"), ("getIamPolicy", "Reading who may use")):
            cloud = cloud_of(architecture)
            cloud.refused[refused] = LOST
            found = check(cloud, index_of(architecture))
            assert set(states(found).values()) == {"unreachable"}
            assert all(doing in finding.told for finding in found.values())
            assert 0 < cloud.seconds <= lookup.PATIENCE


@each
class TestForeign:
    """Someone else's project: its images are read one by one, and who may use them is not asked."""

    def cloud(self, architecture: str) -> Cloud:
        cloud = cloud_of(architecture)
        cloud.refused["list"] = refusal("list")
        return cloud

    def test_all_is_well(self, architecture: str) -> None:
        for public in (True, False):
            cloud = self.cloud(architecture)
            found = check(cloud, index_of(architecture, public=public))
            assert states(found) == WELL
            assert {finding.told for finding in found.values()} == {"who else may use it can't be read"}
            assert sorted(cloud.asked) == ["get web-1", "get web-1-asia", "get web-1-eu", "list p1"]

    def test_something_is_wrong(self, architecture: str) -> None:
        cloud = self.cloud(architecture)
        del cloud.images[ImageRef("p1", "web-1-eu")]
        cloud.images[ImageRef("p1", "web-1-asia")] = replace(copy_in("asia", architecture), labels={})
        cloud.refused["get web-1"] = refusal("get")
        found = check(cloud, index_of(architecture))
        assert states(found) == {"asia": "drifted", "eu": "missing", "us": "unreachable"}
        assert (told(found["asia"]), found["asia"].told) == ([("labels.a", "b", "nothing")], "")
        assert "Reading projects/p1/global/images/web-1" in found["us"].told

    def test_what_boots_is_compared_too(self, architecture: str) -> None:
        cloud = self.cloud(architecture)
        cloud.images[ImageRef("p1", "web-1-eu")] = replace(
            copy_in("eu", architecture), guest_os_features=frozenset()
        )  # fmt: skip
        found = check(cloud, index_of(architecture))
        assert states(found) == {**WELL, "eu": "drifted"}

    def test_nobody_answers(self, architecture: str) -> None:
        cloud = self.cloud(architecture)
        cloud.refused["get web-1-eu"] = LOST
        found = check(cloud, index_of(architecture))
        assert states(found) == {**WELL, "eu": "unreachable"}
        assert 0 < cloud.seconds <= lookup.PATIENCE

    def test_what_the_list_did_not_say_is_not_asked_again(self, architecture: str) -> None:
        """Only who is refused the list asks for each image."""
        cloud = cloud_of(architecture)
        cloud.refused["list"] = LOST
        found = check(cloud, index_of(architecture))
        assert set(states(found).values()) == {"unreachable"}
        assert not [asked for asked in cloud.asked if asked.startswith("get ")]
