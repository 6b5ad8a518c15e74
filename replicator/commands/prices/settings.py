"""Validates the values given to the `prices` commands, and reports every problem at once, by input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from replicator.core.errors import BadSettings, InputProblem
from replicator.inputs import price_list
from replicator.inputs.config_file import BadConfig
from replicator.inputs.fields import Endpoint, Option, is_anonymous, problem_of, without_secrets
from replicator.inputs.price_list import Currency

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.inputs.price_list import PriceList

ENDPOINT_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING"
#: Holds an API key. No option takes one: other users of a machine see a command's arguments.
KEY_VARIABLE = "GOOGLE_API_KEY"


class PricesSettings(BaseModel):
    """What the user asks for, one field for each option. Empty ones are left out before."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    command: Literal["show", "update"]
    """What to do: `show` or `update`."""
    prices: Annotated[str, Option("which prices", "FILE")] = ""
    """The file with the prices. Empty: those that come with this version."""
    currency: Annotated[Currency, Option("which prices", "CURRENCY")] = "USD"
    """The currency of the prices: three letters, such as `EUR`."""
    output: Annotated[str, Option("which prices", "FILE")] = "prices.json"
    """The file to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a command needs to know before its first call."""

    settings: PricesSettings
    shown: PriceList | None
    """The prices to show."""
    endpoint: str
    """Empty for Google's."""
    key: str
    """An API key; empty to sign in."""
    anonymous: bool


def load(given: Mapping[str, str], env: Mapping[str, str]) -> Inputs:
    """Check what was given (option → text; empty means not given). Raises BadSettings with every problem."""
    values = {name: text.strip() for name, text in given.items() if text.strip()}
    problems: list[InputProblem] = []
    settings, shown, endpoint = None, None, ""
    try:
        settings = PricesSettings.model_validate(values)
    except ValidationError as error:
        problems += [problem_of(item) for item in error.errors()]
    if settings and settings.command == "show":
        try:
            shown = price_list.read(settings.prices, env) if settings.prices else price_list.shipped()
        except BadConfig as error:
            file = settings.prices
            problems += [InputProblem("prices", text, file if line else "", line) for line, text in error.problems]
    try:
        endpoint = TypeAdapter(Endpoint).validate_python(env.get(ENDPOINT_VARIABLE, "").strip())
    except ValidationError as error:
        problems += [InputProblem(ENDPOINT_VARIABLE, problem_of(item).text) for item in error.errors()]
    problems = without_secrets(problems, given)
    if settings is None or problems:
        raise BadSettings(problems)
    return Inputs(
        settings=settings,
        shown=shown,
        endpoint=endpoint,
        key=env.get(KEY_VARIABLE, "").strip(),
        anonymous=is_anonymous(env),
    )
