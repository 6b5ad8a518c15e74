"""`resolve --family`: the family's newest image and its copies, by lineage; strangers of public images included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testkit.resolve.resolving import URI, Told, published

if TYPE_CHECKING:
    from emulator.testing import Running

WEB = "projects/p1/global/images/family/web"
#: What the family's project answers to strangers.
NO_LIST: dict[str, Any] = {
    "method": "compute.images.list",
    "times": None,
    "action": {
        "kind": "http",
        "code": 403,
        "reason": "forbidden",
        "message": "Required 'compute.images.list' permission for 'projects/p1'",
    },
}


def ask(emulator: Running, **given: str) -> Told:
    return Told(emulator, **{"family": WEB, "region": "europe-west9", **given})


def add(emulator: Running, name: str, **more: Any) -> str:
    fields: dict[str, Any] = {"project": "p1", "location": "eu", "public": True, **more}
    return str(emulator.add_image(name=name, **fields)["id"])


@pytest.fixture(autouse=True)
def world(emulator: Running) -> dict[str, Any]:
    """An older release, then web-1 in us with copies in eu and asia, and what only looks like copies."""
    add(emulator, "web-0", family="web", location="us", created=86400.0)
    index = published(emulator, ("eu", "asia"))
    add(emulator, "web-1-me-west1", location="me-west1")
    add(emulator, "web-1-europe-west9", location="europe-west9", source_image=URI, source_image_id="1")
    return index


def test_the_copy_that_is_nearest(emulator: Running) -> None:
    told = ask(emulator)
    assert told.exit_code == 0, told.log
    assert (told.document["image"], told.document["location"]) == ("projects/p1/global/images/web-1-eu", "eu")
    assert (told.document["verified"], told.document["family"], told.document["index_digest"]) == (True, "web-eu", "")
    assert told.calls == ["getFromFamily", "list"]
    assert [row["location"] for row in told.document["order"]] == ["eu", "us", "asia"]


def test_the_newest_image_itself_serves_where_it_is_stored(emulator: Running) -> None:
    add(emulator, "web-1-us", location="us", source_image=URI, source_image_id=emulator.image("p1", "web-1")["id"])  # type: ignore[index]
    assert ask(emulator, region="us-east1").document["image"] == URI


@pytest.mark.parametrize("family", ["web-eu", "web-asia"])
def test_a_family_of_copies_finds_their_source_and_siblings(emulator: Running, family: str) -> None:
    told = ask(emulator, family=WEB.replace("/web", f"/{family}"), region="us-east1")
    assert told.exit_code == 0, told.log
    assert {row["location"]: row["image"].rpartition("/")[2] for row in told.document["order"]} == {
        "us": "web-1",
        "eu": "web-1-eu",
        "asia": "web-1-asia",
    }


def test_copies_of_copies_count(emulator: Running) -> None:
    eu = emulator.image("p1", "web-1-eu")
    assert eu
    add(emulator, "web-1-far", location="africa-south1", source_image=URI + "-eu", source_image_id=eu["id"])
    assert ask(emulator, region="africa-south1").document["image"] == "projects/p1/global/images/web-1-far"


@pytest.mark.parametrize(
    ("spoiled", "why"), [({"status": "FAILED"}, "it is FAILED"), ({"status": "PENDING"}, "it is PENDING")]
)
def test_a_copy_that_is_not_right_is_passed_over(emulator: Running, spoiled: dict[str, Any], why: str) -> None:
    emulator.delete_image("p1", "web-1-eu")
    source = emulator.image("p1", "web-1")
    assert source
    add(emulator, "web-1-eu", source_image=URI, source_image_id=source["id"], **spoiled)
    told = ask(emulator)
    assert (told.document["location"], told.passed_over) == ("us", {"eu": why})
    assert ask(emulator, fallback="none").document["result"] == "passed_over_all"


def test_copies_in_another_project(emulator: Running) -> None:
    source = emulator.image("p1", "web-1")
    assert source
    add(emulator, "web-1", project="acme-public", location="me-west1", source_image=URI, source_image_id=source["id"])
    place = {"region": "me-west1", "replica_project": "acme-public"}
    assert ask(emulator, **place).document["image"] == "projects/acme-public/global/images/web-1"
    assert ask(emulator, region="me-west1").document["location"] == "eu"


def test_another_architecture_is_refused(emulator: Running) -> None:
    told = ask(emulator, architecture="ARM64")
    assert (told.exit_code, told.document["result"], told.document["image"]) == (2, "error", "")
    assert "architecture: 'ARM64' is not that of projects/p1/global/images/web-1, which is X86_64" in told.log


def test_a_family_that_resolves_to_nothing(emulator: Running) -> None:
    told = ask(emulator, family=WEB.replace("/web", "/wbe"))
    assert (told.exit_code, told.document["result"]) == (1, "no_replica")
    assert "projects/p1/global/images/family/wbe resolves to nothing" in told.log


class TestStrangers:
    def test_the_families_of_the_usual_locations_are_asked(self, emulator: Running) -> None:
        emulator.faults([NO_LIST])
        told = ask(emulator)
        assert told.document["image"] == "projects/p1/global/images/web-1-eu", told.log
        assert [row["location"] for row in told.document["order"]] == ["eu", "us", "asia"]
        assert sorted(told.calls) == ["getFromFamily"] * 5 + ["list"]

    def test_what_a_family_resolves_to_must_prove_its_lineage(self, emulator: Running) -> None:
        add(emulator, "web-2-eu", family="web-eu")
        emulator.faults([NO_LIST])
        told = ask(emulator)
        assert told.document["image"] == URI
        assert "europe-west9 is served from us, " in told.log

    def test_if_none_may_be_read_an_index_is_advised(self, emulator: Running) -> None:
        refused = {**NO_LIST, "method": "compute.images.getFromFamily", "match": "family/web-"}
        emulator.faults([NO_LIST, refused])
        told = ask(emulator)
        assert (told.exit_code, told.document["result"], told.document["image"]) == (3, "error", "")
        assert "Give the publisher's image-index.json as index" in told.log

    def test_if_the_family_may_not_be_read_the_permission_is_told(self, emulator: Running) -> None:
        action = {**NO_LIST["action"], "message": "Required 'compute.images.getFromFamily' permission"}
        emulator.faults([{**NO_LIST, "method": "compute.images.getFromFamily", "action": action}])
        told = ask(emulator)
        assert told.exit_code == 3
        assert "Grant this step's identity compute.images.getFromFamily" in told.log

    @pytest.mark.parametrize("method", ["getFromFamily", "list"])
    def test_no_answer_is_no_refusal(self, emulator: Running, method: str) -> None:
        action = {"kind": "http", "code": 503, "reason": "backendError", "message": "busy"}
        emulator.faults([{"method": f"compute.images.{method}", "times": None, "action": action}])
        told = ask(emulator)
        assert (told.exit_code, told.document["result"]) == (4, "unreachable")
