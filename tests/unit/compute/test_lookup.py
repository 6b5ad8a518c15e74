"""Tests what is read of images that exist, in which order, and what is said of those that can't be read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from replicator.compute import lookup, retry
from replicator.compute.errors import (
    CREDENTIALS_REFUSED,
    NO_CREDENTIALS,
    SOURCE_MISSING,
    SOURCE_UNREADABLE,
    SOURCE_UNUSABLE,
    EndpointUnreachable,
    SignInFailed,
)
from replicator.compute.refusals import NoWay, Refusal
from replicator.core import errors
from replicator.core.images import CUSTOMER_SUPPLIED, ImageRef, Policy
from replicator.core.replicas import Access, Existing, Lineage
from replicator.inputs.source_reference import FamilyRef
from testkit.make import PUBLIC, copy, image
from testkit.virtual import LOST, Cloud, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.compute.rate_limit import Request
    from replicator.core.errors import ReplicaError
    from replicator.core.images import Image
    from replicator.inputs.source_reference import SourceRef

#: What is true of one architecture is true of each.
each = pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
SLOW_DOWN = refusal("get", 429, "rateLimitExceeded")
SOURCE, EU, ASIA = (ImageRef("p1", name) for name in ("web-1", "web-1-eu", "web-1-asia"))


@pytest.fixture
def exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits take as long as they are asked to."""
    monkeypatch.setattr("replicator.compute.waits.random.uniform", lambda least, _: least)


def after(seconds: float, status: int | None = 429) -> Refusal:
    """An answer that asks for the next call after so many seconds."""
    return Refusal("compute.images.get", project="p1", status=status, message="Later.", retry_after=seconds)


class Pending(Cloud):
    """The source is PENDING when it is read for so many times, then another, or gone."""

    def __init__(self, times: int, then: Image | None = None) -> None:
        super().__init__(image(status="PENDING"))
        self.times, self.then = times, then

    def get(self, ref: ImageRef) -> Request[Image]:
        request = super().get(ref)

        def send() -> Image:
            found = request.send()
            self.times -= 1
            if not self.times:
                self.images = {self.then.ref: self.then} if self.then else {}
            return found

        return replace(request, send=send)


def read_source(cloud: Cloud, reference: SourceRef = SOURCE, minutes: float = 10) -> Image:
    return cloud.play(lambda calls: lookup.read_source(calls, reference), minutes=minutes)


def unread(cloud: Cloud, reference: SourceRef = SOURCE, minutes: float = 10) -> errors.ReplicatorError:
    """Why the source can't be read."""
    with pytest.raises(errors.ReplicatorError) as caught:
        read_source(cloud, reference, minutes)
    return caught.value


