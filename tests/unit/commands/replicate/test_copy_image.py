"""How a copy is asked for: what is sent and told, what is copied instead of the source, and when it is given up."""

from __future__ import annotations

import uuid

import pytest

from replicator.compute.refusals import Refusal
from replicator.core import errors
from replicator.core.images import ImageRef
from testkit import make
from testkit.sessions.copying import COPYING, Making, ended, gone, refused, under_way

ASKING = "asking for the copy: asking for the copy"
AGAIN = "asking for the copy again: asking for the copy again"
UNDER_WAY = "copying: copying (operation-1)"
FROM_SOURCE = ["insert from web-1", "begun", "wait for operation-1"]
FROM_US = ["insert from web-1-us", "begun", "wait for operation-1"]
#: Errors that an operation may end with.
BUSY = ended(code="INTERNAL_ERROR")
EXHAUSTED = ended(code="RESOURCE_OPERATION_RATE_EXCEEDED")
FORBIDDEN = ended(code="FORBIDDEN")


def us(making: Making, **fields: object) -> None:
    """Let the replica in `us` be copied first, then the source; a read shows it with these fields."""
    image = making.from_us()
    making.answers["get web-1-us"] = [making.copy("us", **{"id": image.id, **fields})]


def said_of_us(making: Making) -> str:
    """What people read of a copy of the replica in `us` that was refused."""
    return f"Copying to {making.location} from projects/p1/global/images/web-1-us: No, said the test."


class TestAsking:
    def test_what_is_sent_and_told(self, making: Making) -> None:
        made = making.copy()
        making.answers["get"] = [made]
        assert making.play() is made
        assert making.did == ["take", *FROM_SOURCE, "get"]
        assert making.told == [ASKING, UNDER_WAY]
        assert (making.work.made, making.work.operation, making.work.image) == (True, "operation-1", made)
        (sent,) = making.inserts
        assert uuid.UUID(sent.pop("request_id")).version == 4
        assert sent == {
            "source": ImageRef("p1", "web-1"),
            "location": making.location,
            "labels": {"a": "b"},
            "description": "d",
            "kms_key": "",
        }

    def test_its_key_is_sent(self, making: Making) -> None:
        making.replica = make.replica(making.location, kms_key="projects/p1/locations/eu/keyRings/r/cryptoKeys/k")
        making.play()
        assert making.inserts[0]["kms_key"] == making.replica.kms_key

    def test_that_another_replica_is_copied_is_told(self, making: Making) -> None:
        replica = making.from_us()
        making.answers["get"] = [making.copy(source_image_id="3")]
        making.play()
        assert making.did == ["take", *FROM_US, "get"]
        assert making.told == ["asking for the copy: asking for the copy, from web-1-us", UNDER_WAY]
        assert making.inserts[0]["source"] == replica.ref

    def test_when_it_began_and_how_far_it_is(self, making: Making) -> None:
        """What comes twice is told once, and the end isn't told here."""
        making.answers["wait"] = [*map(under_way, (0, 40, 40, 99, 100)), ended()]
        making.play()
        assert making.told[:2] == [ASKING, UNDER_WAY]
        assert making.told[2:] == [f"copying: copying, {percent} %" for percent in (0, 40, 99)]
        assert making.seen == [None, None, 0, 40, 99]
        assert (making.work.percent, making.work.copying_since) == (100, 1000.0)

    def test_a_second_copy_begins_without_progress(self, making: Making) -> None:
        making.answers["wait"] = [under_way(50), BUSY, under_way(50), ended()]
        making.play()
        assert making.seen == [None, None, 50, 100, None, 50]
        assert making.work.copying_since == 1006.0

    def test_an_image_that_is_shown_late_is_waited_for(self, making: Making) -> None:
        making.answers["get"] = [gone(), gone(), making.copy(status="PENDING"), making.copy()]
        making.play()
        assert making.did[-7:] == ["get", "1 s", "get", "2 s", "get", "5 s", "get"]

    def test_while_nothing_is_heard_the_request_stays_the_same(self, making: Making) -> None:
        making.answers["insert"] = [refused(503), refused(None), COPYING]
        making.play()
        assert making.did == ["take", "insert from web-1", "1 s", "insert from web-1", "2 s", *FROM_SOURCE, "get"]
        assert len(making.inserts) == 1
        what = f"({making.location}) Copying to {making.location}: No, said the test."
        assert making.told == [ASKING, f"{what} Next try in 1 s.", f"{what} Next try in 2 s.", UNDER_WAY]

    def test_others_of_its_family_need_not_wait_while_it_waits_for_long(self, making: Making) -> None:
        making.answers["insert"] = [refused(403, "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"), COPYING]
        making.play()
        assert making.did == ["take", "insert from web-1", "place", "15 s", *FROM_SOURCE, "get"]

    def test_an_operation_that_is_gone_leaves_its_image(self, making: Making) -> None:
        making.answers["wait"] = [refused(404, method="compute.globalOperations.wait")]
        making.play()
        assert making.told[-1] == "copying: the operation operation-1 is gone; looking at the image"
        assert making.work.made

    def test_a_copy_of_another_image_is_told(self, making: Making) -> None:
        """One that had taken over the name when the copy was made."""
        making.answers["get"] = [making.copy(source_image_id="77")]
        with pytest.raises(errors.SourceChanged) as caught:
            making.play()
        ref = making.replica.ref
        assert caught.value.what == (
            f"{ref} was copied from the image with id 77, but projects/p1/global/images/web-1 had id 1"
        )
        assert caught.value.todo == (
            f"Remove it with `gcloud compute images delete {making.name} --project p1` and run this again with the "
            "source you mean."
        )
        assert making.did[-1] == "web-1 is lost"

    def test_a_copy_of_nobody_knows_what_is_told(self, making: Making) -> None:
        making.from_us()
        making.answers["get"] = [making.copy(source_image_id="")]
        with pytest.raises(
            errors.SourceChanged, match=r"with id unknown, but projects/p1/global/images/web-1-us had id 3$"
        ):
            making.play()
        assert making.did[-1] == "web-1-us is lost"


