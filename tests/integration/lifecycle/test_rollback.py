"""`rollback`: every family goes back by one call, everything is refused before anything changes, and a rerun finishes."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from emulator.testing import Running, running
from replicator import cli
from replicator.commands.lifecycle.rollback import run as rollback
from replicator.index import image_index
from testkit.action import MUTATING, Action, Finished
from testkit.lifecycle.releases import add, heads, marked, of, release
from testkit.pages import PAGES
from testkit.virtual import HeldLoop

DEPRECATE = "compute.images.deprecate"


@pytest.fixture
def action(emulator: Running, tmp_path: Path) -> Action:
    return Action(emulator, tmp_path)


def back(action: Action, families: str = "web", **given: str) -> Finished:
    inputs = {"verb": "rollback", "families": families, "project_id": "p1", **given}
    return action.carry_out(rollback.run, inputs)


def changes(emulator: Running) -> list[dict[str, Any]]:
    return [entry for entry in emulator.journal() if entry["method"].rpartition(".")[2] in MUTATING]


def order(emulator: Running) -> list[str]:
    return [entry["target"].rpartition("/")[2] for entry in changes(emulator) if entry["committed"]]


def families(done: Finished) -> dict[str, dict[str, str]]:
    return {row["family"]: row for row in json.loads(done.outputs["families"])}


def two_lines(emulator: Running) -> None:
    """Two architectures, each with three releases, the label says which belong together; others' images beside them."""
    for number in (1, 2, 3):
        for line in ("web", "web-arm64"):
            label = {"release": f"v{number}"}
            release(emulator, f"{line}-b{number}", day=number + (line == "web") / 10, line=line, labels=label)
    add(emulator, "db-1", day=9, family="db")
    add(emulator, "my-test", day=9, location="eu", **of(emulator, "projects/p1/global/images/web-b2"))


def test_two_architectures_go_back_together(emulator: Running, action: Action) -> None:
    two_lines(emulator)
    done = back(action, "web, web-arm64")
    assert (done.exit_code, done.result) == (0, "complete"), done.log
    wanted = {f"{line}{place}": f"{line}-b2{place}" for line in ("web", "web-arm64") for place in ("", "-eu", "-asia")}
    assert heads(emulator) == {**wanted, "db": "db-1"}
    gone = {name.replace("b2", "b3") for name in wanted.values()}
    assert marked(emulator) == dict.fromkeys(gone, "DEPRECATED")
    for name in gone:
        image = emulator.image("p1", name)
        assert image
        assert image["deprecated"]["replacement"].endswith(f"/projects/p1/global/images/{name.replace('b3', 'b2')}")
        assert "deleted" not in image["deprecated"]
    assert json.loads(done.outputs["default"]) == {"web": "v2", "web-arm64": "v2"}
    told = families(done)
    assert {family: row["after"].rpartition("/")[2] for family, row in told.items()} == wanted
    assert {family: row["before"].replace("b3", "b2") for family, row in told.items()} == {
        family: row["wanted"] for family, row in told.items()
    }
    assert (done.outputs["due"], done.outputs["failed"]) == ("6", "0")
    statuses = {each["source"]["name"]: each["status"] for each in json.loads(done.outputs["releases"])}
    assert statuses["web-b3"] == statuses["web-arm64-b3"] == "withdrawn"
    assert statuses["web-b2"] == "default"
    assert "| web-arm64-eu | web-arm64-b3-eu | web-arm64-b2-eu | web-arm64-b2-eu |" in done.summary
    undo = "promote --families=web,web-arm64 --project-id=p1 --release=v3 --reactivate"
    assert undo in done.log
    assert undo in done.summary
    # The plan stands in the log before anything is done.
    assert done.log.index("marks web-b3 DEPRECATED") < done.log.index("::notice")


def test_the_second_run_changes_nothing(emulator: Running, action: Action) -> None:
    two_lines(emulator)
    assert back(action, "web, web-arm64", to="v2").exit_code == 0
    before = len(changes(emulator))
    again = back(action, "web, web-arm64", to="v2")
    assert (again.exit_code, again.result, again.outputs["due"]) == (0, "complete", "0")
    assert len(changes(emulator)) == before
    # Without a name it goes one further back.
    assert json.loads(back(action, "web, web-arm64").outputs["default"]) == {"web": "v1", "web-arm64": "v1"}


