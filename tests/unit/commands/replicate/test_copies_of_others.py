"""What others make, or left behind, under a replica's name: taken over, waited for, replaced, or left alone."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from replicator.compute.refusals import Refusal
from replicator.core import errors
from replicator.core.images import Binding
from replicator.core.replicas import Action, Lineage
from testkit import make
from testkit.sessions.copying import COPYING, Making, ended, gone, refused

COPIED = ["take", "insert from web-1", "begun", "wait for operation-1", "get"]
#: How often an image that isn't there is looked for once more.
SOUGHT = ["1 s", "get", "2 s", "get", "4 s", "get", "8 s", "get"]
FORBIDDEN = refused(403, "forbidden", method="compute.images.get")


class TestReady:
    def test_it_is_left_to_be_looked_at(self, making: Making) -> None:
        """The plan has read it; whether it is right isn't asked here."""
        image = making.found(Action.CHECK, "READY")
        assert making.play() is image
        assert (making.did, making.told, making.work.made) == ([], [], False)


class TestUnderWay:
    """A copy that someone else began."""

    def test_it_is_waited_for(self, making: Making) -> None:
        making.found(Action.WAIT, "PENDING")
        pending, ready = making.copy(status="PENDING"), making.copy()
        making.answers["get"] = [*[pending] * 5, ready]
        assert making.play() is ready
        assert making.did == ["get", "5 s", "get", "10 s", "get", "20 s", "get", "30 s", "get", "30 s", "get"]
        assert making.told == [f"being made: {making.name} is PENDING; waiting for the end of that"]
        assert (making.work.made, making.work.image) == (False, ready)

    def test_it_may_be_ready_already(self, making: Making) -> None:
        making.found(Action.WAIT, "PENDING")
        ready = making.copy()
        making.answers["get"] = [ready]
        assert making.play() is ready
        assert (making.did, making.told) == (["get"], [])

    def test_it_failed(self, making: Making) -> None:
        making.found(Action.WAIT, "PENDING")
        making.answers["get"] = [making.copy(status="PENDING"), making.copy(status="FAILED")]
        with pytest.raises(errors.ImageFailed) as caught:
            making.play()
        assert caught.value.what == f"{making.replica.ref} is in state FAILED"
        assert caught.value.todo == (
            f"Remove it with `gcloud compute images delete {making.name} --project p1` and run this again, or set "
            "replace_failed: true."
        )

    @pytest.mark.parametrize(("status", "said"), [("ARCHIVED", "ARCHIVED"), ("", "(none)")])
    def test_its_state_is_unknown(self, making: Making, status: str, said: str) -> None:
        making.found(Action.WAIT, "PENDING")
        making.answers["get"] = [making.copy(status=status)]
        with pytest.raises(errors.NotReady, match=re.escape(f"is in the state {said}, which")):
            making.play()
        assert making.did == ["get"]

    @pytest.mark.parametrize("at_first", [True, False])
    def test_it_is_deleted(self, making: Making, at_first: bool) -> None:
        making.found(Action.WAIT, "PENDING")
        seen = (
            [making.copy(status="DELETING")] if at_first else [making.copy(status=s) for s in ("PENDING", "DELETING")]
        )
        made = making.copy(id="8")
        making.answers["get"] = [*seen, gone(), made]
        assert making.play() is made
        waits = ["get", "5 s"] if at_first else ["get", "5 s", "get", "10 s"]
        assert making.did == [*waits, "get", *COPIED]
        lines = [
            f"being made: {making.name} is PENDING; waiting for the end of that",
            f"being deleted: {making.name} is DELETING; waiting for the end of that",
            f"waiting: the copy {making.name} that someone else began came to nothing",
            "asking for the copy: asking for the copy",
            "copying: copying (operation-1)",
        ]
        assert making.told == lines[at_first:]
        assert making.work.made

    def test_it_was_gone_before_the_first_look(self, making: Making) -> None:
        making.found(Action.WAIT, "PENDING")
        made = making.copy(id="8")
        making.answers["get"] = [*[gone()] * 5, made]
        assert making.play() is made
        assert making.did == ["get", *SOUGHT, *COPIED]
        assert making.told[0] == f"waiting: the copy {making.name} that someone else began came to nothing"

    @pytest.mark.parametrize("at_first", [True, False])
    def test_another_image_takes_its_name(self, making: Making, at_first: bool) -> None:
        """Then a copy is asked for, which brings up whose that one is."""
        making.found(Action.WAIT, "PENDING")
        other = making.copy(id="8", source_image_id="", source_image=None)
        making.answers["get"] = [other] if at_first else [making.copy(status="PENDING"), other]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        with pytest.raises(errors.Conflict):
            making.play()
        waits = ["get"] if at_first else ["get", "5 s", "get"]
        assert making.did == [*waits, "take", "insert from web-1", "give back", "get", "place"]
        assert f"waiting: the copy {making.name} that someone else began came to nothing" in making.told

    @pytest.mark.parametrize("at_first", [True, False])
    def test_it_may_not_be_read(self, making: Making, at_first: bool) -> None:
        making.found(Action.WAIT, "PENDING")
        making.answers["get"] = [FORBIDDEN] if at_first else [making.copy(status="PENDING"), FORBIDDEN]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert (caught.value.status, caught.value.doing) == (403, f"Reading {making.replica.ref}")
        assert "take" not in making.did

    def test_it_takes_too_long(self, making: Making) -> None:
        making.found(Action.WAIT, "PENDING")
        making.answers["get"] = [making.copy(status="PENDING")]
        making.minutes = 0.5
        with pytest.raises(errors.Deadline, match=r"Waiting 1 s would go beyond timeout_minutes$"):
            making.play()
        assert making.work.state == "being made"


