"""Tests what holds a merge up when fragments are compared with the live images, and the plan of one that is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.merge import fragments
from replicator.commands.merge.confirm import confirm
from replicator.commands.merge.errors import BAD_FRAGMENTS, FRAGMENTS_UNVERIFIED, BadFragments
from replicator.commands.merge.fragments import Key
from replicator.compute import lookup
from replicator.compute.errors import EndpointUnreachable
from replicator.core.images import Binding, Difference, ImageRef, Policy
from replicator.core.replicas import Action, Existing, Lineage, Outcome, Plan, ReplicaResult, Step
from replicator.index import image_index
from testkit.make import PUBLIC, READER, copy, image, replica
from testkit.virtual import LOST, Cloud, refusal

if TYPE_CHECKING:
    from replicator.commands.merge.fragments import Merged
    from replicator.core.images import Image
    from replicator.core.replicas import Replica
    from replicator.index.image_index import Entry

KEYS = (Key("ARM64"), Key("X86_64"))
NAMES = {"ARM64": "web-b", "X86_64": "web-a"}
#: What is true of one architecture's images is true of the other's.
each = pytest.mark.parametrize("architecture", NAMES)


class Release:
    """Two images in two locations each, of which the source serves `us`, and their fragments."""

    def __init__(self, *, public: bool = True, family: bool = True, source_project: str = "p1") -> None:
        self.images: dict[str, dict[str, Image]] = {}
        read = {}
        for number, (architecture, name) in enumerate(NAMES.items(), 1):
            source = image(name, project=source_project, architecture=architecture, id=f"{number}0", family=name)
            made = copy(
                "eu", name=f"{name}-eu", architecture=architecture, id=f"{number}1", family="", encryption="key",
                source_image=source.ref, source_image_id=source.id, description="its own",
            )  # fmt: skip
            self.images[architecture] = {"us": source, "eu": made}
            rows = [
                ReplicaResult(
                    replica=self.wanted(architecture, at, family=family), outcome=Outcome.CREATED, image=found,
                    access="public" if public else "private",
                )
                for at, found in self.images[architecture].items()
            ]  # fmt: skip
            built = image_index.build(source, ["us", "eu"], rows, None)
            read[f"{architecture}.json"] = image_index.parse(image_index.to_bytes(built), Path("x"))
        self.merged: Merged = fragments.merge(read, KEYS, ())
        self.cloud = Cloud(*(found for images in self.images.values() for found in images.values()))

    def wanted(self, architecture: str, at: str, *, family: bool = True, **fields: Any) -> Replica:
        found = self.images[architecture][at]
        return replica(
            at, ref=found.ref, family=f"{NAMES[architecture]}-{at}" if family else "", description=found.description,
            kms_key=found.encryption, **fields,
        )  # fmt: skip

    def change(self, architecture: str, at: str, **fields: Any) -> Image:
        changed = replace(self.images[architecture][at], **fields)
        self.cloud.images[changed.ref] = self.images[architecture][at] = changed
        return changed

    def entry(self, architecture: str) -> Entry:
        (part,) = [part for part in self.merged.parts if part.key.architecture == architecture]
        return part.entry

    def edit(self, architecture: str, at: str, **fields: Any) -> None:
        """Let the fragment say something else of a location."""
        places = self.entry(architecture).locations
        places[at] = places[at].model_copy(update=fields)

    def remove(self, architecture: str, at: str) -> None:
        del self.cloud.images[self.images[architecture][at].ref]

    def confirm(self) -> dict[str, tuple[Image, dict[str, Existing]]]:
        found = self.cloud.play(lambda calls: confirm(calls, self.merged))
        return {part.key.architecture: (source, existing) for part, source, existing in found}

    def refused(self) -> BadFragments:
        with pytest.raises(BadFragments) as caught:
            self.confirm()
        assert {problem.input for problem in caught.value.problems} == {"fragments"}
        return caught.value

    def doubts(self) -> list[str]:
        error = self.refused()
        assert error.advice is BAD_FRAGMENTS
        return [problem.text for problem in error.problems]

    def unread(self) -> list[str]:
        error = self.refused()
        assert error.advice is FRAGMENTS_UNVERIFIED
        return [problem.text for problem in error.problems]


@pytest.fixture
def release() -> Release:
    return Release()


def test_all_is_as_the_fragments_say(release: Release) -> None:
    assert release.confirm() == {
        architecture: (
            images["us"],
            {at: Existing(image=found, lineage=Lineage.OURS, policy=PUBLIC) for at, found in images.items()},
        )
        for architecture, images in release.images.items()
    }
    assert sorted(release.cloud.asked) == [
        *(f"getIamPolicy {name}" for name in ("web-a", "web-a-eu", "web-b", "web-b-eu")), "list p1"
    ]  # fmt: skip


def told(release: Release, architecture: str, said: str, at: str = "") -> list[str]:
    """The one doubt, about the image in a location or about the source."""
    source = release.images[architecture]["us"]
    image = f" in {at}: {release.images[architecture][at].ref}" if at else f": its source {source.ref}"
    return [f"{architecture} ('{architecture}.json'){image} {said}"]


@each
class TestDoubts:
    def test_a_source_that_is_gone(self, release: Release, architecture: str) -> None:
        """Of its copies nothing more is said then."""
        source = release.images[architecture]["us"]
        release.remove(architecture, "us")
        release.remove(architecture, "eu")
        assert release.doubts() == told(release, architecture, f"(id {source.id}) is gone: build it again")

    def test_a_source_of_another_build(self, release: Release, architecture: str) -> None:
        source = release.images[architecture]["us"]
        release.change(architecture, "us", id="99")
        said = f"(id {source.id}) has the id 99 now: build it again"
        assert release.doubts() == told(release, architecture, said)

    def test_a_replica_that_is_gone(self, release: Release, architecture: str) -> None:
        release.remove(architecture, "eu")
        said = "does not exist: repeat that build's run, then merge again"
        assert release.doubts() == told(release, architecture, said, "eu")

    def test_a_replica_that_drifted(self, release: Release, architecture: str) -> None:
        release.change(architecture, "eu", labels={}, disk_size_gb=50)
        said = (
            "is not as the fragment says (diskSizeGb: wanted 20, found 50; labels.a: wanted b, found nothing): repeat "
            "that build's run, then merge again"
        )
        assert release.doubts() == told(release, architecture, said, "eu")

    @pytest.mark.parametrize("family", ["", "of-another"])
    def test_a_family_is_what_a_merge_moves(self, release: Release, architecture: str, family: str) -> None:
        for at in ("us", "eu"):
            release.change(architecture, at, family=family)
        assert release.confirm()[architecture][1]["eu"].image.family == family

    def test_a_replica_of_another_source(self, architecture: str) -> None:
        release = Release()
        release.edit(architecture, "eu", source_image_id="")
        release.change(architecture, "eu", source_image=None, source_image_id="")
        source = release.images[architecture]["us"]
        said = f"can't be proven to come from {source.ref}: look at it, and repeat that build's run"
        assert release.doubts() == told(release, architecture, said, "eu")

    def test_what_is_wrong_counts_before_what_can_not_be_read(self, release: Release, architecture: str) -> None:
        release.remove(architecture, "eu")
        release.cloud.refused["getIamPolicy"] = refusal("getIamPolicy")
        (doubt,) = release.doubts()
        assert "does not exist" in doubt


def test_every_doubt_is_told(release: Release) -> None:
    for architecture in NAMES:
        release.remove(architecture, "eu")
    assert [doubt.partition(" ")[0] for doubt in release.doubts()] == ["ARM64", "X86_64"]


@each
class TestCopiesOfCopies:
    """With `copies_per_source` replicas are copied from each other."""

    def chained(self, architecture: str, parent: Image) -> Release:
        release = Release()
        release.edit(architecture, "eu", source_image_id=parent.id)
        release.change(architecture, "eu", source_image=parent.ref, source_image_id=parent.id)
        return release

    def test_parents_that_were_listed_are_not_read_again(self, architecture: str) -> None:
        release = Release()
        source = release.images[architecture]["us"]
        parent = copy("asia", name="parent", id="77", source_image=source.ref, source_image_id=source.id)
        release = self.chained(architecture, parent)
        release.cloud.images[parent.ref] = parent
        assert release.confirm()[architecture][1]["eu"].lineage is Lineage.OURS
        assert [asked for asked in release.cloud.asked if asked.startswith("get ")] == ["get parent"]

    def test_a_parent_that_is_gone(self, architecture: str) -> None:
        (doubt,) = self.chained(architecture, copy("asia", name="parent", id="77")).doubts()
        assert "can't be proven to come from" in doubt

    def test_a_parent_that_may_not_be_read(self, architecture: str) -> None:
        release = self.chained(architecture, copy("asia", name="parent", id="77"))
        release.cloud.refused["get parent"] = refusal("get")
        (text,) = release.unread()
        assert text.startswith("Reading projects/p1/global/images/parent")


class TestUnread:
    def test_images(self, release: Release) -> None:
        """One refusal, told once."""
        release.cloud.refused["list"] = refusal("list")
        (text,) = release.unread()
        assert text.startswith("Looking for images in p1")

    def test_sources_of_another_project(self) -> None:
        release = Release(source_project="p2")
        assert set(release.confirm()) == set(NAMES)
        release.cloud.refused["list p2"] = refusal("list")
        (text,) = release.unread()
        assert text.startswith("Looking for images in p2")

    def test_sources_that_serve_nowhere(self) -> None:
        release = Release(source_project="p2")
        for architecture in NAMES:
            del release.entry(architecture).locations["us"]
        assert set(release.confirm()) == set(NAMES)
        release.cloud.refused["list p2"] = refusal("list")
        (text,) = release.unread()
        assert text.startswith("Looking for images in p2")

    @each
    def test_a_policy(self, release: Release, architecture: str) -> None:
        name = f"{NAMES[architecture]}-eu"
        release.cloud.refused[f"getIamPolicy {name}"] = refusal("getIamPolicy")
        (text,) = release.unread()
        assert text.startswith(f"Reading who may use projects/p1/global/images/{name}")

    def test_nobody_answers(self, release: Release) -> None:
        release.cloud.refused["list"] = LOST
        with pytest.raises(EndpointUnreachable, match=r"^Looking for images in p1 got no usable") as caught:
            release.confirm()
        assert caught.value.what.endswith("Nobody answered, said the test.")
        assert 0 < release.cloud.seconds <= lookup.PATIENCE

    def test_one_does_not_answer(self, release: Release) -> None:
        release.cloud.refused["getIamPolicy web-a-eu"] = LOST
        with pytest.raises(
            EndpointUnreachable, match=r"^Reading who may use projects/p1/global/images/web-a-eu got no"
        ):
            release.confirm()

    def test_one_does_not_answer_and_one_refuses(self, release: Release) -> None:
        release.cloud.refused |= {"getIamPolicy web-a-eu": LOST, "getIamPolicy web-b-eu": refusal("getIamPolicy")}
        assert [text.partition(" was ")[0].partition(" got ")[0] for text in release.unread()] == [
            f"Reading who may use projects/p1/global/images/{name}-eu" for name in ("web-b", "web-a")
        ]


def promoted(release: Release, architecture: str, **more: Any) -> Plan:
    source, existing = release.confirm()[architecture]
    return fragments.promotion(
        release.entry(architecture), source, existing, **{"required": (), "promote": True, **more}
    )


@each
class TestPromotion:
    """Of images that were confirmed only families are left to move."""

    def test_the_plan(self, release: Release, architecture: str) -> None:
        images = release.images[architecture]
        plan = promoted(release, architecture)
        family = Difference("family", f"{NAMES[architecture]}-eu", "nothing")
        assert plan.steps == (
            Step(
                replica=release.wanted(architecture, "eu", required=False),
                action=Action.CHECK,
                existing=Existing(image=images["eu"], lineage=Lineage.OURS, policy=PUBLIC),
                changes=(family,),
            ),
            Step(replica=release.wanted(architecture, "us", required=False), action=Action.SERVE),
        )
        assert (plan.source, plan.source_policy, plan.leads) == (images["us"], PUBLIC, {})

    def test_what_is_there_already(self, release: Release, architecture: str) -> None:
        release.change(architecture, "eu", family=f"{NAMES[architecture]}-eu")
        assert [step.changes for step in promoted(release, architecture).steps] == [(), ()]

    def test_a_source_that_is_held_back_moves_nothing(self, release: Release, architecture: str) -> None:
        release.change(architecture, "us", deprecated="DEPRECATED")
        assert [step.changes for step in promoted(release, architecture).steps] == [(), ()]

    def test_no_family_is_wanted(self, architecture: str) -> None:
        plan = promoted(Release(family=False), architecture)
        assert [(step.replica.family, step.changes) for step in plan.steps] == [("", ()), ("", ())]

    @pytest.mark.parametrize(("public", "members"), [(True, {"allAuthenticatedUsers"}), (False, set[str]())])
    def test_readers(self, architecture: str, public: bool, members: set[str]) -> None:
        release = Release(public=public)
        assert promoted(release, architecture).readers == (
            (Binding(READER, frozenset(members)),) if members else ()
        )  # fmt: skip

    def test_one_public_location_is_enough(self, release: Release, architecture: str) -> None:
        """Who may read it is told of each; that some are public is known."""
        release.edit(architecture, "us", public=False)
        plan = promoted(release, architecture)
        assert (plan.readers, plan.source_policy) == (PUBLIC.bindings, None)

    def test_the_source_s_own_policy(self, release: Release, architecture: str) -> None:
        """No matter what the copies' are."""
        own = Policy(PUBLIC.bindings, "own")
        release.cloud.policies[ImageRef("p1", NAMES[architecture])] = own
        assert promoted(release, architecture).source_policy == own

    @pytest.mark.parametrize("promote", [False, True])
    def test_what_was_asked_for(self, release: Release, architecture: str, promote: bool) -> None:
        plan = promoted(release, architecture, required={"eu"}, promote=promote)
        assert plan.promote is promote
        assert {step.replica.location: step.replica.required for step in plan.steps} == {"eu": True, "us": False}

    def test_a_family_that_several_share_has_a_lead(self, release: Release, architecture: str) -> None:
        entry = release.entry(architecture)
        entry.locations["asia"] = entry.locations["eu"].model_copy(update={"name": "a", "uri": ImageRef("p1", "a").uri})
        images = release.images[architecture]
        there = {"us": images["us"], "eu": images["eu"], "asia": replace(images["eu"], ref=ImageRef("p1", "a"), id="9")}
        existing = {at: Existing(image=found, lineage=Lineage.OURS) for at, found in there.items()}
        plan = fragments.promotion(entry, images["us"], existing, required=(), promote=True)
        assert plan.leads == {("p1", f"{NAMES[architecture]}-eu"): "asia"}
