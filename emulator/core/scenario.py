"""Reads scenarios, strictly: what an emulator starts with, and by which rules it goes.

The keys here are those that every service may mind; a service adds its own by a subclass of `Scenario`, and extends
`quotas`, `org_policy` and `switches` by subclasses of theirs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# Ten years; what takes longer is a mistake.
Seconds = Annotated[float, Field(ge=0, le=315_360_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Location = Annotated[str, Field(pattern=r"^[a-z]+([0-9]+|-[a-z]+[0-9]+)?$")]
Project = Annotated[str, Field(pattern=r"^[-a-z0-9.:]+$")]
Permission = Annotated[str, Field(pattern=r"^[A-Za-z.]*\*?$", min_length=1)]


class Strict(BaseModel):
    """Frozen, without conversions, and without room for what nobody asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Principal(Strict):
    """Who a bearer token stands for, and what that one may do."""

    name: str = ""
    """What journal and policies call it: `serviceAccount:ci@p1.iam.gserviceaccount.com`; left out, the token."""
    permissions: tuple[Permission, ...] = ()
    """Permissions in every project: `compute.images.get`, or several as `compute.images.*`."""
    projects: dict[Project, tuple[Permission, ...]] = Field(default_factory=dict)
    """Project → permissions there, beside those everywhere."""


class Quotas(Strict):
    """Limits, for every project alike; what is left out is unlimited."""

    reads_per_minute: Count | None = None
    """Reading requests a project may make in a minute; more are 403 `rateLimitExceeded`."""
    mutations_per_minute: Count | None = None
    """Changing requests a project may make in a minute; more are 403 `rateLimitExceeded`."""


class OrgPolicy(Strict):
    """Organisation policies."""

    allowed_locations: tuple[Location, ...] | None = None
    """Where images may be stored (`constraints/gcp.resourceLocations`); others are 412 `conditionNotMet`."""
    allowed_member_domains: tuple[str, ...] | None = None
    """Domains whose members policies may name (`constraints/iam.allowedPolicyMemberDomains`); 400 otherwise."""


class Switches(Strict):
    """Answers of the service that nobody has confirmed; each default is the likelier one."""

    first_check: Literal["form", "permission"] = "form"
    """What is looked at first: the form of a request, or whether its sender may do such a thing at all."""
    forbidden_missing: Literal[403, 404] = 403
    """The answer to somebody without permission who names an image that does not exist."""
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    """Fields of a body that the API does not have."""
    read_only_fields: Literal["refuse", "ignore"] = "refuse"
    """Output-only fields in a request's body."""


class Scenario(Strict):
    """What an emulator starts with, and by which rules it goes."""

    principals: dict[Annotated[str, Field(min_length=1)], Principal | tuple[Permission, ...]] | None = None
    """Bearer token → a principal, or its permissions everywhere. If given, nobody else is let in."""
    quotas: Quotas = Quotas()
    """How many requests, images and copies are allowed."""
    org_policy: OrgPolicy = OrgPolicy()
    """What the organisation forbids in every project."""
    switches: Switches = Switches()
    """Unconfirmed behaviour."""
    seed: Annotated[int, Field(ge=0, le=8_000_000)] | None = None
    """Makes ids, fingerprints and etags the same each time."""
    faults: tuple[dict[str, Any], ...] = ()
    """Faults in force from the beginning, as `POST /_emulator/faults` takes them."""

    def principal(self, token: str) -> Principal | None:
        """Who a token stands for; None for a stranger."""
        found = (self.principals or {}).get(token)
        if isinstance(found, tuple):
            found = Principal(permissions=found)
        return found and found.model_copy(update={"name": found.name or token})


class BadScenario(ValueError):
    """A scenario that cannot be carried out; one line for each problem."""


M = TypeVar("M", bound=Strict)


def joined(kinds: Iterable[type[M]]) -> type[M]:
    """A model with the keys of all, and with the sections that several of them extend joined likewise.

    Raises TypeError for a key that two of them bring with different types.
    """
    several = list(dict.fromkeys(kinds))
    own = [kind for kind in several if not any(each is not kind and issubclass(each, kind) for each in several)]
    if len(own) == 1:
        return own[0]
    sections: dict[str, Any] = {}
    for key in dict.fromkeys(key for kind in own for key in kind.model_fields):
        found = [kind.model_fields[key] for kind in own if key in kind.model_fields]
        annotations = [each.annotation for each in found]
        if all(each == annotations[0] for each in annotations):
            continue
        models = [each for each in annotations if isinstance(each, type) and issubclass(each, Strict)]
        if len(models) < len(annotations):
            raise TypeError(f"two services bring the key '{key}'")
        section = joined(models)
        sections[key] = (section, Field(default=section(), description=found[0].description))
    model: type[M] = create_model(own[0].__name__, __base__=tuple(own), __doc__=own[0].__doc__, **sections)
    return model


def read(kind: type[Scenario], raw: Mapping[str, Any]) -> Scenario:
    """A scenario of plain values. Raises BadScenario with every problem."""
    try:
        # By way of JSON, where a list may stand for a tuple and a date for nothing at all.
        return kind.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise BadScenario("\n".join(_described(item) for item in error.errors())) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise BadScenario(f"not plain values: {error}") from None


def load(kind: type[Scenario], path: Path) -> Scenario:
    """A scenario from a YAML file. Raises BadScenario with every problem."""
    try:
        raw = yaml.load(path.read_text("utf-8-sig"), Loader=_Loader)  # noqa: S506 -- a safe loader, made stricter
    except OSError as error:
        raise BadScenario(f"cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadScenario(f"no YAML that a scenario may use: {error}") from None
    if not isinstance(raw, dict | None):
        raise BadScenario("a mapping is expected")
    return read(kind, raw or {})


class _Loader(yaml.SafeLoader):
    """Refuses doubled keys, keys that are no text, and aliases (a small file could become huge)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias in item {index} of a collection")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.YAMLError(f"a key must be text, in quotes if need be{key.start_mark}")
            if key.value in seen:
                raise yaml.YAMLError(f"'{key.value}' is given twice{key.start_mark}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _described(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "scenario"
    text = "unknown key" if item["type"] == "extra_forbidden" else item["msg"]
    return f"{where}: {text}"
