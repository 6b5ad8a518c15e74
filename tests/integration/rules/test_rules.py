"""The rules that always hold, one class each: break a rule in the code and its class fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from replicator.compute import client
from testkit.action import Action
from testkit.faults import operation_error, refuse
from testkit.outputs import OUTPUTS

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running


class TestSourceIsNeverATarget:
    @pytest.mark.parametrize("family_template", ["{family}-{location}", "{family}"])
    @pytest.mark.parametrize("faults", [[], [refuse("web-1-eu")]])
    def test_no_mutating_call_has_it_as_target(self, action: Action, family_template: str, faults: list[Any]) -> None:
        before = action.image("web-1")
        action.emulator.faults(faults)
        action(family_template=family_template, labels="a=b", access="public", replace_failed="true")
        assert action.mutations()
        assert not [call for call in action.mutations() if call["target"].endswith("/web-1")]
        assert action.image("web-1") == before


class TestNothingIsDeletedByDefault:
    def test_failed_copy_stays(self, action: Action, source: dict[str, Any]) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", status="FAILED",
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        run = action()
        assert not action.calls("delete")
        assert run.replicas["eu"]["reason"] == "image_failed"
        assert "gcloud compute images delete web-1-eu --project p1" in run.replicas["eu"]["message"]
        assert run.result == "partial"

    def test_replace_failed_deletes_just_that(self, action: Action, source: dict[str, Any]) -> None:
        failed = action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", status="FAILED",
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        run = action(replace_failed="true")
        operations = action.emulator.state()["operations"]
        deleted = [each["targetId"] for each in operations if each["operationType"] == "delete"]
        assert deleted == [failed["id"]]
        assert run.column("outcome") == {"us": "source", "eu": "created", "asia": "created"}

    @pytest.mark.parametrize("family", ["web-eu", "other"])
    def test_failed_copy_in_a_family_stays(self, action: Action, source: dict[str, Any], family: str) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", status="FAILED", family=family,
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        run = action(replace_failed="true")
        assert not action.calls("delete")
        assert run.replicas["eu"]["reason"] == "image_failed"


class TestNameIsNoIdentity:
    @pytest.mark.parametrize(
        ("made", "reason"),
        [
            ({}, "conflict"),
            ({"source_image": "projects/p1/global/images/other", "source_image_id": "77"}, "unproven"),
            ({"location": "asia", "ours": True}, "conflict"),
        ],
        ids=["no copy at all", "parent gone", "ours in the wrong location"],
    )
    def test_other_image_is_left_alone(
        self, action: Action, source: dict[str, Any], made: dict[str, Any], reason: str
    ) -> None:
        made = dict(made)
        if made.pop("ours", False):
            made.update(source_image=source["selfLink"], source_image_id=source["id"])
        made.setdefault("location", "eu")
        before = action.emulator.add_image(project="p1", name="web-1-eu", **made)
        run = action(replace_failed="true")
        assert run.replicas["eu"]["outcome"] == "failed"
        assert run.replicas["eu"]["reason"] == reason
        assert "eu" not in run.images
        assert action.image("web-1-eu") == before
        assert not [call for call in action.mutations() if call["target"].endswith("-eu")]
        assert run.column("outcome")["asia"] == "created"

    def test_copy_of_a_foreign_image_is_a_conflict(self, action: Action) -> None:
        other = action.emulator.add_image(project="p1", name="other")
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", source_image=other["selfLink"], source_image_id=other["id"]
        )
        assert action().replicas["eu"]["reason"] == "conflict"

    def test_copy_of_a_copy_is_ours(self, action: Action, source: dict[str, Any]) -> None:
        middle = action.emulator.add_image(
            project="p1", name="middle", disk_size_gb=20, source_image=source["selfLink"], source_image_id=source["id"]
        )
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", disk_size_gb=20, family="web-eu", public=True,
            labels={"team": "infra"}, description="The web server",
            guest_os_features=["UEFI_COMPATIBLE", "GVNIC"],
            licenses=["projects/debian-cloud/global/licenses/debian-12"],
            source_image=middle["selfLink"], source_image_id=middle["id"],
        )  # fmt: skip
        assert action().replicas["eu"]["outcome"] == "adopted"

    def test_source_made_anew_under_its_name(self, action: Action) -> None:
        assert action().result == "complete"
        action.emulator.delete_image("p1", "web-1")
        action.emulator.add_image(project="p1", name="web-1", family="web", disk_size_gb=20, public=True)
        run = action()
        assert {row["reason"] for row in run.replicas.values() if row["outcome"] != "source"} == {"unproven"}


class TestOrderOfAReplica:
    def test_copy_ready_access_family(self, action: Action) -> None:
        action()
        calls = [call for call in action.emulator.journal() if call["target"].endswith("/web-1-eu")]
        verbs = [call["method"].split(".")[-1] for call in calls]
        assert verbs == ["insert", "get", "getIamPolicy", "setIamPolicy", "patch"]
        assert "family" not in calls[0]["body"]
        assert calls[4]["body"] == {"family": "web-eu"}

    def test_drifted_copy_is_neither_opened_nor_promoted(self, action: Action, source: dict[str, Any]) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", disk_size_gb=99,
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        run = action()
        assert run.replicas["eu"]["reason"] == "drift"
        assert "diskSizeGb: wanted 20, found 99" in run.replicas["eu"]["message"]
        assert not [call for call in action.mutations() if call["target"].endswith("-eu")]

    def test_a_fresh_copy_is_verified_first(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        """The service stores it elsewhere than it was told: nobody may use it, and no family points at it."""
        insert = client.Compute.insert

        def elsewhere(self: client.Compute, ref: Any, **named: Any) -> Any:
            return insert(self, ref, **{**named, "location": "us-central1"})

        monkeypatch.setattr(client.Compute, "insert", elsewhere)
        run = action()
        assert run.column("reason") == {"us": "", "eu": "drift", "asia": "drift"}
        assert "storageLocations: wanted eu, found us-central1" in run.replicas["eu"]["message"]
        assert {call["method"] for call in action.mutations()} == {"compute.images.insert"}


class TestPromotionIsSetWise:
    def test_families_move_after_every_copy_came_to_its_end(self, action: Action) -> None:
        action()
        verbs = [call["method"].split(".")[-1] for call in action.mutations()]
        assert verbs.index("patch") > max(index for index, verb in enumerate(verbs) if verb != "patch")

    def test_required_failure_keeps_every_family(self, action: Action) -> None:
        action.emulator.faults([refuse("web-1-asia", code=412, reason="conditionNotMet")])
        run = action(required_locations="asia")
        assert (run.exit_code, run.result) == (1, "failed")
        assert not action.calls("patch")
        assert run.column("reason") == {"us": "", "eu": "required_failed", "asia": "org_policy"}
        assert run.column("promoted") == {"us": True, "eu": False, "asia": False}
        assert run.images["eu"] == "projects/p1/global/images/web-1-eu"

    def test_promote_off(self, action: Action) -> None:
        run = action(promote="false")
        assert not action.calls("patch")
        assert (run.result, run.replicas["eu"]["reason"]) == ("complete", "promote_off")


class TestOneFailureStopsNoOther:
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (refuse("web-1-eu"), "forbidden"),
            (refuse("web-1-eu", code=412, reason="conditionNotMet"), "org_policy"),
            (refuse("web-1-eu", reason="quotaExceeded"), "quota"),
            (refuse("web-1-eu", reason="accessNotConfigured"), "api_disabled"),
            (refuse("web-1-eu", code=400, reason="invalid"), "operation_failed"),
            (refuse("web-1-eu", code=400, reason="failedPrecondition", method="setIamPolicy"), "access_blocked"),
            (operation_error("web-1-eu", "QUOTA_EXCEEDED"), "quota"),
            (operation_error("web-1-eu", "SOME_ERROR", http_status=400), "operation_failed"),
            (operation_error("web-1-eu", "SOME_ERROR", leaves="failed"), "operation_failed"),
            (operation_error("web-1-eu", "SOME_ERROR", leaves="ready"), "operation_failed"),
        ],
    )
    def test_others_are_finished(self, action: Action, fault: Any, reason: str) -> None:
        action.emulator.faults([fault])
        run = action()
        assert (run.exit_code, run.result, run.outputs["failed_locations"]) == (0, "partial", "eu")
        assert run.replicas["eu"]["reason"] == reason
        assert run.replicas["asia"]["outcome"] == "created"
        assert run.replicas["asia"]["promoted"] is True
        level, _, message = next(item for item in run.annotations if item[1] == "eu")
        assert level == "warning"
        assert "said the test" in message or reason == "quota"
        assert action.emulator.faults()[0]["fired"] >= 1


class TestPromotionNeverGoesBackwards:
    def test_two_releases(self, emulator: Running, tmp_path: Path) -> None:
        """v1.0 with asia failed, v1.1 complete, v1.0 repaired: the family stays with v1.1."""
        action = Action(emulator, tmp_path)
        emulator.add_image(project="p1", name="web-10", family="web", public=True)
        emulator.faults([refuse("web-10-asia")])
        assert action(source_image="projects/p1/global/images/web-10").outputs["failed_locations"] == "asia"
        emulator.faults([])
        emulator.add_image(project="p1", name="web-11", family="web", public=True)
        assert action(source_image="projects/p1/global/images/web-11").result == "complete"
        run = action(source_image="projects/p1/global/images/web-10")
        assert (run.exit_code, run.result) == (0, "complete")
        assert run.replicas["asia"]["reason"] == "family_is_newer"
        assert run.replicas["asia"]["promoted"] is False
        assert "family" not in action.image("web-10-asia")
        assert ("notice", "asia") in [item[:2] for item in run.annotations]

    def test_where_the_heads_source_is_gone_the_head_itself_counts(self, emulator: Running, tmp_path: Path) -> None:
        action = Action(emulator, tmp_path)
        emulator.add_image(project="p1", name="web-10", public=True, family="web")
        emulator.add_image(project="p1", name="web-11", public=True, family="web")
        action(source_image="projects/p1/global/images/web-11", locations="asia")
        emulator.delete_image("p1", "web-11")
        run = action(source_image="projects/p1/global/images/web-10", locations="asia")
        assert run.replicas["asia"]["reason"] == "family_is_newer"

    def test_sources_that_are_copies_themselves(self, emulator: Running, tmp_path: Path) -> None:
        """Staging to production: releases are told apart by what they were first made from."""
        action = Action(emulator, tmp_path)
        staged = [emulator.add_image(project="staging", name=name) for name in ("web-10", "web-11")]
        for image in staged:
            made_of = {"source_image": image["selfLink"], "source_image_id": image["id"]}
            emulator.add_image(project="p1", name=image["name"], family="web", public=True, **made_of)
        assert action(source_image="projects/p1/global/images/web-11", locations="eu").column("promoted") == {
            "eu": True
        }
        run = action(source_image="projects/p1/global/images/web-10", locations="eu")
        assert run.replicas["eu"]["reason"] == "family_is_newer"

    def test_sources_made_from_one_base(self, emulator: Running, tmp_path: Path) -> None:
        """Both releases are copies of the same base: what counts is their own age, not the base's."""
        action = Action(emulator, tmp_path)
        base = emulator.add_image(project="p1", name="base")
        for name in ("web-10", "web-11"):
            of = {"source_image": base["selfLink"], "source_image_id": base["id"]}
            emulator.add_image(project="p1", name=name, family="web", public=True, **of)
            action(source_image=f"projects/p1/global/images/{name}", locations="eu")
        emulator.delete_image("p1", "web-10-eu")
        run = action(source_image="projects/p1/global/images/web-10", locations="eu")
        assert run.replicas["eu"]["reason"] == "family_is_newer"

    def test_promoted_late_and_not_the_head(self, emulator: Running, tmp_path: Path) -> None:
        """The newer release was copied first and promoted last: people are told that the family does not follow."""
        action = Action(emulator, tmp_path)
        for name in ("web-10", "web-11"):
            emulator.add_image(project="p1", name=name, family="web", public=True)
        newer = {"source_image": "projects/p1/global/images/web-11", "locations": "eu"}
        action(**newer, promote="false")
        assert action(source_image="projects/p1/global/images/web-10", locations="eu").column("promoted") == {
            "eu": True
        }
        row = action(**newer).replicas["eu"]
        assert row["promoted"] is True
        assert "still resolves to projects/p1/global/images/web-10-eu" in row["message"]

    def test_newer_release_takes_the_family(self, emulator: Running, tmp_path: Path) -> None:
        action = Action(emulator, tmp_path)
        for name in ("web-10", "web-11"):
            emulator.add_image(project="p1", name=name, public=True, family="web")
            assert action(source_image=f"projects/p1/global/images/{name}").column("promoted")["asia"] is True


