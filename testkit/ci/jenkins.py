"""Runs the shell steps of a declarative Jenkinsfile, as Jenkins' `sh` step does.

It reads as much of Groovy as the example uses, and no more: strings in three single quotes with their escapes, one
`environment` block, the `when` of a stage. What Jenkins itself does (agents, options, archives) isn't run.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SHELL = re.compile(r"^\s*sh '''(.*?)'''$", re.MULTILINE | re.DOTALL)
_ENVIRONMENT = re.compile(r"environment \{ (\w+) = '([^'$\\]*)' \}")
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\", "\\'": "'", '\\"': '"', "\\\n": "", "\\$": "$"}


@dataclass(frozen=True, slots=True)
class Jenkinsfile:
    """What a pipeline runs."""

    scripts: tuple[str, ...]
    environment: Mapping[str, str]
    for_tags: bool

    @classmethod
    def load(cls, path: Path) -> Jenkinsfile:
        """Read a file. Raises ValueError where blocks don't close or there is an escape that Groovy lacks."""
        text = re.sub(r"(?m)^//.*\n", "", path.read_text("utf-8"))
        scripts = tuple(_unescaped(match[1]) for match in _SHELL.finditer(text))
        rest = re.sub(r"'[^'\n]*'", "''", _SHELL.sub("sh ''", text))
        if rest.count("{") != rest.count("}") or rest.count("(") != rest.count(")") or rest.count("'") % 2:
            raise ValueError("a block isn't closed")
        if not rest.startswith("pipeline {") or len(re.findall(r"\bsh\b", rest)) != len(scripts):
            raise ValueError("not a pipeline whose shell steps are in three quotes")
        return cls(scripts, dict(_ENVIRONMENT.findall(text)), "when { buildingTag() }" in text)

    def run(self, workspace: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the shell steps in turn, each by `sh -xe`. Returns what the last one did."""
        for number, script in enumerate(self.scripts):
            file = workspace / f".script-{number}.sh"
            file.write_text(script, "utf-8")
            done = subprocess.run(
                ["sh", "-xe", str(file)],
                cwd=workspace,
                env={**env, **self.environment, "WORKSPACE": str(workspace)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            if done.returncode:
                break
        return done


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[0] not in _ESCAPES:
            raise ValueError(f"Groovy has no escape {match[0]!r}")
        return _ESCAPES[match[0]]

    return re.sub(r"\\.", one, text, flags=re.DOTALL)
