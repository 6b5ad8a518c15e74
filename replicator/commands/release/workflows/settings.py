"""Defines the settings of `dispatch`, `runs show` and `runs logs`."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from replicator.bootstrap.quote import quoted
from replicator.commands.release.names import NOT_IN_A_REF
from replicator.commands.release.settings import Where
from replicator.inputs.fields import Flag, Option

_WHAT = "what is started"
_WHICH = "which run"
_TOKEN = "the token"  # noqa: S105 - a heading
#: GitHub's limit, by its OpenAPI document.
_MOST_INPUTS = 25


def _workflow(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml", value):
        raise ValueError(f"{quoted(value)} isn't the name of a workflow's file; write it without folders: deploy.yml")
    return value


def _ref(value: str) -> str:
    wrong = NOT_IN_A_REF.search(value)
    is_other = value.startswith("refs/") and not re.match(r"refs/(heads|tags)/.", value)
    if not value.isprintable() or wrong or is_other or len(value) > 250:
        raise ValueError(f"{quoted(value)} isn't a valid tag or branch; write v1.2.3, main or refs/tags/v1.2.3")
    return value


def _inputs(value: Any) -> Any:
    """Return the inputs by name, of a JSON list of `NAME=VALUE`."""
    found: dict[str, str] = {}
    for text in json.loads(value):
        name, separator, given = str(text).partition("=")
        if not separator or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", name):
            raise ValueError(f"{quoted(str(text))} isn't NAME=VALUE, with the name of an input of the workflow")
        if name in found:
            raise ValueError(f"{name} is given twice")
        if "\x00" in given:
            raise ValueError(f"{name} holds a NUL character")
        found[name] = given
    if len(found) > _MOST_INPUTS:
        raise ValueError(f"{len(found)} inputs are given; a dispatch takes {_MOST_INPUTS}")
    return found


def _run(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,18}", value):
        raise ValueError(f"{quoted(value)} isn't the id of one run, a number; `dispatch` and a run's address tell it")
    return value


class DispatchSettings(Where):
    """What to start, and whether to wait for it."""

    workflow: Annotated[str, AfterValidator(_workflow), Option(_WHAT, "FILE")]
    """The name of the workflow's file, as in `deploy.yml`."""
    ref: Annotated[str, AfterValidator(_ref), Option(_WHAT, "REF")]
    """The tag or branch to run it at. A full name (`refs/tags/v1.2.3`) spares a look at what the name is."""
    input: Annotated[dict[str, str], BeforeValidator(_inputs), Option(_WHAT, "NAME=VALUE", repeated=True)] = {}  # noqa: RUF012 - pydantic copies it
    """An input of the workflow; may be given several times. Values are texts, which the forge shows to its readers."""
    wait: Annotated[Flag, Option("how long it may take")] = False
    """Whether to wait for the end of the run, and to fail if it fails."""
    token_file: Annotated[str, Option(_TOKEN, "FILE")] = ""
    """A file that holds the token, instead of a variable."""


class ShowSettings(Where):
    """Which run to show."""

    run: Annotated[str, AfterValidator(_run), Option(_WHICH, "ID")]
    """The id of the run."""
    token_file: Annotated[str, Option(_TOKEN, "FILE")] = ""
    """A file that holds a token: for private repositories, and for logs on GitHub and Gitea."""


class LogsSettings(ShowSettings):
    """Whose logs to show."""

    job: Annotated[str, Option(_WHICH, "NAME")] = ""
    """The name of the only job whose log is wanted. Empty: all jobs."""
