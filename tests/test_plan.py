from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator import errors, plan
from replicator.config import Config
from replicator.model import Action, Existing, Image, ImageRef, Lineage, Plan, Policy
from replicator.settings import Settings
from tests.make import PUBLIC, copy, image, replica


def make(source: Image | None = None, found: dict[ImageRef, Any] | None = None, **settings: Any) -> Plan:
    source, wanted = source or image(), Settings(**settings)
    return plan.make(wanted, source, PUBLIC, plan.replicas(wanted, source), found or {})


def actions(planned: Plan) -> dict[str, str]:
    return {step.replica.location: str(step.action) for step in planned.steps}


class TestHome:
    def test_source_serves_its_own_location(self) -> None:
        planned = make()
        assert actions(planned) == {"us": "source", "eu": "copy", "asia": "copy"}
        assert planned.steps[0].replica.ref == planned.source.ref

    def test_a_region_is_not_its_multi_region(self) -> None:
        assert actions(make(image(storage_locations=("us-central1",)))) == {"us": "copy", "eu": "copy", "asia": "copy"}

    def test_other_project(self) -> None:
        planned = make(replica_project="acme-public")
        assert actions(planned) == {"us": "copy", "eu": "copy", "asia": "copy"}
        assert {step.replica.ref.project for step in planned.steps} == {"acme-public"}

    def test_home_copy(self) -> None:
        assert actions(make(home_copy="true"))["us"] == "copy"

    def test_same_name_needs_other_projects(self) -> None:
        planned = make(replica_project="{project}-{location}", name_template="{name}")
        assert [step.replica.ref for step in planned.steps] == [
            ImageRef("p1-us", "web-1"),
            ImageRef("p1-eu", "web-1"),
            ImageRef("p1-asia", "web-1"),
        ]
        assert actions(make(name_template="{name}", locations="us")) == {"us": "source"}
        with pytest.raises(errors.BadSettings, match="the same image"):
            make(name_template="{name}", locations="eu")

    def test_source_in_several_locations_is_copied_everywhere(self) -> None:
        assert actions(make(image(storage_locations=("eu", "us"))))["us"] == "copy"


class TestFamily:
    def test_one_for_each_location(self) -> None:
        planned = make()
        assert [step.replica.family for step in planned.steps] == ["web", "web-eu", "web-asia"]
        assert not planned.leads

    def test_shared_family_adds_a_home_copy(self) -> None:
        planned = make(family_template="{family}", locations="eu, asia")
        assert actions(planned) == {"us": "copy", "eu": "copy", "asia": "copy"}
        assert {step.replica.family for step in planned.steps} == {"web"}
        assert dict(planned.leads) == {("p1", "web"): "us"}

    def test_a_source_without_one_home_shares_nothing(self) -> None:
        with pytest.raises(errors.BadSettings, match="must stay at home"):
            make(image(storage_locations=("eu", "us")), family_template="{family}")

    def test_home_alone_shares_with_nobody(self) -> None:
        assert actions(make(family_template="{family}", locations="us")) == {"us": "source"}

    @pytest.mark.parametrize(("locations", "lead"), [("eu, us, asia", "us"), ("eu, asia", "eu")])
    def test_shared_in_another_project(self, locations: str, lead: str) -> None:
        planned = make(family_template="{family}", replica_project="acme", locations=locations)
        assert dict(planned.leads) == {("acme", "web"): lead}
        assert len(planned.steps) == len(locations.split(","))

    def test_without_family(self) -> None:
        assert {step.replica.family for step in make(image(family="")).steps} == {""}
        assert {step.replica.family for step in make(image(family=""), family_template="x-{location}").steps} == {""}

    def test_long_family(self) -> None:
        assert len(make(image(family="w" * 63)).steps[1].replica.family) == 63


def existing(found: Image, lineage: Lineage = Lineage.OURS, policy: Policy | None = PUBLIC) -> Existing:
    return Existing(image=found, lineage=lineage, policy=policy)