class TestOperationThatFails:
    def test_the_trouble_of_the_service_is_waited_out_with_new_requests(self, making: Making) -> None:
        making.answers["wait"] = [BUSY, BUSY, ended()]
        making.play()
        assert making.did == [
            "take", *FROM_SOURCE, "5 s", "take", *FROM_SOURCE, "10 s", "take", *FROM_SOURCE, "get",
        ]  # fmt: skip
        assert len({insert["request_id"] for insert in making.inserts}) == 3
        waiting = f"({making.location}) Copying to {making.location}: No, said the test. Next try in"
        assert making.told == [
            ASKING, UNDER_WAY, f"{waiting} 5 s.", AGAIN, UNDER_WAY, f"{waiting} 10 s.", AGAIN, UNDER_WAY,
        ]  # fmt: skip

    def test_it_is_given_up_after_five(self, making: Making) -> None:
        making.answers["wait"] = [BUSY]
        making.answers["get"] = [gone()]
        with pytest.raises(errors.OperationFailed) as caught:
            making.play()
        assert caught.value.what == f"Copying to {making.location} failed: No, said the test. (INTERNAL_ERROR)"
        assert caught.value.todo == "The trouble is Compute Engine's own: run this again later."
        assert making.waits == ["5 s", "10 s", "20 s", "40 s"]
        assert not making.work.made

    def test_what_was_refused_at_once_does_not_count(self, making: Making) -> None:
        """Only failed operations bring the end nearer, and lengthen the waits."""
        making.answers["insert"] = [refused(403, "RESOURCE_OPERATION_RATE_EXCEEDED"), COPYING]
        making.answers["wait"] = [BUSY, ended()]
        making.play()
        assert making.waits == ["5 s"]

    def test_another_error_is_given_up_at_once(self, making: Making) -> None:
        making.answers["wait"] = [ended(code="SOME_ERROR", message="It is wrong.")]
        making.answers["get"] = [gone()]
        with pytest.raises(errors.OperationFailed) as caught:
            making.play()
        assert caught.value.what == f"Copying to {making.location} failed: It is wrong. (SOME_ERROR)"
        assert making.did == ["take", *FROM_SOURCE, "get"]

    def test_what_is_said_of_a_replica_names_it(self, making: Making) -> None:
        us(making)
        making.answers["wait"] = [ended(code="QUOTA_EXCEEDED")]
        making.answers["get"] = [gone()]
        with pytest.raises(errors.Quota) as caught:
            making.play()
        assert caught.value.what == (
            f"Copying to {making.location} from projects/p1/global/images/web-1-us failed: No, said the test. "
            "(QUOTA_EXCEEDED)"
        )

    def test_no_time_to_wait_it_out(self, making: Making) -> None:
        making.minutes = 4 / 60
        making.answers["wait"] = [BUSY]
        making.answers["get"] = [gone()]
        with pytest.raises(errors.Deadline) as caught:
            making.play()
        assert caught.value.what == (
            f"Copying to {making.location}: No, said the test. Waiting 5 s would go beyond timeout_minutes"
        )

    def test_silence_after_a_failed_operation_is_given_up(self, making: Making) -> None:
        """Whether that insert was carried out is unknown, so that it isn't given back either."""
        making.answers["wait"] = [BUSY]
        making.answers["insert"] = [COPYING, refused(None)]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert caught.value.told(caught.value.doing) == (
            f"Copying to {making.location} got no usable answer: No, said the test."
        )
        assert (len(making.inserts), making.did.count("give back"), making.did.count("take")) == (2, 0, 2)