class TestLeaving:
    """An image that was being deleted when the plan was made."""

    @pytest.mark.parametrize("lineage", Lineage)
    def test_it_is_waited_for_until_it_is_gone(self, making: Making, lineage: Lineage) -> None:
        """Whatever it was."""
        leaving = making.found(Action.WAIT, "DELETING", lineage)
        made = making.copy(id="8")
        making.answers["get"] = [*[leaving] * 5, gone(), made]
        assert making.play() is made
        waits = ["get", "5 s", "get", "10 s", "get", "20 s", "get", "30 s", "get", "30 s", "get"]
        assert making.did == [*waits, *COPIED]
        assert making.told[:2] == [
            f"being deleted: {making.name} is DELETING; waiting until it is gone",
            "asking for the copy: asking for the copy",
        ]
        assert making.work.made

    @pytest.mark.parametrize("of", ["2", "8"])
    def test_one_that_was_left_or_has_its_name_then_is_taken_over(self, making: Making, of: str) -> None:
        leaving = making.found(Action.WAIT, "DELETING")
        ready = making.copy(id=of)
        making.answers["get"] = [leaving, ready]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        assert making.play() is ready
        assert making.did == [
            "get", "5 s", "get", "take", "insert from web-1", "give back", "get", "getIamPolicy", "place",
        ]  # fmt: skip

    def test_another_one_that_is_being_deleted_is_not_this_one(self, making: Making) -> None:
        """Asking for a copy brings it up, and then it is waited for as well."""
        making.found(Action.WAIT, "DELETING")
        another, made = making.copy(status="DELETING", id="8"), making.copy(id="9")
        making.answers["get"] = [another, another, another, gone(), made]
        making.answers["insert"] = [refused(409, "alreadyExists"), COPYING]
        assert making.play() is made
        assert making.did == [
            "get", "take", "insert from web-1", "give back", "get", "place", "get", "5 s", "get", *COPIED,
        ]  # fmt: skip

    def test_it_may_not_be_read(self, making: Making) -> None:
        leaving = making.found(Action.WAIT, "DELETING")
        making.answers["get"] = [leaving, FORBIDDEN]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert (caught.value.status, caught.value.doing) == (403, f"Reading {making.replica.ref}")
        assert making.did == ["get", "5 s", "get"]

    def test_who_waits_for_the_answer_is_told(self, making: Making) -> None:
        making.found(Action.WAIT, "DELETING")
        making.answers["get"] = [refused(503), gone(), making.copy()]
        making.play()
        assert making.told[1] == (
            f"({making.location}) Reading {making.replica.ref}: No, said the test. Next try in 1 s."
        )

    def test_it_takes_too_long(self, making: Making) -> None:
        leaving = making.found(Action.WAIT, "DELETING")
        making.answers["get"] = [leaving]
        making.minutes = 0.5
        with pytest.raises(errors.Deadline, match=r"Waiting 1 s would go beyond timeout_minutes$"):
            making.play()
        assert making.work.state == "being deleted"


