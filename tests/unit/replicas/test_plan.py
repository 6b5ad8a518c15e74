from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.core import errors
from replicator.core.images import Binding, Difference, Image, ImageRef, Policy
from replicator.core.replicas import Action, Existing, Lineage, Plan
from replicator.inputs.config_file import Config
from replicator.replicas import plan
from replicator.replicas.copy_tree import Branch
from replicator.replicas.settings import Settings
from testkit.make import PUBLIC, READER, copy, image, replica

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from replicator.core.replicas import Replica, Step

EVERYBODY = frozenset({"allAuthenticatedUsers"})
CONDITIONAL = Policy((Binding(READER, EVERYBODY, '{"expression": "x"}'),))
OTHER_ROLE = Policy((Binding("roles/compute.viewer", EVERYBODY), Binding(READER, frozenset({"group:g@x"}))))


#: Neither of two architectures, nor of two locations away from home, is planned for differently from the other.
TWINS = ({"X86_64": "ARM64", "ARM64": "X86_64"}, {"eu": "asia", "asia": "eu"})


def in_place_of(twins: Mapping[str, str], value: Any) -> Any:
    """The same of the other one of two, in an image or replica, in what was found, or in any text."""
    if isinstance(value, str):
        return re.sub("|".join(rf"(?<![a-z]){word}(?![a-z0-9])" for word in twins), lambda met: twins[met[0]], value)
    if isinstance(value, ImageRef):
        return ImageRef(value.project, in_place_of(twins, value.name))
    if isinstance(value, Existing):
        return replace(value, image=in_place_of(twins, value.image))
    if isinstance(value, errors.ReplicaError):
        return value
    fields = ("ref", "name", "family", "architecture", "location")
    changed = {name: in_place_of(twins, getattr(value, name)) for name in fields if hasattr(value, name)}
    if isinstance(value, Image):
        changed["storage_locations"] = tuple(in_place_of(twins, place) for place in value.storage_locations)
    return replace(value, **changed)


def told(error: BaseException | None) -> list[str]:
    """All that people read of an error."""
    if isinstance(error, errors.BadSettings):
        return [f"{problem.input}: {problem.text}" for problem in error.problems]
    return [str(getattr(error, name, "")) for name in ("what", "why", "todo", "lines")]


def outcome(act: Callable[[], Any]) -> str:
    """What an act returns, or what it says that it can't, as one text."""
    try:
        return str(act())
    except errors.Failure as error:
        return str(told(error))


def step_for(
    source: Image,
    readers: Sequence[Binding],
    wanted: Replica,
    found: Existing | errors.ReplicaError | None,
    *,
    replace_failed: bool,
) -> Step:
    """The step for a replica, after its twins' were seen to be the same."""

    def shown(step: Step) -> str:
        return str((step, told(step.error)))

    step = plan.step_for(source, readers, wanted, found, replace_failed=replace_failed)
    for twins in TWINS:
        other = plan.step_for(
            in_place_of(twins, source),
            readers,
            in_place_of(twins, wanted),
            found and in_place_of(twins, found),
            replace_failed=replace_failed,
        )
        assert in_place_of(twins, shown(other)) == shown(step)
    return step


def replicas(settings: Settings, source: Image, policy: Policy | None = None) -> tuple[Replica, ...]:
    """The wanted replicas, after those of the other architecture's source were seen to be the same."""
    made = outcome(lambda: plan.replicas(settings, source, policy))
    assert made == in_place_of(TWINS[0], outcome(lambda: plan.replicas(settings, other_of(source), policy)))
    return plan.replicas(settings, source, policy)


def other_of(source: Image) -> Image:
    return replace(source, architecture=TWINS[0][source.architecture])


def make(
    source: Image | None = None,
    found: dict[ImageRef, Any] | None = None,
    source_policy: Policy | None = PUBLIC,
    heads: dict[tuple[str, str], ImageRef | None] | None = None,
    **settings: Any,
) -> Plan:
    source, wanted = source or image(), Settings(**settings)

    def planned(source: Image, found: Mapping[ImageRef, Any]) -> Plan:
        made = replicas(wanted, source, source_policy)
        return plan.make(wanted, source, source_policy, made, found, heads)

    def shown(source: Image, found: Mapping[ImageRef, Any]) -> str:
        whole = planned(source, found)
        return str((whole, [told(step.error) for step in whole.steps], plan.tree_of(whole)))

    others = {ref: in_place_of(TWINS[0], item) for ref, item in (found or {}).items()}
    twin = outcome(lambda: shown(other_of(source), others))
    assert in_place_of(TWINS[0], twin) == outcome(lambda: shown(source, found or {}))
    return planned(source, found or {})


