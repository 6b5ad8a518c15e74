"""Each field of Image in the discovery document is classified once, with a reason."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from replicator.core import compare
from replicator.core.image_fields import SHARED, TABLE, Rule
from replicator.core.images import ShieldedKey
from testkit.make import copy, image, replica
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCUMENT = ROOT / "emulator" / "compute" / "discovery" / "compute.v1.json"
SCHEMAS = json.loads(DOCUMENT.read_text("utf-8"))["schemas"]
#: Objects whose members are classified one by one, since some of them must be compared.
OPENED = ("imageEncryptionKey", "shieldedInstanceInitialState")
#: Of lists of objects, what an answer's reader takes of each: a new member would go unseen.
MEMBERS = {"GuestOsFeature": {"type"}, "FileContentBuffer": {"content", "fileType"}}


def fields(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas["Image"]["properties"].items():
        if name in OPENED:
            yield from (f"{name}.{member}" for member in schemas[schema["$ref"]]["properties"])
        else:
            yield name


def unclassified(schemas: Mapping[str, Any]) -> set[str]:
    return set(fields(schemas)) ^ {field.name for field in TABLE}


def test_every_field_is_classified_once_with_a_reason() -> None:
    assert unclassified(SCHEMAS) == set()
    assert set(Counter(field.name for field in TABLE).values()) == {1}
    assert all(field.why for field in TABLE)
    assert {name: set(SCHEMAS[name]["properties"]) for name in MEMBERS} == MEMBERS


@pytest.mark.parametrize("schema", ["Image", "InitialStateConfig"])
def test_a_new_field_is_noticed(schema: str) -> None:
    grown = {**SCHEMAS, schema: {"properties": {**SCHEMAS[schema]["properties"], "bootOrder": {"type": "string"}}}}
    assert [name.rpartition(".")[2] for name in unclassified(grown)] == ["bootOrder"]


def test_what_must_be_shared_is_compared_and_nothing_else() -> None:
    assert {field.name for field in SHARED} == {
        field.name for field in TABLE if field.rule in {Rule.EQUAL, Rule.AT_LEAST}
    }
    assert [field.name for field in TABLE if field.of] == [field.name for field in SHARED]
    # As people are told of them.
    keys = [f"shieldedInstanceInitialState.{database}" for database in ("pk", "keks", "dbs", "dbxs")]
    boots = ["diskSizeGb", "architecture", "enableConfidentialCompute", "guestOsFeatures"]
    assert [field.name for field in SHARED] == [*boots, "licenses", "licenseCodes", *keys]


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_a_field_that_is_not_compared_is_right(architecture: str) -> None:
    free = next(field for field in TABLE if field.name == "archiveSizeBytes")
    assert free.right(image(architecture=architecture), image(archive_size_bytes=7)) is True


def test_a_confidential_disk_is_told_in_words() -> None:
    (found,) = compare.content(image(confidential=True), replica(), copy())
    assert str(found) == "enableConfidentialCompute: wanted true, found nothing"
    (found,) = compare.content(image(), replica(), copy(confidential=True))
    assert str(found) == "enableConfidentialCompute: wanted nothing, found true"


KEYS = frozenset({ShieldedKey("pk", "X509 a"), ShieldedKey("dbxs", "BIN b")})


@pytest.mark.parametrize(
    ("of_source", "of_copy", "differing"),
    [
        ({"shielded_keys": KEYS}, {}, ["shieldedInstanceInitialState.pk", "shieldedInstanceInitialState.dbxs"]),
        ({}, {"shielded_keys": KEYS}, ["shieldedInstanceInitialState.pk", "shieldedInstanceInitialState.dbxs"]),
        (
            {"shielded_keys": frozenset({ShieldedKey("dbs", "X509 a")})},
            {"shielded_keys": frozenset({ShieldedKey("keks", "X509 a")})},
            ["shieldedInstanceInitialState.keks", "shieldedInstanceInitialState.dbs"],
        ),
        ({"shielded_keys": KEYS}, {"shielded_keys": KEYS}, []),
        ({"confidential": True}, {}, ["enableConfidentialCompute"]),
        ({}, {"confidential": True}, ["enableConfidentialCompute"]),
        ({"license_codes": frozenset({"1", "2"})}, {"license_codes": frozenset({"2"})}, ["licenseCodes"]),
        ({"license_codes": frozenset({"1"})}, {"license_codes": frozenset({"1", "2"})}, []),
        ({"architecture": "ARM64"}, {"architecture": ""}, ["architecture"]),
        ({"archive_size_bytes": 1}, {"archive_size_bytes": 2}, []),
        *(
            ({"guest_os_features": frozenset()}, {"guest_os_features": frozenset({feature})}, ["guestOsFeatures"])
            for feature in ("UEFI_COMPATIBLE", "SECURE_BOOT", "WINDOWS")
        ),
        ({"architecture": "ARM64"}, {"architecture": "ARM64", "disk_size_gb": 7}, ["diskSizeGb"]),
        (
            {"architecture": "ARM64", "confidential": False},
            {"architecture": "ARM64", "confidential": True},
            ["enableConfidentialCompute"],
        ),
        ({"architecture": "ARM64", "licenses": frozenset()}, {"architecture": "ARM64"}, []),
        ({"architecture": "ARCHITECTURE_UNSPECIFIED"}, {"architecture": "ARM64"}, []),
    ],
)
def test_what_a_copy_shares_with_its_source(
    of_source: dict[str, Any], of_copy: dict[str, Any], differing: list[str]
) -> None:
    found = compare.content(image(**of_source), replica(), copy(**of_copy))
    assert [difference.field for difference in found] == differing
