from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from replicator.inputs import config_file, price_list
from replicator.inputs.price_list import SHIPPED, PriceList
from testkit.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = json.loads((ROOT / "schemas" / "prices.schema.json").read_text(encoding="utf-8"))
RIGHT = {
    "schema": 1,
    "currency": "EUR",
    "as_of": "2026-11-01",
    "source": "a test",
    "image_storage_gib_month": {"us": "0.046", "eu": None, "europe-west4": "1"},
}


def problems(**fields: Any) -> list[str]:
    with pytest.raises(config_file.BadConfig) as caught:
        config_file.parse_as(PriceList, json.dumps({**RIGHT, **fields}))
    return [text for _, text in caught.value.problems]


def test_what_comes_along_is_right_and_written_as_update_would() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    jsonschema.validate(json.loads(text), SCHEMA)
    assert price_list.text(price_list.shipped()) == text


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assumed = {**RIGHT, "assumed": True, "image_storage_gib_month": {"*": "0.000000001"}, "transfer_gib": "0.08"}
    for document in (RIGHT, assumed):
        prices = config_file.parse_as(PriceList, json.dumps(document))
        jsonschema.validate(json.loads(price_list.text(prices)), SCHEMA)
        (tmp_path / "prices.json").write_text(price_list.text(prices), encoding="utf-8")
        assert price_list.read(str(tmp_path / "prices.json"), {}) == prices


def test_people_may_write_yaml() -> None:
    text = "schema: 1\ncurrency: USD\nas_of: 2026-11-01   # today\nsource: x\nimage_storage_gib_month: {us: '0.05'}\n"
    assert config_file.parse_as(PriceList, text).price("us") == (Decimal("0.05"), False)


@pytest.mark.parametrize(
    "value", [0.05, 1, "", "-1", "1e3", "NaN", "Infinity", "0,05", "$1", " 1", "01", "1.", [], True]
)
def test_a_price_is_a_text_with_a_plain_number(value: Any) -> None:
    (said,) = problems(image_storage_gib_month={"us": value})
    assert said.startswith("image_storage_gib_month.us: ")
    assert 'isn\'t a valid price; write a text such as "0.05", or null where it is unknown' in said
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**RIGHT, "image_storage_gib_month": {"us": value}}, SCHEMA)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"as_of": "2026-02-30"}, "as_of: '2026-02-30' isn't a valid date; write it as 2026-01-31"),
        ({"as_of": 20260101}, "as_of: '20260101' isn't a valid date"),
        ({"schema": 2}, "schema: input should be 1"),
        ({"currency": "euro"}, "currency: 'euro' isn't a valid currency; write its three letters"),
        ({"image_storage_gib_month": {"EU": "1"}}, "'EU'"),
        ({"image_storage_gib_month": {"us-central1-a": "1"}}, "'us-central1-a'"),
        ({"image_storage_gib_month": {}}, "image_storage_gib_month: "),
        ({"image_storage_gib_month": {"*": "1"}}, "write `assumed: true` too"),
        ({"price": "1"}, "unknown key 'price'"),
    ],
)
def test_each_problem_names_its_key(fields: dict[str, Any], says: str) -> None:
    (said,) = problems(**fields)
    assert says in said


def test_all_problems_at_once() -> None:
    assert len(problems(currency="usd", as_of="yesterday", image_storage_gib_month={"us": 1, "eu": 2})) == 4


def test_another_file_is_told_what_is_needed() -> None:
    with pytest.raises(config_file.BadConfig, match="`schema` and `currency` and"):
        config_file.parse_as(PriceList, "[]")