class TestSharedFamily:
    def test_head_stays_at_home(self, action: Action) -> None:
        run = action(family_template="{family}", locations="eu, asia")
        assert run.column("outcome") == {"us": "created", "eu": "created", "asia": "created"}
        assert run.images["us"] == "projects/p1/global/images/web-1-us"
        inserts = [call["target"] for call in action.calls("insert")]
        assert inserts[-1].endswith("web-1-us")
        patches = [call["target"] for call in action.calls("patch")]
        assert patches[0].endswith("web-1-us")
        assert len(patches) == 3
        assert json.loads(run.index)["images"][0]["wanted_locations"] == ["asia", "eu", "us"]

    def test_without_the_home_copy_nobody_gets_it(self, action: Action) -> None:
        action.emulator.faults([refuse("web-1-us")])
        run = action(family_template="{family}")
        assert run.column("reason") == {"us": "forbidden", "eu": "would_take_family", "asia": "would_take_family"}
        assert not action.calls("patch")

    def test_the_family_as_source_leads_to_the_same_source(self, action: Action) -> None:
        """Its head is the home copy by then: replicating that would never come to an end."""
        family = {"source_image": "projects/p1/global/images/family/web", "family_template": "{family}"}
        first = action(**family)
        assert first.result == "complete"
        mutations = len(action.mutations())
        second = action(**family)
        assert len(action.mutations()) == mutations
        assert second.index == first.index

    def test_a_short_wait_costs_no_family(self, action: Action) -> None:
        oops = {"kind": "http", "code": 503, "reason": "backendError", "message": "Oops."}
        action.emulator.faults([{"method": "compute.images.insert", "match": "web-1-eu", "action": oops}])
        assert set(action(family_template="{family}").column("promoted").values()) == {True}

    def test_a_straggler_never_takes_it(self, action: Action) -> None:
        action.emulator.faults([refuse("web-1-asia")])
        assert action(family_template="{family}").outputs["failed_locations"] == "asia"
        action.emulator.faults([])
        run = action(family_template="{family}")
        assert run.replicas["asia"]["reason"] == "would_take_family"
        assert "family" not in action.image("web-1-asia")
        assert run.result == "complete"

    @pytest.mark.parametrize(
        "faults",
        [
            [],
            [refuse("web-1-asia")],
            [refuse("web-1-us")],
            [refuse("web-1-us", method="patch")],
            [{"method": "compute.images.insert", "match": "-eu", "action": {"kind": "delay", "seconds": 0.1}}],
            [operation_error("web-1-eu", "RESOURCE_OPERATION_RATE_EXCEEDED")],
            [operation_error("web-1-us", "RESOURCE_OPERATION_RATE_EXCEEDED")],
        ],
    )
    @pytest.mark.parametrize("locations", ["us, eu, asia", "asia, eu"])
    def test_the_head_is_at_home_at_every_moment(self, action: Action, faults: list[Any], locations: str) -> None:
        state, heads = action.emulator.compute.state, set()
        commit = state.commit

        def watched(change: Any) -> None:
            commit(change)
            # Long after: whatever is PENDING now counts as READY too.
            for later in (0.0, 3600.0):
                head = state.head("p1", "web", action.emulator.app.clock.now() + later)
                heads.add(head.fields["storageLocations"][0] if head else "")

        action.emulator.run(lambda: setattr(state, "commit", watched))
        action.emulator.faults(faults)
        for _ in range(2):
            action(family_template="{family}", locations=locations)
            action.emulator.faults([])
        assert heads == {"us"}

    def test_home_does_not_wait_for_one_that_has_to(self, action: Action) -> None:
        action.emulator.faults(
            [refuse("web-1-eu", code=503, reason="backendError", headers={"retry-after": "60"}, times=1)]
        )
        run = action(family_template="{family}")
        assert run.result == "complete"
        assert run.column("reason") == {"us": "", "eu": "would_take_family", "asia": ""}


