"""Runs `decide`: decides as the first step of the action does, with options instead of inputs."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from replicator.bootstrap import decide

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO


def run(
    given: Mapping[str, str], env: Mapping[str, str], stdout: TextIO, *, document: TextIO | None = None, **_: object
) -> int:
    """Print the decision. Returns the exit code."""
    env = {**env, **{f"INPUT_{name.upper()}": value for name, value in given.items() if value}}
    if document:
        with contextlib.suppress(decide.WrongInput):
            decision = decide.from_env(env)
            document.write(json.dumps({"decision": decision.word, "reason": decision.reason}) + "\n")
    return decide.main([], env, stdout)
