"""Reads lists of prices: what a GiB of an image costs a month in each location, since when, and who says so.

The JSON Schema (`schemas/prices.schema.json`) is made from the class here. A file is JSON; being read as YAML, its
problems have lines, and people may write one by hand.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from replicator.bootstrap.quote import quoted
from replicator.core import validation
from replicator.inputs import config_file
from replicator.inputs.fields import SCHEMA_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The list that comes with this version: what public sources prove, and nothing more.
SHIPPED = Path(__file__).resolve().parent.parent / "prices.json"
#: In a list, every location that it doesn't name.
ANYWHERE = "*"
#: As many digits as the Billing Catalog's prices have (units and nanos).
AMOUNT = r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?"


def _price(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(AMOUNT, value):
        return Decimal(value)
    if isinstance(value, Decimal) or value is None:
        return value
    shown = quoted(value) if isinstance(value, str | int | float) else "a list or mapping"
    raise ValueError(f'{shown} isn\'t a valid price; write a text such as "0.05", or null where it is unknown')


def _day(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    shown = quoted(value) if isinstance(value, str | int | float) else "a list or mapping"
    raise ValueError(f"{shown} isn't a valid date; write it as 2026-01-31")


def _place(value: str) -> str:
    problem = "" if value == ANYWHERE else validation.location_problem(value)
    validation.refuse([problem] if problem else [])
    return value


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"{quoted(value)} isn't a valid currency; write its three letters, such as EUR")
    return value


Currency = Annotated[str, AfterValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]
Price = Annotated[Decimal, BeforeValidator(_price), WithJsonSchema({"type": "string", "pattern": f"^{AMOUNT}$"})]


class PriceList(BaseModel):
    """Prices of storing images."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, validate_by_name=True
    )

    version: Literal[1] = Field(alias="schema")
    """The version of this form."""
    currency: Currency
    """The currency of all prices: three letters, ISO 4217."""
    as_of: Annotated[date, BeforeValidator(_day)]
    """The day on which these were the prices."""
    source: Annotated[str, Field(min_length=1, max_length=300)]
    """Who says so, for people."""
    assumed: bool = False
    """Whether the price of `*` is taken for locations that have none of their own. Figures then say so."""
    image_storage_gib_month: Annotated[dict[Annotated[str, AfterValidator(_place)], Price | None], Field(min_length=1)]
    """Location → price of a GiB (2^30 bytes) of an image's archive for a month, as a text; null where it is unknown.
    `*` is any other location, if `assumed` is true.
    """
    transfer_gib: Price | None = None
    """Price of a GiB that is copied to another location, once; null where it is unknown."""

    @field_validator("image_storage_gib_month")
    @classmethod
    def _assumed_in_words(cls, value: dict[str, Decimal | None], info: ValidationInfo) -> dict[str, Decimal | None]:
        if ANYWHERE in value and info.data.get("assumed") is False:
            raise ValueError("has a price for '*', any location: that is an assumption, so write `assumed: true` too")
        return value

    def price(self, location: str) -> tuple[Decimal | None, bool]:
        """Return a location's price, None where it is unknown, and whether it is an assumed one."""
        if location in self.image_storage_gib_month:
            return self.image_storage_gib_month[location], False
        assumed = self.image_storage_gib_month.get(ANYWHERE)
        return assumed, assumed is not None

    @property
    def model_locations(self) -> tuple[str, ...]:
        """The locations whose own price is the one that is assumed for others."""
        table = self.image_storage_gib_month
        return tuple(name for name in table if name != ANYWHERE and table[name] == table.get(ANYWHERE))


def shipped() -> PriceList:
    """Read the list that comes with this version."""
    return PriceList.model_validate(json.loads(SHIPPED.read_bytes()))


def read(given: str, env: Mapping[str, str]) -> PriceList:
    """Read the list that an input names, relative to the workspace. Raises BadConfig with every problem."""
    return config_file.read_as(PriceList, given, env)


def text(prices: PriceList) -> str:
    """Return the list as the text of a file: the same prices give the same bytes."""
    return json.dumps(as_dict(prices), indent=2, ensure_ascii=False) + "\n"


def as_dict(prices: PriceList) -> dict[str, Any]:
    """Return the list in the form of its file."""
    table = dict(sorted(prices.image_storage_gib_month.items()))
    return {
        "schema": prices.version,
        "currency": prices.currency,
        "as_of": prices.as_of.isoformat(),
        "source": prices.source,
        **({"assumed": True} if prices.assumed else {}),
        "image_storage_gib_month": {name: _written(price) for name, price in table.items()},
        "transfer_gib": _written(prices.transfer_gib),
    }


def _written(price: Decimal | None) -> str | None:
    return None if price is None else f"{price:f}"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of such a file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_ADDRESS}prices.schema.json",
        **PriceList.model_json_schema(),
        "title": "Prices of gce-image-replicator",
    }
