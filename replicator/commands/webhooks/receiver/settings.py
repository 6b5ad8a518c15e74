"""Declares the options of `webhook serve`, `secret`, `rotate` and `list`, and of `publications …`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from replicator.inputs.fields import Flag, Option

_WHERE = "the receiver"


class ReceiverSettings(BaseModel):
    """What every command of the receiver takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    config: Annotated[str, Option(_WHERE, "FILE")]
    """The receiver's configuration, in YAML."""


class ServeSettings(ReceiverSettings):
    """What `webhook serve` takes besides."""

    listen: Annotated[str, Option(_WHERE, "HOST:PORT")] = "127.0.0.1:0"
    """The address to listen on: loopback, or `unix:/PATH`, with a proxy for TLS before it. Port 0 takes any."""
    ready_file: Annotated[str, Option(_WHERE, "FILE")] = ""
    """A file that gets the base URL once the receiver listens."""


class PublicationSettings(ReceiverSettings):
    """What commands about one publication take besides."""

    id: Annotated[str, Option("which", "ID")]
    """The publication, by the id that `publications list` shows."""


class RotateSettings(ReceiverSettings):
    """What `webhook rotate` takes besides."""

    hook: Annotated[str, Option("which", "NAME")]
    """The hook, by its name in the configuration."""
    finish: Annotated[Flag, Option("which")] = False
    """Drop the old secret. Refused while deliveries still arrive by it."""


class SecretSettings(BaseModel):
    """What `webhook secret` takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: Annotated[str, Option(_WHERE, "FILE")] = ""
    """The file to write the new secret to, for its owner only; it must not exist. Empty: it is printed."""
