"""What most tests need: an emulator, and the action run against it in this process on a clock that jumps."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from testkit.action import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

# Shells start what runs in the background with SIGINT ignored, which every process under test would inherit: bash could
# not be told to catch it any more.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases held: `record_property("counted", what)`, or (what, number) of a test that holds many."""
    cases: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties if report.when == "call" else ():
                if name == "counted":
                    what, number = (value, 1) if isinstance(value, str) else value
                    cases.setdefault(what, Counter())[outcome] += number
    for what, count in sorted(cases.items()):
        terminalreporter.write_line(f"{what}: {count['passed']} of {count.total()} held")


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.02, wait_seconds=0.2) as emulator:
        yield emulator
        # A fault that was never met passes for nothing.
        emulator.assert_faults_used()


@pytest.fixture
def source(emulator: Running) -> dict[str, Any]:
    """The image that most tests replicate."""
    return emulator.add_image(
        project="p1",
        name="web-1",
        family="web",
        labels={"team": "infra"},
        description="The web server",
        location="us",
        disk_size_gb=20,
        guest_os_features=["UEFI_COMPATIBLE", "GVNIC"],
        licenses=["https://www.googleapis.com/compute/v1/projects/debian-cloud/global/licenses/debian-12"],
        public=True,
    )


@pytest.fixture
def action(emulator: Running, source: dict[str, Any], tmp_path: Path) -> Action:
    return Action(emulator, tmp_path)
