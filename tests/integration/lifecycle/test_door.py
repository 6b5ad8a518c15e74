"""What the lifecycle verbs change: one image deprecated, cleared or deleted, with the checks right before and after."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

import replicator
from replicator.commands.lifecycle import clock, in_use
from replicator.commands.lifecycle.errors import Doubtful
from replicator.compute import connect
from replicator.compute.errors import EndpointUnreachable
from replicator.compute.lifecycle import deletion, fresh_check
from replicator.compute.lifecycle.deletion import Deletion, NotDeleted, delete
from replicator.compute.lifecycle.deprecation import clear, deprecate
from replicator.compute.lifecycle.errors import Changed, NotDone, OtherDeprecation, StillActive, StillDeprecated
from replicator.compute.lifecycle.fresh_check import CheckedForDeletion
from replicator.compute.retry import Calls
from replicator.core.errors import Deadline, Failure, Forbidden, ReplicatorError
from replicator.core.images import Deprecation, Image, ImageRef
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from emulator.testing import Running

MARKED = {"state": "DEPRECATED", "deleted": "2026-01-01T00:00:00Z"}
DEPRECATE, DELETE, GET = "compute.images.deprecate", "compute.images.delete", "compute.images.get"
FAMILY, LIST = "compute.images.getFromFamily", "compute.images.list"
TEMPLATES = "compute.instanceTemplates.aggregatedList"


class Door:
    """The door to one emulator, on a clock that jumps."""

    def __init__(self, emulator: Running) -> None:
        self.emulator = emulator
        self.compute = connect.connect(emulator.url, {}, anonymous=True)

    def do(self, act: Callable[[Calls], Awaitable[Any]], *, seconds: float = 900) -> Any:
        async def go() -> Any:
            deadline = asyncio.get_running_loop().time() + seconds
            return await act(Calls(self.compute, deadline=deadline, tell=lambda *_: None))

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(go())

    def read(self, name: str, project: str = "p1") -> Image:
        return self.compute.get(ImageRef(project, name)).send()

    def deprecate(self, name: str, **wanted: str) -> Image:
        image = self.read(name)
        found = self.do(lambda calls: deprecate(calls, image, Deprecation(**wanted)))
        assert isinstance(found, Image)
        return found

    def clear(self, name: str) -> Image:
        image = self.read(name)
        found = self.do(lambda calls: clear(calls, image))
        assert isinstance(found, Image)
        return found

    def delete(self, name: str, **wanted: Any) -> None:
        image = self.read(name)
        self.do(lambda calls: delete(calls, Deletion(image=image, **wanted)))

    def delete_as_read(self, image: Image) -> None:
        self.do(lambda calls: delete(calls, Deletion(image=image)))

    def mark_as_read(self, image: Image, *, seconds: float = 900) -> None:
        wanted = Deprecation(state="DEPRECATED")
        self.do(lambda calls: deprecate(calls, image, wanted), seconds=seconds)

    def there(self, name: str) -> bool:
        return self.emulator.image("p1", name) is not None

    def sent(self, *methods: str) -> list[dict[str, Any]]:
        return [entry for entry in self.emulator.journal() if entry["method"] in methods]


@pytest.fixture
def door(emulator: Running) -> Door:
    """web-1 in us with a copy in eu, both retired; web-2, which is the default."""
    source = emulator.add_image(project="p1", name="web-1", family="web", deprecated=MARKED, labels={"a": "b"})
    of = {"source_image": "projects/p1/global/images/web-1", "source_image_id": source["id"]}
    emulator.add_image(project="p1", name="web-1-eu", family="web-eu", location="eu", deprecated=MARKED, **of)
    emulator.add_image(project="p1", name="web-2", family="web")
    return Door(emulator)


_Failure = TypeVar("_Failure", bound=Failure)


def refused(act: Callable[[], Any], error: type[_Failure], *says: str) -> _Failure:
    with pytest.raises(error) as caught:
        act()
    for text in says:
        assert text in caught.value.what
    return caught.value


class TestDeprecate:
    def test_state_replacement_and_date_in_one_call(self, door: Door) -> None:
        door.deprecate(
            "web-2", state="OBSOLETE", replacement="projects/p1/global/images/web-1", deleted="2026-12-06T00:00:00Z"
        )
        (call,) = door.sent(DEPRECATE)
        assert call["body"]["state"] == "OBSOLETE"
        shown = door.emulator.image("p1", "web-2")
        assert shown is not None
        assert shown["deprecated"]["replacement"].endswith("/projects/p1/global/images/web-1")
        assert shown["deprecated"]["deleted"] == "2026-12-06T00:00:00Z"

    def test_what_is_so_already_costs_no_call(self, door: Door) -> None:
        """The date may be written in another zone."""
        door.deprecate("web-1", state="DEPRECATED", deleted="2025-12-31T16:00:00-08:00")
        assert not door.sent(DEPRECATE)
        door.deprecate("web-1", state="DEPRECATED", deleted="2025-12-31T16:00:01-08:00")
        assert len(door.sent(DEPRECATE)) == 1

    def test_an_image_that_took_the_name_is_left_alone(self, door: Door) -> None:
        image = door.read("web-2")
        door.emulator.delete_image("p1", "web-2")
        for told in ("is gone, or another image has its name",) * 2:
            assert refused(lambda: door.mark_as_read(image), Changed, told).reason == "changed"
            if not door.there("web-2"):
                door.emulator.add_image(project="p1", name="web-2", family="web")
        assert not door.sent(DEPRECATE)

    def test_a_name_given_anew_in_the_last_moment_is_told(self, door: Door) -> None:
        """The call goes by name; its operation says what it met."""
        image = door.read("web-2")

        def another() -> None:
            door.emulator.delete_image("p1", "web-2")
            door.emulator.add_image(project="p1", name="web-2")

        before_sending(door, "deprecate", another)
        refused(lambda: door.mark_as_read(image), Changed, "met another image", image.id)

    @pytest.mark.parametrize("leaves", ["nothing", "ready"])
    def test_an_operation_that_failed_is_a_failure(self, door: Door, leaves: str) -> None:
        """DONE is not success: `error` decides, whatever the image shows."""
        action = {"kind": "operation", "code": "FORBIDDEN", "message": "No.", "http_status": 403, "leaves": leaves}
        door.emulator.faults([{"method": DEPRECATE, "action": action}])
        refused(lambda: door.deprecate("web-2", state="DEPRECATED"), Forbidden, "failed: No.")

    @pytest.mark.parametrize(
        "action",
        [
            {"kind": "http", "code": 503, "reason": "backendError", "message": "Later."},
            {"kind": "http", "when": "after", "code": 503, "reason": "backendError", "message": "Later."},
            {"kind": "drop", "when": "after"},
            {"kind": "body", "status": 502, "text": "<html>"},
            {"kind": "operation", "code": "INTERNAL_ERROR", "message": "Oops.", "leaves": "nothing"},
            {"kind": "operation", "state": "gone"},
        ],
        ids=json.dumps,
    )
    def test_what_passes_is_repeated(self, door: Door, action: dict[str, Any]) -> None:
        door.emulator.faults([{"method": DEPRECATE, "action": action}])
        assert door.deprecate("web-2", state="DEPRECATED").deprecated == "DEPRECATED"

    def test_it_must_show(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        """Accepted and DONE, and the image is as it was, or got another date."""
        call = door.compute.deprecate
        monkeypatch.setattr(door.compute, "deprecate", lambda ref, _, **more: call(ref, Deprecation(), **more))
        assert (
            refused(lambda: door.deprecate("web-2", state="DEPRECATED"), StillActive, "ACTIVE").reason == "still_active"
        )
        other = Deprecation(state="DEPRECATED", deleted="2027-01-01T00:00:00Z")
        monkeypatch.setattr(door.compute, "deprecate", lambda ref, _, **more: call(ref, other, **more))
        wanted = {"state": "DEPRECATED", "deleted": "2027-02-01T00:00:00Z"}
        refused(lambda: door.deprecate("web-2", **wanted), OtherDeprecation, "2027-02-01", "2027-01-01")

    def test_a_call_that_never_ends_is_given_up(self, door: Door) -> None:
        door.emulator.faults([{"method": DEPRECATE, "action": {"kind": "operation", "state": "stuck"}}])
        image = door.read("web-2")
        refused(
            lambda: door.mark_as_read(image, seconds=30),
            Deadline,
            "timeout_minutes passed: Marking",
            "goes on as operation-",
        )


class TestClear:
    def test_by_an_empty_body(self, door: Door) -> None:
        assert door.clear("web-1").deprecation == Deprecation()
        (call,) = door.sent(DEPRECATE)
        assert call["body"] in ({}, None)

    def test_one_that_is_active_is_left_alone(self, door: Door) -> None:
        door.clear("web-2")
        assert not door.sent(DEPRECATE)

    @pytest.mark.parametrize("code", [400, 412])
    def test_a_service_that_refuses(self, door: Door, code: int) -> None:
        action = {"kind": "http", "code": code, "reason": "invalid", "message": "Irreversible."}
        door.emulator.faults([{"method": DEPRECATE, "action": action}])
        assert refused(lambda: door.clear("web-1"), StillDeprecated, "Irreversible.").reason == "still_deprecated"

    def test_a_missing_permission_is_no_such_refusal(self, door: Door) -> None:
        action = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
        door.emulator.faults([{"method": DEPRECATE, "action": action}])
        failed = refused(lambda: door.clear("web-1"), Forbidden)
        assert "compute.images.deprecate" in failed.todo

    def test_it_must_show(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        call, kept = door.compute.deprecate, Deprecation(**MARKED)
        monkeypatch.setattr(door.compute, "deprecate", lambda ref, _, **more: call(ref, kept, **more))
        refused(lambda: door.clear("web-1"), StillDeprecated, "still DEPRECATED")


class TestDelete:
    def test_by_id_and_only_after_the_check(self, door: Door) -> None:
        image = door.read("web-1-eu")
        door.delete("web-1-eu")
        assert not door.there("web-1-eu")
        (call,) = door.sent(DELETE)
        assert call["target"].endswith(f"/{image.id}")
        methods = [entry["method"] for entry in door.emulator.journal()]
        assert methods[: methods.index(DELETE)][-2:] == [GET, FAMILY]

    def test_the_source_goes_last(self, door: Door) -> None:
        refused(lambda: door.delete("web-1", copies_in=["p1", "p2"]), Changed, "web-1-eu is a copy of")
        assert not door.sent(DELETE)
        door.delete("web-1", copies_in=["p1", "p2"], counts=lambda image: image.ref.name != "web-1-eu")
        assert not door.there("web-1")

    def test_a_copy_of_what_had_the_name_before_keeps_nothing(self, door: Door) -> None:
        """It has the source's name, too, so that it is listed in its project."""
        door.emulator.add_image(
            project="p2",
            name="web-1",
            location="asia",
            source_image="projects/p1/global/images/web-1",
            source_image_id="7",
        )
        door.delete("web-1", copies_in=["p1", "p2"], counts=lambda image: image.ref.name != "web-1-eu")
        assert not door.there("web-1")

    def test_a_list_without_the_source_itself_proves_nothing(self, door: Door) -> None:
        text = json.dumps({"kind": "compute#imageList"})
        door.emulator.faults([{"method": LIST, "action": {"kind": "body", "status": 200, "text": text}}])
        refused(lambda: door.delete("web-1", copies_in=["p1"]), Changed, "can't be the whole list")
        assert not door.sent(DELETE)

    def test_what_changed_stays(self, door: Door) -> None:
        image = door.read("web-1")
        door.emulator.run(lambda: door.emulator.compute.state.image("p1", "web-1", 9e9).labels.update(hold="yes"))  # type: ignore[union-attr]
        refused(lambda: door.delete_as_read(image), Changed, "was changed meanwhile (labels")
        refused(lambda: door.delete("web-2"), Changed, "is not deprecated")
        assert not door.sent(DELETE)

    def test_a_head_stays_even_if_it_is_deprecated(self, door: Door) -> None:
        """Which no service should answer; rule 15 doesn't rely on it."""
        shown = door.emulator.image("p1", "web-1")
        door.emulator.faults([{"method": FAMILY, "action": {"kind": "body", "status": 200, "text": json.dumps(shown)}}])
        refused(lambda: door.delete("web-1"), Changed, "is what the family web resolves to")
        assert not door.sent(DELETE)

    def test_one_that_is_gone_is_right(self, door: Door) -> None:
        """Two sweeps at once: gone before the check, going during it, gone between check and call, name given anew."""
        image = door.read("web-1")
        before_sending(door, "delete", lambda: door.emulator.delete_image("p1", "web-1"))
        door.delete_as_read(image)
        door.delete_as_read(image)
        door.emulator.add_image(project="p1", name="web-1", family="web", deprecated=MARKED)
        door.delete_as_read(image)
        assert door.there("web-1")
        assert len(door.sent(DELETE)) == 1

    @pytest.mark.parametrize("code", [404, 400])
    def test_a_service_that_takes_no_ids(self, door: Door, code: int) -> None:
        image = door.read("web-1")
        action = {"kind": "http", "code": code, "reason": "notFound", "message": "No such image."}
        door.emulator.faults([{"method": DELETE, "match": image.id, "times": None, "action": action}])
        door.delete("web-1")
        assert [call["target"].rpartition("/")[2] for call in door.sent(DELETE)] == [image.id, "web-1"]
        assert [entry["method"] for entry in door.emulator.journal()].count(FAMILY) == 2
        assert not door.there("web-1")

    def test_a_name_given_anew_is_told_where_only_names_are_taken(self, door: Door) -> None:
        """Nothing can prevent that, for there is no compare-and-set; but nobody is told that all is well."""
        image = door.read("web-1")
        action = {"kind": "http", "code": 404, "reason": "notFound", "message": "No such image."}
        door.emulator.faults([{"method": DELETE, "match": image.id, "times": None, "action": action}])

        def another() -> None:
            door.emulator.delete_image("p1", "web-1")
            door.emulator.add_image(project="p1", name="web-1", family="web")

        before_sending(door, "delete", another, by_name=True)
        refused(lambda: door.delete("web-1"), Changed, "met another image")

    @pytest.mark.parametrize(
        "action",
        [
            {"kind": "http", "code": 503, "reason": "backendError", "message": "Later."},
            {"kind": "http", "when": "after", "code": 503, "reason": "backendError", "message": "Later."},
            {"kind": "drop", "when": "after"},
            {"kind": "operation", "state": "gone"},
        ],
        ids=json.dumps,
    )
    def test_what_passes_is_repeated(self, door: Door, action: dict[str, Any]) -> None:
        door.emulator.faults([{"method": DELETE, "action": action}])
        door.delete("web-1")
        assert not door.there("web-1")

    def test_an_old_check_is_made_anew(self, door: Door) -> None:
        """Half a minute of repetitions is not right before the call any more: somebody may have changed the image."""
        action = {"kind": "http", "code": 503, "reason": "backendError", "message": "Later."}
        door.emulator.faults([{"method": DELETE, "times": 7, "action": action}])
        door.delete("web-1")
        journal = [entry["method"] for entry in door.emulator.journal()]
        assert journal.count(DELETE) == 8
        assert journal.count(FAMILY) >= 2

    def test_one_that_stays_is_not_called_deleted(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        image = door.read("web-1")
        other = door.compute.set_labels(image.ref, {}, image.label_fingerprint)
        monkeypatch.setattr(door.compute, "delete_checked", lambda *_, **__: other)
        refused(lambda: door.delete("web-1"), NotDeleted, "is still there, READY")

    def test_refused(self, door: Door) -> None:
        action = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
        door.emulator.faults([{"method": DELETE, "action": action}])
        assert "compute.images.delete" in refused(lambda: door.delete("web-1"), Forbidden).todo


def test_only_the_check_makes_what_the_call_takes(door: Door) -> None:
    """No other line of the program makes the value, or the call."""
    with asyncio.Runner() as runner, pytest.raises(TypeError, match="only the check"):
        CheckedForDeletion(door.read("web-1"), 0.0, runner.get_loop(), seal=object())
    uses = {
        path.name
        for path in Path(replicator.__file__).parent.rglob("*.py")
        if re.search(r"\bdelete_checked\(|\bSEAL\b|CheckedForDeletion\(", path.read_text(encoding="utf-8"))
    }
    assert uses == {"client.py", Path(deletion.__file__).name, Path(fresh_check.__file__).name}
    assert Path(deletion.__file__).read_text(encoding="utf-8").count("CheckedForDeletion(") == 1


def test_reasons_are_the_specification_s() -> None:
    reasons = {kind.reason for kind in NotDone.__subclasses__()}
    assert reasons == {"changed", "still_deprecated", "still_active", "drift", "operation_failed"}


def before_sending(door: Door, method: str, act: Callable[[], None], *, by_name: bool = False) -> None:
    """Let somebody do something between our last look and our call, once."""
    send, left = door.compute._send, [act]

    def sent(called: str, call: Any, request: dict[str, Any], *more: Any) -> Any:
        if called.endswith(f".{method}") and left and not (by_name and request["image"].isdecimal()):
            left.pop()()
        return send(called, call, request, *more)

    door.compute._send = sent  # type: ignore[assignment, method-assign]


class TestTemplates:
    """All pages of all regions, or nothing."""

    @staticmethod
    def answer(*scopes: dict[str, Any], **more: Any) -> dict[str, Any]:
        items = {f"regions/r{number}": scope for number, scope in enumerate(scopes)}
        text = json.dumps({"kind": "compute#instanceTemplateAggregatedList", "items": items, **more})
        return {"method": TEMPLATES, "action": {"kind": "body", "status": 200, "text": text}}

    @staticmethod
    def template(name: str, image: str, **more: Any) -> dict[str, Any]:
        link = f"https://www.googleapis.com/compute/v1/projects/p1/global/instanceTemplates/{name}"
        disks = [{"initializeParams": {"sourceImage": image}}]
        return {"name": name, "selfLink": link, "properties": {"disks": disks}, **more}

    def test_all_pages(self, door: Door) -> None:
        empty = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "No results."}}
        custom = {"diskConfigs": [{"customImage": "global/images/web-2"}]}
        first = self.answer(
            {"instanceTemplates": [self.template("a", "global/images/web-1")]}, empty, nextPageToken="n"
        )
        second = self.answer({"instanceTemplates": [self.template("b", "x", sourceInstanceParams=custom)]})
        door.emulator.faults([first, second])
        found = door.do(lambda calls: in_use.read(calls, "p1"))
        assert [(each.name, each.images) for each in found] == [
            ("global/instanceTemplates/a", ("global/images/web-1",)),
            ("global/instanceTemplates/b", ("x", "global/images/web-2")),
        ]
        assert door.sent(TEMPLATES)[1]["query"]["pageToken"] == "n"

    @pytest.mark.parametrize(
        "text",
        [
            "{}",
            "<html>",
            json.dumps({"kind": "compute#instanceTemplateAggregatedList", "warning": {"code": "UNREACHABLE"}}),
            json.dumps(
                {
                    "kind": "compute#instanceTemplateAggregatedList",
                    "items": {"regions/r1": {"warning": {"code": "PARTIAL_SUCCESS"}}},
                }
            ),
        ],
        ids=["empty object", "a page of a proxy", "a warning", "a warning of one region"],
    )
    def test_a_doubtful_answer_ends_the_run(self, door: Door, text: str) -> None:
        fault = {"method": TEMPLATES, "times": None, "action": {"kind": "body", "status": 200, "text": text}}
        door.emulator.faults([fault])
        failed = refused(lambda: door.do(lambda calls: in_use.read(calls, "p1")), EndpointUnreachable)
        assert isinstance(failed, ReplicatorError)
        assert failed.exit_code == 3

    def test_the_same_page_twice(self, door: Door) -> None:
        page = self.answer({}, nextPageToken="n")
        door.emulator.faults([{**page, "times": 2}])
        refused(lambda: door.do(lambda calls: in_use.read(calls, "p1")), Doubtful, "the same page came twice")

    def test_refused(self, door: Door) -> None:
        action = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
        door.emulator.faults([{"method": TEMPLATES, "action": action}])
        failed = refused(lambda: door.do(lambda calls: in_use.read(calls, "p1")), ReplicatorError)
        assert "compute.instanceTemplates.list" in failed.todo


class TestClock:
    @pytest.mark.parametrize(("minutes", "wrong"), [(0, False), (4, False), (-4, False), (6, True), (-6, True)])
    def test_a_wrong_clock_ends_the_run(self, door: Door, minutes: int, *, wrong: bool) -> None:
        door.read("web-1")
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        if wrong:
            side = "ahead of" if minutes > 0 else "behind"
            failed = refused(lambda: clock.check(door.compute, [], now), Doubtful, f"6 minutes {side} Compute Engine's")
            assert isinstance(failed, ReplicatorError)
            assert failed.exit_code == 3
        else:
            clock.check(door.compute, [], now)

    def test_an_image_from_the_future(self, door: Door) -> None:
        image = door.read("web-1")
        door.compute.clock = None
        refused(lambda: clock.check(door.compute, [image], image.created - timedelta(hours=1)), Doubtful, "web-1")
        clock.check(door.compute, [image], image.created)

    def test_only_the_first_answer_counts(self, door: Door) -> None:
        door.read("web-1")
        first = door.compute.clock
        door.read("web-1")
        assert first is door.compute.clock is not None