def families(planned: Plan) -> list[str]:
    return [step.replica.family for step in planned.steps]


def actions(planned: Plan) -> dict[str, str]:
    return {step.replica.location: str(step.action) for step in planned.steps}


class TestHome:
    def test_source_serves_its_own_location(self) -> None:
        planned = make()
        assert actions(planned) == {"us": "source", "eu": "copy", "asia": "copy"}
        assert planned.steps[0].replica.ref == planned.source.ref

    @pytest.mark.parametrize("home", ["us", "eu", "asia", "me-west1"])
    def test_wherever_that_is(self, home: str) -> None:
        planned = make(image(storage_locations=(home,)), locations="us, eu, asia, me-west1")
        assert [at for at, action in actions(planned).items() if action == "source"] == [home]

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

    def test_a_source_in_several_locations_serves_each_itself(self) -> None:
        several = image(storage_locations=("eu", "us"))
        assert actions(make(several)) == {"us": "source", "eu": "source", "asia": "copy"}
        assert actions(make(several, family_template="{family}", locations="us, eu")) == {
            "us": "source",
            "eu": "source",
        }
        assert actions(make(several, home_copy="true"))["eu"] == "copy"
        assert actions(make(several, replica_project="acme"))["eu"] == "copy"
        assert actions(make(image(storage_locations=("us-central1", "us"))))["us"] == "source"

    @pytest.mark.parametrize(
        ("policy", "action"),
        [(PUBLIC, "source"), (CONDITIONAL, "copy"), (OTHER_ROLE, "copy"), (Policy(), "copy"), (None, "copy")],
        ids=["public", "on a condition", "by another role", "private", "not to be read"],
    )
    def test_home_is_as_public_as_asked(self, policy: Policy | None, action: str) -> None:
        """Only the own policy of the source counts, and one that can't be read counts as not public."""
        planned = make(source_policy=policy, access="public")
        assert actions(planned) == {"us": action, "eu": "copy", "asia": "copy"}
        assert bool(planned.notes) is (action == "copy")
        why = "can't be seen to be public" if policy is None else "is not public by its own policy"
        assert set(planned.notes) <= {
            f"The source projects/p1/global/images/web-1 {why}, and stays as it is: a public copy of it serves us."
        }
        for other in ("source", "private"):
            assert actions(make(source_policy=policy, access=other))["us"] == "source"
        assert not make(source_policy=policy, access="public", locations="eu").notes

    def test_each_home_of_a_private_source_gets_a_public_copy(self) -> None:
        planned = make(image(storage_locations=("eu", "us")), source_policy=Policy(), access="public")
        assert set(actions(planned).values()) == {"copy"}
        (note,) = planned.notes
        assert note.endswith("and stays as it is: a public copy of it serves us, eu.")