def test_a_line_that_is_back_already_waits_for_the_others(emulator: Running, action: Action) -> None:
    """A run that ended between two lines: its rerun means the same release, though it names none."""
    two_lines(emulator)
    assert back(action, "web").exit_code == 0
    done = back(action, "web, web-arm64")
    assert json.loads(done.outputs["default"]) == {"web": "v2", "web-arm64": "v2"}, done.log


def test_a_shared_family_never_leaves_home(emulator: Running, action: Action) -> None:
    """The source and the other locations' copies go first, the home copy last; older images in between stay."""
    for number in (1, 2):
        release(emulator, f"web-v{number}", day=number, copies=("eu", "asia", "us"), family="{line}")
    done = back(action, family_template="{family}")
    assert done.exit_code == 0, done.log
    assert order(emulator) == ["web-v2", "web-v2-eu", "web-v2-asia", "web-v2-us"]
    assert heads(emulator) == {"web": "web-v1-us"}


def test_other_families_first_and_the_head_last(emulator: Running, action: Action) -> None:
    """Two releases are withdrawn at once, one of them no head any more."""
    for number in (1, 2, 3):
        release(emulator, f"web-v{number}", day=number, copies=("eu",))
    assert back(action, to="web-v1").exit_code == 0
    assert [name for name in order(emulator) if name.endswith("eu")] == ["web-v2-eu", "web-v3-eu"]
    assert heads(emulator) == {"web": "web-v1", "web-eu": "web-v1-eu"}


def test_some_locations_only(emulator: Running, action: Action) -> None:
    two_lines(emulator)
    done = back(action, "web", locations="eu")
    assert (done.exit_code, order(emulator)) == (0, ["web-b3-eu"]), done.log
    assert list(families(done)) == ["web-eu"]


def test_replicas_in_projects_of_their_own(emulator: Running, action: Action) -> None:
    where = {"replica_project": "{project}-{location}", "name_template": "{name}", "family_template": "{family}"}
    for number in (1, 2):
        source = add(emulator, f"web-v{number}", day=number, family="web", location="us")
        for place in ("us", "eu"):
            made = {"family": "web", "location": place, **of(emulator, source)}
            add(emulator, f"web-v{number}", day=number + 0.1, project=f"p1-{place}", **made)
    done = back(action, locations="us eu", **where)
    assert done.exit_code == 0, done.log
    targets = {entry["target"] for entry in changes(emulator)}
    assert targets == {f"projects/{project}/global/images/web-v2" for project in ("p1", "p1-us", "p1-eu")}


def test_a_source_without_family_is_marked_too(emulator: Running, action: Action) -> None:
    """First of all; so a rerun of the withdrawn release with a location that it lacked gives no family (A4)."""
    for number in (1, 2):
        release(emulator, f"web-v{number}", day=number, own="", copies=("eu", "us"))
    release(emulator, "web-v3", day=3, own="", family="")
    add(
        emulator,
        "web-v1-asia",
        day=3.5,
        location="asia",
        family="web-asia",
        **of(emulator, "projects/p1/global/images/web-v1"),
    )
    done = back(action)
    assert (done.exit_code, order(emulator)[0]) == (0, "web-v2"), done.log
    before = heads(emulator)
    assert before == {"web-eu": "web-v1-eu", "web-us": "web-v1-us", "web-asia": "web-v1-asia"}
    rerun = action(source_image="projects/p1/global/images/web-v2", family_template="web-{location}", home_copy="true")
    assert (rerun.exit_code, rerun.result) == (0, "complete"), rerun.log
    assert heads(emulator) == before
    assert rerun.column("reason") == {"us": "", "eu": "", "asia": "source_deprecated"}
    assert not marked(emulator).get("web-v3")


def test_the_release_before_is_never_skipped(emulator: Running, action: Action) -> None:
    """It lacks a location: nothing is changed, and both ways out are commands that work."""
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2, copies=("eu",))
    release(emulator, "web-v3", day=3)
    done = back(action)
    assert (done.exit_code, done.result, changes(emulator)) == (1, "failed", []), done.log
    assert families(done)["web-asia"]["reason"] == "no_fallback"
    assert "::error title=Family web-asia::no_fallback: Going back to web-v2: web-v2 has no image" in done.log
    lines = re.findall(r"^gce-image-replicator (rollback .*)$", done.log, re.MULTILINE)
    assert lines == [
        "rollback --families=web --project-id=p1 --locations=eu,us",
        "rollback --families=web --project-id=p1 --to=web-v1",
    ]
    for line in lines:
        words = (word[2:].partition("=") for word in shlex.split(line)[1:])
        given = {name.replace("-", "_"): value or "true" for name, _, value in words}
        assert back(action, **given).exit_code == 0
    assert heads(emulator) == {"web": "web-v1", "web-eu": "web-v1-eu", "web-asia": "web-v1-asia"}


