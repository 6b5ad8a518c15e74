"""What is repaired of a READY image, in which order, and what is told where it can't be."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from replicator.commands.replicate import repair
from replicator.core.images import Binding, ImageRef, Policy, Problem
from replicator.core.replicas import Action, Step
from replicator.replicas.work import Work
from testkit import make
from testkit.make import PUBLIC, READER
from testkit.sessions.changing import Changing
from testkit.virtual import refusal

if TYPE_CHECKING:
    from replicator.core.errors import ReplicaError
    from replicator.replicas.session import Session

EVERYBODY = PUBLIC.bindings[0]
GROUP = Binding(READER, frozenset({"group:g@example.com"}))
OWNER = Binding("roles/compute.admin", frozenset({"user:o@example.com"}))
#: As the plan read it, of an image that existed: nobody else may use it.
CLOSED = Policy((OWNER,), "closed")


class Settling:
    """A READY image in one location: what is wrong with it, what happens meanwhile, and what came of it."""

    def __init__(self, location: str, architecture: str) -> None:
        self.location = location
        self.source = make.image(architecture=architecture)
        self.image = make.copy(location, architecture=architecture)
        self.replica = make.replica(location)
        self.ref = self.replica.ref
        self.name = self.ref.name
        self.cloud = Changing(self.image)
        self.readers = PUBLIC.bindings

    def spoil(self, **fields: Any) -> None:
        """Let the image have been found with something else in these fields."""
        self.image = replace(self.image, **fields)
        self.cloud.images[self.ref] = self.image

    def meanwhile(self, method: str, **fields: Any) -> None:
        """Let others change the image right before the next call of a method."""
        self.cloud.coming[method].append(partial(self.cloud.edit, self.ref, **fields))

    def lagging(self, **fields: Any) -> None:
        """Let reads show old values for ever."""
        self.cloud.coming["get"] = [partial(self.cloud.edit, self.ref, **fields)] * 9

    def settle(self, policy: Policy | None = PUBLIC, *, made: bool = False) -> list[str]:
        """Verify and repair it; the calls that took. The policy is the one that the plan has read."""
        if policy is not None:
            self.cloud.policies.setdefault(self.ref, policy)
        step = Step(replica=self.replica, action=Action.CHECK)
        self.work = Work(step=step, began=0, image=self.image, policy=policy, made=made)

        async def settle(session: Session, work: Work) -> None:
            await repair.settle(session, work, self.image)

        async def act(session: Session) -> None:
            await session.guarded(self.work, "Making it", settle)

        self.cloud.carry_out(act, self.work, source=self.source, readers=self.readers)
        return self.cloud.asked

    @property
    def now(self) -> Any:
        return self.cloud.images[self.ref]

    @property
    def bindings(self) -> set[Binding]:
        return set(self.cloud.policies[self.ref].bindings)

    @property
    def error(self) -> ReplicaError:
        assert self.work.error
        return self.work.error


@pytest.fixture(params=[("eu", "X86_64"), ("asia", "ARM64")], ids="-".join)
def settling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settling:
    """Its waits are as long as they are said to be."""
    monkeypatch.setattr("replicator.compute.waits._JITTER", 0.0)
    return Settling(*request.param)


class TestWhatIsRight:
    def test_is_left_alone(self, settling: Settling) -> None:
        assert settling.settle() == []
        assert (settling.work.error, settling.work.changed) == (None, False)

    def test_more_than_was_wanted_is_no_fault(self, settling: Settling) -> None:
        """Labels, features and readers that others added stay."""
        settling.spoil(labels={"a": "b", "c": "d"}, guest_os_features=frozenset({"UEFI_COMPATIBLE", "GVNIC"}))
        assert settling.settle(Policy((EVERYBODY, GROUP), "e")) == []
        assert (settling.work.error, settling.work.changed) == (None, False)

    def test_of_a_new_copy_the_policy_is_read(self, settling: Settling) -> None:
        settling.cloud.policies[settling.ref] = Policy((EVERYBODY, OWNER), "e")
        assert settling.settle(None, made=True) == [f"getIamPolicy {settling.name}"]
        assert (settling.work.error, settling.work.changed) == (None, False)
        assert settling.work.policy == Policy((EVERYBODY, OWNER), "e")

    def test_a_private_copy_is_not_opened(self, settling: Settling) -> None:
        settling.readers = ()
        settling.cloud.policies[settling.ref] = Policy((), "e")
        assert settling.settle(None, made=True) == [f"getIamPolicy {settling.name}"]
        assert (settling.work.error, settling.work.changed) == (None, False)


class TestWhatCannotBeChanged:
    def test_is_told_and_nothing_is_touched(self, settling: Settling) -> None:
        settling.spoil(disk_size_gb=50, description="x", labels={})
        assert settling.settle(CLOSED) == []
        assert (settling.error.reason, settling.error.what) == (
            "drift",
            f"{settling.ref} differs from what is wanted: diskSizeGb: wanted 20, found 50",
        )
        assert settling.error.todo == (
            f"Remove it with `gcloud compute images delete {settling.name} --project p1` and run this again."
        )

    def test_of_a_copy_of_this_run_no_rerun_helps(self, settling: Settling) -> None:
        settling.spoil(guest_os_features=frozenset())
        assert settling.settle(None, made=True) == []
        assert settling.error.what == (
            f"{settling.ref} differs from what is wanted: guestOsFeatures: wanted UEFI_COMPATIBLE, found nothing"
        )
        assert settling.error.todo.startswith("Running this again can't help, for a new copy comes out the same")

    def test_in_the_location_of_another(self, settling: Settling) -> None:
        settling.spoil(storage_locations=("us",))
        assert settling.settle() == []
        assert settling.error.what == (
            f"{settling.ref} differs from what is wanted: storageLocations: wanted {settling.location}, found us"
        )


class TestOrder:
    """What the calls are, one after the other. Nothing becomes public before it is as wanted."""

    def test_all(self, settling: Settling) -> None:
        name = settling.name
        settling.spoil(description="x", labels={"a": "x", "c": "d"})
        assert settling.settle(CLOSED) == [
            f"patch {name}", "wait operation-1", f"setLabels {name}", "wait operation-2", f"get {name}",
            f"setIamPolicy {name}",
        ]  # fmt: skip
        assert (settling.work.error, settling.work.changed) == (None, True)
        assert (settling.now.description, settling.now.labels) == ("d", {"a": "b", "c": "d"})
        assert settling.bindings == {EVERYBODY, OWNER}
        assert settling.work.image == settling.now
        assert settling.work.policy == settling.cloud.policies[settling.ref]
        assert settling.work.operation == "operation-2"
        assert settling.cloud.seconds == 0

    def test_description(self, settling: Settling) -> None:
        settling.spoil(description="")
        assert settling.settle() == [f"patch {settling.name}", "wait operation-1", f"get {settling.name}"]
        assert (settling.work.error, settling.work.changed) == (None, True)
        assert settling.now == make.copy(settling.location, architecture=settling.source.architecture)
        assert settling.work.image == settling.now
        # It is the same for all repetitions of a request, so it must be one that no other request has.
        assert [UUID(each).version for each in settling.cloud.request_ids] == [4]

    def test_labels(self, settling: Settling) -> None:
        settling.spoil(labels={})
        assert settling.settle() == [f"setLabels {settling.name}", "wait operation-1", f"get {settling.name}"]
        assert (settling.work.error, settling.work.changed) == (None, True)
        assert settling.now.labels == {"a": "b"}
        assert settling.work.image == settling.now

    def test_access(self, settling: Settling) -> None:
        assert settling.settle(CLOSED) == [f"setIamPolicy {settling.name}"]
        assert (settling.work.error, settling.work.changed) == (None, True)
        assert settling.bindings == {EVERYBODY, OWNER}

    def test_access_of_a_new_copy(self, settling: Settling) -> None:
        settling.cloud.policies[settling.ref] = Policy((OWNER,), "new")
        assert settling.settle(None, made=True) == [f"getIamPolicy {settling.name}", f"setIamPolicy {settling.name}"]
        assert (settling.work.error, settling.work.changed) == (None, True)
        assert settling.bindings == {EVERYBODY, OWNER}
        assert settling.work.policy == settling.cloud.policies[settling.ref]


class TestReadingBack:
    def test_a_late_read_is_repeated(self, settling: Settling) -> None:
        name = settling.name
        settling.spoil(description="x", labels={})
        for late in ({"description": "x"}, {"description": "d", "labels": {}}, {"labels": {"a": "b"}}):
            settling.meanwhile("get", **late)
        asked = settling.settle(CLOSED)
        assert asked[4:] == [f"get {name}"] * 3 + [f"setIamPolicy {name}"]
        assert settling.cloud.seconds == 1 + 2
        assert settling.work.error is None

    @pytest.mark.parametrize(
        ("field", "spoilt", "told"),
        [
            ("description", "x", "description: wanted d, found x"),
            ("labels", {}, "labels.a: wanted b, found nothing"),
            ("labels", {"a": "c"}, "labels.a: wanted b, found c"),
        ],
    )
    def test_what_never_shows_is_drift(self, settling: Settling, field: str, spoilt: Any, told: str) -> None:
        """It is told, and the image is not opened."""
        settling.spoil(description="x", labels={})
        settling.lagging(**{field: spoilt})
        asked = settling.settle(CLOSED, made=True)
        assert asked[4:] == [f"get {settling.name}"] * 5
        assert settling.cloud.seconds == 1 + 2 + 4 + 8
        assert settling.error.what == f"{settling.ref} differs from what is wanted: {told}"
        assert settling.error.todo == (
            f"Remove it with `gcloud compute images delete {settling.name} --project p1` and run this again."
        )

    def test_both_are_told(self, settling: Settling) -> None:
        settling.spoil(description="x")
        settling.lagging(description="y", labels={"a": "c"})
        settling.settle(CLOSED)
        assert settling.error.what == (
            f"{settling.ref} differs from what is wanted: description: wanted d, found y; labels.a: wanted b, found c"
        )

    def test_another_image_has_the_name(self, settling: Settling) -> None:
        settling.spoil(description="x")
        settling.meanwhile("get", id="9")
        assert settling.settle(CLOSED) == [f"patch {settling.name}", "wait operation-1", f"get {settling.name}"]
        assert settling.error.what == f"{settling.ref} was replaced by someone else during the run"


class TestRefusals:
    """What was being done is told, and nothing is done after it."""

    def refused(self, settling: Settling, method: str) -> tuple[list[str], str]:
        settling.spoil(description="x", labels={})
        settling.cloud.policies[settling.ref] = CLOSED
        settling.cloud.refused[method] = refusal(method)
        settling.settle(None)
        assert settling.error.reason == "forbidden"
        assert f"compute.images.{'update' if method == 'patch' else method}" in settling.error.todo
        return [call.partition(" ")[0] for call in settling.cloud.asked], settling.error.what

    def test_description(self, settling: Settling) -> None:
        assert self.refused(settling, "patch") == (
            ["patch"], f"Describing {settling.ref} was refused: No, said the test."
        )  # fmt: skip

    def test_labels(self, settling: Settling) -> None:
        assert self.refused(settling, "setLabels") == (
            ["patch", "wait", "setLabels"], f"Labelling {settling.ref} was refused: No, said the test."
        )  # fmt: skip

    def test_reading_back(self, settling: Settling) -> None:
        assert self.refused(settling, "get") == (
            ["patch", "wait", "setLabels", "wait", "get"], f"Reading {settling.ref} was refused: No, said the test."
        )  # fmt: skip

    def test_reading_the_policy(self, settling: Settling) -> None:
        assert self.refused(settling, "getIamPolicy") == (
            ["patch", "wait", "setLabels", "wait", "get", "getIamPolicy"],
            f"Reading who may use {settling.ref} was refused: No, said the test.",
        )

    def test_opening(self, settling: Settling) -> None:
        asked, told = self.refused(settling, "setIamPolicy")
        assert asked[5:] == ["getIamPolicy", "setIamPolicy"]
        assert told == f"Opening {settling.ref} to allAuthenticatedUsers was refused: No, said the test."
        # Whether it came through nobody knows, so it counts as a change.
        assert settling.work.changed

    @pytest.mark.parametrize(
        ("method", "doing"),
        [("patch", "Describing {}"), ("setLabels", "Labelling {}")],
    )
    def test_an_operation_that_fails(self, settling: Settling, method: str, doing: str) -> None:
        spoilt: dict[str, Any] = {"description": "x"} if method == "patch" else {"labels": {}}
        settling.spoil(**spoilt)
        settling.cloud.ends = [Problem("FORBIDDEN", "No, said the operation.")]
        assert settling.settle(CLOSED) == [f"{method} {settling.name}", "wait operation-1"]
        assert settling.error.what == f"{doing.format(settling.ref)} failed: No, said the operation. (FORBIDDEN)"

    @pytest.mark.parametrize(
        ("method", "doing"),
        [
            ("patch", "Describing {}"),
            ("setLabels", "Labelling {}"),
            ("getIamPolicy", "Reading who may use {}"),
            ("setIamPolicy", "Opening {} to allAuthenticatedUsers"),
        ],
    )
    def test_what_may_pass_is_repeated(self, settling: Settling, method: str, doing: str) -> None:
        """And told, of the right location."""
        settling.spoil(description="x", labels={})
        settling.cloud.policies[settling.ref] = CLOSED
        settling.cloud.coming[method] = [refusal(method, 429, "rateLimitExceeded")]
        asked = settling.settle(None)
        assert asked.count(f"{method} {settling.name}") == 2
        assert settling.cloud.told == [
            (settling.location, f"{doing.format(settling.ref)}: No, said the test. Next try in 0 s.")
        ]
        assert settling.work.error is None
        assert (settling.now.description, settling.now.labels) == ("d", {"a": "b"})
        assert settling.bindings == {EVERYBODY, OWNER}
        # A requestId is kept, lest what was accepted is done twice.
        assert len({*settling.cloud.request_ids}) == 1


class TestOthersChangeIt:
    def test_their_labels_stay(self, settling: Settling) -> None:
        name = settling.name
        settling.spoil(labels={"a": "x", "gone": "1"})
        settling.meanwhile("setLabels", labels={"a": "x", "theirs": "1"})
        assert settling.settle() == [
            f"setLabels {name}", f"get {name}", f"setLabels {name}", "wait operation-1", f"get {name}"
        ]  # fmt: skip
        assert settling.now.labels == {"a": "b", "theirs": "1"}
        assert settling.cloud.told == [(settling.location, "Someone changed the image meanwhile. Next try in 1 s.")]
        assert settling.work.error is None

    def test_they_label_it_as_wanted(self, settling: Settling) -> None:
        """Nothing is left to do, and they get no second version of it."""
        name = settling.name
        settling.spoil(labels={})
        settling.meanwhile("setLabels", labels={"a": "b", "theirs": "1"})
        assert settling.settle() == [f"setLabels {name}", f"get {name}", f"get {name}"]
        assert settling.now.labels == {"a": "b", "theirs": "1"}
        assert settling.work.error is None

    def test_it_is_replaced_meanwhile(self, settling: Settling) -> None:
        settling.spoil(labels={})
        settling.meanwhile("setLabels", labels={}, id="9")
        assert settling.settle(CLOSED) == [f"setLabels {settling.name}", f"get {settling.name}"]
        assert settling.error.what == f"{settling.ref} was replaced by someone else during the run"

    def test_they_never_stop_labelling(self, settling: Settling) -> None:
        settling.spoil(labels={})
        for count in range(9):
            settling.meanwhile("setLabels", labels={"count": str(count)})
        assert len(settling.settle(CLOSED)) == 5 + 4
        assert settling.error.what == f"Someone else keeps changing {settling.ref}: No, said the test."

    def test_their_readers_stay(self, settling: Settling) -> None:
        name = settling.name
        open_to = partial(settling.cloud.open_to, settling.ref, OWNER, GROUP)
        settling.cloud.coming["setIamPolicy"] = [open_to]
        assert settling.settle(CLOSED) == [f"setIamPolicy {name}", f"getIamPolicy {name}", f"setIamPolicy {name}"]
        (readers,) = settling.bindings - {OWNER}
        assert readers == Binding(READER, EVERYBODY.members | GROUP.members)
        assert settling.cloud.told == [(settling.location, "Someone changed the image meanwhile. Next try in 1 s.")]
        assert settling.work.error is None

    def test_they_open_it(self, settling: Settling) -> None:
        """Nothing is left to do, and what they made of it is what is reported."""
        name = settling.name
        settling.cloud.coming["setIamPolicy"] = [partial(settling.cloud.open_to, settling.ref, EVERYBODY, GROUP)]
        assert settling.settle(CLOSED) == [f"setIamPolicy {name}", f"getIamPolicy {name}"]
        assert settling.bindings == {EVERYBODY, GROUP}
        assert settling.work.policy == settling.cloud.policies[settling.ref]
        assert settling.work.error is None

    def test_what_was_opened_is_looked_at(self, settling: Settling, monkeypatch: pytest.MonkeyPatch) -> None:
        """The answer to setIamPolicy says what the image's policy is now."""
        settling.readers = (EVERYBODY, OWNER)
        keep = settling.cloud.open_to
        monkeypatch.setattr(settling.cloud, "open_to", lambda ref, *_: keep(ref, GROUP))
        settling.settle(Policy((), "e"))
        assert settling.error.reason == "drift"
        assert settling.error.what == (
            f"{settling.ref} is not open as wanted after it was opened: "
            "access: wanted allAuthenticatedUsers, user:o@example.com, found group:g@example.com"
        )
        assert settling.error.todo == "Run this again."


def test_several_readers_are_named(settling: Settling) -> None:
    settling.readers = (EVERYBODY, GROUP)
    settling.cloud.refused["setIamPolicy"] = refusal("setIamPolicy")
    settling.settle(Policy((EVERYBODY,), "e"))
    assert settling.error.what == (
        f"Opening {settling.ref} to allAuthenticatedUsers, group:g@example.com was refused: No, said the test."
    )


def test_an_image_of_another_project(settling: Settling) -> None:
    settling.replica = replace(settling.replica, ref=ImageRef("p2", "web-1-there"))
    settling.ref, settling.name = settling.replica.ref, "web-1-there"
    settling.spoil(ref=settling.ref, description="x", labels={})
    settling.settle(CLOSED)
    assert settling.work.error is None
    assert (settling.now.description, settling.now.labels) == ("d", {"a": "b"})
    assert settling.bindings == {EVERYBODY, OWNER}