class TestFamily:
    def test_one_for_each_location(self) -> None:
        planned = make()
        assert [step.replica.family for step in planned.steps] == ["web", "web-eu", "web-asia"]
        assert not planned.leads

    def test_shared_family_adds_a_home_copy(self) -> None:
        planned = make(family_template="{family}", locations="eu, asia")
        assert list(actions(planned).items()) == [("us", "copy"), ("eu", "copy"), ("asia", "copy")]
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
        planned = make(image(family=""))
        assert ({step.replica.family for step in planned.steps}, planned.notes) == ({""}, ())
        assert families(make(image(family=""), family_template="x-{family}")) == ["", "", ""]

    def test_a_family_that_needs_none_of_the_source_is_used_as_it_is(self) -> None:
        without = image(family="")
        planned = make(without, family_template="x-{location}")
        assert families(planned) == ["", "x-eu", "x-asia"]
        (note,) = planned.notes
        assert note == (
            "The source projects/p1/global/images/web-1, which serves us itself, is in no family, and other replicas are "
            "to be: home_copy: true makes a copy there that carries its family."
        )
        several = make(image(family="", storage_locations=("eu", "us")), family_template="x-{location}")
        assert ", which serves us, eu itself, is in no family" in several.notes[0]
        everywhere = make(without, family_template="x-{location}", home_copy="true")
        assert (families(everywhere), everywhere.notes) == (["x-us", "x-eu", "x-asia"], ())
        assert families(make(without, family_template="web", locations="eu")) == ["web"]
        place = Config.model_validate({"locations": {"eu": {"family": "eu-web"}, "asia": {"family": "{family}-x"}}})
        assert families(make(without, config=place, locations=("eu", "asia"))) == ["eu-web", ""]

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
            # Its policy was not read.
            (existing(copy(), policy=None), Action.CHECK, ""),
            # What it holds is known when it is READY.
            (existing(copy(status="PENDING", disk_size_gb=0), policy=None), Action.WAIT, ""),
            (existing(copy(status="FAILED"), policy=None), Action.REFUSE, "image_failed"),
            (existing(copy(deprecated="OBSOLETE")), Action.REFUSE, "drift"),
            (existing(copy(deprecated="DELETED")), Action.REFUSE, "drift"),
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
        step = step_for(image(), PUBLIC.bindings, replica(), found, replace_failed=False)
        assert step.action is action
        assert (step.error.reason if step.error else "") == reason
        assert step.existing is (found if isinstance(found, Existing) else None)

    def test_changes_are_listed(self) -> None:
        found = existing(copy(labels={}, description="", family=""), policy=Policy())
        step = step_for(image(), PUBLIC.bindings, replica(), found, replace_failed=False)
        assert [change.field for change in step.changes] == ["description", "labels.a", "access", "family"]

    def test_a_source_that_is_held_back_changes_no_family(self) -> None:
        found = existing(copy(labels={}, family=""))
        held = image(deprecated="DEPRECATED")
        step = step_for(held, PUBLIC.bindings, replica(), found, replace_failed=False)
        assert [change.field for change in step.changes] == ["labels.a"]

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
        assert step_for(image(), (), replica(), found, replace_failed=True).action is action


LOOK = (
    "Look at it with `gcloud compute images describe web-1-eu --project p1`; if nobody needs it, delete it and run this "
    "again, or choose another name_template."
)
REMOVE = "Remove it with `gcloud compute images delete web-1-eu --project p1` and run this again"
ANEW = (
    "Give each build a name of its own (with its date, say): then every release gets replicas, and each family moves to "
    f"them. With one name for all, the former replica has to go before each run. {LOOK}"
)
REPLICA = "projects/p1/global/images/web-1-eu"


