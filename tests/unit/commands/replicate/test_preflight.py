"""Which permissions a plan needs and where, what is told of the answers, and which copies are refused for them."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.replicate import preflight
from replicator.commands.replicate.preflight import Findings, Missing, Question
from replicator.compute.refusals import Refusal
from replicator.compute.services import resource_manager
from replicator.core import errors
from replicator.core.images import Binding, Difference, ImageRef
from replicator.core.replicas import Action, Plan, Step
from testkit.make import READER, image, replica

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SOURCE = ImageRef("p1", "web-1")
COPY = {f"compute.{name}" for name in ("globalOperations.get", "images.create", "images.get", "images.getIamPolicy")}
FAMILY = {"compute.images.update", "compute.images.getFromFamily"}
OPENS = {"compute.images.setIamPolicy"}
GROUP = Binding(READER, frozenset({"group:g@example.com"}))
USES = "compute.images.useReadOnly"


def step(location: str, action: Action = Action.COPY, *changed: str, project: str = "p1", family: str = "web") -> Step:
    changes = tuple(Difference(field, "a", "b") for field in changed)
    wanted = replica(location, ref=ImageRef(project, f"web-1-{location}"), family=family)
    return Step(replica=wanted, action=action, changes=changes)


def plan(*steps: Step, architecture: str = "X86_64", readers: tuple[Binding, ...] = (), promote: bool = True) -> Plan:
    source = image(architecture=architecture)
    return Plan(source=source, source_policy=None, readers=readers, steps=steps, leads={}, promote=promote)


def needed(permissions: Iterable[str], *locations: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(permissions, locations)


#: Steps, and what the project of the copies is asked about.
COPIES: dict[str, tuple[Step, dict[str, Any], set[str]]] = {
    "to be promoted": (step("eu"), {}, COPY | FAMILY),
    "without a family": (step("eu", family=""), {}, COPY),
    "that stays without it": (step("eu"), {"promote": False}, COPY),
    "to be opened": (step("eu"), {"readers": (GROUP,)}, COPY | FAMILY | OPENS),
    "in place of a failed one": (step("eu", Action.REPLACE), {}, COPY | FAMILY | {"compute.images.delete"}),
}


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
class TestQuestions:
    @pytest.mark.parametrize("case", COPIES)
    def test_of_a_copy(self, case: str, architecture: str) -> None:
        made, more, permissions = COPIES[case]
        assert preflight.questions(plan(made, architecture=architecture, **more)) == [
            Question(SOURCE, {USES: ("eu",)}),
            Question("p1", needed(permissions, "eu")),
        ]

    @pytest.mark.parametrize(
        ("fields", "permissions"),
        [
            (["labels.team", "labels.a"], {"compute.images.setLabels"}),
            (["description"], {"compute.images.update"}),
            (["family"], {"compute.images.update"}),
            (["access"], {"compute.images.setIamPolicy"}),
            (["access", "labels.a"], {"compute.images.setIamPolicy", "compute.images.setLabels"}),
        ],
    )
    def test_of_a_repair(self, fields: list[str], permissions: set[str], architecture: str) -> None:
        """Of the source's project it is asked about the project, of another about the first image there."""
        repaired = [step("eu", Action.CHECK, *fields), step("asia", Action.CHECK, *fields)]
        elsewhere = [step(each.replica.location, Action.CHECK, *fields, project="other") for each in repaired]
        assert preflight.questions(plan(*repaired, architecture=architecture)) == [
            Question("p1", needed(permissions, "eu", "asia"))
        ]
        assert preflight.questions(plan(*elsewhere, architecture=architecture)) == [
            Question(ImageRef("other", "web-1-eu"), needed(permissions, "eu", "asia"))
        ]

    def test_of_several_projects(self, architecture: str) -> None:
        steps = [
            step("us", Action.CHECK, "labels.a", project="other"),
            step("eu", project="other", family=""),
            step("asia", project="third", family=""),
            step("me-west1", project="third", family=""),
        ]
        asked = preflight.questions(plan(*steps, architecture=architecture))
        assert asked == [
            Question(SOURCE, {USES: ("eu", "asia", "me-west1")}),
            Question(ImageRef("other", "web-1-us"), {"compute.images.setLabels": ("us",)}),
            Question("other", needed(COPY, "eu")),
            Question("third", needed(COPY, "asia", "me-west1")),
        ]
        assert [list(each.needs) for each in asked] == [sorted(each.needs) for each in asked]

    @pytest.mark.parametrize("action", [Action.SERVE, Action.WAIT, Action.CHECK, Action.REFUSE])
    def test_of_nothing(self, action: Action, architecture: str) -> None:
        assert preflight.questions(plan(step("us", action), step("eu", action), architecture=architecture)) == []


