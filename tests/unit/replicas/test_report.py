from __future__ import annotations

import io
import json
from typing import Any

import pytest

from replicator.commands.replicate import progress
from replicator.compute import errors as compute_errors
from replicator.core import errors
from replicator.core.replicas import Action as Doing
from replicator.core.replicas import Held, Outcome, Plan, ReplicaResult, Result, Step
from replicator.index.image_index import Written
from replicator.replicas import report, results, work
from replicator.runtime.runner import Annotation, Runner
from replicator.runtime.verdict import Verdict
from testkit.make import PUBLIC, copy, image, replica


def works(count: int) -> list[work.Work]:
    return [
        work.Work(step=Step(replica=replica(f"us-west{number}"), action=Doing.COPY), began=0) for number in range(count)
    ]


def said(say: Any, *arguments: Any) -> str:
    stdout = io.StringIO()
    say(Runner({}, stdout, commands=False), *arguments)
    return stdout.getvalue()


class TestProgress:
    def test_few_are_named(self) -> None:
        going = works(2)
        going[0].state, going[0].percent = "copying", 40
        assert (
            said(progress.show_progress, going, {}, 30.2)
            == "    30 s  under way: us-west0 copying 40 %, us-west1 waiting\n"
        )
        assert progress.heading(going) == "Replicating to us-west0, us-west1"

    def test_who_waits_is_told_until_when(self) -> None:
        going = works(2)
        line = said(progress.show_progress, going, {"us-west0": "next try 14:32 UTC"}, 60)
        assert line == "    60 s  under way: us-west0 next try 14:32 UTC, us-west1 waiting\n"

    def test_many_are_counted(self) -> None:
        going = works(43)
        for item in going[:40]:
            item.state = "copying"
        assert said(progress.show_progress, going, {}, 60) == "    60 s  under way: 40 copying, 3 waiting\n"
        later = {f"us-west{number}": "next try 14:32 UTC" for number in (41, 42)}
        line = said(progress.show_progress, going, later, 60)
        assert line == "    60 s  under way: 40 copying, 1 waiting, 2 next try 14:32 UTC\n"
        assert progress.heading(going) == "Replicating to 43 locations"

    def test_nothing_is_said_when_all_is_done(self) -> None:
        (done,) = works(1)
        done.end(1.0)
        assert said(progress.show_progress, [done], {}, 60) == ""


class TestEnd:
    ROWS = [
        ReplicaResult(replica=replica("us", family="web"), outcome=Outcome.SOURCE, image=image(), promoted=True),
        ReplicaResult(
            replica=replica("eu"), outcome=Outcome.CREATED, image=copy("eu"), held=Held.PROMOTE_OFF, seconds=61.5
        ),
        ReplicaResult(replica=replica("asia"), outcome=Outcome.FAILED, error=errors.Quota("Used up")),
    ]

    def test_table(self) -> None:
        shown = said(report.show_end, results.judge(self.ROWS), self.ROWS).splitlines()
        assert [" ".join(line.split()) for line in shown if line] == [
            "us source projects/p1/global/images/web-1-us family web",
            "eu created (promote_off) projects/p1/global/images/web-1-eu not in family web-eu 61.5 s",
            "asia failed (quota) projects/p1/global/images/web-1-asia",
            "partial: The image is verified in us, eu; without their family: eu; failed: asia (quota).",
        ]

    def test_a_failure_is_told_in_one_line(self) -> None:
        error = compute_errors.SignInFailed(compute_errors.NO_CREDENTIALS, "No credentials were found")
        verdict = Verdict(Result.FAILED, 3, error.message, error)
        assert said(report.show_end, verdict, []) == "\nfailed: No credentials were found.\n"

    @pytest.mark.parametrize(("every", "titles"), [(True, ["A", "eu", "asia", "us"]), (False, ["A", "eu", "asia"])])
    def test_remarks(self, every: bool, titles: list[str]) -> None:
        """Outside of the runner the table says enough of what is as wanted."""
        note = Annotation("notice", "A", "note")
        found = report.remarks(results.judge(self.ROWS), self.ROWS, [note], every=every)
        assert [item.title for item in found] == titles


class TestDocument:
    def test_everything_stands_in_it(self) -> None:
        rows = TestEnd.ROWS
        step = Step(replica=rows[2].replica, action=Doing.REFUSE, error=errors.Conflict("Taken"))
        plan = Plan(
            source=image(),
            source_policy=PUBLIC,
            readers=(),
            steps=(step,),
            leads={},
            promote=True,
        )
        told = report.document(
            results.judge(rows), rows, plan, Written(index_path="/tmp/i.json", index_digest="sha256:0")
        )
        found = json.loads(json.dumps(told))
        assert found["result"] == "partial"
        assert found["exit_code"] == 0
        assert found["images"] == {
            "us": "projects/p1/global/images/web-1-us",
            "eu": "projects/p1/global/images/web-1-eu",
        }
        assert [row["location"] for row in found["replicas"]] == ["us", "eu", "asia"]
        assert found["plan"][0]["action"] == "refuse"
        assert found["plan"][0]["reason"] == "conflict"
        assert (found["index_path"], found["index_digest"]) == ("/tmp/i.json", "sha256:0")

    def test_without_a_plan(self) -> None:
        error = errors.Unforeseen("Odd \ud800 \u202e")
        verdict = Verdict(Result.FAILED, 70, error.message, error)
        found = json.loads(json.dumps(report.document(verdict, [], None, Written())).encode("ascii"))
        assert (found["result"], found["exit_code"], found["plan"], found["replicas"]) == ("failed", 70, [], [])
