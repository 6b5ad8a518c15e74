"""Tests copies of copies on an emulator that makes six copies of an image in an hour; its clock is the run's."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from testkit.action import Action
from testkit.conformance.spoil import EVENTS
from testkit.faults import meanwhile, operation_error, refuse
from testkit.make import RIGHT
from testkit.tiers import few
from testkit.virtual import JointLoop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGIONS = [f"{part}{number}" for part in ("us-west", "europe-west", "asia-east", "me-west") for number in range(1, 12)][
    :43
]
EIGHT = ["us-west1", "us-west2", "us-west3", "europe-west1", "europe-west2", "europe-west3", "asia-east1", "asia-east2"]
SOURCE = "projects/p1/global/images/web-1"


@pytest.fixture
def limits() -> dict[str, Any]:
    return {"copies_per_source": {"count": 6, "minutes": 60}}


@pytest.fixture
def copy_seconds() -> dict[str, float]:
    """Of locations where it is not a minute."""
    return {}


@pytest.fixture
def emulator(limits: dict[str, Any], copy_seconds: dict[str, float]) -> Iterator[Running]:
    scenario = {"quotas": limits, "copy_seconds": copy_seconds}
    with running(copy_seconds=60, driven=True, scenario=scenario) as emulator:
        yield emulator
        emulator.assert_faults_used()


@pytest.fixture
def action(emulator: Running, source: dict[str, Any], tmp_path: Path) -> Action:
    return Action(emulator, tmp_path, make_loop=lambda: JointLoop(emulator))


def origins(action: Action) -> dict[str, str]:
    """Image → what it was copied from, by their names."""
    images = action.emulator.state()["images"]
    return {image["name"]: image["sourceImage"].rpartition("/")[2] for image in images if "sourceImage" in image}


def refused(action: Action) -> int:
    """Copies that began and came to nothing."""
    return sum("error" in operation for operation in action.emulator.state()["operations"])


#: An insert that copies a replica: which one is verified first, and copied first, depends on the machine.
OF_A_REPLICA = '"sourceImage":"projects/p1/global/images/web-1-'


def spoiled(action: Action) -> str:
    """The name of the image whose copy a fault kept from being asked for."""
    (entry,) = [entry for entry in action.calls("insert") if entry["fault"]]
    return str(entry["body"]["sourceImage"]).rpartition("/")[2]


class TestAllRegions:
    def test_three_waves(self, action: Action) -> None:
        done = action(locations=" ".join(REGIONS), copies_per_source="6")
        assert done.result == "complete", done.log
        assert (set(done.column("outcome").values()), set(done.column("promoted").values())) == ({"created"}, {True})
        assert Counter(origins(action).values()).most_common(1)[0][1] == 6
        assert refused(action) == 0
        assert 180 <= done.seconds < 200
        entry = json.loads(done.index)["images"][0]
        assert {served["copied_from"].rpartition("/")[2] for served in entry["locations"].values()} == set(
            origins(action).values()
        )

    @pytest.mark.exhaustive
    def test_the_limit_is_learned(self, action: Action) -> None:
        done = action(locations=" ".join(REGIONS))
        assert done.result == "complete", done.log
        assert refused(action) == 37
        assert 180 <= done.seconds < 200

    @pytest.mark.exhaustive
    def test_a_rerun_changes_nothing(self, action: Action) -> None:
        first = action(locations=" ".join(REGIONS), copies_per_source="6")
        before, reads = len(action.mutations()), len(action.calls("get"))
        again = action(locations=" ".join(REGIONS), copies_per_source="6")
        assert len(action.mutations()) == before
        assert (set(again.column("outcome").values()), again.index) == ({"adopted"}, first.index)
        assert len(action.calls("get")) - reads == 1, "parents that were listed are not read again"

    @pytest.mark.exhaustive
    def test_a_chain_through_all_locations_is_proven(self, action: Action) -> None:
        inputs = {"locations": " ".join(REGIONS[:13]), "copies_per_source": "1"}
        assert action(**inputs).result == "complete"
        again = action(**inputs)
        assert set(again.column("outcome").values()) == {"adopted"}, again.log

    def test_what_people_see(self, action: Action) -> None:
        planned = action(locations=" ".join(EIGHT), copies_per_source="3", dry_run="true")
        assert "in 2 waves, because one image is copied 3 times an hour at most; roughly so" in planned.log
        assert "  wave 1, from source: us-west1, europe-west1, asia-east1" in planned.log
        assert "  wave 2, from europe-west1: europe-west2, europe-west3" in planned.log
        assert 'n0(["source"])' in planned.summary
        assert '["us-west2<br/>us-west3"]' in planned.summary
        done = action(locations=" ".join(EIGHT), copies_per_source="3")
        assert "europe-west2 waiting for a replica to copy" in done.log
        assert "Waiting for a replica" not in done.log, "the plan said so"
        assert "europe-west2: asking for the copy, from web-1-" in done.log
        arrows = re.findall(r"^  n(\d+) --> n(\d+)$", done.summary, re.MULTILINE)
        assert Counter(origin for origin, _ in arrows)["0"] <= 3
        assert all(done.summary.split("```mermaid")[1].count(location) == 1 for location in EIGHT)
        gantt = [line for line in done.summary.splitlines() if ":" in line and "s :" in line]
        assert len(gantt) == len(EIGHT)


class TestParents:
    """What goes wrong with an image that others are copied from."""

    def test_that_is_not_made(self, action: Action) -> None:
        action.emulator.faults([operation_error("web-1-asia-east1", "SOME_ERROR")])
        done = action(locations=" ".join(EIGHT), copies_per_source="3")
        assert {location for location, row in done.replicas.items() if row["outcome"] == "failed"} == {"asia-east1"}
        assert origins(action)["web-1-asia-east2"] in {"web-1-us-west1", "web-1-europe-west1"}

    def test_that_is_deleted(self, action: Action) -> None:
        """Just before a copy of it is asked for."""
        action.emulator.faults([refuse(f'"sourceImage":"{SOURCE}-', code=404, reason="notFound", times=1)])
        done = action(locations=" ".join(EIGHT), copies_per_source="3")
        assert done.result == "complete", done.log
        assert "No, said the test. That replica is lost." in done.log
        assert done.seconds < 200

    def test_that_is_made_obsolete(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        """The refusal does not say that it is lost: it is looked at again, and the source is copied in its hour."""
        meanwhile(
            monkeypatch,
            "insert",
            lambda _: EVENTS["made obsolete"](action.emulator, "web-1-europe-west1"),
            name="-europe-west2",
        )
        locations = "europe-west1 europe-west2 europe-west3"
        done = action(locations=locations, copies_per_source="1", timeout_minutes="120")
        assert done.column("reason") == {"europe-west1": "drift", "europe-west2": "", "europe-west3": ""}
        assert Counter(origins(action).values()) == {"web-1": 2, "web-1-europe-west2": 1}

    def test_that_may_not_be_used(self, action: Action) -> None:
        """Then the source tells whether it is that, or the copy itself, and that takes until it may be copied again."""
        action.emulator.faults([refuse(f'"sourceImage":"{SOURCE}-')])
        done = action(locations=" ".join(EIGHT), copies_per_source="6", timeout_minutes="120")
        assert done.result == "complete", done.log
        assert set(origins(action).values()) == {"web-1"}
        assert done.seconds > 3600
        assert ". The source is tried next. Next try in 35" in done.log

    def test_that_may_not_be_used_and_there_is_no_time_to_ask_the_source(self, action: Action) -> None:
        action.emulator.faults([refuse(f'"sourceImage":"{SOURCE}-')])
        done = action(locations="us-west1 us-west2", copies_per_source="1")
        assert done.column("reason") == {"us-west1": "", "us-west2": "forbidden"}
        assert f"Copying to us-west2 from {SOURCE}-us-west1 was refused" in done.replicas["us-west2"]["message"]

    def test_a_copy_that_is_forbidden_itself(self, action: Action) -> None:
        fault = refuse('"europe-west3"')
        action.emulator.faults([fault])
        done = action(locations=" ".join(EIGHT), copies_per_source="3", timeout_minutes="120")
        assert done.column("reason")["europe-west3"] == "forbidden"
        assert Counter(done.column("outcome").values()) == {"created": 7, "failed": 1}
        assert len(action.calls("insert", "europe-west3")) == 2

    def test_that_is_replaced_under_its_name(
        self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever the copy was made of then, it is not what was verified."""

        meanwhile(
            monkeypatch, "insert", lambda _: EVENTS["replaced"](action.emulator, "web-1-europe-west1"), name="-us-west1"
        )
        done = action(locations="us-west1 europe-west1", copies_per_source="1")
        row = done.replicas["us-west1"]
        assert (row["reason"], row["promoted"]) == ("source_changed", False)
        assert f"but {SOURCE}-europe-west1 had id" in row["message"]

    @pytest.mark.parametrize("copy_seconds", [{"europe-west1": 30, "us-west1": 600}])
    def test_that_is_replaced_is_not_copied_again(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        """By one who comes later, when the first copy of it has shown that."""
        meanwhile(
            monkeypatch,
            "insert",
            lambda _: EVENTS["replaced"](action.emulator, "web-1-europe-west1"),
            name="-europe-west2",
        )
        busy = operation_error("web-1-europe-west3", "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED")
        action.emulator.faults([{**busy, "times": 2}])
        done = action(locations="europe-west1 europe-west3 us-west1 europe-west2", copies_per_source="3")
        assert done.column("reason")["europe-west2"] == "source_changed"
        assert origins(action)["web-1-europe-west3"] == "web-1-us-west1"

    def test_that_another_run_did_not_copy(
        self, action: Action, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ours of a replica comes to nothing; meanwhile that one makes a copy of the source."""

        def make(ref: Any) -> None:
            of = {"source_image": source["selfLink"], "source_image_id": source["id"]}
            action.emulator.add_image(project="p1", name=ref.name, location="us-west1", **RIGHT, **of)

        def before_the_second_insert(_: Any) -> None:
            meanwhile(monkeypatch, "insert", make, name="-us-west1")

        meanwhile(monkeypatch, "insert", before_the_second_insert, name="-us-west1")
        busy = operation_error("web-1-us-west1", "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED")
        action.emulator.faults([{**busy, "times": 1}])
        done = action(locations="europe-west1 europe-west2 us-west1", copies_per_source="2")
        assert action.calls("insert", "-us-west1")[0]["body"]["sourceImage"].startswith(f"{SOURCE}-")
        row = done.replicas["us-west1"]
        assert (row["outcome"], row["reason"], row["promoted"]) == ("repaired", "", True), row["message"]


@pytest.mark.parametrize("copy_seconds", [{"asia": 3 * 3600.0}])
@pytest.mark.parametrize("required", ["", "all"])
@pytest.mark.parametrize("event", few(["deleted", "replaced", "made obsolete"], "replaced"))
def test_what_was_verified_hours_ago_is_looked_at_again(
    event: str, required: str, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A family moves by name: whatever stands under it by then would be published, and signed before."""
    spoil = EVENTS[event]
    meanwhile(monkeypatch, "set_policy", lambda _: spoil(action.emulator, "web-1-eu"), name="-asia")
    done = action(locations="eu asia", required_locations=required, timeout_minutes="240")
    assert done.column("reason") == {"eu": "drift", "asia": "required_failed" if required else ""}
    assert (done.exit_code, done.result) == ((1, "failed") if required else (0, "partial"))
    assert done.column("promoted") == {"eu": False, "asia": not required}
    assert [*json.loads(done.index)["images"][0]["locations"]] == ["asia"]
    assert not action.calls("patch", "web-1-eu")


@pytest.mark.parametrize("copy_seconds", [{"asia": 300.0}])
def test_what_is_unchanged_is_looked_at_by_one_call(action: Action) -> None:
    assert action(locations="eu me-west1 asia").result == "complete"
    assert len(action.calls("list")) == 2
    assert len(action.calls("get", "web-1-eu")) == 1


@pytest.mark.parametrize("copy_seconds", [{"asia": 300.0}])
def test_what_can_be_neither_listed_nor_read_stays_as_it_was_verified(action: Action) -> None:
    action.emulator.faults(
        [{**refuse("p1", method="list"), "skip": 1}, {**refuse("web-1-eu", method="get"), "skip": 1}]
    )
    assert action(locations="eu asia").result == "complete"
    assert len(action.calls("get", "web-1-eu")) == 2


@pytest.mark.parametrize("copy_seconds", [{"asia": 300.0}])
def test_what_can_not_be_read_in_time_stays_as_it_was_verified(action: Action) -> None:
    limited = refuse("web-1-eu", method="get", reason="rateLimitExceeded")
    action.emulator.faults([{**refuse("p1", method="list"), "skip": 1}, {**limited, "skip": 1}])
    done = action(locations="eu asia", promote="false", timeout_minutes="5.2")
    assert done.column("outcome") == {"eu": "created", "asia": "created"}
    assert done.seconds <= 60 * 5.2 + 60, "no longer than families may take"


@pytest.mark.parametrize("copy_seconds", [{"asia": 300.0}])
def test_what_can_not_be_listed_is_read(action: Action) -> None:
    action.emulator.faults([{**refuse("p1", method="list"), "skip": 1}])
    assert action(locations="eu asia").result == "complete"
    assert len(action.calls("get", "web-1-eu")) == 2


@pytest.mark.exhaustive
class TestWaits:
    def test_for_the_hour(self, action: Action) -> None:
        """Where no replica comes, the source is copied again when it may be."""
        wrong = [operation_error(f"web-1-us-west{number}", "SOME_ERROR") for number in (1, 2)]
        action.emulator.faults(wrong)
        done = action(locations="us-west1 us-west2 us-west3", copies_per_source="2", timeout_minutes="90")
        assert Counter(done.column("outcome").values()) == {"failed": 2, "created": 1}
        assert done.seconds > 3600
        assert "copies_per_source allows 2 an hour of each image. Next try in 3545 s, at " in done.log

    def test_for_the_hour_and_then_for_a_replica(self, action: Action) -> None:
        """The time at which the source may be copied again is of no account to those whom its copy will serve."""
        action.emulator.faults([operation_error("web-1-us-west1", "SOME_ERROR")])
        done = action(locations="us-west1 us-west2 us-west3", copies_per_source="1", timeout_minutes="120")
        assert Counter(origins(action).values()) == {"web-1": 1, "web-1-us-west2": 1}
        assert "because one image is copied once an hour at most; roughly so" in done.log
        assert "us-west2 copying, us-west3 waiting for a replica to copy" in done.log
        assert "us-west2 copying, us-west3 next try" not in done.log
        assert "  us-west3: Waiting for a replica that can be copied." in done.log

    def test_for_others_who_copied_the_source(self, action: Action) -> None:
        """What was refused is no copy: the source is tried every ten minutes, until it may be copied again."""
        action(locations=" ".join(REGIONS[:6]), name_template="{name}-old-{location}", family_template="old-{location}")
        done = action(locations="eu asia", timeout_minutes="120")
        assert done.result == "complete", done.log
        assert 3000 < done.seconds < 4300
        assert len(action.calls("insert", "web-1-eu")) <= 7

    def test_not_beyond_the_deadline(self, action: Action) -> None:
        action.emulator.faults([operation_error("web-1-us-west1", "SOME_ERROR")])
        done = action(locations="us-west1 us-west2", copies_per_source="1", timeout_minutes="30")
        assert done.column("reason") == {"us-west1": "operation_failed", "us-west2": "deadline"}
        assert done.seconds < 100
        assert "would go beyond timeout_minutes" in done.replicas["us-west2"]["message"]

    @pytest.mark.parametrize("limits", [{"copies_per_source": {"count": 1, "minutes": 60}}])
    def test_the_hour_begins_when_the_copy_does(self, action: Action) -> None:
        """Not when it was first asked for: that may be long before."""
        limited = refuse("web-1-us-west1", reason="rateLimitExceeded", times=1)
        action.emulator.faults([limited, refuse("web-1-us-west1$", method="setIamPolicy")])
        done = action(locations="us-west1 us-west2", copies_per_source="1", timeout_minutes="120")
        assert done.column("reason") == {"us-west1": "forbidden", "us-west2": ""}
        assert refused(action) == 0

    def test_the_last_try_is_made(self, action: Action) -> None:
        """Ten minutes fit in, though not a little more."""
        action.emulator.faults([refuse("web-1-eu", reason="RESOURCE_OPERATION_RATE_EXCEEDED", times=1)])
        done = action(locations="eu", timeout_minutes="10.1")
        assert done.column("reason") == {"eu": "deadline"}
        assert len(action.calls("insert", "-eu")) == 2

    def test_the_lead_of_a_shared_family_lets_others_go_first(self, action: Action) -> None:
        """Also where both have waited for the same image."""
        action.emulator.faults([operation_error("web-1-us-west1", "SOME_ERROR")])
        done = action(
            locations="us-west1 us-west2", copies_per_source="1", family_template="{family}", timeout_minutes="120"
        )
        assert done.column("promoted") == {"us": True, "us-west1": False, "us-west2": True}
        assert action.calls("insert")[-1]["target"].endswith("/web-1-us")

    def test_the_lead_of_a_shared_family_waits_for_what_was_dealt_together_with_it(self, action: Action) -> None:
        """Who waited for long did not hold the lead up; once it is dealt a copy, it does again."""
        action.emulator.faults([operation_error(f"web-1-us-west{number}", "SOME_ERROR") for number in (1, 2)])
        done = action(
            locations="us-west1 us-west2 us-west3",
            copies_per_source="2",
            family_template="{family}",
            timeout_minutes="120",
        )
        assert done.column("promoted") == {"us": True, "us-west1": False, "us-west2": False, "us-west3": True}
        assert done.log.index(" us-west3: copying (") < done.log.index(" us: asking for the copy")

    def test_the_lead_of_a_shared_family_goes_last(self, action: Action) -> None:
        done = action(locations=" ".join(EIGHT), copies_per_source="2", family_template="{family}")
        assert done.result == "complete", done.log
        assert action.calls("insert")[-1]["target"].endswith("/web-1-us")
        assert set(done.column("promoted").values()) == {True}
        assert "1 waiting for the others of its family" in done.log


class TestNewerRelease:
    """Rule 7 along chains: a head that is a copy of a copy belongs to the release of the source at the end of it."""

    def chain(self, action: Action, **source: Any) -> None:
        """A newer release whose European replica is a copy of its Asian one."""
        add = action.emulator.add_image
        newer = add(project="p1", name="web-2", family="web", **source)
        parent = add(
            project="p1", name="web-2-asia", family="web-asia", location="asia",
            source_image=newer["selfLink"], source_image_id=newer["id"],
        )  # fmt: skip
        add(
            project="p1", name="web-2-eu", family="web-eu", location="eu",
            source_image=parent["selfLink"], source_image_id=parent["id"],
        )  # fmt: skip

    def test_is_not_taken_back(self, action: Action) -> None:
        self.chain(action)
        assert action().column("reason") == {"us": "", "eu": "family_is_newer", "asia": "family_is_newer"}

    def test_an_older_one_is(self, action: Action) -> None:
        self.chain(action, created=1000.0)
        assert set(action().column("reason").values()) == {""}