class TestTheSource:
    @pytest.mark.parametrize("fields", [{}, {"deprecated": "DEPRECATED"}, {"encryption": "a-kms-key"}], ids=str)
    def test_it_is_there(self, fields: dict[str, Any]) -> None:
        cloud = Cloud(image(**fields))
        assert read_source(cloud) == image(**fields)
        assert cloud.asked == ["get web-1"]

    @pytest.mark.parametrize("times", [1, 3])
    def test_it_is_waited_for(self, times: int, exactly: None) -> None:
        cloud = Pending(times, image())
        assert read_source(cloud) == image()
        assert cloud.asked == ["get web-1"] * (times + 1)
        assert cloud.seconds == 10 * times
        assert [(where, said.partition(" Next")[0]) for where, said in cloud.told] == [
            ("source", f"The source {SOURCE} is PENDING.")
        ] * times

    def test_it_is_never_ready(self) -> None:
        error = unread(Pending(1000))
        assert error.advice is SOURCE_UNUSABLE
        assert error.what == f"The source {SOURCE} is PENDING. Waiting 1 s would go beyond timeout_minutes"
        assert error.todo == errors.NotReady.remedy

    def test_it_comes_to_nothing(self) -> None:
        error = unread(Pending(1))
        assert error.advice is SOURCE_MISSING
        assert error.what == f"Reading the source {SOURCE} found nothing: No, said the test."

    @pytest.mark.parametrize(
        ("fields", "what", "todo"),
        [
            (
                {"status": "RESTORING"},
                "is in the state RESTORING, which nobody knows here",
                "Look up what that means; run this again when the image is READY.",
            ),
            (
                {"status": ""},
                "is in the state (none), which nobody knows here",
                "Look up what that means; run this again when the image is READY.",
            ),
            ({"status": "FAILED"}, "is in state FAILED", "Build it anew."),
            ({"status": "DELETING"}, "is in state DELETING", "Build it anew."),
            *(
                (
                    {"deprecated": state},
                    f"is marked {state}, and Compute Engine doesn't copy such an image",
                    "`gcloud compute images deprecate web-1 --project p1 --state ACTIVE` makes it usable again.",
                )
                for state in ("OBSOLETE", "DELETED")
            ),
            (
                {"encryption": CUSTOMER_SUPPLIED},
                "is encrypted with a customer-supplied key, which this tool never takes",
                "Build it without one, or with a Cloud KMS key.",
            ),
        ],
    )
    def test_it_cannot_be_used(self, fields: dict[str, Any], what: str, todo: str) -> None:
        error = unread(Cloud(image(**fields)))
        assert (error.advice, error.what, error.todo) == (SOURCE_UNUSABLE, f"The source {SOURCE} {what}", todo)

    @pytest.mark.parametrize(
        ("answer", "advice", "todo"),
        [
            (refusal("get", 400, "invalid"), SOURCE_UNREADABLE, errors.OperationFailed.remedy),
            (
                Refusal("compute.images.get", project="a b", status=404, message="No, said the test."),
                SOURCE_MISSING,
                SOURCE_MISSING.remedy.replace("PROJECT", "'a b'"),
            ),
            (refusal("get", 401), CREDENTIALS_REFUSED, CREDENTIALS_REFUSED.remedy),
        ],
        ids=["400", "404", "401"],
    )
    def test_it_is_refused(self, answer: Refusal, advice: errors.Advice, todo: str) -> None:
        cloud = Cloud()
        cloud.refused = {"get": answer, "list newest": refusal("list")}
        error = unread(cloud)
        assert (error.advice, error.todo) == (advice, todo)
        verb = "found nothing" if answer.status == 404 else "was refused"
        assert error.what == f"Reading the source {SOURCE} {verb}: No, said the test."

    def test_no_call_can_be_sent(self) -> None:
        cloud = Cloud()
        cloud.refused = {"get": NoWay("No name.", remedy="Unset it.")}
        error = unread(cloud)
        assert isinstance(error, EndpointUnreachable)
        assert (error.what, error.todo) == (
            f"Reading the source {SOURCE} got no usable answer: No name.", "Unset it."
        )  # fmt: skip

    @pytest.mark.parametrize(("every", "seconds"), [(30, 60), (30.2, 30.2)])
    def test_no_answer_for_a_minute(self, every: float, seconds: float, exactly: None) -> None:
        cloud = Cloud()
        cloud.refused = {"get": after(every, None)}
        assert isinstance(unread(cloud), EndpointUnreachable)
        assert cloud.seconds == pytest.approx(seconds)
        where, said = cloud.told[0]
        assert (where, said.partition(" Next")[0]) == ("source", f"Reading the source {SOURCE}: Later.")

    def test_not_in_time(self) -> None:
        cloud = Cloud()
        cloud.refused = {"get": SLOW_DOWN}
        error = unread(cloud)
        assert isinstance(error, EndpointUnreachable)
        assert error.what == (
            f"Reading the source {SOURCE}: timeout_minutes would pass before the next try (rate: No, said the test.)"
        )
        assert cloud.seconds > 9 * 60