class TestThereAlready:
    """The insert is refused because an image has the name: another run's, or our own, the answer to which was lost."""

    def test_a_right_copy_is_taken_over(self, making: Making) -> None:
        ready = making.copy(description="other")
        making.answers["get"] = [ready]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        assert making.play() is ready
        assert making.did == ["take", "insert from web-1", "give back", "get", "getIamPolicy", "place"]
        assert making.told == [
            "asking for the copy: asking for the copy",
            f"checking: {making.name} exists already and is a copy of the source",
        ]
        work = making.work
        assert (work.made, work.policy, work.step.action) == (False, make.PUBLIC, Action.CHECK)
        assert [str(change) for change in work.step.changes] == ["description: wanted d, found other"]

    def test_who_must_use_it_is_compared(self, making: Making) -> None:
        making.readers = (Binding(make.READER, frozenset({"user:a@example.org"})),)
        making.answers["insert"] = [refused(409, "alreadyExists")]
        making.play()
        (change,) = making.work.step.changes
        assert "user:a@example.org" in change.wanted

    def test_an_operation_tells_it_too(self, making: Making) -> None:
        """Then the insert was accepted, so it isn't given back."""
        making.answers["wait"] = [ended(code="RESOURCE_ALREADY_EXISTS")]
        making.play()
        assert making.did == [*COPIED, "getIamPolicy", "place"]
        assert not making.work.made

    def test_a_copy_under_way_is_waited_for(self, making: Making) -> None:
        ready = making.copy()
        making.answers["get"] = [*[making.copy(status="PENDING")] * 3, ready]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        assert making.play() is ready
        assert making.did[2:] == ["give back", "get", "place", "get", "5 s", "get", "10 s", "get"]
        assert (making.work.policy, making.work.made) == (None, False)

    def test_one_that_is_being_deleted_is_waited_for_and_asked_for_again(self, making: Making) -> None:
        made = making.copy(id="8")
        leaving = making.copy(status="DELETING")
        making.answers["get"] = [leaving, leaving, gone(), made]
        making.answers["insert"] = [refused(409, "alreadyExists"), COPYING]
        assert making.play() is made
        assert making.did[2:] == ["give back", "get", "place", "get", "5 s", "get", *COPIED]
        assert making.told == [
            "asking for the copy: asking for the copy",
            f"checking: {making.name} exists already and is a copy of the source",
            f"being deleted: {making.name} is DELETING; waiting until it is gone",
            "asking for the copy: asking for the copy",
            "copying: copying (operation-1)",
        ]
        assert making.work.made

    def test_a_foreign_image_is_left_alone(self, making: Making) -> None:
        making.answers["get"] = [making.copy(source_image_id="", source_image=None)]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        with pytest.raises(errors.Conflict) as caught:
            making.play()
        assert caught.value.what == f"{making.replica.ref} exists already and is not a copy; the source has id 1"
        assert making.did == ["take", "insert from web-1", "give back", "get", "place"]
        assert making.told == ["asking for the copy: asking for the copy"]
        assert making.work.step.action is Action.COPY

    def test_a_failed_copy_is_not_replaced(self, making: Making) -> None:
        """That is done for what the plan has seen only."""
        making.answers["get"] = [making.copy(status="FAILED")]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        with pytest.raises(errors.ImageFailed) as caught:
            making.play()
        assert caught.value.what == f"{making.replica.ref} is in state FAILED"
        assert making.told == ["asking for the copy: asking for the copy"]

    def test_whose_it_is_can_not_be_read(self, making: Making) -> None:
        """Its parent tells, and that one may not be read."""
        making.answers["get"] = [making.copy(source_image=make.copy("us").ref, source_image_id="3")]
        making.answers["get web-1-us"] = [FORBIDDEN]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        with pytest.raises(errors.Forbidden) as caught:
            making.play()
        assert caught.value.what == "Reading projects/p1/global/images/web-1-us was refused: No, said the test."
        assert making.did[-3:] == ["get", "get web-1-us", "place"]

    def test_a_copy_of_a_replica_is_ours(self, making: Making) -> None:
        making.answers["get"] = [making.copy(source_image=make.copy("us").ref, source_image_id="3")]
        making.answers["get web-1-us"] = [making.copy("us", id="3")]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        making.play()
        assert making.did[-4:] == ["get", "get web-1-us", "getIamPolicy", "place"]

    def test_after_a_failed_operation_it_is_told_as_before(self, making: Making) -> None:
        making.answers["wait"] = [ended(code="INTERNAL_ERROR")]
        making.answers["insert"] = [COPYING, refused(409, "alreadyExists")]
        making.play()
        assert making.did[3:] == [
            "wait for operation-1", "5 s", "take", "insert from web-1", "give back", "get", "getIamPolicy", "place",
        ]  # fmt: skip
        assert making.told[-1] == f"checking: {making.name} exists already and is a copy of the source"


