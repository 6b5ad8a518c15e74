"""Names the files that have a schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from replicator.inputs.fields import Option

#: What a file is called on the command line, and the file name of its schema.
SCHEMAS = {
    "index": "image-index.schema.json",
    "config": "replicate-config.schema.json",
    "prices": "prices.schema.json",
    "registry": "registry-config.schema.json",
    "retention": "retention-rules.schema.json",
    "event": "event.schema.json",
    "webhook": "webhook-config.schema.json",
}


class SchemaSettings(BaseModel):
    """Which schema to print."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: Annotated[str, Option("which file", "|".join(SCHEMAS))]
    """Which kind: `index` (`image-index.json`), `config` (the input `config`), `prices` (the input `prices`),
    `registry` (the file of `registry ensure`), `retention` (the file of `retain`), `event` (what `notify` sends) or
    `webhook` (the file of `webhook serve`). With files after `config`, they are checked instead, and nothing is printed
    if they are right.
    """
