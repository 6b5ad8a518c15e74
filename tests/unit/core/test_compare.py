from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replicator.core import compare
from replicator.core.images import Binding, Image, ImageRef, Policy
from replicator.core.replicas import Lineage
from testkit.make import PUBLIC, READER, copy, image, replica


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("storage_locations", ("asia",), "storageLocations: wanted eu, found asia"),
        ("storage_locations", (), "storageLocations: wanted eu, found nothing"),
        ("storage_locations", ("eu", "us"), "storageLocations: wanted eu, found eu, us"),
        ("disk_size_gb", 21, "diskSizeGb: wanted 20, found 21"),
        ("architecture", "ARM64", "architecture: wanted X86_64, found ARM64"),
        ("guest_os_features", frozenset({"GVNIC"}), "guestOsFeatures: wanted UEFI_COMPATIBLE, found GVNIC"),
        ("licenses", frozenset(), "licenses: wanted projects/d/global/licenses/l, found nothing"),
        ("encryption", "k", "kmsKeyName: wanted nothing, found k"),
    ],
)
def test_each_field_that_counts(field: str, value: Any, shown: str) -> None:
    assert compare.content(image(), replica(), copy()) == ()
    assert [str(found) for found in compare.content(image(), replica(), copy(**{field: value}))] == [shown]


@pytest.mark.parametrize("wanted", ["us", "eu", "asia", "us-west1"])
def test_a_wrong_location_counts_wherever_the_replica_is_wanted(wanted: str) -> None:
    stored = {at: copy(storage_locations=(at,)) for at in ("us", "eu", "asia", "us-west1")}
    wrong = {at for at, found in stored.items() if compare.content(image(), replica(location=wanted), found)}
    assert wrong == stored.keys() - {wanted}


def test_what_compute_engine_may_add() -> None:
    more = copy(
        guest_os_features=frozenset({"UEFI_COMPATIBLE", "GVNIC"}),
        licenses=frozenset({"projects/d/global/licenses/l", "projects/e/global/licenses/m"}),
    )
    assert compare.content(image(), replica(), more) == ()
    for unknown in ("", "ARCHITECTURE_UNSPECIFIED"):
        assert compare.content(image(architecture=unknown), replica(), copy()) == ()


def test_what_can_be_repaired() -> None:
    wanted = replica(labels={"a": "b", "c": "", "right": "already"})
    found = copy(labels={"a": "x", "mine": "y", "right": "already"}, description="", family="")
    assert [str(item) for item in compare.labels(wanted, found)] == [
        "labels.a: wanted b, found x",
        "labels.c: wanted (empty), found nothing",
    ]
    assert [str(item) for item in compare.description(wanted, found)] == ["description: wanted d, found nothing"]
    assert [str(item) for item in compare.family(wanted, found)] == ["family: wanted web-eu, found nothing"]
    assert [str(item) for item in compare.family(wanted, copy(family="x"))] == ["family: wanted web-eu, found x"]
    assert compare.family(replica(family=""), copy(family="other")) == ()
    assert compare.family(wanted, copy()) == ()
    others = Binding("roles/owner", frozenset({"user:o@x"}))
    lacking = compare.readers(PUBLIC.bindings, Policy((others, Binding(READER, frozenset({"user:a@x"})))))
    assert [str(item) for item in lacking] == ["access: wanted allAuthenticatedUsers, found user:a@x"]
    assert compare.readers(PUBLIC.bindings, PUBLIC) == ()


def link(identifier: str, of: str) -> Image:
    parent = ImageRef("p1", f"i{of}") if of else None
    return copy(name=f"i{identifier}", id=identifier, source_image=parent, source_image_id=of)


@pytest.mark.parametrize(
    ("child", "parents", "expected"),
    [
        (link("2", "1"), [], Lineage.OURS),
        (link("3", "2"), [link("2", "1")], Lineage.OURS),
        (link("4", "3"), [link("3", "2"), link("2", "1")], Lineage.OURS),
        (link("3", ""), [], Lineage.FOREIGN),
        (link("3", "2"), [link("2", "")], Lineage.FOREIGN),
        (link("3", "2"), [], Lineage.UNPROVEN),
        (link("3", "2"), [link("9", "1")], Lineage.UNPROVEN),
        (link("3", "2"), [link("9", "8"), link("2", "1")], Lineage.UNPROVEN),
        (link("4", "3"), [link("3", "2")], Lineage.UNPROVEN),
    ],
)
def test_lineage(child: Image, parents: list[Image], expected: Lineage) -> None:
    assert compare.lineage("1", child, parents) is expected


def test_a_parent_that_was_replaced_proves_nothing() -> None:
    """Its name still stands, and what has it now is a copy of the source: another image than the one copied."""
    parent = link("3", "1")
    child = replace(link("4", "2"), source_image=parent.ref)
    assert compare.lineage("1", child, [parent]) is Lineage.UNPROVEN