@pytest.mark.parametrize(
    ("flaw", "says"),
    [
        ({"status": "FAILED"}, "web-v1-eu is FAILED"),
        ({"status": "PENDING"}, "web-v1-eu is PENDING"),
        ({"disk_size_gb": 11}, "web-v1-eu is not what its source is: diskSizeGb"),
        ({"architecture": "ARM64"}, "web-v1-eu is not what its source is: architecture"),
    ],
)
def test_what_families_can_not_fall_back_to(emulator: Running, action: Action, flaw: Any, says: str) -> None:
    release(emulator, "web-v1", day=1, copies=("asia",))
    made = of(emulator, "projects/p1/global/images/web-v1")
    add(emulator, "web-v1-eu", day=1.5, location="eu", family="web-eu", **made, **flaw)
    release(emulator, "web-v2", day=2)
    done = back(action)
    assert (done.exit_code, changes(emulator)) == (1, []), done.log
    assert families(done)["web-eu"]["reason"] == "no_fallback"
    assert says in done.log


@pytest.mark.parametrize("state", [{}, {"status": "PENDING"}])
def test_an_image_of_somebody_else_in_the_family(emulator: Running, action: Action, state: Any) -> None:
    """Newer than the target's, of whatever lineage: it would lead the family then."""
    release(emulator, "web-v1", day=1)
    add(emulator, "handmade", day=1.5, family="web-eu", location="eu", **state)
    release(emulator, "web-v2", day=2)
    done = back(action)
    assert (done.exit_code, changes(emulator)) == (1, []), done.log
    assert families(done)["web-eu"]["reason"] == "head_is_other"
    assert "images/handmade is newer than its image there" in done.log


def test_a_target_that_was_withdrawn_itself(emulator: Running, action: Action) -> None:
    """It is made ACTIVE first, and read back; only then is anything withdrawn."""
    release(emulator, "web-v1", day=1, marked="DEPRECATED")
    release(emulator, "web-v2", day=2)
    assert back(action).exit_code == 1
    done = back(action, to="web-v1")
    assert done.exit_code == 0, done.log
    bodies = [entry["body"].get("state") for entry in changes(emulator)]
    assert bodies == [None] * 3 + ["DEPRECATED"] * 3
    assert heads(emulator) == {"web": "web-v1", "web-eu": "web-v1-eu", "web-asia": "web-v1-asia"}
    assert "web-v1-eu, marked DEPRECATED, is made ACTIVE again" in done.log


def test_a_family_that_nothing_newer_leads_is_left_alone(emulator: Running, action: Action) -> None:
    """Somebody else's image leads it, before and after; the rerun that names the release isn't refused for it."""
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2, copies=("eu",))
    add(emulator, "web-gone-asia", day=3, family="web-asia", location="asia")
    for given in ({}, {"to": "web-v1"}):
        done = back(action, **given)
        assert done.exit_code == 0, done.log
        assert heads(emulator) == {"web": "web-v1", "web-eu": "web-v1-eu", "web-asia": "web-gone-asia"}
    assert len(changes(emulator)) == 2


def test_it_goes_back_only(emulator: Running, action: Action) -> None:
    """A newer release than the default is named: that is a promotion, and the command for it is given."""
    two_lines(emulator)
    assert back(action, "web, web-arm64", to="v1").exit_code == 0
    before = len(changes(emulator))
    done = back(action, "web, web-arm64", to="v2")
    assert (done.exit_code, len(changes(emulator))) == (2, before), done.log
    assert "to: v2 is newer than v1, which web resolves to: rollback only goes back" in done.log
    forward = re.search(r"^gce-image-replicator (promote .*)$", done.log, re.MULTILINE)
    assert forward
    given = dict(re.findall(r"--([a-z-]+)=?(\S*)", forward[1]))
    assert given == {"families": "web,web-arm64", "project-id": "p1", "release": "v2", "reactivate": ""}
    # Where some families are at a newer release, the others go along.
    emulator.run(lambda: emulator.compute.state.image("p1", "web-b3", 9e9).fields.pop("deprecated"))  # type: ignore[union-attr]
    assert back(action, "web, web-arm64", to="v2").exit_code == 0
    assert heads(emulator)["web-arm64-eu"] == "web-arm64-b2-eu"


