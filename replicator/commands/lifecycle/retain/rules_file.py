"""Reads `retention.yaml`: which lines there are, and how long the releases of each are kept.

It is read as strictly as the configuration file: an unknown or repeated key or a wrong type is an error with its line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from replicator.bootstrap.quote import quoted
from replicator.core import names, validation
from replicator.inputs.fields import SCHEMA_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Mapping

Days = Annotated[int, Field(ge=0, le=36500)]
Keep = Annotated[int, Field(ge=1, le=1000)]


class LineRules(BaseModel):
    """What differs in one line."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    routine_days: Days | None = None
    """Days from the creation of the source until a release may be retired."""
    critical_days: Days | None = None
    """The same of a release with the critical label."""
    keep: Keep | None = None
    """The newest usable releases of each family that are never retired."""


class RulesFile(BaseModel):
    """Retention rules of gce-image-replicator: the lines, and how long their releases are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    project_id: str | None = None
    """The project of the sources."""
    routine_days: Days | None = None
    """Days from the creation of the source until a release may be retired: 90 if left out."""
    critical_days: Days | None = None
    """The same of a release with the critical label: 365 if left out."""
    keep: Keep | None = None
    """The newest usable releases of each family that are never retired: 3 if left out."""
    grace_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days between retiring and deleting: 7 if left out."""
    max_deletions: Annotated[int, Field(ge=1, le=100000)] | None = None
    """The most images that one sweep retires, and the most that it deletes: 20 if left out."""
    in_use: Literal["check", "off"] | None = None
    """Whether an image that an instance template names is kept."""
    retire_as: Literal["DEPRECATED", "OBSOLETE"] | None = None
    """What a retired image is marked."""
    release_label: str | None = None
    """The label whose value says which sets are one release."""
    critical_label: str | None = None
    """The label that marks critical releases; any value but `false` counts."""
    hold_label: str | None = None
    """The label that holds a release; any value but `false` counts."""
    lines: Annotated[dict[str, LineRules | None], Field(min_length=1)]
    """The families that the builds give their images, each with what differs from the rules above; empty if nothing."""

    @field_validator("lines")
    @classmethod
    def _lines(cls, value: dict[str, LineRules | None]) -> dict[str, LineRules | None]:
        rule = "isn't a valid family: at most 63 lower case letters, digits and hyphens, a letter first"
        validation.refuse([f"{quoted(line)} {rule}" for line in value if not names.is_valid(line)])
        return value

    def inputs(self) -> Mapping[str, str]:
        """Return what the file says in place of inputs, as text, by input."""
        own = {name: value for name, value in self if name != "lines" and value is not None}
        return {**{name: str(value) for name, value in own.items()}, "families": ",".join(self.lines)}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_ADDRESS}retention-rules.schema.json",
        **RulesFile.model_json_schema(),
        "title": "Retention rules of gce-image-replicator",
    }