@pytest.mark.parametrize(
    ("found", "what", "todo"),
    [
        pytest.param(
            existing(copy(), Lineage.UNPROVEN),
            "was copied from projects/p1/global/images/web-1 (id 1), which is gone",
            LOOK,
            id="unproven",
        ),
        pytest.param(
            existing(copy(source_image=None), Lineage.UNPROVEN),
            "was copied from an image (id 1), which is gone",
            LOOK,
            id="unproven and unnamed",
        ),
        pytest.param(
            existing(copy(source_image_id="7", source_image=ImageRef("p1", "other")), Lineage.UNPROVEN),
            "was copied from projects/p1/global/images/other (id 7), which is gone",
            LOOK,
            id="unproven, of another name",
        ),
        pytest.param(
            existing(copy(source_image_id="7", family=""), Lineage.UNPROVEN),
            "is a copy of an image that was projects/p1/global/images/web-1 before (id 7; that name has the id 1 now)",
            ANEW,
            id="of a former source",
        ),
        pytest.param(
            existing(copy(source_image_id="7"), Lineage.UNPROVEN),
            "is a copy of an image that was projects/p1/global/images/web-1 before (id 7; that name has the id 1 now), "
            "and carries the family web-eu still",
            ANEW,
            id="of a former source, in a family",
        ),
        pytest.param(
            existing(copy(status="ODD")),
            "is in the state ODD, which is neither READY nor any that leads there",
            "Look up what that means; run this again when the image is READY.",
            id="in a state that nobody knows",
        ),
        pytest.param(
            existing(copy(status="")),
            "is in the state (none), which is neither READY nor any that leads there",
            "Look up what that means; run this again when the image is READY.",
            id="in no state",
        ),
        pytest.param(
            existing(copy(guest_os_features=frozenset())),
            "differs from what is wanted: guestOsFeatures: wanted UEFI_COMPATIBLE, found nothing",
            f"{REMOVE}. Where the new copy differs alike, only building the image anew helps.",
            id="without a feature",
        ),
        pytest.param(
            existing(copy(source_image_id="7"), Lineage.FOREIGN),
            "exists already and is a copy of the image with id 7; the source has id 1",
            LOOK,
            id="foreign copy",
        ),
        pytest.param(
            existing(copy(source_image_id=""), Lineage.FOREIGN),
            "exists already and is not a copy; the source has id 1",
            LOOK,
            id="no copy",
        ),
        pytest.param(
            existing(copy(storage_locations=("us", "asia"))),
            "exists already and is stored in us, asia, not in eu",
            LOOK,
            id="elsewhere",
        ),
        pytest.param(
            existing(copy(storage_locations=())),
            "exists already and is stored in an unknown location, not in eu",
            LOOK,
            id="nowhere",
        ),
        pytest.param(
            existing(copy(status="FAILED", family="x")),
            "is in state FAILED and carries the family x, so it is not replaced",
            f"{REMOVE}, or set replace_failed: true.",
            id="failed, in a family",
        ),
        pytest.param(
            existing(copy(deprecated="OBSOLETE")),
            "is marked OBSOLETE, so nobody can use it",
            "If that was not intended: `gcloud compute images deprecate web-1-eu --project p1 --state ACTIVE`.",
            id="obsolete",
        ),
        pytest.param(
            existing(copy(disk_size_gb=7, architecture="ARM64")),
            "differs from what is wanted: diskSizeGb: wanted 20, found 7; architecture: wanted X86_64, found ARM64",
            f"{REMOVE}.",
            id="other content",
        ),
    ],
)
def test_what_is_said_of_what_stands_in_the_way(found: Existing, what: str, todo: str) -> None:
    for project in ("p1", "123456"):
        # Compute Engine may name the project by its number; people can use both.
        answered = replace(found, image=replace(found.image, ref=ImageRef(project, "web-1-eu")))
        error = step_for(image(), (), replica(), answered, replace_failed=True).error
        assert error is not None
        where = REPLICA.replace("p1", project)
        assert (error.what, error.todo) == (f"{where} {what}", todo.replace("--project p1", f"--project {project}"))


def test_why_a_former_release_is_left_alone() -> None:
    step = step_for(image(), (), replica(), existing(copy(source_image_id="7"), Lineage.UNPROVEN), replace_failed=True)
    assert step.error is not None
    assert step.error.why == "It holds the former image, so it is left alone."


STATUSES = ("READY", "PENDING", "FAILED", "DELETING", "ODD")


@given(
    found=st.builds(
        existing,
        st.builds(
            copy,
            status=st.sampled_from(STATUSES),
            family=st.sampled_from(["web-eu", "x", ""]),
            storage_locations=st.sampled_from([("eu",), ("us",), ("eu", "us"), ()]),
            deprecated=st.sampled_from(["", "DEPRECATED", "OBSOLETE", "DELETED"]),
            source_image_id=st.sampled_from(["1", "7", ""]),
            disk_size_gb=st.sampled_from([20, 7]),
            labels=st.sampled_from([{"a": "b"}, {}]),
        ),
        st.sampled_from(Lineage),
        st.sampled_from([PUBLIC, Policy(), None]),
    ),
    held=st.booleans(),
    replace_failed=st.booleans(),
)
def test_what_exists_is_never_overwritten_unless_it_is_a_failed_copy_of_ours(
    found: Existing, held: bool, replace_failed: bool
) -> None:
    """A name is not an identity: what is not proven to be ours, where it belongs, is left as it is."""
    source, there = image(deprecated="DEPRECATED" if held else ""), found.image
    step = step_for(source, PUBLIC.bindings, replica(), found, replace_failed=replace_failed)
    assert (step.replica, step.existing) == (replica(), found)
    assert (step.error is not None) is (step.action is Action.REFUSE)
    ours = found.lineage is Lineage.OURS and there.storage_locations == ("eu",)
    if step.action is Action.REPLACE:
        assert replace_failed
        assert ours
        assert (there.status, there.family) == ("FAILED", "")
    elif step.action is Action.WAIT:
        assert there.status == "DELETING" or (ours and there.status == "PENDING")
    elif step.action is Action.CHECK:
        assert ours
        assert there.status == "READY"
        assert there.disk_size_gb == 20
        assert there.deprecated in {"", "DEPRECATED"}
    else:
        assert step.action is Action.REFUSE
    fields = [change.field for change in step.changes]
    assert fields == ([] if step.action is not Action.CHECK else [
        *(["labels.a"] if not there.labels else []),
        *(["access"] if found.policy == Policy() else []),
        *(["family"] if there.family != "web-eu" and not held else []),
    ])  # fmt: skip


