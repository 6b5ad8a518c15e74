"""Reading of images: what decides what boots is kept whole."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import compute_v1

from replicator.compute import answers

KEY = {"content": "cGs_", "file_type": "X509"}


def read(**fields: Any) -> Any:
    return answers.image(
        compute_v1.Image(
            self_link="https://www.googleapis.com/compute/v1/projects/p1/global/images/web-1",
            creation_timestamp="2026-01-01T00:00:00Z",
            **fields,
        )
    )


def test_an_image_without_keys() -> None:
    plain = read()
    assert (plain.shielded_keys, plain.license_codes, plain.confidential) == (frozenset(), frozenset(), False)


def test_keys_by_database() -> None:
    databases = {"keks": [KEY], "dbs": [KEY], "dbxs": [KEY, {"content": "eA==", "file_type": "BIN"}]}
    found = read(shielded_instance_initial_state={"pk": KEY, **databases}).shielded_keys
    assert sorted(key.database for key in found) == ["dbs", "dbxs", "dbxs", "keks", "pk"]
    assert len({key.digest for key in found}) == 2


@pytest.mark.parametrize(
    ("content", "same"), [("cGs_", True), ("cGs/", True), ("cGsv", False), ("cGs", False), ("=", False)]
)
def test_keys_are_compared_by_content(content: str, same: bool) -> None:
    one, other = (
        read(shielded_instance_initial_state={"pk": {**KEY, "content": text}}).shielded_keys
        for text in ("cGs_", content)
    )
    assert (one == other) is same


def test_a_key_of_another_type_is_another() -> None:
    other = {**KEY, "file_type": "BIN"}
    assert (
        read(shielded_instance_initial_state={"pk": KEY}).shielded_keys
        != read(shielded_instance_initial_state={"pk": other}).shielded_keys
    )


def test_codes_and_confidentiality() -> None:
    found = read(license_codes=[42, 43], enable_confidential_compute=True)
    assert (found.license_codes, found.confidential) == (frozenset({"42", "43"}), True)