class TestWhatIsLeft:
    """A FAILED image under the name lets every rerun fail, so that the error says how to remove it."""

    def left(self, making: Making, *answers: object) -> errors.ReplicaError:
        making.answers["wait"] = [ended(code="SOME_ERROR", details=("a=projects/p1/locations/eu/cryptoKeys/k",))]
        making.answers["get"] = [*answers]
        with pytest.raises(errors.ReplicaError) as caught:
            making.play()
        return caught.value

    def test_a_failed_image(self, making: Making) -> None:
        without, left = self.left(making, gone()), self.left(making, making.copy(status="FAILED"))
        assert type(left) is type(without) is errors.OperationFailed
        assert (left.what, left.why, left.of_setup) == (without.what, "The Cloud KMS key can't be used.", True)
        assert left.todo == (
            f"{without.todo} A FAILED image was left under its name: before a rerun remove it with `gcloud compute "
            f"images delete {making.name} --project p1`, or set replace_failed: true."
        )

    def test_any_other_image(self, making: Making) -> None:
        """It isn't in the way, or no more than any other."""
        without = self.left(making, gone())
        for status in ("READY", "PENDING", "DELETING"):
            left = self.left(making, making.copy(status=status))
            assert (left.message, left.of_setup) == (without.message, True)

    def test_one_that_can_not_be_read(self, making: Making) -> None:
        for refusal in (refused(403, "forbidden", method="compute.images.get"), refused(503)):
            making.minutes = 1
            assert self.left(making, refusal).what.startswith(f"Copying to {making.location} failed: ")

    def test_where_time_ran_out(self, making: Making) -> None:
        making.minutes = 4 / 60
        making.answers["wait"] = [BUSY]
        making.answers["get"] = [making.copy(status="FAILED")]
        with pytest.raises(errors.Deadline) as caught:
            making.play()
        assert caught.value.todo.startswith("Run this again: it takes over what was begun. Or raise timeout_minutes. A")