CHOSEN = [Difference("storageLocations", "eu", "us"), Difference("kmsKeyName", "k", "nothing")]
SIZE = Difference("diskSizeGb", "20", "7")
HOPELESS = (
    "Running this again can't help, for a new copy comes out the same: Compute Engine does not carry that over "
    "(features that were retired, for instance). Build the image anew without it, and remove this copy with "
    "`gcloud compute images delete web-1-eu --project p1`."
)


@pytest.mark.parametrize(
    ("differences", "made", "todo"),
    [
        ([SIZE], False, f"{REMOVE}."),
        ([SIZE], True, HOPELESS),
        ([*CHOSEN, SIZE], True, HOPELESS),
        # Somebody made it meanwhile: where an image stands is chosen, and a new copy stands where it was asked for.
        (CHOSEN[:1], True, f"{REMOVE}."),
        (CHOSEN[1:], True, f"{REMOVE}."),
        (CHOSEN, True, f"{REMOVE}."),
        *(
            (
                [Difference(field, "x", "nothing")],
                False,
                f"{REMOVE}. Where the new copy differs alike, only building the image anew helps.",
            )
            for field in ("guestOsFeatures", "licenses", "licenseCodes")
        ),
    ],
)
def test_whether_a_new_copy_would_help(differences: list[Difference], made: bool, todo: str) -> None:
    error = plan.drift(ImageRef("p1", "web-1-eu"), differences, made=made)
    assert error.what == f"{REPLICA} differs from what is wanted: {'; '.join(map(str, differences))}"
    assert error.todo == todo
    if not made:
        assert told(plan.drift(ImageRef("p1", "web-1-eu"), differences)) == told(error)


def test_a_failed_copy_is_left_alone_unless_asked() -> None:
    found = existing(copy(status="FAILED", family=""))
    error = step_for(image(), (), replica(), found, replace_failed=False).error
    assert error is not None
    assert (error.what, error.todo) == (
        f"{REPLICA} is in state FAILED", f"{REMOVE}, or set replace_failed: true."
    )  # fmt: skip
    step = step_for(image(), (), replica(), found, replace_failed=True)
    assert (step.action, step.existing) == (Action.REPLACE, found)


def test_commands_are_quoted() -> None:
    assert plan.removal(ImageRef("a b", "x;y")) == "gcloud compute images delete 'x;y' --project 'a b'"


def test_warnings() -> None:
    six = "eu asia us-west1 us-west2 us-west3 us-west4"
    assert not make(locations=six).warnings
    planned = make(locations=f"us {six} us-east1", copies_per_source="6")
    assert (planned.warnings, planned.copies_per_source, make().copies_per_source) == ((), 6, None)
    (warning,) = make(locations=f"us {six} us-east1").warnings
    assert warning == (
        "7 copies of one source are planned; the documented limit is about 6 an hour. Where Compute Engine makes no "
        "more, verified replicas are copied instead; copies_per_source: 6 plans for that."
    )
    failed = existing(copy(status="FAILED", family=""), policy=None)
    replaced = make(locations=f"{six} us-east1", replace_failed="true", found={failed.image.ref: failed})
    assert replaced.warnings == (warning,)
    (held,) = make(image(deprecated="DEPRECATED")).warnings
    assert held == (
        "The source projects/p1/global/images/web-1 is marked DEPRECATED: it was held back, rolled back or retired. Its "
        "replicas are made and verified, and none is given a family; what one carries stays."
    )


