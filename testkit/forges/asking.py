"""Runs `dispatch` and `runs` in this process against a forge on loopback, on a clock that jumps."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.runtime.lifecycle import execute
from testkit.forges.caller import jumping

if TYPE_CHECKING:
    from replicator.runtime.lifecycle import Run


@dataclass
class Said:
    """What a command left: its exit code, its log, and its JSON document."""

    exit_code: int
    log: str
    document: dict[str, Any]

    @property
    def why(self) -> str:
        """The word that the reason begins with."""
        return str(self.document["reason"]).partition(":")[0]


def ask(kind: type[Run], server: str, token: str = "ghs_right", *, forge: str = "github", **given: Any) -> Said:
    """Carry out a command. A mapping becomes the texts of a repeated option."""
    texts = {
        name: json.dumps([f"{key}={text}" for key, text in value.items()]) if isinstance(value, dict) else value
        for name, value in given.items()
    }
    env = {name: token for name in ("GH_TOKEN", "GITEA_TOKEN") if token}
    stdout, document = io.StringIO(), io.StringIO()

    def run(**settings: Any) -> Run:
        return kind(clock=jumping(), **settings)  # type: ignore[call-arg]

    where = {"server_url": server, "repository": "acme/images", "forge": forge}
    code = execute(run, {**where, **texts}, env, stdout, commands=False, document=document)  # type: ignore[arg-type]
    return Said(code, stdout.getvalue(), json.loads(document.getvalue()))