class TestElsewhere:
    """A replica or the source that can't be copied: another is, or the same later."""

    @pytest.mark.parametrize(("asked", "waits"), [(0.0, 600), (599.0, 600), (900.0, 900)])
    def test_a_source_that_was_copied_too_often(self, making: Making, asked: float, waits: int) -> None:
        limit = refused(403, "resourceOperationRateExceeded", retry_after=asked)
        making.answers["insert"] = [limit, COPYING]
        making.play()
        because = f"Copying to {making.location}: No, said the test. An image may be copied about six times an hour."
        assert making.did == [
            "take", "insert from web-1", "give back", "give back", f"web-1 is exhausted for {waits} s",
            f"take: {because}", *FROM_SOURCE, "get",
        ]  # fmt: skip
        assert making.told == [ASKING, AGAIN, UNDER_WAY]

    def test_a_replica_that_was_copied_too_often(self, making: Making) -> None:
        """An operation tells that, too. Another is asked for, not the source only, and nobody looks at the replica."""
        us(making)
        making.answers["wait"] = [EXHAUSTED, ended()]
        making.play()
        assert making.did == [
            "take", *FROM_US, "give back", "web-1-us is exhausted for 600 s",
            f"take: {said_of_us(making)} An image may be copied about six times an hour.",
            *FROM_SOURCE, "get",
        ]  # fmt: skip
        assert making.told[2:] == [AGAIN, UNDER_WAY]

    def test_a_replica_that_is_not_found_is_lost(self, making: Making) -> None:
        us(making)
        making.answers["insert"] = [refused(404, "notFound"), COPYING]
        making.play()
        assert making.did == [
            "take", "insert from web-1-us", "give back", "web-1-us is lost",
            f"take: {said_of_us(making)} That replica is lost.",
            *FROM_SOURCE, "get",
        ]  # fmt: skip

    def test_a_source_that_is_not_found_is_the_end(self, making: Making) -> None:
        making.answers["insert"] = [refused(404, "notFound")]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert caught.value.fault.error is errors.SourceChanged
        assert caught.value.doing == f"Copying to {making.location}"
        assert making.did == ["take", "insert from web-1", "give back"]

    @pytest.mark.parametrize(
        "fields",
        [{"id": "9"}, {"status": "FAILED"}, {"status": "DELETING"}, {"deprecated": "OBSOLETE"}, {"deprecated": "DELETED"}],
        ids="-".join,
    )  # fmt: skip
    def test_a_replica_that_is_not_what_it_was_is_lost(self, making: Making, fields: dict[str, str]) -> None:
        """Whatever the refusal says."""
        us(making, **fields)
        making.answers["insert"] = [refused(400, "invalid"), COPYING]
        making.play()
        assert making.did[:5] == [
            "take", "insert from web-1-us", "give back", "get web-1-us", "web-1-us is lost",
        ]  # fmt: skip
        assert making.did[5].endswith(" That replica is lost.")
        assert making.did[6:] == [*FROM_SOURCE, "get"]

    def test_a_replica_that_can_not_be_read_is_lost(self, making: Making) -> None:
        us(making)
        for refusal in (gone(), refused(403, "forbidden", method="compute.images.get")):
            making.did.clear()
            making.from_us()
            making.answers["get web-1-us"] = [refusal]
            making.answers["insert"] = [refused(400, "invalid"), COPYING]
            making.play()
            assert making.did[4] == "web-1-us is lost"

    @pytest.mark.parametrize("deprecated", ["", "DEPRECATED"])
    def test_a_replica_that_is_what_it_was_is_not(self, making: Making, deprecated: str) -> None:
        us(making, deprecated=deprecated)
        making.answers["insert"] = [refused(403, "quotaExceeded")]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert caught.value.doing == f"Copying to {making.location} from projects/p1/global/images/web-1-us"
        assert making.did == ["take", "insert from web-1-us", "give back", "get web-1-us"]

    def test_what_is_waited_for_anyway_is_not_looked_at(self, making: Making) -> None:
        us(making, id="9")
        making.answers["wait"] = [BUSY, ended()]
        making.turns = making.turns[:1]
        making.answers["get"] = [making.copy(source_image_id="3")]
        making.play()
        assert making.did == ["take", *FROM_US, "5 s", "take", *FROM_US, "get"]

    def test_who_waits_for_the_look_is_told(self, making: Making) -> None:
        us(making)
        making.answers["get web-1-us"] = [refused(503), making.copy("us", id="9")]
        making.answers["insert"] = [refused(400, "invalid"), COPYING]
        making.play()
        assert making.told[1] == (
            f"({making.location}) Reading projects/p1/global/images/web-1-us: No, said the test. Next try in 1 s."
        )


