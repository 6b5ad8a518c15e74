"""Runs the smoke in this process, against an emulator whose time jumps to whatever somebody waits for."""

from __future__ import annotations

import asyncio
import io
import json
import math
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.core.clock import DrivenClock
from emulator.testing import Running, running
from replicator.__main__ import main
from scripts.smoke import api as services
from scripts.smoke.cleaning import Cleaning
from scripts.smoke.guard import Guarded
from scripts.smoke.journal import Journal, of_project
from scripts.smoke.options import Options
from scripts.smoke.product import Ended
from scripts.smoke.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

PROJECT, ID = "acme-images", "0123abcd"
#: The limit that is documented, so that a thorough run meets it.
LIMITS = {"copies_per_source": {"count": 6, "minutes": 60}}
STRANGER = "stranger-token"


class JumpingClock(DrivenClock):
    """Time that jumps to the moment that somebody waits for: nobody waits in the tests."""

    async def sleep_until(self, moment: float) -> None:
        await asyncio.sleep(0)
        if math.isinf(moment):
            await super().sleep_until(moment)
        self.move_to(moment)


@dataclass
class EmulatorsClock:
    """The emulator's time, for the smoke."""

    emulator: Running

    def now(self) -> float:
        return self.emulator.run(self.emulator.app.clock.now)

    def sleep(self, seconds: float) -> None:
        self.emulator.advance(seconds)


@contextmanager
def cloud(**scenario: Any) -> Iterator[Running]:
    """An emulator, with what a thorough run needs."""
    rules = {"quotas": LIMITS, "upstreams": ["ghcr.io"], "secrets": {}, **scenario}
    with running(copy_seconds=10.0, clock=JumpingClock(), scenario=rules) as emulator:
        yield emulator


@dataclass
class Tried:
    """A smoke on an emulator: `tap` hears of each request, before it is sent and after its answer came."""

    emulator: Running
    folder: Path
    tap: Callable[[str, str, int], None] = lambda when, request, number: None
    product: bool = False
    token: str = ""
    lines: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def options(self, **asked: Any) -> Options:
        url = self.emulator.url
        return Options(
            project=PROJECT,
            run=ID,
            folder=self.folder,
            endpoint=url,
            registry_endpoint=url,
            manager_endpoint=url,
            anonymous=True,
            **asked,
        )

    def api(self, options: Options, token: str = "") -> services.Api:
        return services.connected(options, {}, EmulatorsClock(self.emulator), token)

    def run(self, **asked: Any) -> Run:
        """A run that has not begun."""
        options = self.options(**asked)
        api = self.api(options, self.token)
        send = api.session.request

        def tapped(verb: str, url: str, **more: Any) -> Any:
            request = f"{verb} {url.removeprefix(self.emulator.url)}"
            self.requests.append(request)
            number = len(self.requests)
            self.tap("before", request, number)
            answer = send(verb, url, **more)
            self.tap("after", request, number)
            return answer

        api.session.request = tapped
        stranger = self.api(options, options.stranger) if options.stranger else None
        clock = EmulatorsClock(self.emulator)
        start = product_here if self.product else nothing
        run = Run(options=options, api=api, clock=clock, say=self.lines.append, start=start, stranger=stranger)
        run.signals.leave = _left
        return run

    def go(self, **asked: Any) -> tuple[int, dict[str, Any]]:
        """Check and run. Returns the exit code and the report."""
        run = self.run(**asked)
        run.check()
        code = run.go()
        path = run.options.out / "smoke-report.json"
        return code, json.loads(path.read_text("utf-8")) if path.exists() else {}

    def clean(self) -> list[str]:
        """What `make smoke-clean` does; the paths of what is left."""
        options = self.options()
        client = Guarded(self.api(options, self.token), options, Journal(self.folder / "clean.jsonl"))
        cleaning = Cleaning(
            client=client,
            clock=EmulatorsClock(self.emulator),
            say=self.lines.append,
            project=PROJECT,
            registry=True,
        )
        return cleaning.remove(of_project(self.folder, PROJECT))


def _left(code: int) -> None:
    raise SystemExit(code)


def product_here(arguments: Sequence[str], env: Mapping[str, str]) -> Ended:
    """The product in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    kept = {name: value for name, value in env.items() if name.startswith("CLOUDSDK_") or name == "PATH"}
    with redirect_stderr(stderr):
        code = main(list(arguments), kept, stdout)
    return Ended(exit_code=code, stdout=stdout.getvalue(), stderr=stderr.getvalue(), seconds=0.0)


def nothing(arguments: Sequence[str], env: Mapping[str, str]) -> Ended:
    """In the place of the product, where a test is about the rest: it does nothing, and so is wrong."""
    return Ended(exit_code=70, stdout="", stderr="not started", seconds=0.0)


def standing(emulator: Running) -> dict[str, Any]:
    """Everything that is there, operations apart."""
    return {key: value for key, value in emulator.state().items() if key != "operations"}


def ours(emulator: Running) -> list[str]:
    """The names of what runs made and is still there."""
    state = emulator.state()
    kinds = ("images", "disks", "repositories")
    names = [str(each["name"]).rpartition("/")[2] for kind in kinds for each in state.get(kind, [])]
    return [name for name in names if name.startswith("girs-")]