def test_what_stays_deprecated_stops_all(emulator: Running, action: Action) -> None:
    release(emulator, "web-v1", day=1, marked="OBSOLETE")
    release(emulator, "web-v2", day=2)
    refused = {"kind": "http", "code": 400, "reason": "invalid", "message": "It can't be undone."}
    emulator.faults([{"method": DEPRECATE, "match": "web-v1", "times": 1, "action": refused}])
    before = heads(emulator)
    done = back(action, to="web-v1")
    assert (done.exit_code, order(emulator), heads(emulator)) == (1, [], before), done.log
    assert {row["reason"] for row in families(done).values()} == {"still_deprecated"}


def test_one_family_that_fails_stops_no_other(emulator: Running, action: Action) -> None:
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2)
    refused = {"kind": "http", "code": 403, "reason": "forbidden", "message": "Not here."}
    emulator.faults([{"method": DEPRECATE, "match": "web-v2-eu", "times": 1, "action": refused}])
    done = back(action)
    assert (done.exit_code, done.result, done.outputs["failed"]) == (1, "failed", "1"), done.log
    assert heads(emulator) == {"web": "web-v1", "web-eu": "web-v2-eu", "web-asia": "web-v1-asia"}
    row = families(done)["web-eu"]
    assert (row["reason"], row["after"]) == ("forbidden", row["before"])
    assert back(action).exit_code == 0
    assert heads(emulator)["web-eu"] == "web-v1-eu"


def test_what_it_would_fall_back_to_vanishes(emulator: Running, action: Action) -> None:
    """Between the plan and the last call: the family stays where it is instead of resolving to nothing."""
    release(emulator, "web-v1", day=1, copies=("eu",))
    release(emulator, "web-v2", day=2, copies=("eu",))
    gone = {"kind": "http", "code": 404, "reason": "notFound", "message": "It was not found."}
    emulator.faults([{"method": "compute.images.get", "match": "images/web-v1-eu$", "times": 1, "action": gone}])
    done = back(action)
    assert (done.exit_code, heads(emulator)) == (1, {"web": "web-v1", "web-eu": "web-v2-eu"}), done.log
    assert families(done)["web-eu"]["reason"] == "changed"


def test_copies_that_came_meanwhile(tmp_path: Path) -> None:
    """A replicate of the withdrawn release gave a copy its family after everything had been read."""
    with running(driven=True) as emulator:
        meanwhile(emulator, Action(emulator, tmp_path))


def meanwhile(emulator: Running, action: Action) -> None:
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2, copies=("eu",))

    def promote(_loop: HeldLoop) -> None:
        made = of(emulator, "projects/p1/global/images/web-v2")
        add(emulator, "web-v2-asia", day=2.5, location="asia", family="web-asia", **made)

    action.make_loop = lambda: HeldLoop(emulator, 8, promote)
    done = back(action)
    assert done.exit_code == 0, done.log
    assert heads(emulator) == {"web": "web-v1", "web-eu": "web-v1-eu", "web-asia": "web-v1-asia"}
    assert marked(emulator)["web-v2-asia"] == "DEPRECATED"
    assert "More images of the newer release came meanwhile." in done.log


@pytest.mark.parametrize("given", [{"dry_run": "true"}, {"event": "pull_request"}, {"event": "pull_request_target"}])
def test_only_the_plan(emulator: Running, action: Action, given: dict[str, str]) -> None:
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2)
    action.env = {"GITHUB_EVENT_NAME": given.pop("event", "")}
    inputs = {"verb": "rollback", "families": "web", "project_id": "p1", **given}
    done = action.carry_out(partial(rollback.run, of_action=True), inputs)
    assert (done.exit_code, done.result, done.outputs["due"]) == (0, "planned", "3"), done.log
    assert not changes(emulator)
    assert {row["after"] == row["before"] for row in families(done).values()} == {True}
    data = Path(done.outputs["plan_path"]).read_bytes()
    assert done.outputs["plan_digest"] == image_index.digest(data)
    plan = json.loads(data)
    assert (plan["verb"], plan["release"], plan["images"]["reactivate"]) == ("rollback", "web-v1", [])
    assert {image["name"] for image in plan["images"]["withdraw"]} == {"web-v2", "web-v2-eu", "web-v2-asia"}
    assert {row["wanted"].rpartition("/")[2] for row in plan["families"]} == {"web-v1", "web-v1-eu", "web-v1-asia"}