class TestDoubt:
    """An error that may be about the replica or about the copy: one try from the source tells."""

    @pytest.mark.parametrize(
        ("status", "code", "todo"),
        [
            (403, "FORBIDDEN", "Grant this step's identity compute.images.create (roles/compute.storageAdmin has it)"),
            (412, "CONDITION_NOT_MET", "Waiting does not help. Look which policy it is."),
            (400, "ODD", "Correct what the message of Compute Engine names; then run this again."),
        ],
    )
    @pytest.mark.parametrize("at_once", [True, False])
    def test_then_the_source_is_tried(self, making: Making, status: int, code: str, todo: str, at_once: bool) -> None:
        us(making)
        if at_once:
            making.answers["insert"] = [refused(status, code), COPYING]
        else:
            making.answers["wait"] = [ended(code=code), ended()]
        making.play()
        came_to = "was refused: No, said the test." if at_once else f"failed: No, said the test. ({code})."
        (why,) = [each for each in making.did if each.startswith("take the source: ")]
        assert why.startswith(
            f"take the source: Copying to {making.location} from projects/p1/global/images/web-1-us {came_to} {todo}"
        )
        assert why.endswith(". The source is tried next.")
        assert making.did[-4:] == [*FROM_SOURCE, "get"]
        assert making.told[-2:] == [AGAIN, UNDER_WAY]

    def test_if_the_source_may_not_be_copied_either_it_is_the_copy(self, making: Making) -> None:
        us(making)
        making.answers["insert"] = [refused(403, "forbidden")]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert caught.value.doing == f"Copying to {making.location}"
        assert [each for each in making.did if each.startswith("insert")] == [
            "insert from web-1-us",
            "insert from web-1",
        ]

    def test_if_the_source_has_no_time_the_error_is_the_replicas(self, making: Making) -> None:
        us(making)
        making.turns[1:] = [errors.Deadline("Too late.")]
        making.answers["wait"] = [FORBIDDEN]
        with pytest.raises(errors.Forbidden) as caught:
            making.play()
        assert caught.value.what.startswith(
            f"Copying to {making.location} from projects/p1/global/images/web-1-us failed: No, said the test."
        )

    def test_without_doubt_it_is_too_late(self, making: Making) -> None:
        late = errors.Deadline("Too late.")
        making.turns = [late]
        with pytest.raises(errors.Deadline) as caught:
            making.play()
        assert caught.value is late
        assert making.did == ["take"]

    def test_it_stays_while_the_source_is_tried_again(self, making: Making) -> None:
        us(making)
        making.turns[2:] = [errors.Deadline("Too late.")]
        making.answers["wait"] = [FORBIDDEN, BUSY]
        with pytest.raises(errors.Forbidden):
            making.play()
        assert making.takes == ["take", "take the source", "take the source"]

    def test_the_source_itself_is_not_doubted(self, making: Making) -> None:
        making.answers["wait"] = [FORBIDDEN]
        making.answers["get"] = [gone()]
        with pytest.raises(errors.Forbidden) as caught:
            making.play()
        assert caught.value.what == f"Copying to {making.location} failed: No, said the test. (FORBIDDEN)"
        assert making.did == ["take", *FROM_SOURCE, "get"]
