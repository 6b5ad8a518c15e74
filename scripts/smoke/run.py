"""Takes a run from its first request to the clean-up, whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scripts.smoke import preflight, product, report
from scripts.smoke.api import Answer, Api, NoCredentials, Unreachable
from scripts.smoke.cleaning import CantList, Cleaning
from scripts.smoke.guard import Guarded, Refused
from scripts.smoke.journal import Journal
from scripts.smoke.lab import Lab, NotMade, make_source
from scripts.smoke.probe import OPEN, SKIPPED, Finding, Probe, judged
from scripts.smoke.probes import FAMILIES, PROBES, UNPROBED
from scripts.smoke.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scripts.smoke.api import Clock
    from scripts.smoke.options import Options
    from scripts.smoke.preflight import Checked
    from scripts.smoke.product import Outcome

RIGHT, WRONG, NO_ACCESS, NO_ANSWER = 0, 1, 3, 4
#: Seconds after an interruption in which requests that were under way may still be carried out.
_LAST_REQUESTS = 3.0


class Interrupted(BaseException):
    """A signal asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class Signals:
    """The first signal ends the run, and the clean-up begins; a second one says how to clean up later, and leaves."""

    clean_line: str
    say: Callable[[str], None]
    leave: Callable[[int], Any] = os._exit
    number: int = 0
    cleaning: bool = False

    def heard(self, number: int, _frame: object = None) -> None:
        """Handle a signal. Raises Interrupted the first time, unless the clean-up is under way already."""
        if self.number:
            self.say(f"Left as it is. To remove what this run made: {self.clean_line}")
            self.leave(128 + number)
            return
        self.number = number
        self.say("Cleaning up; the same signal again leaves at once.")
        if not self.cleaning:
            raise Interrupted(number)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Hear SIGINT and SIGTERM within the block."""
        before = {number: signal.signal(number, self.heard) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass
class Run:
    """One run: everything from outside is handed in."""

    options: Options
    api: Api
    clock: Clock
    say: Callable[[str], None]
    start: product.Start
    stranger: Api | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    checked: Checked | None = None

    def __post_init__(self) -> None:
        self.journal = Journal(self.options.folder / f"{self.options.run}.jsonl")
        self.client = Guarded(self.api, self.options, self.journal)
        self.lab = Lab(self.options, self.client, self.clock, self.stranger)
        self.signals = Signals(self.options.clean_line, self.say)

    def check(self) -> list[str]:
        """Find out whether it can succeed; returns what it will do, for people. Raises NoCredentials, Unreachable."""
        self.checked = preflight.check(self.api, self.options)
        return preflight.announcement(self.options, self.checked)

    def go(self) -> int:
        """Carry it out, clean up, write the report. Returns the exit code."""
        with self.signals.installed():
            code = RIGHT
            try:
                self.journal.write("begin", project=self.options.project, zone=self.options.zone)
                code = self._tried()
            except Interrupted as interrupted:
                code = 128 + interrupted.number
            except Unreachable as error:
                self.say(f"Unreachable: {error}")
                code = NO_ANSWER
            except NoCredentials as error:
                self.say(str(error))
                code = NO_ACCESS
            except (NotMade, Refused) as error:
                self.say(str(error))
                code = WRONG
            except Exception:  # noqa: BLE001 -- whatever it is, what was made is removed, and the report is written
                self.say(f"Something unforeseen:\n{traceback.format_exc()}")
                code = WRONG
            finally:
                self.signals.cleaning = True
                cleaned = self._cleaned()
            if self.signals.number:
                code = 128 + self.signals.number
            code = code or (WRONG if self.leftovers or not cleaned else RIGHT)
            return self._told(code)

    def _tried(self) -> int:
        """The product's steps and the probes. Returns the exit code that they deserve."""
        make_source(self.lab)
        self.say("Source made; the product runs: " + ", ".join(product.steps(self.options)))
        self.outcomes = product.run(self.options, self.client, self.start)
        for outcome in self.outcomes:
            self.say(f"  {outcome.name}: {outcome.problem or 'right'} ({outcome.ended.seconds:.0f} s)")
        for name, probes in FAMILIES.items():
            if not self.options.only or name in self.options.only:
                for probe in probes:
                    self._probe(probe)
        return WRONG if any(outcome.problem for outcome in self.outcomes) else RIGHT

    def _probe(self, probe: Probe) -> None:
        lacking = probe.lacking(self.options)
        missing = [each for each in probe.permissions if each in ((self.checked and self.checked.missing) or ())]
        if lacking or missing:
            why = f"needs {', '.join([*lacking, *missing])}"
            self.findings.append(Finding(probe=probe, verdict=SKIPPED, seen={"why": why}))
            return
        first = len(self.api.exchanges)
        try:
            finding = judged(probe, probe.steps(self.lab), first, len(self.api.exchanges))
        except Exception as error:
            if isinstance(error, NoCredentials):
                raise
            last = len(self.api.exchanges)
            # Ends the run if nothing is answered any more.
            self._still_there()
            said = str(error) if isinstance(error, NotMade | Refused) else f"{type(error).__name__}: {error}"
            finding = Finding(probe=probe, verdict=OPEN, seen={"why": said}, first=first, last=last)
        self.findings.append(finding)
        shown = "" if finding.observed is None else f": {finding.observed}"
        self.say(f"  {probe.id} {finding.verdict}{shown}")

    def _still_there(self) -> Answer:
        return self.client.send("GET", self.lab.images, query={"maxResults": "1"})

    def _cleaned(self) -> bool:
        """Remove everything; whether it is known what is left."""
        if self.signals.number:
            self.clock.sleep(_LAST_REQUESTS)
        cleaning = Cleaning(
            client=self.client,
            clock=self.clock,
            say=self.say,
            project=self.options.project,
            run=self.options.run,
            registry=self.options.registry,
        )
        try:
            self.leftovers = cleaning.remove(self.journal.created())
        except (Unreachable, NoCredentials, CantList) as error:
            self.say(f"Not cleaned up: {error}. To do it later: {self.options.clean_line}")
            return False
        if self.leftovers:
            self.say(f"Left over: {', '.join(self.leftovers)}. To remove it: {self.options.clean_line}")
        self.journal.write("end", leftovers=str(len(self.leftovers)))
        return True

    def _told(self, code: int) -> int:
        """Write the report. Returns the exit code of the run."""
        asked = {finding.probe.id for finding in self.findings}
        others = [probe for probe in PROBES if probe.id not in asked]
        rest = [Finding(probe=each, verdict=SKIPPED, seen={"why": "not asked"}) for each in others]
        redaction = Redaction(self._known())
        made = report.made(
            self.options,
            day=datetime.fromtimestamp(self.clock.now(), UTC).date().isoformat(),
            exit_code=code,
            outcomes=self.outcomes,
            findings=[*self.findings, *rest],
            exchanges=self.api.exchanges,
            timings=[*self.lab.timings, self.lab.poll],
            leftovers=len(self.leftovers),
            unprobed=dict(UNPROBED),
            redaction=redaction,
        )
        try:
            paths = report.write(made, self.options.out, redaction)
        except report.StillThere as error:
            self.say(f"No report: {error}")
            return code or WRONG
        self.say(f"Report: {paths[0]}")
        return code

    def _known(self) -> dict[str, str]:
        """What must not be told: value → kind."""
        known = {self.options.project: "project", self.options.endpoint: "endpoint", self.options.stranger: "token"}
        if self.checked and self.checked.identity:
            known[self.checked.identity] = "email"
        return known
