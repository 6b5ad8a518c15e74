"""The oracle that judges replications: of a made-up run that is right it says nothing, and it notices each broken rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from testkit.pairs import oracle
from testkit.pairs.case import OTHERS, READER, Case, Deed, Wanted, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LABELS = {"team": "infra"}
EU = "projects/p1/global/images/web-1-eu"
PUBLIC = {"bindings": [{"role": READER, "members": ["allAuthenticatedUsers"]}]}


def image(name: str, number: str, **more: Any) -> dict[str, Any]:
    return {
        "project": "p1",
        "name": name,
        "id": number,
        "creationTimestamp": f"2026-01-0{number}",
        "status": "READY",
        "diskSizeGb": "20",
        "architecture": "ARM64",
        "guestOsFeatures": [{"type": "GVNIC"}, {"type": "UEFI_COMPATIBLE"}],
        "licenses": ["a", "b"],
        "storageLocations": ["us"],
        "labels": LABELS,
        "policy": {},
        **more,
    }


def copied(**more: Any) -> dict[str, Any]:
    return image("web-1-eu", "5", **{"storageLocations": ["eu"], "sourceImageId": "4", **more})


def call(method: str, target: str = EU, body: Any = None, **more: Any) -> dict[str, Any]:
    given = {"method": f"compute.images.{method}", "target": target, "body": body, "query": {}}
    return {**given, "status": 200, "fault": None, **more}


SOURCE = image("web-1", "4", policy=PUBLIC, family="web")
OPEN = copied(policy=PUBLIC)
#: A copy is made, opened and promoted: what was sent, and what became of it.
CALLS = (
    call("list", "projects/p1/global/images", query={"filter": '(name = "web-1-eu")'}),
    call("insert", body={"labels": LABELS, "storageLocations": ["eu"]}),
    call("get"),
    call("setIamPolicy"),
    call("getFromFamily", "projects/p1/global/images/family/web-eu"),
    call("patch", body={"family": "web-eu"}),
)
DEEDS = (
    Deed(at=2, path=EU, before=None, after=copied(status="PENDING", becomes="READY")),
    Deed(at=4, path=EU, before=copied(), after=OPEN),
    Deed(at=6, path=EU, before=OPEN, after={**OPEN, "family": "web-eu"}, heads={"web-eu": (None, "5")}),
)
CASE = Case(
    source=SOURCE,
    wanted=[Wanted(location="eu", path=EU, family="web-eu", required=True, labels=LABELS)],
    readers=frozenset({(READER, "null", "allAuthenticatedUsers")}),
    begun=[SOURCE],
    deeds=DEEDS,
    calls=CALLS,
)
#: What stood there before is repaired: its last deed is left, and what the run has read.
REPAIR = replace(CASE, begun=[SOURCE, OPEN], deeds=DEEDS[2:], calls=(CALLS[0], CALLS[2], *[call("get")] * 3, CALLS[5]))


def deed(case: Case, number: int, **changes: Any) -> Case:
    """The case with one deed that went otherwise."""
    deeds = [*case.deeds]
    deeds[number] = replace(deeds[number], **changes)
    return replace(case, deeds=deeds)


def sent(case: Case, number: int, **changes: Any) -> Case:
    calls = [*case.calls]
    calls[number] = {**calls[number], **changes}
    return replace(case, calls=calls)


def found(**more: Any) -> Case:
    """A repair of an image that differs, whose family is moved all the same."""
    before = {**OPEN, **more}
    return deed(replace(REPAIR, begun=[SOURCE, before]), 0, before=before, after={**before, "family": "web-eu"})


def removed(case: Case = REPAIR, *, allowed: bool = True, **more: Any) -> Case:
    before = copied(status="FAILED", **more)
    gone = Deed(at=6, path=EU, before=before, after=None)
    calls = (*case.calls[:5], call("delete"))
    return replace(case, begun=[SOURCE, before], deeds=[gone], calls=calls, replace_failed=allowed)


def headed(case: Case = CASE, *, by: str, **more: Any) -> Case:
    """The family had a head before."""
    head = image("web-0-eu", by, family="web-eu", **more)
    return deed(replace(case, begun=[SOURCE, head]), 2, heads={"web-eu": (by, "5")})


def lead_first(**more: Any) -> Case:
    asia = EU.replace("eu", "asia")
    wanted = [replace(CASE.wanted[0], lead=EU), Wanted(location="asia", path=asia, labels=LABELS, lead=EU)]
    late = call("insert", asia, {"labels": LABELS, "storageLocations": ["asia"]}, **more)
    return replace(CASE, wanted=wanted, calls=[*CALLS[:3], late, *CALLS[4:]], deeds=DEEDS[:1])


BROKEN: Mapping[str, tuple[Callable[[Case], Iterator[str]], Case]] = {
    "the source is a target": (oracle.source_is_no_target, sent(CASE, 3, target=path_of(SOURCE))),
    "the source is changed": (oracle.source_is_no_target, deed(CASE, 1, before=SOURCE)),
    "a homonym": (oracle.only_replicas_are_touched, sent(CASE, 3, target=EU.replace("p1", "p2"))),
    "a deletion by default": (oracle.only_failed_copies_are_deleted, removed(allowed=False)),
    "a deletion in a family": (oracle.only_failed_copies_are_deleted, removed(family="theirs")),
    "a deletion of another's": (oracle.only_failed_copies_are_deleted, removed(sourceImageId="9")),
    "a deletion of a READY one": (
        oracle.only_failed_copies_are_deleted,
        deed(removed(), 0, before=copied()),
    ),
    "a deletion of what changed": (
        oracle.only_failed_copies_are_deleted,
        replace(
            removed(),
            deeds=[
                Deed(by=OTHERS, at=1, path=EU, before=None, after=copied(status="FAILED", labels={"a": "b"})),
                *removed().deeds,
            ],
        ),
    ),
    "a deletion of what took its place": (
        oracle.only_failed_copies_are_deleted,
        deed(removed(), 0, before=copied(status="FAILED", id="6")),
    ),
    "another lineage": (oracle.only_copies_of_the_source_are_changed, found(sourceImageId="9")),
    "no copy": (oracle.only_copies_of_the_source_are_changed, found(sourceImageId="")),
    "another place": (oracle.only_copies_of_the_source_are_changed, found(storageLocations=["europe-west1"])),
    "a change unseen": (oracle.only_copies_of_the_source_are_changed, replace(REPAIR, calls=(CALLS[5],) * 6)),
    "made with a family": (oracle.copies_are_made_closed, sent(CASE, 1, body={"family": "web-eu"})),
    "made elsewhere": (oracle.copies_are_made_closed, sent(CASE, 1, body={"labels": LABELS, "storageLocations": ["us"]})),
    "made without labels": (oracle.copies_are_made_closed, sent(CASE, 1, body={"storageLocations": ["eu"]})),
    "copied from another": (
        oracle.copies_are_made_closed,
        deed(replace(CASE, begun=[SOURCE, image("other", "3")]), 0, after=copied(sourceImageId="3")),
    ),
    "opened while PENDING": (oracle.nothing_opens_unverified, deed(CASE, 1, before=copied(status="PENDING"))),
    "opened with less": (
        oracle.nothing_opens_unverified,
        deed(CASE, 0, after=copied(licenses=["a"])),
    ),
    "opened unlabelled": (oracle.nothing_opens_unverified, deed(CASE, 1, before=copied(labels={}))),
    "promoted while PENDING": (
        oracle.families_move_to_what_is_verified,
        deed(CASE, 2, before={**OPEN, "status": "PENDING"}),
    ),
    "promoted, another architecture": (oracle.families_move_to_what_is_verified, found(architecture="X86_64")),
    "promoted, another size": (oracle.families_move_to_what_is_verified, found(diskSizeGb="10")),
    "promoted, a feature lacking": (
        oracle.families_move_to_what_is_verified,
        found(guestOsFeatures=[{"type": "GVNIC"}]),
    ),
    "promoted, encrypted": (oracle.families_move_to_what_is_verified, found(imageEncryptionKey={"kmsKeyName": "k"})),
    "promoted, closed": (oracle.families_move_to_what_is_verified, found(policy={})),
    "promoted, another label": (oracle.families_move_to_what_is_verified, found(labels={"team": "other"})),
    "promoted, another description": (oracle.families_move_to_what_is_verified, found(description="Old")),
    "promote is off": (oracle.families_move_as_a_set, replace(CASE, promote=False)),
    "promoted too early": (oracle.families_move_as_a_set, replace(CASE, calls=(*CALLS, call("setLabels")))),
    "a required one lacks": (
        oracle.families_move_as_a_set,
        replace(CASE, wanted=[*CASE.wanted, Wanted(location="us", path="p/us/i", required=True, labels={})]),
    ),
    "a family goes back": (oracle.families_never_go_back, headed(by="6")),
    "a family goes back from a copy": (
        oracle.families_never_go_back,
        replace(headed(by="7", sourceImageId="6"), begun=[SOURCE, image("web-2", "6"), image("web-2-eu", "7", sourceImageId="6")]),
    ),
    "a withdrawn source": (
        oracle.families_never_go_back,
        replace(CASE, source={**SOURCE, "deprecated": {"state": "DEPRECATED"}}),
    ),
    "a lead is overtaken": (
        oracle.families_never_go_back,
        replace(headed(by="3"), wanted=[replace(CASE.wanted[0], lead="projects/p1/global/images/web-1-us")]),
    ),
    "a family without a head": (oracle.families_keep_a_head, deed(CASE, 2, after=OPEN, heads={"web-eu": ("3", None)})),
    "a label of others": (
        oracle.what_others_gave_stays,
        deed(CASE, 1, before={**OPEN, "labels": {**LABELS, "mine": "kept"}}),
    ),
    "a label invented": (oracle.what_others_gave_stays, deed(CASE, 1, after={**OPEN, "labels": {**LABELS, "a": "b"}})),
    "a grant of others": (
        oracle.what_others_gave_stays,
        deed(CASE, 1, before=copied(policy={"bindings": [{"role": "r", "members": ["user:a@example.com"]}]})),
    ),
    "a condition of others": (
        oracle.what_others_gave_stays,
        deed(
            CASE, 1,
            before=copied(policy={"bindings": [{**PUBLIC["bindings"][0], "condition": {"expression": "e"}}]}),
        ),
    ),
    "a grant invented": (
        oracle.what_others_gave_stays,
        deed(CASE, 1, after=copied(policy={"bindings": [{"role": "r", "members": ["allAuthenticatedUsers"]}]})),
    ),
    "another family": (oracle.what_others_gave_stays, deed(CASE, 2, after={**OPEN, "family": "web"})),
    "a field more": (oracle.what_others_gave_stays, deed(CASE, 2, after={**OPEN, "deprecated": {"state": "DELETED"}})),
    "a lead copied first": (oracle.leads_are_copied_last, lead_first()),
}  # fmt: skip


@pytest.mark.parametrize("case", [CASE, REPAIR, removed(), headed(by="3"), found(labels={**LABELS, "mine": "kept"})])
def test_what_is_right_breaks_no_rule(case: Case) -> None:
    assert oracle.broken(case) == []


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_is_noticed_when_broken(name: str) -> None:
    rule, case = BROKEN[name]
    assert list(rule(case)), name


def test_each_rule_is_tried() -> None:
    assert {rule for rule, _ in BROKEN.values()} == {*oracle.RULES}


def test_what_others_did_is_no_fault_of_the_run() -> None:
    lost = replace(DEEDS[1], by=OTHERS, before={**OPEN, "labels": {"mine": "lost"}})
    assert oracle.broken(replace(CASE, deeds=(DEEDS[0], DEEDS[1], lost, DEEDS[2]))) == []


def test_a_lead_need_not_wait_for_what_was_refused() -> None:
    assert [*oracle.leads_are_copied_last(lead_first(status=403))] == []


class TestResults:
    ROW: Mapping[str, Any] = {"promoted": True, "outcome": "created"}

    def test_true(self) -> None:
        assert not [*oracle.untrue(CASE, {"eu": self.ROW}, {"eu": EU})]

    @pytest.mark.parametrize("wrong", [{"promoted": False}, {"outcome": "adopted"}])
    def test_untrue(self, wrong: dict[str, Any]) -> None:
        assert len([*oracle.untrue(CASE, {"eu": {**self.ROW, **wrong}}, {"eu": EU})]) == 1

    def test_served_though_it_is_not_open(self) -> None:
        said = {"eu": {"promoted": False, "outcome": "created"}}
        assert [*oracle.untrue(replace(CASE, deeds=DEEDS[:1]), said, {"eu": EU})]

    def test_made_or_repaired(self) -> None:
        said = {"eu": {"promoted": True, "outcome": "created"}}
        assert [*oracle.untrue(REPAIR, said, {"eu": EU})]