LACKS = Missing(permission=USES, where=str(SOURCE), locations=("eu", "asia"), grant="`gcloud x`")
LACKING = (
    "permission missing: compute.images.useReadOnly (roles/compute.imageUser has it) on projects/p1/global/images/web-1, "
    "for eu, asia: `gcloud x`"
)


@pytest.mark.parametrize(
    ("findings", "lines"),
    [
        (Findings(), []),
        (Findings(present=3), ["permissions: all that are needed are present"]),
        (
            Findings(present=3, unknown=("project p1: why",)),
            ["permissions: 3 present, none found missing", "permissions unknown: project p1: why"],
        ),
        (Findings(unknown=("project p1: why",)), ["permissions unknown: project p1: why"]),
        (Findings(present=3, missing=(LACKS,)), [LACKING]),
        (Findings(missing=(LACKS,), unknown=("x: y",)), [LACKING, "permissions unknown: x: y"]),
    ],
    ids=["nothing needed", "present", "in part", "unknown", "missing", "missing and unknown"],
)
def test_what_stands_below_the_plan(findings: Findings, lines: list[str]) -> None:
    assert list(findings.lines()) == lines


class Calls:
    """Compute Engine's answers to questions about images: all that is asked, unless another answer is given."""

    def __init__(self, answer: frozenset[str] | Exception | None, email: str) -> None:
        self.compute, self.answer = self, answer
        self.credentials = SimpleNamespace(service_account_email=email)

    def test_permissions(self, ref: ImageRef, permissions: list[str]) -> tuple[ImageRef, list[str]]:
        return ref, permissions

    async def __call__(self, request: Any, *, doing: str, where: str, patience: float, limit: float) -> Any:
        ref, permissions = request
        assert (doing, where) == (f"Asking for permissions on {ref}", ref.name)
        # All copies wait for it.
        assert max(patience, limit) < 60
        if isinstance(self.answer, Exception):
            raise self.answer
        return frozenset(permissions) if self.answer is None else self.answer


def check(
    monkeypatch: pytest.MonkeyPatch,
    asked: Plan,
    *,
    image_answer: frozenset[str] | Exception | None = None,
    held: Callable[[str, list[str]], frozenset[str]] | str = lambda _, permissions: frozenset(permissions),
    email: str = "ci@p1.iam.gserviceaccount.com",
) -> tuple[Plan, Findings]:
    calls: Any = Calls(image_answer, email)

    def manager(*given: object) -> Any:
        assert given == (calls, "https://compute.example", {"A": "b"})
        return held if isinstance(held, str) else SimpleNamespace(held=held)

    monkeypatch.setattr(resource_manager, "manager", manager)
    return asyncio.run(preflight.check(calls, asked, "https://compute.example", {"A": "b"}))


def without(*lacking: str, project: str = "p1") -> Callable[[str, list[str]], frozenset[str]]:
    """Resource Manager's answers where these permissions are lacking in a project."""
    return lambda asked, permissions: frozenset(permissions) - (set(lacking) if asked == project else set())


def refused(found: Plan) -> Mapping[str, str]:
    """Location → why its copy was refused."""
    return {each.replica.location: each.error.message for each in found.steps if each.error}