class TestSimilarNames:
    """A source that isn't found may have been meant otherwise."""

    database = image("database-9", project="p1", family="database", id="7")

    def meant(self, wrong: SourceRef, *images: Image, **refused: Any) -> str:
        """The question that comes before the usual remedy."""
        cloud = Cloud(*images)
        cloud.refused = refused
        error = unread(cloud, wrong)
        assert error.advice is SOURCE_MISSING
        assert error.what == f"Reading the source {wrong} found nothing: No, said the test."
        assert cloud.asked[1:] == ["list newest p1"]
        question, usual, rest = error.todo.partition(SOURCE_MISSING.remedy.replace("PROJECT", "p1"))
        assert (usual != "", rest) == (True, "")
        return question

    def test_of_an_image(self) -> None:
        assert self.meant(ImageRef("p1", "wbe-1"), image(family=""), self.database) == f"Did you mean {SOURCE}? "

    def test_of_a_family(self) -> None:
        web = FamilyRef("p1", "web")
        assert self.meant(FamilyRef("p1", "wbe"), self.database, image("other-1")) == f"Did you mean {web}? "

    def test_an_image_for_a_family_and_the_other_way_round(self) -> None:
        assert self.meant(FamilyRef("p1", "web-11"), image(family="server")) == f"Did you mean {SOURCE}? "
        server = FamilyRef("p1", "server")
        assert self.meant(ImageRef("p1", "sever"), image("a-1", family="server")) == f"Did you mean {server}? "

    def test_both(self) -> None:
        built = image("web", family="weeb")
        one, other = ImageRef("p1", "web"), FamilyRef("p1", "weeb")
        assert self.meant(ImageRef("p1", "we"), built) == f"Did you mean {one} or {other}? "

    def test_one_name_for_both(self) -> None:
        """What was written decides which of the two was meant."""
        built = image("web", family="web")
        image_ref, family = ImageRef("p1", "web"), FamilyRef("p1", "web")
        assert self.meant(ImageRef("p1", "webb"), built) == f"Did you mean {image_ref}? "
        assert self.meant(FamilyRef("p1", "webb"), built) == f"Did you mean {family}? "

    def test_none(self) -> None:
        assert self.meant(SOURCE, self.database) == ""
        assert self.meant(SOURCE) == ""

    @pytest.mark.parametrize(
        "answer", [refusal("list"), LOST, SLOW_DOWN, SignInFailed(NO_CREDENTIALS, "No.")], ids=lambda each: repr(each)
    )
    def test_no_answer(self, answer: Any) -> None:
        """It is asked for once."""
        assert self.meant(ImageRef("p1", "wbe-1"), image(), **{"list newest": answer}) == ""

    @pytest.mark.parametrize(("minutes", "seconds", "told"), [(10, 10, True), (0.5, 0, False)])
    def test_too_long(self, minutes: float, seconds: float, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """The project's quota opens in a minute."""
        monkeypatch.setattr(retry, "READS_A_MINUTE", 1)
        cloud = Cloud(image())
        assert "Did you mean" not in unread(cloud, ImageRef("p1", "wbe-1"), minutes).todo
        assert (cloud.seconds, cloud.asked) == (seconds, ["get wbe-1"])
        assert [where for where, _ in cloud.told] == ["source"] * told

    @pytest.mark.parametrize("answer", [refusal("get", 403), LOST], ids=["refused", "unanswered"])
    def test_only_what_is_missing_is_looked_for(self, answer: Refusal) -> None:
        cloud = Cloud(image())
        cloud.refused = {"get": answer}
        error = unread(cloud, ImageRef("p1", "wbe-1"))
        assert "Did you mean" not in error.todo
        assert {*cloud.asked} == {"get wbe-1"}


@each
class TestWhoMayUseTheSource:
    def read(self, cloud: Cloud, architecture: str, access: Access) -> Policy | None:
        source = image(architecture=architecture)
        return cloud.play(lambda calls: lookup.read_source_policy(calls, source, access))

    @pytest.mark.parametrize("access", Access)
    def test_read(self, architecture: str, access: Access) -> None:
        assert self.read(Cloud(), architecture, access) == PUBLIC

    @pytest.mark.parametrize("access", [Access.PUBLIC, Access.PRIVATE])
    def test_refused_where_it_is_not_needed(self, architecture: str, access: Access) -> None:
        for _ in range(2):
            cloud = Cloud()
            cloud.refused = {"getIamPolicy": refusal("getIamPolicy")}
            assert self.read(cloud, architecture, access) is None

    def test_refused_where_it_is_needed(self, architecture: str) -> None:
        for _ in range(2):
            cloud = Cloud()
            cloud.refused = {"getIamPolicy": refusal("getIamPolicy", 400, "invalid")}
            with pytest.raises(errors.ReplicatorError) as caught:
                self.read(cloud, architecture, Access.SOURCE)
            error = caught.value
            assert error.advice is SOURCE_UNREADABLE
            assert error.what == f"Reading who may use {SOURCE} was refused: No, said the test."
            assert error.todo == (
                f"{errors.OperationFailed.remedy} Or set access to public or private, which don't need it."
            )

    @pytest.mark.parametrize("access", Access)
    def test_another_failure_ends_the_run(self, architecture: str, access: Access) -> None:
        for _ in range(2):
            cloud = Cloud()
            cloud.refused = {"getIamPolicy": LOST}
            with pytest.raises(EndpointUnreachable) as caught:
                self.read(cloud, architecture, access)
            assert "set access" not in caught.value.todo


def chained(name: str, number: str, of: Image | None, **fields: Any) -> Image:
    """An image of family `web` that was copied from another."""
    made = {"source_image": of.ref, "source_image_id": of.id} if of else {}
    return image(name, id=number, age=float(number), **{**made, **fields})


class TestTheSourceOfAFamily:
    """The head may be a home copy, so what it was copied from within the family is the source."""

    def read(self, cloud: Cloud) -> str:
        source = cloud.play(lambda calls: lookup.read_source(calls, FamilyRef("p1", "web")))
        return f"{source.ref.project}/{source.ref.name}"

    def test_a_head_that_was_built(self) -> None:
        cloud = Cloud(chained("web-1", "1", None))
        assert self.read(cloud) == "p1/web-1"
        assert cloud.asked == ["getFromFamily p1/web"]

    def test_a_copy(self) -> None:
        built = chained("web-1", "1", None)
        cloud = Cloud(built, chained("web-1-us", "2", built))
        assert self.read(cloud) == "p1/web-1"
        assert cloud.asked == ["getFromFamily p1/web", "get web-1"]

    def test_a_copy_of_a_copy(self) -> None:
        built = chained("web-1", "1", None)
        between = chained("web-1-us", "2", built)
        assert self.read(Cloud(built, between, chained("web-1-eu", "3", between))) == "p1/web-1"

    @pytest.mark.parametrize("elsewhere", [{"family": "base"}, {"family": ""}, {"project": "p2"}], ids=str)
    def test_not_beyond_the_family(self, elsewhere: dict[str, str]) -> None:
        """What another family or project holds was something else, even if it came out of this one once."""
        first = chained("web-0", "1", None)
        other = chained("base-1", "2", first, **elsewhere)
        cloud = Cloud(first, other, chained("web-1", "3", other))
        assert self.read(cloud) == "p1/web-1"
        assert cloud.asked == ["getFromFamily p1/web", "get base-1"]

    def test_what_may_not_be_read_is_left_out(self) -> None:
        """It is usually in a project that builds."""
        built = chained("web-1", "1", None)
        between = chained("web-1-us", "2", built)
        cloud = Cloud(built, between, chained("web-1-eu", "3", between))
        cloud.refused = {"get web-1": refusal("get", 403)}
        assert self.read(cloud) == "p1/web-1-us"

    def test_what_is_gone_is_left_out(self) -> None:
        assert self.read(Cloud(chained("web-1-us", "2", chained("web-1", "1", None)))) == "p1/web-1-us"

    @pytest.mark.parametrize("status", [400, 402, 405])
    def test_another_refusal_ends_the_run(self, status: int) -> None:
        built = chained("web-1", "1", None)
        cloud = Cloud(built, chained("web-1-us", "2", built))
        cloud.refused = {"get": refusal("get", status, "invalid")}
        with pytest.raises(errors.ReplicatorError) as caught:
            self.read(cloud)
        assert caught.value.what == f"Reading {built.ref} was refused: No, said the test."
        assert caught.value.advice is SOURCE_UNREADABLE


def read_existing(
    cloud: Cloud, refs: Iterable[ImageRef], architecture: str = "X86_64", **limits: float
) -> dict[ImageRef, Existing | ReplicaError]:
    source = image(architecture=architecture)
    return cloud.play(lambda calls: lookup.read_existing(calls, source, refs), **limits)


def failed(found: Existing | ReplicaError) -> ReplicaError:
    assert isinstance(found, errors.ReplicaError)
    return found


@each
class TestWhatExists:
    """By address: each image with its lineage and policy, or why it can't be read."""

    def test_nothing(self, architecture: str) -> None:
        cloud = Cloud()
        assert read_existing(cloud, [EU, ASIA], architecture) == {}
        assert cloud.asked == ["list p1"]

    def test_copies(self, architecture: str) -> None:
        eu, asia = copy("eu", architecture=architecture), copy("asia", id="3", architecture=architecture)
        private = Policy((), "mine")
        for _ in range(2):
            cloud = Cloud(eu, asia)
            cloud.policies[ASIA] = private
            assert read_existing(cloud, [EU, ASIA], architecture) == {
                EU: Existing(image=eu, lineage=Lineage.OURS, policy=PUBLIC),
                ASIA: Existing(image=asia, lineage=Lineage.OURS, policy=private),
            }
            assert cloud.asked == ["list p1", "getIamPolicy web-1-eu", "getIamPolicy web-1-asia"]

    def test_a_copy_of_a_replica_is_told_by_what_was_listed(self, architecture: str) -> None:
        eu = copy("eu", architecture=architecture)
        asia = copy("asia", id="3", source_image=eu.ref, source_image_id=eu.id, architecture=architecture)
        cloud = Cloud(eu, asia)
        found = read_existing(cloud, [EU, ASIA], architecture)
        assert [item.lineage for item in found.values() if isinstance(item, Existing)] == [Lineage.OURS] * 2
        assert "get web-1-eu" not in cloud.asked

    def test_one_project_that_is_not_answered(self, architecture: str) -> None:
        """It is given up after a minute, since all others wait for the plan."""
        away, there = ImageRef("p2", "web-1-eu"), copy("asia", architecture=architecture)
        for _ in range(2):
            cloud = Cloud(there)
            cloud.refused = {"list p2": LOST}
            found = read_existing(cloud, [away, ASIA], architecture)
            assert [*found] == [away, ASIA]
            error = failed(found[away])
            assert isinstance(error, errors.Unreachable)
            assert error.what == "Looking for images in p2 got no usable answer: Nobody answered, said the test."
            assert found[ASIA] == Existing(image=there, lineage=Lineage.OURS, policy=PUBLIC)
            assert 30 < cloud.seconds <= 60

    def test_one_project_that_is_refused(self, architecture: str) -> None:
        names = [ImageRef("p2", "web-1-eu"), ImageRef("p2", "web-1-us")]
        cloud = Cloud()
        cloud.refused = {"list p2": refusal("list", 403)}
        found = read_existing(cloud, names, architecture)
        assert [*found] == names
        for error in map(failed, found.values()):
            assert (error.reason, error.what) == (
                "forbidden", "Looking for images in p2 was refused: No, said the test."
            )  # fmt: skip

    def test_no_answer_at_all_ends_the_run(self, architecture: str) -> None:
        for _ in range(2):
            cloud = Cloud()
            cloud.refused = {"list p1": NoWay("No name.", remedy="Unset it."), "list p2": LOST}
            with pytest.raises(EndpointUnreachable) as caught:
                read_existing(cloud, [EU, ImageRef("p2", "web-1-asia")], architecture)
            assert caught.value.what == "Looking for images in p1 got no usable answer: No name."
            assert caught.value.todo == "Unset it."

    def test_no_answer_of_the_only_project(self, architecture: str) -> None:
        cloud = Cloud()
        cloud.refused = {"list": LOST}
        with pytest.raises(EndpointUnreachable) as caught:
            read_existing(cloud, [EU], architecture)
        assert caught.value.todo == errors.Unreachable.remedy


class TestHowLongOthersWait:
    def test_the_only_project_has_all_the_time(self) -> None:
        cloud = Cloud()
        cloud.refused = {"list": SLOW_DOWN}
        with pytest.raises(EndpointUnreachable) as caught:
            read_existing(cloud, [EU, ASIA], minutes=15)
        assert caught.value.what == (
            "Looking for images in p1: timeout_minutes would pass before the next try (rate: No, said the test.)"
        )
        assert cloud.seconds > 14 * 60

    @pytest.mark.parametrize(("minutes", "longest"), [(15, 180), (6, 120)])
    def test_one_of_several_projects(self, minutes: float, longest: float) -> None:
        """Three minutes, or a third of the time."""
        cloud = Cloud()
        cloud.refused = {"list p2": SLOW_DOWN}
        found = read_existing(cloud, [EU, ImageRef("p2", "web-1-asia")], minutes=minutes)
        assert [failed(item).reason for item in found.values()] == ["rate"]
        assert longest - 66 < cloud.seconds <= longest
        where, said = cloud.told[0]
        assert where == "p2"
        assert said.startswith("Looking for images in p2: No, said the test.")

    @pytest.mark.parametrize(("minutes", "longest"), [(15, 180), (6, 120)])
    def test_one_image(self, minutes: float, longest: float) -> None:
        cloud = Cloud(copy("eu"))
        cloud.refused = {"getIamPolicy": SLOW_DOWN}
        assert failed(read_existing(cloud, [EU], minutes=minutes)[EU]).reason == "rate"
        assert longest - 66 < cloud.seconds <= longest
        where, said = cloud.told[0]
        assert where == "web-1-eu"
        assert said.startswith(f"Examining {EU}: No, said the test.")


@pytest.mark.parametrize(
    ("minutes", "every", "seconds"),
    [(15, 45, 180), (15, 60.2, 120.4), (6, 40, 120), (6, 40.2, 80.4)],
)
def test_the_most_that_others_wait(minutes: float, every: float, seconds: float, exactly: None) -> None:
    """Three minutes, or a third of the time, for one project of several or for one image."""
    away = ImageRef("p2", "web-1-eu")
    for refused, refs in (("list p2", [EU, away]), ("getIamPolicy", [EU])):
        cloud = Cloud(copy("eu"))
        cloud.refused = {refused: after(every)}
        failed(read_existing(cloud, refs, minutes=minutes)[refs[-1]])
        assert cloud.seconds == pytest.approx(seconds)


def examine(cloud: Cloud, found: Image, architecture: str = "X86_64") -> Existing | ReplicaError:
    source = image(architecture=architecture)
    cloud.asked.clear()
    return cloud.play(lambda calls: lookup.examine(calls, source, found))


@each
class TestOneImage:
    def test_ours(self, architecture: str) -> None:
        eu = copy("eu", architecture=architecture)
        cloud = Cloud(eu)
        for _ in range(2):
            assert examine(cloud, eu, architecture) == Existing(image=eu, lineage=Lineage.OURS, policy=PUBLIC)
            assert cloud.asked == ["getIamPolicy web-1-eu"]

    @pytest.mark.parametrize("status", ["PENDING", "FAILED", "DELETING"])
    def test_of_what_is_not_ready_nobody_asks_who_may_use_it(self, architecture: str, status: str) -> None:
        eu = copy("eu", architecture=architecture, status=status)
        cloud = Cloud(eu)
        for _ in range(2):
            assert examine(cloud, eu, architecture) == Existing(image=eu, lineage=Lineage.OURS)
            assert cloud.asked == []

    def test_nor_of_what_is_not_ours(self, architecture: str) -> None:
        other = image("web-1-eu", id="2", architecture=architecture)
        cloud = Cloud(other)
        for _ in range(2):
            assert examine(cloud, other, architecture) == Existing(image=other, lineage=Lineage.FOREIGN)
            assert cloud.asked == []

    @pytest.mark.parametrize("status", [403, 404, 400])
    def test_a_policy_that_may_not_be_read(self, architecture: str, status: int) -> None:
        cloud = Cloud(copy("eu"))
        cloud.refused = {"getIamPolicy": refusal("getIamPolicy", status)}
        error = failed(examine(cloud, copy("eu"), architecture))
        assert error.what == f"Examining {EU} {'found nothing' if status == 404 else 'was refused'}: No, said the test."

    def test_a_parent_that_may_not_be_read(self, architecture: str) -> None:
        parent = copy("us", id="7")
        cloud = Cloud(parent)
        cloud.refused = {"get": refusal("get", 403)}
        error = failed(
            examine(cloud, copy("eu", source_image=parent.ref, source_image_id=parent.id), architecture)
        )  # fmt: skip
        assert (error.reason, error.what) == ("forbidden", f"Reading {parent.ref} was refused: No, said the test.")

    def test_too_late(self, architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The project's quota opens after the end of the run."""
        monkeypatch.setattr(retry, "READS_A_MINUTE", 1)
        eu = copy("eu", architecture=architecture)

        for _ in range(2):
            cloud = Cloud(eu)
            found = read_existing(cloud, [EU], architecture, minutes=0.5)
            error = failed(found[EU])
            assert isinstance(error, errors.Deadline)
            assert "to stay within its quota" in error.what


@each
class TestLineage:
    """Ids tell what an image was made from; names may belong to others by now, or be written otherwise."""

    def told(self, architecture: str, found: Image, *others: Image) -> tuple[Lineage, list[str]]:
        source, cloud = image(architecture=architecture), Cloud(*others)
        lineage = [cloud.play(lambda calls: lookup.lineage_of(calls, source, found)) for _ in range(2)]
        assert lineage[0] is lineage[1]
        once = len(cloud.asked) // 2
        assert cloud.asked[:once] == cloud.asked[once:]
        return lineage[0], cloud.asked[:once]

    def test_its_own_fields_decide(self, architecture: str) -> None:
        assert self.told(architecture, copy("eu")) == (Lineage.OURS, [])
        # The project may be written as its number.
        assert self.told(architecture, copy("eu", source_image=ImageRef("77", "web-1"))) == (Lineage.OURS, [])
        assert self.told(architecture, image("web-1-eu", id="2")) == (Lineage.FOREIGN, [])
        from_a_disk = image("web-1-eu", id="2", source_image=ImageRef("p1", "web-1"))
        assert self.told(architecture, from_a_disk) == (Lineage.FOREIGN, [])

    def test_a_former_image_of_that_name(self, architecture: str) -> None:
        former = copy("eu", source_image_id="9")
        assert self.told(architecture, former, image()) == (Lineage.UNPROVEN, ["get web-1"])

    def test_by_its_parents(self, architecture: str) -> None:
        us = copy("us", id="5")
        asia = copy("asia", id="6", source_image=us.ref, source_image_id="5")
        eu = copy("eu", source_image=asia.ref, source_image_id="6")
        assert self.told(architecture, asia, us, image()) == (Lineage.OURS, ["get web-1-us"])
        assert self.told(architecture, eu, asia, us, image()) == (Lineage.OURS, ["get web-1-asia", "get web-1-us"])

    def test_a_parent_whose_source_is_written_otherwise(self, architecture: str) -> None:
        us = copy("us", id="5", source_image=ImageRef("77", "web-1"))
        asia = copy("asia", source_image=us.ref, source_image_id="5")
        assert self.told(architecture, asia, us, image()) == (Lineage.OURS, ["get web-1-us"])

    def test_a_parent_of_a_former_source(self, architecture: str) -> None:
        us = copy("us", id="5", source_image_id="9")
        asia = copy("asia", source_image=us.ref, source_image_id="5")
        assert self.told(architecture, asia, us, image()) == (Lineage.UNPROVEN, ["get web-1-us", "get web-1"])

    def test_a_parent_that_is_another_build(self, architecture: str) -> None:
        other = image("base-1", id="5")
        eu = copy("eu", source_image=other.ref, source_image_id="5")
        assert self.told(architecture, eu, other) == (Lineage.FOREIGN, ["get base-1"])

    def test_a_parent_that_is_gone(self, architecture: str) -> None:
        gone = copy("eu", source_image=ImageRef("p1", "web-1-us"), source_image_id="5")
        assert self.told(architecture, gone) == (Lineage.UNPROVEN, ["get web-1-us"])

    def test_a_parent_that_was_replaced(self, architecture: str) -> None:
        us = copy("us", id="8")
        eu = copy("eu", source_image=us.ref, source_image_id="5")
        assert self.told(architecture, eu, us) == (Lineage.UNPROVEN, ["get web-1-us"])


class TestAncestors:
    """Nearest first, as far as they still exist under their names."""

    first = chained("web-1", "1", None)
    second = chained("web-2", "2", first)
    third = chained("web-3", "3", second)

    def names(self, cloud: Cloud, found: Image, known: Iterable[Any] = ()) -> list[str]:
        async def all_of(calls: retry.Calls) -> list[str]:
            by_ref = dict(known)
            return [parent.ref.name async for parent in lookup.ancestors(calls, found, known=by_ref)]

        return cloud.play(all_of)

    def test_all(self) -> None:
        cloud = Cloud(self.first, self.second, self.third)
        assert self.names(cloud, self.third) == ["web-2", "web-1"]
        assert cloud.asked == ["get web-2", "get web-1"]
        assert self.names(cloud, self.first) == []

    def test_what_is_known_is_not_read_again(self) -> None:
        cloud = Cloud(self.first, self.second)
        known = [(self.second.ref, self.second)]
        assert self.names(cloud, self.third, known) == ["web-2", "web-1"]
        assert cloud.asked == ["get web-1"]

    def test_what_could_not_be_read_before_is_read_again(self) -> None:
        cloud = Cloud(self.first, self.second)
        known = [(self.second.ref, errors.Unreachable("Nobody answered."))]
        assert self.names(cloud, self.third, known) == ["web-2", "web-1"]
        assert cloud.asked == ["get web-2", "get web-1"]

    def test_the_name_of_a_parent_belongs_to_another_image(self) -> None:
        again = replace(self.first, id="11")
        assert self.names(Cloud(again, self.second), self.third) == ["web-2"]

    def test_a_chain_that_is_too_long(self) -> None:
        """An answer that names an image as its own parent would else be followed for ever."""
        loop = image("web-1", id="1", source_image=ImageRef("p1", "web-1"), source_image_id="1")
        assert len(self.names(Cloud(loop), loop)) == 100

    @pytest.mark.parametrize("status", [403, 405, 400])
    def test_one_that_is_refused(self, status: int) -> None:
        cloud = Cloud(self.first, self.second)
        cloud.refused = {"get web-1": refusal("get", status)}
        with pytest.raises(type(LOST)) as caught:
            self.names(cloud, self.third)
        assert caught.value.status == status

    @pytest.mark.parametrize("answer", [LOST, SLOW_DOWN], ids=["unanswered", "too fast"])
    def test_others_do_not_wait_for_long(self, answer: Refusal) -> None:
        cloud = Cloud(self.first, self.second)
        cloud.refused = {"get web-2": answer}
        with pytest.raises(type(LOST)):
            self.names(cloud, self.third)
        assert cloud.seconds <= (60 if answer is LOST else 180)
        where, said = cloud.told[0]
        assert where == "web-3"
        assert said.startswith(f"Reading {self.second.ref}: ")