class TestRerunConverges:
    @pytest.mark.parametrize(
        "inputs",
        [
            {},
            {"family_template": "{family}"},
            {"replica_project": "acme-{location}", "name_template": "{name}"},
            {"access": "private", "labels": "a=b,c=d", "home_copy": "true"},
            {"promote": "false"},
        ],
        ids=lambda inputs: ",".join(inputs) or "defaults",
    )
    def test_second_run_changes_nothing(self, action: Action, inputs: dict[str, str]) -> None:
        first = action(**inputs)
        mutations = len(action.mutations())
        second = action(**{"locations": "asia us eu", **inputs})
        assert first.result == second.result == "complete"
        assert len(action.mutations()) == mutations
        assert set(second.column("outcome").values()) <= {"source", "adopted"}
        assert first.index == second.index
        assert first.outputs["index_digest"] == second.outputs["index_digest"]

    def test_budget_of_calls(self, action: Action) -> None:
        action(access="public", labels="a=b")
        assert len(action.calls("list")) == 1
        for location in ("eu", "asia"):
            own = [
                call
                for call in action.emulator.journal()
                if f"-{location}" in call["target"] or f"/web-{location}" in call["target"]
            ]
            assert len(own) <= 8, [call["method"] for call in own]

    @pytest.mark.parametrize(
        "spoil",
        [
            {"labels": {"team": "other", "mine": "kept"}},
            {"description": "changed"},
            {"family": None},
            {"public": False},
        ],
        ids=lambda spoil: next(iter(spoil)),
    )
    def test_what_can_be_repaired_is(self, action: Action, source: dict[str, Any], spoil: dict[str, Any]) -> None:
        right = {
            "labels": {"team": "infra"}, "description": "The web server", "family": "web-eu", "public": True,
        }  # fmt: skip
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", disk_size_gb=20,
            guest_os_features=["UEFI_COMPATIBLE", "GVNIC"],
            licenses=["projects/debian-cloud/global/licenses/debian-12"],
            source_image=source["selfLink"], source_image_id=source["id"], **{**right, **spoil},
        )  # fmt: skip
        assert action(locations="eu").replicas["eu"]["outcome"] == "repaired"
        image = action.image("web-1-eu")
        assert image["labels"] == {**spoil.get("labels", {}), "team": "infra"}
        assert (image["description"], image["family"]) == ("The web server", "web-eu")
        assert action(locations="eu").replicas["eu"]["outcome"] == "adopted"

    def test_a_pending_copy_is_taken_over(self, action: Action, source: dict[str, Any]) -> None:
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", status="PENDING", disk_size_gb=20,
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        run = action(timeout_minutes="1")
        assert (run.replicas["eu"]["outcome"], run.replicas["eu"]["reason"]) == ("interrupted", "deadline")
        assert not action.calls("insert", "-eu")


