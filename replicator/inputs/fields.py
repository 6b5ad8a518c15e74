"""Parses the field types that all settings share: booleans, lists, minutes, counts, locations, endpoints."""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
)

from replicator.bootstrap import decide
from replicator.bootstrap.quote import is_credential, is_secret, quoted
from replicator.core import validation
from replicator.core.errors import InputProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Option:
    """How the command line's help shows a setting, as in `Annotated[str, Option("where", "LOCATIONS")]`."""

    heading: str
    """The heading of the setting's group of options."""
    metavar: str = ""
    repeated: bool = False
    """Whether the option may be given several times; the setting's text is then a JSON list of what was given."""


#: Where the schemas are for editors, those of version 1.
SCHEMA_ADDRESS = "https://raw.githubusercontent.com/gce-image-replicator/gce-image-replicator/v1/schemas/"

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

#: Inputs that only `decide` and `setup.sh` read.
READ_ELSEWHERE = frozenset(decide.INPUTS)

#: This variable points both gcloud and this tool at another endpoint.
ENDPOINT_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"
ANONYMOUS_VARIABLE = "CLOUDSDK_AUTH_DISABLE_CREDENTIALS"


def listed(value: Any) -> Any:
    """Split a text into its words, at commas, blanks and line breaks; return any other value as it is."""
    return re.split(r"[\s,]+", value.strip(" \t\r\n,")) if isinstance(value, str) else value


def _boolean(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in _BOOLEANS:
        raise ValueError(f"{quoted(value)} is not one of true, false")
    return _BOOLEANS[value]


def _minutes(value: Any) -> float:
    try:
        minutes = float(value)
    except (TypeError, ValueError):
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise ValueError(f"{quoted(value)} isn't a positive number of minutes (0.5 is half a minute)")
    return minutes


def _count(value: Any) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", str(value)):
        raise ValueError(f"{quoted(value)} isn't a valid number of copies; write 1 or more")
    return int(value)


def _amount(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?", value):
            raise ValueError(f"{quoted(value)} isn't a valid amount of money; write a plain number, such as 5 or 5.00")
        return Decimal(value)
    return value


def _endpoint(value: str) -> str:
    if not value:
        return value
    bare = re.sub(r"/+(compute/v1/*)?$", "", value)
    try:
        parts = urlsplit(bare)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_right = urlsplit(""), False
    extra = parts.path or parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in {"https", "http"} or not parts.hostname or not port_is_right or extra:
        raise ValueError(
            f"{quoted(value)} isn't a valid endpoint; write https://HOST, or http://127.0.0.1:PORT for an emulator"
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(f"{quoted(value)} would get credentials unencrypted: use https (http is for loopback only)")
    return bare


def _refusing(problem: Callable[[str], str]) -> AfterValidator:
    """Return a validator that refuses each text for which `problem` returns a reason."""

    def check(value: str) -> str:
        validation.refuse([found] if (found := problem(value)) else [])
        return value

    return AfterValidator(check)


Location = Annotated[str, _refusing(validation.location_problem)]
Architecture = Annotated[str, _refusing(validation.architecture_problem)]
Variant = Annotated[str, _refusing(lambda value: validation.variant_problem(value) if value else "")]
Flag = Annotated[bool, BeforeValidator(_boolean)]
Words = Annotated[tuple[str, ...], BeforeValidator(listed)]
Minutes = Annotated[float, BeforeValidator(_minutes)]
Count = Annotated[int, BeforeValidator(_count)]
Amount = Annotated[Decimal, BeforeValidator(_amount)]
Endpoint = Annotated[str, AfterValidator(_endpoint), Option("others", "URL")]


def given_values(given: Mapping[str, str], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the inputs that were given: empty ones are left out, and gcloud's endpoint is the default of ours."""
    own = {name: text.strip() for name, text in given.items() if name not in READ_ELSEWHERE}
    values: dict[str, Any] = {name: text for name, text in own.items() if text}
    if not values.get("compute_endpoint") and env.get(ENDPOINT_VARIABLE):
        values["compute_endpoint"] = env[ENDPOINT_VARIABLE]
    return values


def is_anonymous(env: Mapping[str, str]) -> bool:
    """Return whether to call the API without credentials, by the variable that tells gcloud so, too."""
    return env.get(ANONYMOUS_VARIABLE, "").lower() in {"true", "1", "yes", "on"}


def problem_of(item: Any) -> InputProblem:
    """Convert an error of pydantic's to a problem of an input."""
    name = str(item["loc"][0]) if item["loc"] else "settings"
    if item["type"] == "value_error":
        text = str(item["ctx"]["error"])
    elif item["type"] in {"enum", "literal_error"}:
        text = f"{quoted(item['input'])} is not one of {item['ctx']['expected'].replace(chr(39), '')}"
    elif item["type"] == "missing":
        text = "is needed"
    elif item["type"] == "extra_forbidden":
        text = "isn't an input of this version"
    else:
        text = f"{quoted(item['input'])}: {item['msg']}"
    return InputProblem(name, text)


def without_secrets(problems: Sequence[InputProblem], given: Mapping[str, Any]) -> list[InputProblem]:
    """The problems; where they quote parts of what may be a secret, that alone is said: parts may not look like it.

    A key or token that can be told by how it begins is a problem wherever it is, because no input takes one.
    """
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    quoting = {problem.input for problem in problems if re.search(r"(?<!\w)'", problem.text)}
    hidden = [name for name, text in texts.items() if is_credential(text) or (name in quoting and is_secret(text))]
    return [problem for problem in problems if problem.input not in hidden] + [
        InputProblem(name, f"{quoted(texts[name])} isn't a value of this input, which is shown in logs and records")
        for name in hidden
    ]


def in_order(problems: Iterable[InputProblem], names: Iterable[str]) -> list[InputProblem]:
    """Return the problems in the order of these inputs; what is none of them comes first."""
    places = {name: place for place, name in enumerate(names)}
    return sorted(problems, key=lambda problem: places.get(problem.input, -1))


def duplicates(values: Sequence[str]) -> list[str]:
    """Return a problem for each word that is given twice or more."""
    return [f"{quoted(word)} is given {count} times" for word, count in Counter(values).items() if count > 1]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
