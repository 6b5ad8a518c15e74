"""Declares the verb `schema`: its help and examples."""

from __future__ import annotations

from replicator.bootstrap.command import Answering

COMMANDS = [
    Answering(
        "schema",
        "print the JSON Schema of a file that is read or written, or check configuration files",
        run="commands.schema.run:run",
        settings="commands.schema.settings:SchemaSettings",
        operands="file",
        metavar="FILE",
        answer_format="",
        examples=("schema config > replicate-config.schema.json", "schema config gce-image-replicator.yaml"),
    )
]