class TestResultsAreWrittenAlways:
    @pytest.mark.parametrize(
        ("inputs", "faults", "exit_code", "result"),
        [
            ({}, [], 0, "complete"),
            ({}, [refuse("web-1-eu")], 0, "partial"),
            ({}, [refuse("web-1-eu", reason="quotaExceeded"), refuse("web-1-asia")], 0, "failed"),
            ({}, [refuse("web-1-")], 3, "failed"),
            ({"required_locations": "all"}, [refuse("web-1-eu")], 1, "failed"),
            ({"locations": "EU"}, [], 2, "failed"),
            ({"source_image": "projects/p1/global/images/none"}, [], 3, "failed"),
            ({}, [refuse("", method="get")], 3, "failed"),
            ({}, [refuse("", method="getIamPolicy")], 3, "failed"),
            ({"dry_run": "true"}, [], 0, "planned"),
        ],
    )
    def test_every_output_in_every_case(
        self, action: Action, inputs: dict[str, str], faults: list[Any], exit_code: int, result: str
    ) -> None:
        action.emulator.faults(faults)
        run = action(**inputs)
        assert (run.exit_code, run.result) == (exit_code, result), run.log
        assert list(run.outputs) == OUTPUTS
        for name, kind in (("images", dict), ("image_names", dict), ("replicas", list)):
            assert isinstance(json.loads(run.outputs[name]), kind)
        assert run.outputs["reason"]
        assert run.summary.startswith("### ")
        assert any(level == "error" for level, _, _ in run.annotations) is bool(exit_code)

    def test_deadline(self, action: Action) -> None:
        stuck = {
            "method": "compute.images.insert",
            "match": "web-1-eu",
            "action": {"kind": "operation", "state": "stuck"},
        }
        action.emulator.faults([stuck])
        run = action(timeout_minutes="0.5")
        row = run.replicas["eu"]
        assert (run.exit_code, run.result, row["outcome"], row["reason"]) == (0, "partial", "interrupted", "deadline")
        assert row["operation"].startswith("operation-")
        assert run.replicas["asia"]["promoted"] is True
        assert 29 < run.seconds < 100

    def test_a_defect_of_ours(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("replicator.core.compare.labels", lambda replica, image: 1 / 0)
        run = action()
        assert (run.exit_code, run.result) == (70, "failed")
        assert run.column("reason") == {"us": "", "eu": "internal", "asia": "internal"}
        assert "ZeroDivisionError" in run.log


class TestOperationErrorDecides:
    def test_done_is_no_success(self, action: Action) -> None:
        action.emulator.faults([operation_error("web-1-eu", "SOME_ERROR", leaves="ready")])
        run = action()
        assert run.replicas["eu"]["outcome"] == "failed"
        assert "eu" not in run.images
        assert not action.calls("setIamPolicy", "-eu")

    def test_image_is_read_back(self, action: Action) -> None:
        gone = {
            "method": "compute.images.insert",
            "match": "web-1-eu",
            "action": {"kind": "operation", "state": "gone"},
        }
        action.emulator.faults([gone])
        run = action()
        assert run.replicas["eu"]["outcome"] == "created"


class TestWaitsAreRepeated:
    @pytest.mark.parametrize(
        ("answer", "seconds"),
        [
            ({"kind": "http", "code": 403, "reason": "rateLimitExceeded", "message": "Slow down."}, 0.5),
            (
                {
                    "kind": "http",
                    "code": 429,
                    "reason": "tooMany",
                    "message": "Slow.",
                    "headers": {"Retry-After": "90"},
                },
                90,
            ),
            ({"kind": "http", "code": 400, "reason": "resourceNotReady", "message": "It is not ready."}, 5),
            ({"kind": "http", "code": 503, "reason": "backendError", "message": "Oops."}, 1),
            ({"kind": "http", "code": 503, "reason": "backendError", "message": "Oops.", "when": "after"}, 1),
            ({"kind": "drop", "how": "reset", "when": "before"}, 1),
            ({"kind": "drop", "how": "close", "when": "after"}, 1),
            ({"kind": "drop", "how": "close", "when": "during"}, 1),
            ({"kind": "body", "status": 502, "text": "<html>proxy</html>"}, 1),
            ({"kind": "body", "status": 200, "text": "<html>proxy</html>", "when": "after"}, 1),
        ],
    )
    def test_same_request_id(self, action: Action, answer: dict[str, Any], seconds: float) -> None:
        action.emulator.faults([{"method": "compute.images.insert", "match": "web-1-eu", "times": 2, "action": answer}])
        run = action()
        assert run.result == "complete", run.log
        inserts = action.calls("insert", "web-1-eu")
        assert len(inserts) == 3
        assert len({call["query"]["requestId"] for call in inserts}) == 1
        assert sum(call["committed"] for call in inserts) == 1
        assert run.seconds >= 2 * seconds
        assert "Next try in" in run.log
        assert action.emulator.faults()[0]["left"] == 0

    def test_new_request_id_after_a_failed_operation(self, action: Action) -> None:
        fault = operation_error("web-1-eu", "RESOURCE_OPERATION_RATE_EXCEEDED", http_status=403)
        action.emulator.faults([{**fault, "times": 2}])
        run = action()
        assert run.result == "complete", run.log
        inserts = action.calls("insert", "web-1-eu")
        assert len({call["query"]["requestId"] for call in inserts}) == len(inserts) == 3
        assert run.seconds >= 600

    def test_a_wait_beyond_the_deadline_is_not_begun(self, action: Action) -> None:
        fault = operation_error("web-1-eu", "RESOURCE_OPERATION_RATE_EXCEEDED", http_status=403)
        action.emulator.faults([{**fault, "times": None}])
        run = action(timeout_minutes="5")
        assert (run.replicas["eu"]["outcome"], run.replicas["eu"]["reason"]) == ("interrupted", "deadline")
        assert run.replicas["asia"]["promoted"] is True

    def test_a_failed_operation_of_any_change_is_repeated(self, action: Action) -> None:
        fault = {
            "kind": "operation",
            "code": "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
            "message": "Too many operations",
            "leaves": "nothing",
        }
        action.emulator.faults([{"method": "compute.images.patch", "match": "-eu", "times": 2, "action": fault}])
        run = action()
        assert run.result == "complete", run.log
        patches = action.calls("patch", "web-1-eu")
        assert len({call["query"]["requestId"] for call in patches}) == len(patches) == 3
        assert "Moving the family web-eu to projects/p1/global/images/web-1-eu: Too many operations. " in run.log

    def test_a_label_request_whose_answer_was_lost(self, action: Action, source: dict[str, Any]) -> None:
        action(labels="a=b", locations="eu")
        action.emulator.faults(
            [{"method": "compute.images.setLabels", "action": {"kind": "drop", "how": "close", "when": "after"}}]
        )
        assert action(labels="a=c", locations="eu").replicas["eu"]["outcome"] == "repaired"
        assert [call["committed"] for call in action.calls("setLabels")] == [True, False]

    def test_etags_are_sent_back(self, action: Action) -> None:
        """Without the etag a grant that somebody else makes meanwhile would be lost."""
        action()
        for call in action.calls("setIamPolicy"):
            assert call["body"]["policy"]["etag"]
            assert call["body"]["policy"]["version"] == 3

    def test_a_stale_etag_is_read_again(self, action: Action) -> None:
        for code in (409, 412):
            action.emulator.faults(
                [
                    {
                        "method": "compute.images.setIamPolicy",
                        "match": "web-1-eu",
                        "action": {"kind": "http", "code": code, "reason": "conditionNotMet", "message": "Stale."},
                    }
                ]
            )
            run = action()
            assert run.result == "complete", run.log
            assert action.emulator.faults()[0]["left"] == 0
            for name in ("web-1-eu", "web-1-asia"):
                action.emulator.delete_image("p1", name)

    def test_a_policy_without_an_etag_is_no_answer(self, action: Action, source: dict[str, Any]) -> None:
        """Taken for an empty policy it would take everybody else's access away."""
        keep = {"role": "roles/compute.imageUser", "members": ["user:keep@example.com"]}
        action.emulator.add_image(
            project="p1", name="web-1-eu", location="eu", disk_size_gb=20, policy=[keep],
            guest_os_features=["UEFI_COMPATIBLE", "GVNIC"], licenses=["projects/debian-cloud/global/licenses/debian-12"],
            source_image=source["selfLink"], source_image_id=source["id"],
        )  # fmt: skip
        empty = {"kind": "body", "status": 200, "text": "{}"}
        action.emulator.faults(
            [{"method": "compute.images.getIamPolicy", "match": "web-1", "times": 3, "action": empty}]
        )
        assert action(locations="eu").result == "complete"
        members = action.emulator.policy("p1", "web-1-eu")["bindings"][0]["members"]
        assert sorted(members) == ["allAuthenticatedUsers", "user:keep@example.com"]
        assert action.emulator.faults()[0]["left"] == 0

    def test_one_unreadable_policy_stops_no_other(self, action: Action) -> None:
        action(locations="eu")
        for answer in (
            {"kind": "http", "code": 503, "reason": "backendError", "message": "Oops."},
            {"kind": "http", "code": 403, "reason": "rateLimitExceeded", "message": "Slow down."},
        ):
            action.emulator.faults(
                [{"method": "compute.images.getIamPolicy", "match": "web-1-eu", "times": None, "action": answer}]
            )
            run = action(timeout_minutes="0.5", locations="eu, asia")
            assert run.replicas["asia"]["outcome"] in {"created", "adopted"}
            assert run.replicas["eu"]["reason"] in {"unreachable", "rate"}

    def test_endpoint_unreachable_for_a_minute(self, action: Action) -> None:
        action.emulator.faults([{"times": None, "action": {"kind": "drop", "how": "close"}}])
        run = action()
        assert (run.exit_code, run.result) == (3, "failed")
        assert 30 < run.seconds <= 61
