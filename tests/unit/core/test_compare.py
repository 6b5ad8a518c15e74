from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replicator.core import compare
from replicator.core.images import Binding, Image, ImageRef, Policy
from replicator.core.replicas import Lineage
from testkit.make import PUBLIC, READER, copy, image, replica

#: Neither another location nor another architecture is compared in another way.
HALVES = pytest.mark.parametrize(
    ("here", "architecture", "other"),
    [("eu", "X86_64", "ARM64"), ("asia", "X86_64", "ARM64"), ("eu", "ARM64", "X86_64")],
)


@HALVES
@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("storage_locations", ("us",), "storageLocations: wanted {here}, found us"),
        ("storage_locations", (), "storageLocations: wanted {here}, found nothing"),
        ("storage_locations", ("us", "eu"), "storageLocations: wanted {here}, found us, eu"),
        ("disk_size_gb", 21, "diskSizeGb: wanted 20, found 21"),
        ("architecture", "{other}", "architecture: wanted {architecture}, found {other}"),
        ("guest_os_features", frozenset({"GVNIC"}), "guestOsFeatures: wanted UEFI_COMPATIBLE, found GVNIC"),
        (
            "guest_os_features",
            frozenset({"UEFI_COMPATIBLE", "WINDOWS", "GVNIC"}),
            "guestOsFeatures: wanted UEFI_COMPATIBLE, found GVNIC, UEFI_COMPATIBLE, WINDOWS",
        ),
        ("licenses", frozenset(), "licenses: wanted projects/d/global/licenses/l, found nothing"),
        ("encryption", "k", "kmsKeyName: wanted nothing, found k"),
    ],
)
def test_each_field_that_counts(field: str, value: Any, shown: str, here: str, architecture: str, other: str) -> None:
    source, wanted, right = image(architecture=architecture), replica(here), copy(here, architecture=architecture)
    assert compare.content(source, wanted, right) == ()
    value = other if value == "{other}" else value
    found = compare.content(source, wanted, replace(right, **{field: value}))
    assert [str(difference) for difference in found] == [
        shown.format(here=here, architecture=architecture, other=other)
    ]


def test_all_that_differs_is_told() -> None:
    """Where it is and how it is encrypted first, then the rest in the order of the table of fields."""
    source = image(licenses=frozenset({"l", "k"}), guest_os_features=frozenset())
    found = copy(
        storage_locations=("us",),
        encryption="k2",
        licenses=frozenset({"m", "k"}),
        disk_size_gb=10,
        guest_os_features=frozenset(),
    )
    assert [str(each) for each in compare.content(source, replica(kms_key="k1"), found)] == [
        "storageLocations: wanted eu, found us",
        "kmsKeyName: wanted k1, found k2",
        "diskSizeGb: wanted 20, found 10",
        "licenses: wanted k, l, found k, m",
    ]


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


@pytest.mark.parametrize("here", ["eu", "asia"])
def test_what_can_be_repaired(here: str) -> None:
    wanted = replica(here, labels={"a": "b", "c": "", "right": "already", "empty": "x"})
    found = copy(here, labels={"a": "x", "mine": "y", "right": "already", "empty": ""}, description="", family="")
    assert [str(item) for item in compare.labels(wanted, found)] == [
        "labels.a: wanted b, found x",
        "labels.c: wanted (empty), found nothing",
        "labels.empty: wanted x, found nothing",
    ]
    assert compare.labels(wanted, copy(here, labels={**wanted.labels, "mine": "y"})) == ()
    assert [str(item) for item in compare.description(wanted, found)] == ["description: wanted d, found nothing"]
    assert [str(item) for item in compare.description(wanted, copy(description="e"))] == [
        "description: wanted d, found e"
    ]
    assert compare.description(wanted, copy(here)) == ()


@pytest.mark.parametrize("here", ["eu", "asia"])
def test_the_family(here: str) -> None:
    wanted = replica(here)
    assert [str(item) for item in compare.family(wanted, copy(family=""))] == [
        f"family: wanted web-{here}, found nothing"
    ]
    assert [str(item) for item in compare.family(wanted, copy(family="x"))] == [f"family: wanted web-{here}, found x"]
    # Where none is wanted, any is right: it is somebody else's.
    assert compare.family(replica(here, family=""), copy(here, family="other")) == ()
    assert compare.family(replica(here, family=""), copy(here, family="")) == ()
    assert compare.family(wanted, copy(here)) == ()


def test_readers() -> None:
    others = Binding("roles/owner", frozenset({"user:o@x"}))
    lacking = compare.readers(PUBLIC.bindings, Policy((others, Binding(READER, frozenset({"user:a@x"})))))
    assert [str(item) for item in lacking] == ["access: wanted allAuthenticatedUsers, found user:a@x"]
    assert [str(item) for item in compare.readers(PUBLIC.bindings, Policy((others,)))] == [
        "access: wanted allAuthenticatedUsers, found nobody"
    ]
    assert compare.readers(PUBLIC.bindings, PUBLIC) == ()
    assert compare.readers((), PUBLIC) == ()
    # More members than wanted are none that are missing.
    more = Policy((*PUBLIC.bindings, others, Binding(READER, frozenset({"user:a@x"}))))
    assert compare.readers(iter(PUBLIC.bindings), more) == ()


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