class TestReplacing:
    """A FAILED copy of ours, where replace_failed allows to delete it."""

    def test_it_is_deleted_then_copied(self, making: Making) -> None:
        failed, made = making.found(Action.REPLACE, "FAILED"), making.copy(id="8")
        making.answers["get"] = [failed, made]
        making.answers["wait"] = [ended("operation-9"), ended()]
        assert making.play() is made
        assert making.did == ["get", "delete 2", *COPIED]
        assert making.told == [
            f"replacing: removing {making.name}, a FAILED copy of the source",
            "asking for the copy: asking for the copy",
            "copying: copying (operation-1)",
        ]
        assert uuid.UUID(making.deletes[0]).version == 4
        assert making.work.made

    @pytest.mark.parametrize("fields", [{"status": "READY"}, {"family": "web"}, {"status": "PENDING"}], ids="-".join)
    def test_one_that_changed_is_left_alone(self, making: Making, fields: dict[str, str]) -> None:
        making.found(Action.REPLACE, "FAILED")
        making.answers["get"] = [making.copy(**{"status": "FAILED", **fields})]
        with pytest.raises(errors.ImageFailed) as caught:
            making.play()
        assert caught.value.what == f"{making.replica.ref} changed since the plan was made, so it was not replaced"
        assert caught.value.todo == "Run this again."
        assert (making.did, making.told) == (["get"], [])

    def test_one_that_is_gone_is_not_deleted(self, making: Making) -> None:
        making.found(Action.REPLACE, "FAILED")
        made = making.copy(id="8")
        making.answers["get"] = [*[gone()] * 5, made]
        assert making.play() is made
        assert making.did == ["get", *SOUGHT, *COPIED]
        assert making.told[0] == "asking for the copy: asking for the copy"

    @pytest.mark.parametrize("status", ["READY", "PENDING"])
    def test_another_run_s_copy_in_its_place_is_taken_over(self, making: Making, status: str) -> None:
        """The insert tells whose it is."""
        making.found(Action.REPLACE, "FAILED")
        theirs, ready = making.copy(status=status, id="8"), making.copy(id="8")
        making.answers["get"] = [theirs, theirs, ready]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        assert making.play() == ready
        assert making.did[:4] == ["get", "take", "insert from web-1", "give back"]
        assert (making.deletes, making.work.made) == ([], False)

    @pytest.mark.parametrize("fields", [{"status": "FAILED"}, {"source_image_id": "", "source_image": None}])
    def test_what_else_is_in_its_place_is_left_alone(self, making: Making, fields: dict[str, Any]) -> None:
        making.found(Action.REPLACE, "FAILED")
        making.answers["get"] = [making.copy(id="8", **fields)]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        with pytest.raises(errors.ImageFailed if "status" in fields else errors.Conflict):
            making.play()
        assert making.deletes == []

    @pytest.mark.parametrize("status", [404, 400])
    def test_one_that_went_meanwhile_is_not_missed(self, making: Making, status: int) -> None:
        failed, made = making.found(Action.REPLACE, "FAILED"), making.copy(id="8")
        making.answers["get"] = [failed, *[gone()] * 5, made]
        making.answers["delete"] = [refused(status, "notFound", method="compute.images.delete")]
        assert making.play() is made
        assert making.did == ["get", "delete 2", "get", *SOUGHT, *COPIED]

    def test_one_that_was_replaced_meanwhile_is_taken_over(self, making: Making) -> None:
        failed, theirs = making.found(Action.REPLACE, "FAILED"), making.copy(id="8")
        making.answers["get"] = [failed, theirs]
        making.answers["delete"] = [refused(404, "notFound", method="compute.images.delete")]
        making.answers["insert"] = [refused(409, "alreadyExists")]
        assert making.play() is theirs
        assert making.did == [
            "get", "delete 2", "get", "take", "insert from web-1", "give back", "get", "getIamPolicy", "place",
        ]  # fmt: skip

    def test_one_that_is_being_deleted_meanwhile_is_waited_for(self, making: Making) -> None:
        failed, leaving = making.found(Action.REPLACE, "FAILED"), making.copy(status="DELETING")
        made = making.copy(id="8")
        making.answers["get"] = [failed, leaving, leaving, gone(), made]
        making.answers["delete"] = [refused(404, "notFound", method="compute.images.delete")]
        assert making.play() is made
        assert making.did == ["get", "delete 2", "get", "get", "5 s", "get", *COPIED]

    @pytest.mark.parametrize("status", [404, 400])
    def test_a_service_that_takes_no_ids_is_given_the_name(self, making: Making, status: int) -> None:
        failed, made = making.found(Action.REPLACE, "FAILED"), making.copy(id="8")
        making.answers["get"] = [failed, failed, made]
        making.answers["delete"] = [refused(status, "invalid", method="compute.images.delete"), ended("operation-9")]
        making.answers["wait"] = [ended("operation-9"), ended()]
        assert making.play() is made
        assert making.did == ["get", "delete 2", "get", "delete by name", *COPIED]
        assert len(set(making.deletes)) == 2

    def test_one_that_changed_between_id_and_name_is_left_alone(self, making: Making) -> None:
        failed = making.found(Action.REPLACE, "FAILED")
        making.answers["get"] = [failed, making.copy(status="FAILED", family="web")]
        making.answers["delete"] = [refused(404, "notFound", method="compute.images.delete")]
        with pytest.raises(errors.ImageFailed, match=r" changed since the plan was made, so it was not replaced$"):
            making.play()
        assert making.did == ["get", "delete 2", "get"]

    def test_one_that_is_gone_before_it_is_deleted_by_name_is_not_missed(self, making: Making) -> None:
        failed, made = making.found(Action.REPLACE, "FAILED"), making.copy(id="8")
        making.answers["get"] = [failed, failed, made]
        making.answers["delete"] = [refused(404, "notFound", method="compute.images.delete")]
        assert making.play() is made
        assert making.did == ["get", "delete 2", "get", "delete by name", *COPIED]

    def test_it_may_not_be_deleted_by_name_either(self, making: Making) -> None:
        making.answers["get"] = [making.found(Action.REPLACE, "FAILED")]
        making.answers["delete"] = [refused(400, "invalid", method="compute.images.delete")]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert caught.value.status == 400
        assert making.did == ["get", "delete 2", "get", "delete by name"]

    def test_it_may_not_be_read(self, making: Making) -> None:
        making.found(Action.REPLACE, "FAILED")
        making.answers["get"] = [FORBIDDEN]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert (caught.value.status, making.did) == (403, ["get"])

    def test_one_that_is_being_deleted_already_is_waited_for(self, making: Making) -> None:
        making.found(Action.REPLACE, "FAILED")
        leaving, made = making.copy(status="DELETING"), making.copy(id="8")
        making.answers["get"] = [leaving, leaving, gone(), made]
        assert making.play() is made
        assert making.did == ["get", "get", "5 s", "get", *COPIED]
        assert making.told[0] == f"being deleted: {making.name} is DELETING; waiting until it is gone"

    def test_it_may_not_be_deleted(self, making: Making) -> None:
        making.answers["get"] = [making.found(Action.REPLACE, "FAILED")]
        making.answers["delete"] = [refused(403, "forbidden", method="compute.images.delete")]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert caught.value.doing == f"Removing {making.replica.ref}"
        assert making.did == ["get", "delete 2"]
        assert making.work.state == "replacing"

    def test_its_deletion_fails(self, making: Making) -> None:
        making.answers["get"] = [making.found(Action.REPLACE, "FAILED")]
        making.answers["delete"] = [ended("operation-9", code="SOME_ERROR")]
        with pytest.raises(Refusal) as caught:
            making.play()
        assert caught.value.told(caught.value.doing) == (
            f"Removing {making.replica.ref} failed: No, said the test. (SOME_ERROR)"
        )
        assert making.did == ["get", "delete 2"]
