"""Tries the product on the real cloud, or removes what such runs left: `make smoke`, `make smoke-clean`.

Exit codes: 0 all steps of the product were right and everything is gone (a refuted guess is not a failure), 1 not so,
2 wrong arguments, 3 credentials or permissions, 4 unreachable, 130 and 143 a signal.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.smoke import api as services
from scripts.smoke import product
from scripts.smoke.api import NoCredentials, RealClock, Unreachable
from scripts.smoke.cleaning import CantList, Cleaning
from scripts.smoke.guard import Guarded
from scripts.smoke.journal import Journal, of_project
from scripts.smoke.options import RUN, Options, problems
from scripts.smoke.probes import FAMILIES
from scripts.smoke.run import NO_ACCESS, NO_ANSWER, RIGHT, WRONG, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".smoke"
BAD_ARGUMENTS = 2
_COMPUTE, _REGISTRY, _MANAGER = (
    f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}" for name in ("COMPUTE", "ARTIFACTREGISTRY", "CLOUDRESOURCEMANAGER")
)
#: Never given on a command line, which other processes see.
_STRANGER = "SMOKE_STRANGER_TOKEN"
_TRUE = ("1", "true", "yes")
_START_SECONDS = 30.0
#: What the emulator is started with: the documented limit of copies.
_SCENARIO = '{"quotas": {"copies_per_source": {"count": 6, "minutes": 60}}}'


def main(argv: list[str], env: Mapping[str, str], ask: Callable[[], str] | None) -> int:
    """Carry out what is asked for; `ask` reads a line from a terminal, None where there is none."""
    given = _parser().parse_args(argv)
    only = tuple(given.only.replace(",", " ").split())
    if given.emulator in _TRUE:
        given.project, ask, given.yes = given.project or "smoke-project", None, "1"
    wrong = problems(given.project, given.zone, only, tuple(FAMILIES))
    if given.run and not RUN.fullmatch(given.run):
        wrong.append(f"RUN: '{given.run[:80]}' isn't a valid run; it has 8 hex digits")
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return BAD_ARGUMENTS
    if given.yes not in _TRUE and ask is None:
        print("There is no terminal to answer `yes` at: give YES=1 to go on without", file=sys.stderr)
        return BAD_ARGUMENTS
    options = Options(
        project=given.project,
        zone=given.zone,
        run=given.run or secrets.token_hex(4),
        folder=FOLDER,
        only=only,
        public=given.public in _TRUE,
        thorough=given.thorough in _TRUE,
        registry=given.registry in _TRUE,
        stranger=env.get(_STRANGER, ""),
        endpoint=env.get(_COMPUTE, "").rstrip("/"),
        registry_endpoint=env.get(_REGISTRY, "").rstrip("/"),
        manager_endpoint=env.get(_MANAGER, "").rstrip("/"),
        anonymous=env.get("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "").lower() in _TRUE,
    )
    act = partial(_clean, chosen=given.run) if given.verb == "clean" else _smoke
    if given.emulator in _TRUE:
        with _emulator() as url:
            there = replace(options, endpoint=url, registry_endpoint=url, manager_endpoint=url, anonymous=True)
            return act(there, env, None)
    return act(options, env, None if given.yes in _TRUE else ask)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.smoke", description=__doc__, allow_abbrev=False)
    parser.add_argument("verb", choices=["run", "clean"])
    parser.add_argument("--project", default="", help="the project in which everything is made and deleted")
    parser.add_argument("--zone", default="us-central1-a", help="where the blank disk is made; default: us-central1-a")
    parser.add_argument("--only", default="", help=f"families of probes, of {', '.join(FAMILIES)}; default: all")
    parser.add_argument("--run", default="", help="of clean: the run whose things are removed; default: all")
    for name, text in (
        ("public", "whether an image may be open to everybody for seconds"),
        ("registry", "whether Artifact Registry is asked, too"),
        ("thorough", "whether to copy until copies are refused"),
        ("emulator", "whether to start an emulator on this machine, and ask that"),
        ("yes", "whether to go on without asking"),
    ):
        parser.add_argument(f"--{name}", default="", metavar="1", help=text)
    return parser


def _smoke(options: Options, env: Mapping[str, str], ask: Callable[[], str] | None) -> int:
    """Check, say what will be done, ask, and do it."""
    clock = RealClock()
    try:
        api = services.connected(options, env, clock)
        stranger = services.connected(options, env, clock, options.stranger) if options.stranger else None
        run = Run(options=options, api=api, clock=clock, say=_say, start=product.start, stranger=stranger)
        for line in run.check():
            _say(line)
        if not _agreed(ask):
            return BAD_ARGUMENTS
    except NoCredentials as error:
        _say(str(error))
        return NO_ACCESS
    except Unreachable as error:
        _say(str(error))
        return NO_ANSWER
    return run.go()


def _clean(options: Options, env: Mapping[str, str], ask: Callable[[], str] | None, *, chosen: str) -> int:
    """Remove what one run left, or all of them."""
    clock = RealClock()
    journal = of_project(options.folder, options.project, chosen)
    registry = options.registry or any("/repositories/" in path for path in journal)
    try:
        api = services.connected(options, env, clock)
        client = Guarded(api, options, Journal(options.folder / f"{options.run}.jsonl"))
        cleaning = Cleaning(
            client=client, clock=clock, say=_say, project=options.project, run=chosen, registry=registry
        )
        found = cleaning.listed()
        _say("\n".join(["These are deleted:", *found]) if found else "Nothing of the smoke's is listed.")
        if not _agreed(ask):
            return BAD_ARGUMENTS
        left = cleaning.remove(journal)
    except NoCredentials as error:
        _say(str(error))
        return NO_ACCESS
    except (Unreachable, CantList) as error:
        _say(str(error))
        return NO_ANSWER
    _say(f"Left over: {', '.join(left)}" if left else "Nothing is left.")
    return WRONG if left else RIGHT


def _agreed(ask: Callable[[], str] | None) -> bool:
    if ask is None:
        return True
    print("Go on? Answer yes: ", end="", flush=True)
    if ask().strip() == "yes":
        return True
    _say("Nothing was changed.")
    return False


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _emulator() -> Iterator[str]:
    """An emulator as a process of its own, until the block ends: its URL."""
    with tempfile.TemporaryDirectory(prefix="smoke-") as name:
        ready, rules = Path(name) / "url", Path(name) / "scenario.yaml"
        rules.write_text(_SCENARIO, "utf-8")
        command = [sys.executable, "-I", "-m", "emulator", "--port", "0", "--ready-file", str(ready)]
        # Ctrl-C is for the smoke, which needs the emulator for the clean-up.
        process = subprocess.Popen(
            [*command, "--copy-seconds", "1", "--scenario", str(rules)], cwd=ROOT, start_new_session=True
        )
        try:
            until = time.monotonic() + _START_SECONDS
            while not ready.exists() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            yield ready.read_text("utf-8").strip()
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, input if sys.stdin.isatty() else None))
