"""Reads the inputs of `notify` into typed objects; reports every problem at once, and shows no secret."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from replicator.bootstrap.quote import quoted
from replicator.commands.webhooks import secrets
from replicator.commands.webhooks.gate import TAG_PATTERN
from replicator.core.errors import BadSettings, InputProblem
from replicator.inputs import files
from replicator.inputs.fields import Flag, Minutes, Option, given_values, problem_of, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHAT, _WHERE, _HOW = "what is announced", "where", "how"
#: The variables that hold secrets: the current one, and the one before while it is replaced.
VARIABLES = ("WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS")
_LARGEST_SECRET = 4096


class Content(StrEnum):
    """How receivers get index and signatures."""

    AUTO = "auto"
    LINK = "link"


def _url(value: str) -> str:
    # Nothing of it is quoted: the path of a webhook is often its password.
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0 and value.isprintable()
    except ValueError:
        parts, valid = urlsplit(""), False
    if not valid or " " in value or parts.fragment:
        raise ValueError("isn't a valid address; write https://HOST/PATH")
    if parts.username is not None:
        raise ValueError("holds a user or a password, which belongs into no address; the signature is what proves us")
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise ValueError("would be announced to unencrypted: use https (http is for loopback only)")
    return value


def _release_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username is not None:
        raise ValueError(
            f"{quoted(value)} isn't the address of a release; write https://HOST/OWNER/REPO/releases/tag/TAG"
        )
    if not value.isprintable() or " " in value:
        raise ValueError("holds characters that no address has")
    return value


class NotifySettings(BaseModel):
    """What the user asks for, one field for each input of `notify/action.yml`. Empty inputs are left out before."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    index: Annotated[str, Option(_WHAT, "FILE")] = ""
    """The `image-index.json` to announce. Empty in a workflow: what came before made none, and nothing is announced."""
    bundle: Annotated[str, Option(_WHAT, "FILE")] = ""
    """The signature over the index, `image-index.json.sigstore.json`."""
    attestation: Annotated[str, Option(_WHAT, "FILE")] = ""
    """The signed statement about the index, `image-index.json.intoto.sigstore.json`. Receivers that verify need it."""
    release_url: Annotated[str, AfterValidator(_release_url), Option(_WHAT, "URL")] = ""
    """The page of the release, `https://HOST/OWNER/REPO/releases/tag/TAG`."""
    release_tag: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x20\x7f]*$"), Option(_WHAT, "TAG")] = ""
    """The tag of the release, which is the version that is announced. Empty: the tag that the index was built from."""
    webhook_url: Annotated[str, AfterValidator(_url), Option(_WHERE, "URL")]
    """The receiver's address: `https`, or `http` on loopback. An empty one is an error, because it comes from an unset
    variable mostly.
    """
    content: Annotated[Content, Option(_HOW, "auto|link")] = Content.AUTO
    """`auto`: the event itself holds index and signatures, up to 256 KiB, so receivers download nothing. `link`: it
    names the release's files.
    """
    required: Annotated[Flag, Option(_HOW)] = True
    """Whether the step fails if the announcement does. `false` makes it a warning."""
    timeout_minutes: Annotated[Minutes, Option("how long it may take", "MINUTES")] = 5.0
    """How long to try."""
    distribute: Annotated[str, Option("when", "true|false|auto")] = ""
    """`true`, `false`, or empty (`auto`): run on a push of a tag that matches `tag_pattern`, and on nothing else. Never
    runs on a pull request.
    """
    tag_pattern: Annotated[str, Option("when", "PATTERNS")] = TAG_PATTERN
    """The tags whose push runs the action: GitHub's filter patterns, as in `on.push.tags`. In order, and `!` excludes;
    `*` stops at `/`, and `**` does not.
    """


class SecretFile(BaseModel):
    """What only the command line takes; in a workflow secrets come by the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    secret_file: Annotated[str, Option(_HOW, "FILE")] = ""
    """A file with the webhook's secret, instead of the variable WEBHOOK_SECRET. `replicator webhook secret` makes it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyInputs:
    """Everything that `notify` needs to know before it reads a file."""

    settings: NotifySettings
    keys: tuple[str, ...]
    """The webhook's secrets, the current one first."""


def load(given: Mapping[str, str], env: Mapping[str, str]) -> NotifyInputs:
    """Check what was given (input → text; empty means not given). Raises BadSettings with every problem."""
    own = {name: text for name, text in given.items() if name in NotifySettings.model_fields}
    values: dict[str, Any] = given_values(own, {})
    problems, settings = [], None
    try:
        settings = NotifySettings.model_validate(values)
    except ValidationError as error:
        problems = [problem_of(item) for item in error.errors()]
    # The address is never quoted above, so hiding it once more would only hide what is wrong with it.
    problems = without_secrets(problems, {name: text for name, text in own.items() if name != "webhook_url"})
    if not values.get("index"):
        problems.append(InputProblem("index", "is needed: name the image-index.json to announce"))
    keys, wrong = _keys(given.get("secret_file", ""), env)
    problems += wrong
    if settings is None or problems:
        raise BadSettings(problems)
    return NotifyInputs(settings=settings, keys=keys)


def _keys(file: str, env: Mapping[str, str]) -> tuple[tuple[str, ...], list[InputProblem]]:
    """Return the secrets, and what is wrong with them; the variables are taken from this process's environment."""
    given = {name: env.get(name, "").strip() for name in VARIABLES}
    for name in VARIABLES:
        os.environ.pop(name, None)
    if file:
        try:
            given["WEBHOOK_SECRET"] = files.read(Path(file), largest=_LARGEST_SECRET).strip()
        except files.Unfit as error:
            return (), [InputProblem("secret_file", str(error))]
    problems = []
    for name, text in given.items():
        shown = "secret_file" if file and name == VARIABLES[0] else name
        try:
            secrets.key(text) if text or name == VARIABLES[0] else None
        except ValueError as error:
            told = f"isn't a valid secret: it {error}" if text else "is needed: it holds the webhook's secret"
            problems.append(InputProblem(shown, f"{told}. `replicator webhook secret` makes one"))
    return tuple(dict.fromkeys(filter(None, given.values()))), problems