def test_what_families_resolve_to_is_told_of_a_source_that_is_held_back() -> None:
    heads = {("p1", "web-eu"): ImageRef("p1", "web-0-eu"), ("p1", "web-asia"): None}
    planned = make(image(deprecated="DEPRECATED"), heads=heads)
    (warning,) = planned.warnings
    assert warning.endswith(
        " Now the family web-eu resolves to projects/p1/global/images/web-0-eu; the family web-asia resolves to nothing."
    )
    assert planned.heads == heads
    assert make().heads == {}


def test_the_plan_holds_what_it_was_made_from() -> None:
    source = image(labels={str(number): "" for number in range(63)})
    planned = make(source, promote="false", access="private", labels="a=b")
    assert (planned.source, planned.source_policy, planned.promote) == (source, PUBLIC, False)
    assert planned.readers == ()
    assert make().promote is True
    assert (make().readers, make(source_policy=None).readers) == (PUBLIC.bindings, ())
    assert problem(source=source, labels="a=b,c=d") == (
        "labels",
        "2 labels on top of the source's 63 make 65, and an image can have 64: leave some out",
    )


def problem(**settings: Any) -> tuple[str, str]:
    """The one wrong input: its name, and what is said of it."""
    source = settings.pop("source", None)
    with pytest.raises(errors.BadSettings) as caught:
        make(source, **settings)
    ((name, message),) = [(found.input, found.text) for found in caught.value.problems]
    return name, message


def test_templates_that_give_no_name() -> None:
    """Nothing can be cut of what the template itself says; only the source shows that it leaves too little room."""
    long: dict[str, Any] = {"name_template": "a" * 59 + "{name}", "family_template": "a" * 57 + "{family}"}
    with pytest.raises(errors.BadSettings) as caught:
        make(image(family="web-web"), locations="eu", **long)
    assert [found.input for found in caught.value.problems] == ["name_template", "family_template"]
    assert all("which isn't a valid name in Compute Engine" in found.text for found in caught.value.problems)
    (step,) = make(image(family=""), locations="eu", family_template=long["family_template"]).steps
    assert step.replica.family == ""


@pytest.mark.parametrize(
    ("stored", "said"), [(("eu", "us"), "eu, us"), ((), "an unknown location")], ids=["several", "unknown"]
)
def test_what_is_said_of_a_family_without_one_home(stored: tuple[str, ...], said: str) -> None:
    name, text = problem(source=image(storage_locations=stored), family_template="{family}")
    assert name == "family_template"
    assert text == (
        "'{family}' shares the source's own family, whose head must stay at home, "
        f"but the source is stored in {said}: put {{location}} into it"
    )


@pytest.mark.parametrize(
    ("stored", "said"), [(("us",), "us"), (("eu", "us"), "several locations")], ids=["one", "several"]
)
def test_what_is_said_of_two_in_one_place(stored: tuple[str, ...], said: str) -> None:
    name, text = problem(source=image(storage_locations=stored), name_template="{name}", locations="asia")
    assert name == "name_template"
    assert text == (
        f"gives the source, stored in {said}, and the replica in asia the same image, projects/p1/global/images/web-1: "
        "put {location} into the name, or set another project"
    )


def test_places() -> None:
    assert problem(replica_project="123456") == (
        "replica_project", "'123456' is a project number: write the project's id"
    )  # fmt: skip
    number = image(project="123456")
    assert len(make(number).steps) == 3
    place = Config.model_validate({"locations": {"eu": {"name": "{name}-us", "family": "{family}"}}})
    with pytest.raises(errors.BadSettings, match="gives us and the replica in eu the same image"):
        replicas(Settings(config=place, locations=("eu",)), image())
    place = Config.model_validate(
        {"locations": {"eu": {"project": "p1", "name": "{name}-x"}, "asia": {"name": "{name}-x"}}}
    )
    with pytest.raises(errors.BadSettings, match="the same image"):
        replicas(Settings(config=place, locations=("eu", "asia")), image())


