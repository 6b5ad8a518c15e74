"""Reads the receiver's configuration: where it keeps what, and whom each hook believes. Strict."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from replicator.bootstrap.quote import quoted
from replicator.commands.webhooks import secrets
from replicator.core.errors import BadSettings, InputProblem
from replicator.inputs import files
from replicator.inputs.fields import SCHEMA_ADDRESS, Architecture

if TYPE_CHECKING:
    from collections.abc import Hashable

_LARGEST = 2**20


class Policy(BaseModel):
    """Who must have signed: an identity and who confirms it, or the holder of a key."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={
            "oneOf": [{"required": ["certificate_identity_regexp", "certificate_oidc_issuer"]}, {"required": ["key"]}]
        },
    )

    certificate_identity_regexp: str = ""
    certificate_oidc_issuer: str = ""
    key: str = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> Policy:
        keyless = bool(self.certificate_identity_regexp), bool(self.certificate_oidc_issuer)
        if any(keyless) == bool(self.key) or (any(keyless) and not all(keyless)):
            raise ValueError("needs certificate_identity_regexp and certificate_oidc_issuer, or key")
        try:
            re.compile(self.certificate_identity_regexp)
        except (re.error, OverflowError, RecursionError):
            raise ValueError("has a certificate_identity_regexp that isn't a valid regular expression") from None
        return self


class Hook(BaseModel):
    """One address, `/hooks/NAME`: who may send, and what is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    secrets: Annotated[list[str], Field(min_length=1, max_length=2)]
    repository: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s/?#]+)+$")]
    policy: Policy
    trusted_root: str = ""
    attestation: Literal["required"] = "required"
    expect: list[Architecture] = []
    images: Literal["verify", "trust"] = "verify"
    run: Annotated[list[Annotated[str, Field(pattern=r"^[^\x00]*$")]], Field(max_length=100)] = []
    run_timeout_seconds: Annotated[int, Field(ge=1, le=86400)] = 300


class Config(BaseModel):
    """The whole configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    state: Annotated[str, Field(min_length=1)]
    hooks: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")], Hook] = Field(min_length=1)
    compute_endpoint: str = ""

    def keys(self) -> dict[str, tuple[str, ...]]:
        """Return the secrets of each hook, read from their files, once its command was looked at as well.

        Raises BadSettings with every problem.
        """
        problems: list[InputProblem] = []
        found = {name: tuple(_secrets(name, hook, problems)) for name, hook in self.hooks.items()}
        for name, hook in self.hooks.items():
            if hook.run and (said := _program(Path(hook.run[0]))):
                problems.append(InputProblem(f"hooks.{name}.run", f"{quoted(hook.run[0])} {said}"))
        if problems:
            raise BadSettings(problems)
        return found


def _secrets(name: str, hook: Hook, problems: list[InputProblem]) -> list[str]:
    found = []
    for path in hook.secrets:
        try:
            found.append(_secret(Path(path)))
        except FileNotFoundError:
            # The second one is there only while a secret is replaced.
            if path == hook.secrets[0]:
                problems.append(InputProblem(f"hooks.{name}.secrets", f"{quoted(path)} doesn't exist"))
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            problems.append(InputProblem(f"hooks.{name}.secrets", f"{quoted(path)}: {said}"))
    return found


def _secret(path: Path) -> str:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ValueError("may be read or changed by other users: chmod 600")
    text = files.read(path, largest=4096).strip()
    secrets.key(text)
    return text


def _program(path: Path) -> str:
    """Return why a file can't be a hook's command, as a clause; empty if nothing speaks against it."""
    if not path.is_absolute():
        return "isn't a whole path, which begins with /"
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        return f"can't be run ({getattr(error, 'strerror', '') or 'no such path'})"
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK):
        return "isn't a program that this user may run"
    return "may be changed by other users: chmod go-w" if mode & 0o022 else ""


class _Strict(yaml.SafeLoader):
    """Refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping. Raises YAMLError."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(keys) != len({str(key) for key in keys}):
            raise yaml.YAMLError("a key is given twice")
        return super().construct_mapping(node, deep)


def load(path: str) -> Config:
    """Read the configuration. Raises BadSettings with every problem."""
    if not path:
        raise BadSettings([InputProblem("config", "is needed: the receiver's configuration file")])
    try:
        document = yaml.load(files.read(Path(path), largest=_LARGEST), _Strict)  # noqa: S506 - a SafeLoader
        return Config.model_validate(document)
    except files.Unfit as error:
        raise BadSettings([InputProblem("config", str(error))]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, ValidationError):
            raise BadSettings(
                [InputProblem(".".join(map(str, item["loc"])) or "config", item["msg"]) for item in error.errors()]
            ) from None
        raise BadSettings([InputProblem("config", "isn't valid YAML, or gives a key twice")]) from None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_ADDRESS}webhook-config.schema.json",
        **Config.model_json_schema(),
        "title": "Configuration of replicator webhook serve",
    }


def folder(config: Config) -> Path | None:
    """Return the file that holds the state; None for a database that is asked by a URL."""
    return None if "://" in config.state else Path(os.path.abspath(config.state))  # noqa: PTH100 - needn't exist