def test_nothing_to_go_back_to(emulator: Running, action: Action) -> None:
    release(emulator, "web-v1", day=1, family="")
    release(emulator, "web-v2", day=2)
    done = back(action)
    assert (done.exit_code, changes(emulator)) == (1, []), done.log
    assert "no_release: There is no release before web-v2 was promoted" in done.log
    assert {row["reason"] for row in families(done).values()} == {"no_release"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"to": "v9"}, "to: 'v9' isn't a release of the family web: there are same, same, web-v1"),
        ({"to": "same"}, "to: 'same' may mean web-v3, web-v2, all of the family web"),
        ({"families": "web, web-arm64"}, "to: is needed: web has no single release arm-v2, as the other lines have"),
        ({"families": "nothing"}, "to: is needed: no release of nothing leads a family; nothing has none"),
    ],
)
def test_a_release_that_is_not_clear(emulator: Running, action: Action, given: dict[str, str], says: str) -> None:
    release(emulator, "web-v1", day=1)
    for number in (2, 3):
        release(emulator, f"web-v{number}", day=number, labels={"release": "same"})
        release(emulator, f"arm-v{number}", day=number, line="web-arm64")
    done = back(action, **given)
    assert (done.exit_code, changes(emulator)) == (2, []), done.log
    assert says in done.log


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"families": "Web"}, ["families: 'Web' isn't a valid family"]),
        ({"release": "v1", "reactivate": "true"}, ["release: is for promote", "reactivate: is for promote"]),
        ({"to": "a b", "project_id": "No"}, ["to: 'a b' isn't a valid release", "project_id: 'No' isn't a valid"]),
        ({"to": "v1", "index": "index.json"}, ["to: can't be given beside index"]),
        ({"bundle": "b.json", "key": "k.pem"}, ["bundle: needs index"]),
        ({"locations": "EU, all", "verb": "undo"}, ["locations: ", "verb: 'undo' is not one of promote or rollback"]),
        ({"index": "none.json"}, ["index: "]),
    ],
)
def test_bad_settings(emulator: Running, action: Action, given: dict[str, str], says: list[str]) -> None:
    done = back(action, **given)
    assert (done.exit_code, done.result) == (2, "failed"), done.log
    for text in says:
        assert text in done.log
    assert not emulator.journal()


def test_a_reading_that_is_not_whole(emulator: Running, action: Action) -> None:
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2)
    empty = {"kind": "body", "status": 200, "text": '{"kind": "compute#imageList"}'}
    emulator.faults([{"method": "compute.images.list", "action": empty}])
    done = back(action)
    assert (done.exit_code, changes(emulator)) == (3, [])
    assert json.loads(done.outputs["families"]) == []


def test_hostile_text(emulator: Running, action: Action) -> None:
    """Labels are data: they forge no line of the log, no cell of a table, no command to copy."""
    hostile = "v2\n::error::x|`$(reboot)`"
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2)
    emulator.run(lambda: emulator.compute.state.image("p1", "web-v2-eu", 9e9).labels.update(release=hostile))  # type: ignore[union-attr]
    done = back(action)
    assert done.exit_code == 0, done.log
    assert not [line for line in done.log.splitlines() if line.startswith("::error")]
    (command,) = re.findall(r"^gce-image-replicator promote .*$", done.log, re.MULTILINE)
    assert shlex.split(command)[-2].startswith("--release=v2 ::error::x|`$(reboot)`")
    assert "|`" not in done.summary.replace(command, "")


def test_the_commands_of_the_page(emulator: Running, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand in docs/promote-and-rollback.md, one after the other."""
    for number in (1, 2):
        for line in ("web", "web-arm64"):
            label = {"release": f"v{number}-0"}
            release(emulator, f"{line}-{number}", day=number, line=line, labels=label, project="acme-images")
    lines = re.findall(r"^gce-image-replicator (rollback .*)$", PAGES["promote-and-rollback.md"], re.MULTILINE)
    assert len(lines) == 4
    monkeypatch.chdir(action.folder)
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", f"{emulator.url}/")
    monkeypatch.setenv("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
    results = []
    for line in lines:
        stdout = io.StringIO()
        assert cli.main([*shlex.split(line), "--json"], os.environ, stdout) == 0
        results.append(json.loads(stdout.getvalue()))
    assert [told["result"] for told in results] == ["planned", "complete", "complete", "complete"]
    assert [told["due"] for told in results] == [6, 6, 0, 0]
    assert set(heads(emulator).values()) == {
        f"{line}-1{at}" for line in ("web", "web-arm64") for at in ("", "-eu", "-asia")
    }