class TestWhatExists:
    @pytest.mark.parametrize(
        ("found", "action", "reason"),
        [
            (None, Action.COPY, ""),
            (existing(copy()), Action.CHECK, ""),
            (existing(copy(status="PENDING"), policy=None), Action.WAIT, ""),
            (existing(copy(status="FAILED"), policy=None), Action.REFUSE, "image_failed"),
            (existing(copy(deprecated="OBSOLETE")), Action.REFUSE, "drift"),
            (existing(copy(deprecated="DEPRECATED")), Action.CHECK, ""),
            (existing(copy(disk_size_gb=7)), Action.REFUSE, "drift"),
            (existing(copy(storage_locations=("us",))), Action.REFUSE, "conflict"),
            (existing(copy(), Lineage.FOREIGN), Action.REFUSE, "conflict"),
            (existing(copy(), Lineage.UNPROVEN), Action.REFUSE, "unproven"),
            (existing(copy(status="FAILED"), Lineage.UNPROVEN), Action.REFUSE, "unproven"),
            (errors.Forbidden("No"), Action.REFUSE, "forbidden"),
        ],
    )
    def test_table(self, found: Any, action: Action, reason: str) -> None:
        step = plan.step_for(image(), PUBLIC.bindings, replica(), found, replace_failed=False)
        assert step.action is action
        assert (step.error.reason if step.error else "") == reason

    def test_changes_are_listed(self) -> None:
        found = existing(copy(labels={}, description="", family=""), policy=Policy())
        step = plan.step_for(image(), PUBLIC.bindings, replica(), found, replace_failed=False)
        assert [change.field for change in step.changes] == ["description", "labels.a", "access", "family"]

    @pytest.mark.parametrize(
        ("found", "action"),
        [
            (existing(copy(status="FAILED", family=""), policy=None), Action.REPLACE),
            (existing(copy(status="FAILED", family="x"), policy=None), Action.REFUSE),
            (existing(copy(status="FAILED", family=""), Lineage.FOREIGN), Action.REFUSE),
            (existing(copy(status="FAILED", family="", storage_locations=("us",))), Action.REFUSE),
            (existing(copy(status="DELETING", family="")), Action.WAIT),
        ],
    )
    def test_replace_failed(self, found: Existing, action: Action) -> None:
        assert plan.step_for(image(), (), replica(), found, replace_failed=True).action is action


def test_warnings() -> None:
    many = "us eu asia us-west1 us-west2 us-west3 us-west4 us-east1"
    assert not make().warnings
    assert "7 copies of one source" in make(locations=many).warnings[0]
    assert "marked DEPRECATED" in make(image(deprecated="DEPRECATED")).warnings[0]


def test_places() -> None:
    with pytest.raises(errors.BadSettings, match="a project's number"):
        make(replica_project="123456")
    place = Config.model_validate({"locations": {"eu": {"name": "{name}-us", "family": "{family}"}}})
    with pytest.raises(errors.BadSettings, match="gives us and the replica in eu the same image"):
        plan.replicas(Settings(config=place, locations=("eu",)), image())
    place = Config.model_validate(
        {"locations": {"eu": {"project": "p1", "name": "{name}-x"}, "asia": {"name": "{name}-x"}}}
    )
    with pytest.raises(errors.BadSettings, match="the same image"):
        plan.replicas(Settings(config=place, locations=("eu", "asia")), image())


def test_required() -> None:
    def required(**settings: Any) -> list[str]:
        return [step.replica.location for step in make(**settings).steps if step.replica.required]

    assert required() == []
    assert required(required_locations="eu") == ["eu"]
    assert required(required_locations="all") == ["us", "eu", "asia"]
    assert required(required_locations="all", family_template="{family}", locations="eu,asia") == ["us", "eu", "asia"]


regions = st.lists(
    st.sampled_from(["us", "eu", "asia", "us-west1", "europe-west4", "me-west1"]), min_size=1, max_size=6, unique=True
)


@given(
    locations=regions,
    family=st.sampled_from(["{family}", "{family}-{location}", "fixed"]),
    project=st.sampled_from(["", "acme", "acme-{location}"]),
    home=st.sampled_from(["us", "eu", "us-west1", "mars-1"]),
    home_copy=st.sampled_from(["auto", "true"]),
)
def test_plans(locations: list[str], family: str, project: str, home: str, home_copy: str) -> None:
    """No step makes the source its target, no two make the same image, and whoever shares a family has a lead."""
    planned = make(
        image(storage_locations=(home,)),
        locations=",".join(locations),
        family_template=family,
        replica_project=project,
        home_copy=home_copy,
    )
    made = [step.replica for step in planned.steps if step.action is not Action.SERVE]
    assert planned.source.ref not in [item.ref for item in made]
    assert len({item.ref for item in made}) == len(made)
    assert set(locations) <= set(actions(planned)) <= {*locations, home}
    assert [step.replica.location for step in planned.steps if step.replica.location in locations] == locations
    for item in made:
        group = [other for other in made if (other.ref.project, other.family) == (item.ref.project, item.family)]
        assert bool(planned.lead_of(item)) is (len(group) > 1)
        if len(group) > 1:
            assert planned.lead_of(item) in {other.location for other in group}
        if (item.ref.project, item.family) == ("p1", "web") and item.location != home:
            assert planned.lead_of(item) == home
