"""Opens the forge that the settings name: which kind it is, where its API is, and which token it gets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from replicator.commands.release import errors as rows
from replicator.commands.release.forges.gitea import Gitea
from replicator.commands.release.forges.github import Forge
from replicator.commands.release.forges.http import Door, origin
from replicator.commands.release.settings import Kind
from replicator.compute.trouble import connection
from replicator.core.errors import BadSettings, InputProblem, ReplicatorError
from replicator.inputs import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.release.forges.http import Clock
    from replicator.commands.release.settings import Target

#: Each forge's own variables only: a token of GitHub's is nothing for another server.
_VARIABLES = {Kind.GITHUB: ("GH_TOKEN", "GITHUB_TOKEN"), Kind.GITEA: ("FORGEJO_TOKEN", "GITEA_TOKEN")}
_LARGEST_TOKEN = 4096
_PATIENCE = 30.0


def opened(target: Target, wanted: Kind, token: str, deadline: float, clock: Clock) -> Forge:
    """Return the forge, which asks nothing before its first call."""
    kind = wanted if wanted is not Kind.AUTO else target.kind
    server, host = target.server, urlsplit(target.server).hostname or ""
    if kind in {Kind.GITEA, Kind.FORGEJO}:
        door = Door(origins=frozenset({origin(server)}), token=token, deadline=deadline, clock=clock)
        return Gitea(door, f"{server}/api/v1", server, target.repository)
    if host == "github.com" or host.endswith(".ghe.com"):
        api, uploads = f"https://api.{host}", f"https://uploads.{host}"
    else:
        parts = urlsplit(server)
        api, uploads = f"{server}/api/v3", f"{parts.scheme}://uploads.{parts.netloc}"
    door = Door(
        origins=frozenset({origin(api), origin(uploads)}),
        token=token,
        deadline=deadline,
        clock=clock,
        accept="application/vnd.github+json",
    )
    return Forge(door, api, server, target.repository)


def kind_of(target: Target, wanted: Kind) -> Kind:
    """Return the kind of forge; where nothing tells, ask the server, without the token. Raises ReplicatorError."""
    kind = wanted if wanted is not Kind.AUTO else target.kind
    if kind is not Kind.AUTO:
        return Kind.GITEA if kind is Kind.FORGEJO else kind
    try:
        answer = requests.get(
            f"{target.server}/api/v1/version", auth=lambda request: request, timeout=_PATIENCE, allow_redirects=False
        )
        said = answer.json() if answer.status_code == 200 else None
    except requests.exceptions.JSONDecodeError:
        said = None
    except (requests.RequestException, OSError) as error:
        trouble = connection.of_url(error, target.server)
        what = f"{origin(target.server)} could not be asked what it is: {trouble.text}"
        raise ReplicatorError(rows.UNREACHABLE, what, remedy=trouble.remedy) from None
    return Kind.GITEA if isinstance(said, dict) and "version" in said else Kind.GITHUB


def token(given: Mapping[str, str], env: Mapping[str, str], kind: Kind, *, of_action: bool) -> str:
    """Return the token: the action's input, else a file's, else that of the forge's variables; empty if there is none.

    Raises BadSettings, which quotes nothing of it.
    """
    text = given.get("token", "") if of_action else ""
    if given.get("token_file"):
        try:
            text = files.read(Path(given["token_file"]), largest=_LARGEST_TOKEN)
        except files.Unfit as error:
            raise BadSettings([InputProblem("token_file", str(error))]) from None
    elif not of_action:
        text = next((env[name] for name in _VARIABLES.get(kind, ()) if env.get(name)), "")
    text = text.strip()
    if text and not re.fullmatch(r"[!-~]+", text):
        raise BadSettings([InputProblem("token", "holds blanks, line breaks or letters that no token has")])
    return text