def test_where_replicas_will_stand() -> None:
    def stand(**given: Any) -> list[str]:
        both = [plan.places(source, replicas(Settings(**given), source)) for source in (image(), other_of(image()))]
        assert both[0] == both[1]
        return [ref.name for ref in both[0]]

    assert stand() == ["web-1-eu", "web-1-asia"]
    assert stand(home_copy="true") == ["web-1-us", "web-1-eu", "web-1-asia"]
    assert stand(family_template="{family}", locations="eu") == ["web-1-us", "web-1-eu"]


def test_labels_and_description_of_a_replica() -> None:
    planned = make(image(labels={"a": "b", "c": "d"}), labels="c=e", locations="eu")
    assert planned.steps[0].replica.labels == {"a": "b", "c": "e"}
    assert planned.steps[0].replica.description == "d"


def test_home_leads_nothing_that_it_serves_itself() -> None:
    """A family that only one copy carries needs no lead, whatever the source's own is called."""
    config = Config.model_validate({"locations": {"us": {}, "eu": {"family": "web-us"}}})
    assert not make(config=config, locations=("us", "eu"), family_template="web-us").leads
    assert not make(image(family="")).leads


KEY = "projects/k/locations/{}/keyRings/r/cryptoKeys/c"


def test_encryption_is_not_lost_silently() -> None:
    config = Config.model_validate({"locations": {"eu": {"kms_key": KEY.format("europe")}, "asia": {}, "me-west1": {}}})
    wanted = Settings(config=config, locations=("eu", "asia", "me-west1"))
    with pytest.raises(errors.ReplicatorError) as caught:
        replicas(wanted, image(encryption="key"))
    assert caught.value.what == "The source projects/p1/global/images/web-1 is encrypted with its own key (key)"
    assert caught.value.todo == (
        "A copy without a key would silently fall back to Google's: give a kms_key in the config file for asia, me-west1."
    )
    keys = [made.kms_key for made in replicas(wanted, image())]
    assert keys == [KEY.format("europe"), "", ""]
    assert len(replicas(Settings(config=config, locations=("eu",)), image(encryption="key"))) == 1


def test_required() -> None:
    def required(**settings: Any) -> list[str]:
        return [step.replica.location for step in make(**settings).steps if step.replica.required]

    assert required() == []
    assert required(required_locations="eu") == ["eu"]
    assert required(required_locations="all") == ["us", "eu", "asia"]
    assert required(required_locations="all", family_template="{family}", locations="eu,asia") == ["us", "eu", "asia"]
    assert required(required_locations="eu", family_template="{family}", locations="eu,asia") == ["eu"]


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


FAILED = existing(copy("asia", status="FAILED", family=""), policy=None)


@pytest.mark.parametrize(
    ("settings", "found", "tree"),
    [
        ({"locations": "eu, asia"}, (), []),
        ({"locations": "eu, asia", "copies_per_source": "2"}, (), []),
        ({"locations": "us, eu, asia", "copies_per_source": "1"}, (), [("eu", "source", 1), ("asia", "eu", 2)]),
        ({"locations": "eu, europe-west1, asia", "copies_per_source": "1"}, (existing(copy("eu")),),
         [("asia", "source", 1), ("europe-west1", "eu", 1)]),
        ({"locations": "asia", "copies_per_source": "1", "replace_failed": "true"}, (FAILED,), []),
        ({"locations": "asia", "copies_per_source": "1"}, (FAILED,), []),
        # The home copy is the head of the shared family, so it is the youngest.
        ({"locations": "us, us-west1", "copies_per_source": "1", "family_template": "{family}"}, (),
         [("us-west1", "source", 1), ("us", "us-west1", 2)]),
    ],
    ids=["nobody counts", "the source will do", "one each", "one exists", "replaced", "refused", "a family is shared"],
)  # fmt: skip
def test_which_copy_is_made_of_which(settings: dict[str, Any], found: tuple[Existing, ...], tree: list[Any]) -> None:
    planned = make(found={item.image.ref: item for item in found}, **settings)
    assert plan.tree_of(planned) == tuple(Branch(*branch) for branch in tree)
