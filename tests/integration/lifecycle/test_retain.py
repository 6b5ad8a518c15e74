"""`retain`: what it deletes, in which order, and everything that keeps it from deleting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.lifecycle.retain import situation
from testkit.lifecycle.sweeping import Swept, add, change, changes, moment, names, pass_time, release, two_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emulator.testing import Running

APPLY = {"apply": "true"}
OLD: dict[str, Any] = {"age": 300, "marked": "DEPRECATED", "deleted": moment(-2)}


@pytest.fixture
def lines(emulator: Running) -> Running:
    two_lines(emulator)
    return emulator


def one_line(emulator: Running, *, retired: bool = True) -> None:
    """Three releases that stay, and one, web-v0, that is to go."""
    for number, age in enumerate((150, 120, 50), 1):
        release(emulator, f"web-v{number}", age=age)
    release(emulator, "web-v0", **(OLD if retired else {"age": 300}))


def test_a_dry_run_changes_nothing_and_says_everything(lines: Running, tmp_path: Path) -> None:
    told = Swept(lines, tmp_path)
    assert told.exit_code == 0, told.log
    assert (told.changed, told.document["result"], told.document["due"]) == ([], "planned", 10)
    assert told.decisions == {
        "web-v5": "default",
        "web-v4": "keep_count",
        "web-v3": "keep_count",
        "web-v2": "retire",
        "web-v1": "purge",
        "arm-v5": "default",
        "arm-v4": "keep_count",
        "arm-v3": "keep_count",
        "arm-v2": "retire",
        "arm-v1": "purge",
    }
    assert "web (p1): 5 releases, default v5, keep 3, routine 90 days, critical 365" in told.log
    assert "- purge   v1  3 images      date" in told.log
    assert "web-v1-asia, web-v1-eu, then web-v1" in told.log
    assert "Plan: 5 images to retire, 5 to delete (cap 20), 6 releases stay. Nothing was changed" in told.log
    assert "gcloud compute images add-labels web-v2-asia --project=p1 --labels=hold=true" in told.summary
    plan = json.loads((tmp_path / "retention-plan.json").read_text(encoding="utf-8"))
    assert [image["name"] for image in plan["purge"]] == ["arm-v1", "arm-v1-eu", "web-v1", "web-v1-asia", "web-v1-eu"]
    assert plan["keep"] == {"default": 2, "keep_count": 4}
    assert told.document["plan_digest"].startswith("sha256:")
    assert Swept(lines, tmp_path).document["plan_digest"] == told.document["plan_digest"]


def test_three_sweeps(lines: Running, tmp_path: Path) -> None:
    """A5: the second changes nothing; after the dates exactly what was retired goes, sources last, nothing of others."""
    ids = {image["id"]: image["name"] for image in lines.state()["images"]}
    first = Swept(lines, tmp_path, APPLY)
    assert (first.exit_code, first.document["retired"], first.document["purged"]) == (0, 5, 5), first.log
    retired = [name for method, name in first.changed if method == "deprecate"]
    purged = [ids[name] for method, name in first.changed if method == "delete"]
    assert {*retired[:2]} == {"web-v2-asia", "web-v2-eu"}
    assert retired[2:] == ["web-v2", "arm-v2-eu", "arm-v2"]
    assert purged == ["web-v1-asia", "web-v1-eu", "web-v1", "arm-v1-eu", "arm-v1"]
    image = lines.image("p1", "web-v2-eu")
    assert image
    assert image["deprecated"]["state"] == "DEPRECATED"
    assert image["deprecated"]["replacement"].endswith("projects/p1/global/images/web-v5-eu")
    assert image["deprecated"]["deleted"].endswith("Z")
    second = Swept(lines, tmp_path, APPLY)
    assert (second.exit_code, second.changed, second.document["result"]) == (0, [], "complete")
    assert second.decisions["web-v2"] == "grace"
    pass_time(lines, 8)
    third = Swept(lines, tmp_path, APPLY)
    assert [ids[name] for _, name in third.changed] == ["web-v2-asia", "web-v2-eu", "web-v2", "arm-v2-eu", "arm-v2"]
    assert {"db-v1", "my-test", "web-v3", "arm-v5-eu"} <= names(lines)
    assert Swept(lines, tmp_path, APPLY).changed == []


def meddle(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let somebody act after the plan, right before a set is looked at again."""
    again = situation.again

    async def later(*args: Any) -> Any:
        act()
        return await again(*args)

    monkeypatch.setattr(situation, "again", later)


