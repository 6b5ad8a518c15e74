"""What most tests need: an emulator, and the action run against it in this process on a clock that jumps."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from emulator.testing import Running, running
from testkit import tiers
from testkit.action import Action
from testkit.tiers import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator

# Shells start what runs in the background with SIGINT ignored, which every process under test would inherit: bash could
# not be told to catch it any more.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# No test depends on how fast the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent
#: `make test` runs these whole, but for what is marked as exhaustive in them.
WHOLE = [HERE / tier for tier in ("unit", "integration", "docs", "emulator")]
#: How many of the exhaustive tests are chosen, of how many.
COUNTS: dict[str, tuple[int, int]] = {}
STARTED = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many of the exhaustive tests run; a slice of them where nothing is said."""
    parser.addoption("--all", action="store_true", help="all exhaustive tests")
    parser.addoption("--rest", action="store_true", help="what make test leaves out")
    parser.addoption("--shard", type=tiers.shard, default=(1, 1), help="2/4: the second of four parts of them")
    parser.addoption("--minutes", type=float, help="no exhaustive test starts later than so long after the start")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of a test that is exhaustive where it stands."""
    config.addinivalue_line("markers", "exhaustive: make test runs one in 100, as of those in tests/exhaustive")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not chosen. A test that the command line names by `::` always runs."""
    choice = Choice(everything=config.getoption("all"), rest=config.getoption("rest"), shard=config.getoption("shard"))
    exhaustive = [item for item in items if is_exhaustive(item)]
    left_out: list[pytest.Item] = []
    if not any("::" in arg for arg in config.args):
        left_out = [item for item in exhaustive if not takes(choice, item)]
        if choice.rest:
            left_out += [item for item in items if not is_exhaustive(item) and set(WHOLE) & set(item.path.parents)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
    if config.getoption("minutes") is not None:
        items.sort(key=lambda item: 1 + tiers.turn(name_of(item)) if is_exhaustive(item) else 0)
    # Only a worker of xdist has an output; the process that it belongs to collects nothing itself.
    run = len([item for item in items if is_exhaustive(item)])
    getattr(config, "workeroutput", COUNTS)["exhaustive"] = (run, len(exhaustive))


def is_exhaustive(item: pytest.Item) -> bool:
    """Whether a test is one of many of its kind, by its place or by its mark."""
    return HERE / "exhaustive" in item.path.parents or item.get_closest_marker("exhaustive") is not None


def takes(choice: Choice, item: pytest.Item) -> bool:
    """Whether an exhaustive test is chosen."""
    many = hasattr(item, "callspec") or item.get_closest_marker("exhaustive") is not None
    return choice.takes(name_of(item), parametrised=many)


def name_of(item: pytest.Item) -> str:
    """The name of a test without its path."""
    return item.nodeid.partition("::")[2]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave an exhaustive test out when the time given is over. One line of the summary says how many that were."""
    minutes: float | None = item.config.getoption("minutes")
    if minutes is not None and is_exhaustive(item) and time.monotonic() - STARTED > minutes * 60:
        pytest.skip(f"exhaustive, and {minutes:g} minutes were over; make test-all has no limit")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker counted."""
    if counts := getattr(node, "workeroutput", {}).get("exhaustive"):
        COUNTS["exhaustive"] = counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases held: `record_property("counted", what)`, or (what, number) of a test that holds many."""
    run, known = COUNTS.get("exhaustive", (0, 0))
    if run < known:
        terminalreporter.write_line(f"exhaustive: {run:,} of {known:,}; all of them: make test-all")
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
