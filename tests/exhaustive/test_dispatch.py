"""`dispatch` and `runs`: every fault at every call starts at most one run, and says what is known about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.commands.release.workflows.dispatch import Dispatching
from replicator.commands.release.workflows.runs import Logging
from testkit.forges.asking import Said, ask
from testkit.forges.front import FAULTS, Front, Request, front
from testkit.forges.github import GitHub
from testkit.forges.github_runs import HeldRun

if TYPE_CHECKING:
    from collections.abc import Callable

#: Is it a branch, is it a tag, the dispatch, and three looks at the run; test_the_calls_are_all_calls counts them.
CALLS = 6
#: The run, its jobs, and for each of two logs its address and its content.
READS = 6
#: With these the dispatch was carried out or may have been, and its answer didn't come.
UNHEARD = {"drop_before", "drop_after", "reset_during", "500_before", "502_stored", "truncated", "html_stored"}


def started(fault: Callable[[int, Request], str]) -> tuple[Said, GitHub, Front]:
    """A dispatch that is waited for; the run ends at the third look."""
    github = GitHub(tags={"v1.0": "0" * 40}, branches={"main": "1" * 40})
    with front(github) as server:
        github.url = server.url

        def going_on(_number: int, _request: Request) -> None:
            looks = sum("/runs/" in entry.target for entry in server.journal)
            for run in github.runs.values():
                run.status, run.conclusion = ("completed", "success") if looks >= 3 else ("in_progress", None)

        server.before, server.fault = going_on, fault
        said = ask(Dispatching, server.url, workflow="deploy.yml", ref="v1.0", wait="true")
    return said, github, server


def test_the_calls_are_all_calls() -> None:
    said, github, server = started(lambda _number, _request: "")
    assert (said.exit_code, len(github.runs), len(server.journal)) == (0, 1, CALLS)
    assert [entry.method for entry in server.writes] == ["POST"]


@pytest.mark.parametrize("often", [1, 2, 1000])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(CALLS))
def test_a_fault_at_a_call(number: int, fault: str, often: int, record_property: Callable[[str, object], None]) -> None:
    record_property("counted", "faults at calls of dispatch")
    said, github, server = started(lambda now, _request: fault if number <= now < number + often else "")
    posts = [entry for entry in server.journal if entry.method == "POST"]
    carried_out = len(github.runs)
    assert carried_out <= 1
    # It is sent again only where the forge said that it had taken nothing.
    assert len(posts) - carried_out <= sum(entry.fault in {"403_rate", "429"} for entry in posts) + 1
    assert said.exit_code in {0, 3}, said.log
    met = posts[-1].fault if posts else "nothing sent"
    if met in UNHEARD:
        assert said.document["result"] == "unclear"
        assert not said.document["started"]
    elif said.exit_code == 0:
        assert (said.document["result"], carried_out) == ("succeeded", 1)
    else:
        # What is known to have been started is said, with its id.
        assert said.document["started"] == bool(carried_out)
        assert said.document["run_id"] == "".join(map(str, github.runs))


@pytest.mark.parametrize("often", [1, 2, 1000])
@pytest.mark.parametrize("fault", ["", *FAULTS])
@pytest.mark.parametrize("number", range(READS))
def test_a_fault_while_reading(
    number: int, fault: str, often: int, record_property: Callable[[str, object], None]
) -> None:
    """What is shown is true, or nothing is shown and that is said."""
    record_property("counted", "faults at calls of runs logs")
    github = GitHub()
    run = github.runs[5] = HeldRun(5, "deploy.yml", "refs/heads/main", {}, status="completed", conclusion="failure")
    for job in (51, 52):
        run.job(job, f"job {job}")
        github.logs[job] = f"log of {job}\nits end\n".encode()
    with front(github) as server:
        github.url = server.url
        server.fault = lambda now, _request: fault if number <= now < number + often else ""
        said = ask(Logging, server.url, run="5")
        assert server.writes == []
        if not fault:
            assert (said.exit_code, len(server.journal)) == (0, READS)
    assert said.exit_code in {0, 4}, said.log
    if said.exit_code == 0 and fault not in {"truncated", "html_stored"}:
        assert [job["log"] for job in said.document["jobs"]] == [[f"log of {job}", "its end"] for job in (51, 52)]