def promoted(emulator: Running) -> None:
    for name in ("web-v0", "web-v0-eu", "web-v0-asia"):
        change(emulator, name, lambda image: image.fields.pop("deprecated"))


def held(emulator: Running) -> None:
    change(emulator, "web-v0-eu", lambda image: image.labels.update(hold="legal"))


def replaced(emulator: Running) -> None:
    """Somebody gives a member's name to another image of theirs."""
    emulator.delete_image("p1", "web-v0-eu")
    add(emulator, "web-v0-eu", age=1, location="eu")


def removed(emulator: Running) -> None:
    emulator.delete_image("p1", "web-v0-eu")


def used(emulator: Running) -> None:
    emulator.add_template(project="p1", name="batch", images=["global/images/web-v0-asia"])


@pytest.mark.parametrize(
    ("act", "reason"),
    [(promoted, "changed"), (held, "changed"), (used, "in_use")],
    ids=["promoted", "held", "a template"],
)
def test_somebody_acts_between_the_plan_and_the_call(
    emulator: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Running], None],
    reason: str,
) -> None:
    """A7: nothing is deleted, and the reason says why; a rerun tells the same without a surprise."""
    one_line(emulator)
    meddle(monkeypatch, lambda: act(emulator) if not changes(emulator) else None)
    before = names(emulator)
    told = Swept(emulator, tmp_path, {**APPLY, "families": "web"})
    assert (told.exit_code, told.document["purged"], told.document["result"]) == (0, 0, "complete"), told.log
    assert told.decisions["web-v0"] == reason
    assert names(emulator) == before


@pytest.mark.parametrize("act", [replaced, removed])
def test_a_member_goes_between_the_plan_and_the_call(
    emulator: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Running], None]
) -> None:
    """A7: the rest of the set goes; an image that only has the name of a member is not touched."""
    one_line(emulator)
    meddle(monkeypatch, lambda: act(emulator) if not changes(emulator) else None)
    told = Swept(emulator, tmp_path, {**APPLY, "families": "web"})
    assert (told.exit_code, told.document["result"]) == (0, "complete"), told.log
    assert {name for name in names(emulator) if "v0" in name} == ({"web-v0-eu"} if act is replaced else set())