TWO = (step("us", Action.SERVE), step("eu"), step("asia", project="other"))
CREATE = "compute.images.create"
#: The command that grants it in p1, or on the source.
GRANTED = "`gcloud projects add-iam-policy-binding {} --member={} --role=roles/compute.storageAdmin`"
GRANTED_ON_SOURCE = (
    "`gcloud compute images add-iam-policy-binding web-1 --project=p1 --member=serviceAccount:ci@p1.iam.gserviceaccount.com "
    "--role=roles/compute.imageUser`"
)
CI = "serviceAccount:ci@p1.iam.gserviceaccount.com"


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
class TestCheck:
    def test_all_present(self, monkeypatch: pytest.MonkeyPatch, architecture: str) -> None:
        asked = plan(*TWO, architecture=architecture)
        # One on the source, and six in each project.
        assert check(monkeypatch, asked) == (asked, Findings(present=13))

    @pytest.mark.parametrize(("project", "location"), [("p1", "eu"), ("other", "asia")])
    def test_one_project_lacks_one(
        self, monkeypatch: pytest.MonkeyPatch, project: str, location: str, architecture: str
    ) -> None:
        asked = plan(*TWO, architecture=architecture)
        found, findings = check(monkeypatch, asked, held=without(CREATE, project=project))
        told = (
            f"compute.images.create (roles/compute.storageAdmin has it) on project {project}, for {location}: "
            + GRANTED.format(project, CI)
        )
        assert (findings.present, [str(each) for each in findings.missing], findings.unknown) == (12, [told], ())
        where = f"projects/{project}/global/images/web-1-{location}"
        assert refused(found) == {location: f"{where} was not copied: {told}. Grant it, and run this again."}
        assert [each.action is Action.REFUSE for each in found.steps] == [bool(each.error) for each in found.steps]
        assert found.steps[0] == asked.steps[0]

    def test_the_source_may_not_be_copied(self, monkeypatch: pytest.MonkeyPatch, architecture: str) -> None:
        found, findings = check(monkeypatch, plan(*TWO, architecture=architecture), image_answer=frozenset())
        told = f"{USES} (roles/compute.imageUser has it) on {SOURCE}, for eu, asia: {GRANTED_ON_SOURCE}"
        assert [str(each) for each in findings.missing] == [told]
        assert [*refused(found)] == ["eu", "asia"]
        both = check(monkeypatch, plan(*TWO), image_answer=frozenset(), held=without(CREATE))[0]
        assert f": {told}; compute.images.create" in refused(both)["eu"]

    def test_where_nothing_may_be_written_the_insert_decides(
        self, monkeypatch: pytest.MonkeyPatch, architecture: str
    ) -> None:
        """Then it may be a condition on names of images, which a question about the project doesn't see."""
        asked = plan(*TWO, architecture=architecture, readers=(GROUP,))
        found, findings = check(monkeypatch, asked, held=without(CREATE, *OPENS, "compute.images.update"))
        assert (found, len(findings.missing)) == (asked, 3)
        found, _ = check(monkeypatch, asked, held=without(CREATE, *OPENS, *FAMILY, *COPY))
        assert found == asked

    @pytest.mark.parametrize("left", [CREATE, *OPENS, "compute.images.update", "compute.images.delete"])
    def test_where_something_may_be_written_the_rest_is_lacking(
        self, monkeypatch: pytest.MonkeyPatch, left: str, architecture: str
    ) -> None:
        asked = plan(step("eu", Action.REPLACE), architecture=architecture, readers=(GROUP,))
        found, _ = check(monkeypatch, asked, held=lambda *_: frozenset({left}))
        assert [*refused(found)] == ["eu"]

    def test_a_repair_is_told_and_not_refused(self, monkeypatch: pytest.MonkeyPatch, architecture: str) -> None:
        """It costs nothing."""
        steps = step("us", Action.CHECK, "labels.a"), step("eu", family="")
        asked = plan(*steps, architecture=architecture)
        found, findings = check(monkeypatch, asked, held=without("compute.images.setLabels"))
        assert (found, len(findings.missing)) == (asked, 1)

    def test_nothing_is_asked_for_nothing(self, monkeypatch: pytest.MonkeyPatch, architecture: str) -> None:
        def manager(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr(resource_manager, "manager", manager)
        asked = plan(TWO[0], architecture=architecture)
        calls: Any = Calls(ValueError(), "")
        assert asyncio.run(preflight.check(calls, asked, "", {})) == (asked, Findings())


def silent(*_: object) -> frozenset[str]:
    time.sleep(0.5)
    return frozenset()


def unable(*_: object) -> frozenset[str]:
    raise resource_manager.CantTell("it did not answer")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {"image_answer": Refusal("compute.images.testIamPermissions", status=403)},
            f"{SOURCE}: the question was answered with HTTP 403",
        ),
        ({"image_answer": Refusal("compute.images.testIamPermissions")}, f"{SOURCE}: nobody answered"),
        ({"image_answer": errors.Deadline("x")}, f"{SOURCE}: there was no time to ask"),
        ({"held": "Resource Manager is not asked today"}, "project p1: Resource Manager is not asked today"),
        ({"held": unable}, "project p1: Resource Manager was asked, and it did not answer"),
        ({"held": silent}, "project p1: Resource Manager was asked, and did not answer in time"),
    ],
    ids=["refused", "silent", "too late", "not asked", "can't tell", "silent manager"],
)
@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_where_nobody_can_tell(
    monkeypatch: pytest.MonkeyPatch, architecture: str, more: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(preflight, "_LONGEST", 0.05)
    asked = plan(step("eu"), architecture=architecture)
    found, findings = check(monkeypatch, asked, **more)
    assert (found, findings.missing, findings.unknown) == (asked, (), (told,))


@pytest.mark.parametrize(("email", "member"), [("a'b@c", "'serviceAccount:a'\"'\"'b@c'"), ("", "MEMBER")])
def test_the_command_can_be_typed(monkeypatch: pytest.MonkeyPatch, email: str, member: str) -> None:
    _, findings = check(monkeypatch, plan(step("eu", project="p;1")), held=without(CREATE, project="p;1"), email=email)
    assert [each.grant for each in findings.missing] == [GRANTED.format("'p;1'", member)]
