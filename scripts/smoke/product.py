"""Runs the product itself, as people do, and says what was wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.smoke.options import LOCATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scripts.smoke.guard import Guarded
    from scripts.smoke.options import Options

    Start = Callable[[Sequence[str], Mapping[str, str]], "Ended"]

#: Seconds that the product is given to write its results once it is told to end.
_PATIENCE = 60.0
#: What of the environment belongs to a workflow's step: the smoke is one, the product here is none.
_OF_A_STEP = ("GITHUB_", "INPUT_", "RUNNER_")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a process of the product left."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one step: `problem` is empty if it was right."""

    name: str
    problem: str
    ended: Ended
    said: Mapping[str, Any]


def steps(options: Options) -> dict[str, tuple[str, ...]]:
    """Step → the arguments of the product."""
    source = f"projects/{options.project}/global/images/{options.name('src')}"
    index = str(options.out / "image-index.json")
    replicate = (
        *("replicate", "--source-image", source, "--locations", ",".join(LOCATIONS), "--required-locations", "all"),
        *("--access", "private", "--output", index, "--json"),
    )
    return {
        "replicate": replicate,
        "the same again": replicate,
        "verify": ("verify", "--index", index, "--json"),
        "plan": ("plan", "--source-image", source, "--locations", ",".join(LOCATIONS), "--access", "private", "--json"),
        "resolve": ("resolve", "--index", index, "--zone", options.zone, "--format", "json"),
    }


def run(options: Options, client: Guarded, start: Start) -> list[Outcome]:
    """Run all steps, each if those before it were right; what the first one makes is written down before."""
    outcomes: list[Outcome] = []
    options.out.mkdir(parents=True, exist_ok=True)
    for location in LOCATIONS[1:]:
        client.announce(f"projects/{options.project}/global/images/{options.name(f'src-{location}')}")
    for name, arguments in steps(options).items():
        ended = start(arguments, environment(options, os.environ))
        said = _json(ended.stdout)
        outcomes.append(Outcome(name=name, problem=_problem(options, name, ended, said), ended=ended, said=said))
        if outcomes[-1].problem:
            break
    return outcomes


def environment(options: Options, env: Mapping[str, str]) -> dict[str, str]:
    """What the product is started with: this environment, and where the services are."""
    kept = {name: value for name, value in env.items() if not name.startswith(_OF_A_STEP)}
    if options.endpoint:
        kept["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"] = f"{options.endpoint}/"
    if options.anonymous:
        kept["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = "true"
    return kept


def _problem(options: Options, name: str, ended: Ended, said: Mapping[str, Any]) -> str:
    """What is wrong with a step; "" if nothing is."""
    if ended.exit_code:
        return f"exit code {ended.exit_code}"
    rows = {str(row.get("location")): row for row in said.get("replicas", []) if isinstance(row, dict)}
    if name in {"replicate", "the same again"}:
        if said.get("result") != "complete":
            return f"the result is {said.get('result')}, not complete"
        if set(rows) != set(LOCATIONS):
            return f"there are replicas in {', '.join(rows)}, not in {', '.join(LOCATIONS)}"
    outcomes = {str(row.get("outcome")) for row in rows.values()}
    if name == "the same again" and not outcomes <= {"source", "adopted"}:
        return f"something was done again: {', '.join(sorted(outcomes))}"
    wanted = f"projects/{options.project}/global/images/{options.name('src')}"
    if name == "resolve" and options.zone.startswith("us-") and said.get("image") != wanted:
        return f"{said.get('image')} was chosen for {options.zone}, not {wanted}"
    return ""


def _json(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def start(arguments: Sequence[str], env: Mapping[str, str]) -> Ended:
    """Start the product in a process of its own, and wait; it is told to end if this one is."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "replicator", *arguments],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        stdout, stderr = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        raise
    return Ended(exit_code=process.returncode, stdout=stdout, stderr=stderr, seconds=time.monotonic() - began)