def test_a_failure_ends_its_own_set_only(lines: Running, tmp_path: Path) -> None:
    """The source stays while a replica does; the other architecture goes; a rerun does the rest."""
    refused = {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."}
    image = lines.image("p1", "web-v1-asia")
    assert image
    lines.faults([{"method": "compute.images.delete", "match": image["id"], "action": refused}])
    told = Swept(lines, tmp_path, APPLY)
    assert (told.exit_code, told.document["result"], told.document["purged"]) == (1, "failed", 2), told.log
    assert told.document["failed"] == 3
    assert told.decisions["web-v1"] == "forbidden"
    # asia is a copy of eu, so all of web-v1 waits for it.
    assert {"web-v1", "web-v1-eu", "web-v1-asia"} <= names(lines)
    assert not {"arm-v1", "arm-v1-eu"} & names(lines)
    again = Swept(lines, tmp_path, APPLY)
    assert (again.exit_code, again.document["purged"]) == (0, 3), again.log


READS = ["compute.images.list", "compute.images.getFromFamily", "compute.instanceTemplates.aggregatedList"]
FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."},
    "a proxy's page": {"kind": "body", "status": 200, "text": "<html>"},
    "an empty object": {"kind": "body", "status": 200, "text": "{}"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", READS)
def test_a_read_of_the_plan_that_fails_changes_nothing(lines: Running, tmp_path: Path, method: str, fault: str) -> None:
    """A8: exit 3."""
    lines.faults([{"method": method, "times": None, "action": FAULTS[fault]}])
    told = Swept(lines, tmp_path, APPLY)
    assert (told.exit_code, told.changed, told.document["due"]) == (3, [], 0), told.log
    assert told.document["releases"] == []


def test_only_what_was_approved(lines: Running, tmp_path: Path) -> None:
    """A12: a plan that was edited by hand names a head, a held image and a foreign one: none of it is done."""
    Swept(lines, tmp_path)
    plan = json.loads((tmp_path / "retention-plan.json").read_text(encoding="utf-8"))
    for name in ("web-v5-eu", "web-v3", "db-v1", "my-test"):
        image = lines.image("p1", name)
        assert image
        plan["purge"].append({"project": "p1", "name": name, "id": image["id"]})
    plan["purge"] = [image for image in plan["purge"] if not image["name"].startswith("arm")]
    approved = tmp_path / "approved.json"
    approved.write_bytes(json.dumps({**plan, "retire": []}).encode())
    told = Swept(lines, tmp_path, {**APPLY, "approved_plan": str(approved)})
    assert (told.exit_code, told.document["retired"], told.document["purged"]) == (0, 0, 3), told.log
    assert told.decisions["web-v2"] == told.decisions["arm-v1"] == "not_approved"
    assert {"web-v5-eu", "web-v3", "db-v1", "my-test", "arm-v1"} <= names(lines)


def test_rules_of_a_file(lines: Running, tmp_path: Path) -> None:
    rules = tmp_path / "retention.yaml"
    rules.write_bytes(b"project_id: p1\nkeep: 4\nlines:\n  web: {}\n  web-arm64: {keep: 1, routine_days: 60}\n")
    told = Swept(lines, tmp_path, {"rules": str(rules)})
    assert told.exit_code == 0, told.log
    assert told.decisions["web-v2"] == "keep_count"
    assert told.decisions["arm-v4"] == "group"
    assert "web-arm64 (p1): 5 releases, default v5, keep 1, routine 60 days" in told.log


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"families": ""}, ["families: is needed, or rules"]),
        (
            {"keep": "0", "grace_days": "0", "routine_days": "-1"},
            ["keep: '0'", "grace_days: '0'", "routine_days: '-1'"],
        ),
        ({"in_use": "maybe", "retire_as": "DELETED", "apply": "yes"}, ["in_use: ", "retire_as: ", "apply: "]),
        ({"rules": "none.yaml", "approved_plan": "none.json"}, ["rules: ", "approved_plan: "]),
        ({"rules": "RULES", "keep": "7"}, ["RULES, line 2", "'surprise'"]),
        ({"approved_plan": "RULES"}, ["approved_plan: isn't a retention-plan.json of this version"]),
    ],
)
def test_bad_settings(emulator: Running, tmp_path: Path, given: dict[str, str], named: list[str]) -> None:
    """All at once, before anything is called."""
    rules = tmp_path / "retention.yaml"
    rules.write_bytes(b"lines: {web: {}}\nsurprise: 1\n")
    told = Swept(emulator, tmp_path, {name: text.replace("RULES", str(rules)) for name, text in given.items()})
    assert told.exit_code == 2, told.log
    for text in named:
        assert text.replace("RULES", "retention.yaml") in told.log
    assert not told.calls


def test_a_pull_request_changes_nothing(lines: Running, tmp_path: Path) -> None:
    told = Swept(lines, tmp_path, APPLY, {"GITHUB_EVENT_NAME": "pull_request_target"}, action=True)
    assert (told.exit_code, told.changed, told.document["result"]) == (0, [], "planned")
    assert "::warning title=Dry run::Nothing is changed on pull_request_target" in told.log


def test_hostile_text(lines: Running, tmp_path: Path) -> None:
    """A label, a template and a date of others start no workflow command, and break no table."""
    evil = "x\n::error::y|<script>"
    change(lines, "web-v2", lambda image: image.labels.update(hold=evil))
    change(lines, "arm-v2", lambda image: image.fields.update(deprecated={"state": "DEPRECATED", "deleted": evil}))
    told = Swept(lines, tmp_path, APPLY, action=True)
    assert told.decisions["web-v2"] == "hold"
    assert told.decisions["arm-v2"] == "unreadable"
    assert not [line for line in told.log.splitlines() if line.startswith("::error")]
    assert "<script>" not in told.summary
