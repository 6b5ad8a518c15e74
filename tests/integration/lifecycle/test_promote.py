"""`promote`: a tested release becomes the default everywhere or nowhere, and never one that is older or withdrawn."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from replicator import cli
from replicator.commands.lifecycle.promote import run as promote
from testkit.action import MUTATING, Action, Finished
from testkit.lifecycle.releases import add, heads, marked, of, release
from testkit.pages import PAGES

if TYPE_CHECKING:
    from pathlib import Path

PATCH = "compute.images.patch"


@pytest.fixture
def action(emulator: Running, tmp_path: Path) -> Action:
    return Action(emulator, tmp_path)


def forward(action: Action, name: str = "v2", families: str = "web", **given: str) -> Finished:
    inputs = {"verb": "promote", "families": families, "project_id": "p1", "release": name, **given}
    return action.carry_out(promote.run, inputs)


def changes(emulator: Running) -> list[str]:
    journal = [entry for entry in emulator.journal() if entry["method"].rpartition(".")[2] in MUTATING]
    return [entry["target"].rpartition("/")[2] for entry in journal]


def reasons(done: Finished) -> dict[str, str]:
    return {row["family"]: row["reason"] for row in json.loads(done.outputs["families"]) if row["reason"]}


def staged(emulator: Running, *, own: str = "", copies: tuple[str, ...] = ("eu", "asia", "us")) -> None:
    """Two architectures with v1 as their default; v2 was made with promote: false, everywhere or nowhere."""
    for number in (1, 2):
        for line in ("web", "web-arm64"):
            family = "{line}-{place}" if number == 1 else ""
            label = {"release": f"v{number}"}
            release(
                emulator,
                f"{line}-b{number}",
                day=number,
                line=line,
                own=own,
                copies=copies,
                family=family,
                labels=label,
            )


def index_of(emulator: Running, action: Action, folder: Path) -> str:
    """The merged index of the staged release, as two runs of replicate wrote it."""
    entries: list[Any] = []
    for line in ("web", "web-arm64"):
        source = f"projects/p1/global/images/{line}-b2"
        given = {"family_template": f"{line}-{{location}}", "home_copy": "true", "promote": "false"}
        entries += json.loads(action(source_image=source, **given).index)["images"]
    path = folder / "release.json"
    path.write_bytes(json.dumps({"schema": 1, "images": entries}).encode())
    return str(path)


def test_everywhere(emulator: Running, action: Action, tmp_path: Path) -> None:
    """Neither the sources nor their copies carry a family: the index says which release it is, and of which lines."""
    staged(emulator)
    index = index_of(emulator, action, tmp_path)
    wanted = {f"{line}-{at}": f"{line}-b2-{at}" for line in ("web", "web-arm64") for at in ("us", "eu", "asia")}
    by_label = forward(action, families="web, web-arm64")
    assert (by_label.exit_code, "is named by index" in by_label.log) == (2, True)
    assert heads(emulator) == {family: name.replace("b2", "b1") for family, name in wanted.items()}
    before = len(changes(emulator))
    done = forward(action, "", families="web, web-arm64", index=index)
    assert done.exit_code == 0, done.log
    assert heads(emulator) == wanted
    assert json.loads(done.outputs["default"]) == {"web": "v2", "web-arm64": "v2"}
    assert (done.result, done.outputs["due"], done.outputs["failed"]) == ("complete", "6", "0")
    assert sorted(changes(emulator)[before:]) == sorted(wanted.values())
    assert not marked(emulator)
    again = forward(action, families="web, web-arm64")
    assert (again.exit_code, again.outputs["due"], len(changes(emulator))) == (0, "0", before + 6)


def test_half_of_a_release_is_told(emulator: Running, action: Action, tmp_path: Path) -> None:
    staged(emulator)
    index = index_of(emulator, action, tmp_path)
    done = forward(action, "", index=index)
    assert done.exit_code == 0, done.log
    assert "of none of these families: projects/p1/global/images/web-arm64-b2" in done.log


def test_by_the_name_of_a_source_without_family(emulator: Running, action: Action) -> None:
    staged(emulator)
    assert forward(action, "web-b2").exit_code == 0
    assert {name for name in heads(emulator).values() if "b2" in name} == {
        f"web-b2-{at}" for at in ("us", "eu", "asia")
    }


def test_what_the_build_had_moved_is_told(emulator: Running, action: Action) -> None:
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2, family="")
    done = forward(action)
    assert heads(emulator) == {"web": "v2", "web-eu": "v2-eu", "web-asia": "v2-asia"}
    assert ("notice", "Moved by the build") in [each[:2] for each in done.annotations]


def test_a_shared_family_is_led_from_home_first(emulator: Running, action: Action) -> None:
    release(emulator, "v1", day=1, copies=("eu", "us"), family="{line}")
    release(emulator, "v2", day=2, copies=("eu", "us"), family="")
    assert forward(action, family_template="{family}").exit_code == 0
    assert (changes(emulator), heads(emulator)) == (["v2-us", "v2-eu"], {"web": "v2-us"})


@pytest.mark.parametrize(
    ("flaw", "says"),
    [
        ({"status": "FAILED"}, "v2-eu is FAILED"),
        ({"disk_size_gb": 11}, "v2-eu is not what its source is: diskSizeGb"),
        ({"family": "canary"}, "v2-eu carries the family canary instead of web-eu"),
    ],
)
def test_or_nowhere(emulator: Running, action: Action, flaw: Any, says: str) -> None:
    """One wrong replica refuses all, unless its location is not required: then it is left out, with a warning."""
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2, family="", copies=("asia",))
    add(emulator, "v2-eu", day=2.5, location="eu", **of(emulator, "projects/p1/global/images/v2"), **flaw)
    before = heads(emulator)
    done = forward(action)
    assert (done.exit_code, reasons(done), changes(emulator)) == (1, {"web-eu": "missing_replica"}, []), done.log
    assert says in done.log
    assert forward(action, required_locations="eu").exit_code == 1
    some = forward(action, required_locations="asia")
    assert (some.exit_code, changes(emulator)) == (0, ["v2-asia"]), some.log
    assert heads(emulator) == {**before, "web-asia": "v2-asia"}
    assert ("warning", "Left out") in [each[:2] for each in some.annotations]


@pytest.mark.parametrize(
    "given", [{"required_locations": "all"}, {"required_locations": "asia"}, {"locations": "eu, asia"}]
)
def test_a_location_that_is_missing(emulator: Running, action: Action, given: dict[str, str]) -> None:
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2, family="", copies=("eu",))
    done = forward(action, **given)
    assert (done.exit_code, reasons(done), changes(emulator)) == (1, {"web-asia": "missing_replica"}, []), done.log


def test_it_never_goes_back(emulator: Running, action: Action) -> None:
    """Not even where the older release's copy is the younger image, after a repair."""
    release(emulator, "v1", day=1, family="", copies=("asia",))
    release(emulator, "v2", day=2)
    add(emulator, "v1-eu", day=3, location="eu", **of(emulator, "projects/p1/global/images/v1"))
    done = forward(action, "v1")
    assert (done.exit_code, changes(emulator)) == (1, []), done.log
    assert set(reasons(done).values()) == {"family_is_newer"}
    assert "of the newer release v2; use rollback to go back" in done.log


def test_somebody_elses_image_leads(emulator: Running, action: Action) -> None:
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2, family="")
    add(emulator, "handmade", day=4, family="web-eu", location="eu")
    done = forward(action)
    assert (done.exit_code, reasons(done), changes(emulator)) == (1, {"web-eu": "head_is_other"}, []), done.log


def test_what_was_rolled_back_needs_a_word(emulator: Running, action: Action) -> None:
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2)
    assert action.carry_out(promote.run, {"verb": "rollback", "families": "web", "project_id": "p1"}).exit_code == 0
    before = len(changes(emulator))
    done = forward(action)
    assert (done.exit_code, reasons(done), len(changes(emulator))) == (1, {"web": "withdrawn"}, before), done.log
    (line,) = re.findall(r"^gce-image-replicator promote (.*)$", done.log, re.MULTILINE)
    words = (word[2:].partition("=") for word in shlex.split(line))
    given = {name.replace("-", "_"): value or "true" for name, _, value in words}
    assert action.carry_out(promote.run, given).exit_code == 0
    assert heads(emulator) == {"web": "v2", "web-eu": "v2-eu", "web-asia": "v2-asia"}
    assert not marked(emulator)


@pytest.mark.parametrize("switch", ["clear", "body_only", "refuse"])
def test_whether_a_service_takes_deprecations_back(tmp_path: Path, switch: str) -> None:
    """A9: a rollback to a release that was never withdrawn needs none; to reactivate is refused whole where it can't be."""
    with running(copy_seconds=0.02, scenario={"switches": {"undeprecate": switch}}) as emulator:
        action = Action(emulator, tmp_path)
        release(emulator, "v1", day=1)
        release(emulator, "v2", day=2)
        back = {"verb": "rollback", "families": "web", "project_id": "p1"}
        assert action.carry_out(promote.run, back).exit_code == 0
        old = {"web": "v1", "web-eu": "v1-eu", "web-asia": "v1-asia"}
        assert heads(emulator) == old
        done = forward(action, reactivate="true")
        refused = switch == "refuse"
        assert done.exit_code == int(refused), done.log
        assert set(reasons(done).values()) == ({"still_deprecated"} if refused else set())
        assert heads(emulator) == (old if refused else {key: name.replace("1", "2") for key, name in old.items()})


@pytest.mark.parametrize("status", [400, 412])
def test_what_stays_deprecated_moves_nothing(emulator: Running, action: Action, status: int) -> None:
    """The first one is the probe: a service that refuses has changed nothing."""
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2, family="", marked="OBSOLETE")
    refused = {"kind": "http", "code": status, "reason": "conditionNotMet", "message": "It is irreversible."}
    emulator.faults([{"method": "compute.images.deprecate", "times": 1, "action": refused}])
    before = heads(emulator)
    done = forward(action, reactivate="true")
    assert (done.exit_code, set(reasons(done).values())) == (1, {"still_deprecated"}), done.log
    assert (heads(emulator), len(marked(emulator)), len(changes(emulator))) == (before, 3, 1)


def test_a_family_that_fails_is_told_and_rerun(emulator: Running, action: Action) -> None:
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2, family="")
    refused = {"kind": "http", "code": 403, "reason": "forbidden", "message": "Not here."}
    emulator.faults([{"method": PATCH, "match": "v2-eu", "times": 1, "action": refused}])
    done = forward(action)
    assert (done.exit_code, reasons(done)) == (1, {"web-eu": "forbidden"}), done.log
    assert heads(emulator)["web-eu"] == "v1-eu"
    assert "promote --families=web --project-id=p1 --release=v2" in done.log
    assert forward(action).exit_code == 0
    assert heads(emulator)["web-eu"] == "v2-eu"


def test_by_an_index(emulator: Running, tmp_path: Path) -> None:
    """As replicate wrote it; an image that differs from it, or lacks, refuses all."""
    action = Action(emulator, tmp_path)
    for name in ("v1", "v2"):
        add(emulator, name, day=int(name[1]), family="web", location="us")
        made = action(source_image=f"projects/p1/global/images/{name}", promote=str(name == "v1").lower())
        assert made.exit_code == 0, made.log
    (index,) = [path for path in tmp_path.rglob("image-index.json") if b"v2-eu" in path.read_bytes()]
    given = {"verb": "promote", "families": "web", "project_id": "p1", "index": str(index)}
    assert action.carry_out(promote.run, {**given, "dry_run": "true"}).result == "planned"
    emulator.delete_image("p1", "v2-asia")
    lacking = action.carry_out(promote.run, given)
    assert (lacking.exit_code, reasons(lacking)) == (1, {"web-asia": "missing_replica"}), lacking.log
    assert not [name for name in heads(emulator).values() if name.startswith("v2-")]
    remade = action(source_image="projects/p1/global/images/v2", promote="false")
    assert remade.exit_code == 0, remade.log
    # Another image has the name: the index names ids.
    other = action.carry_out(promote.run, given)
    assert (other.exit_code, reasons(other)) == (1, {"web-asia": "missing_replica"})
    assert "v2-asia is not in the index" in other.log
    index.write_bytes(remade.index)
    done = action.carry_out(promote.run, given)
    assert (done.exit_code, heads(emulator)["web-asia"]) == (0, "v2-asia"), done.log
    forged = json.loads(remade.index)
    forged["images"][0]["source"]["id"] = "99"
    index.write_bytes(json.dumps(forged).encode())
    unknown = action.carry_out(promote.run, given)
    assert (unknown.exit_code, "index: holds no image of the family web that exists" in unknown.log) == (2, True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"release": ""}, "release: is needed, or index"),
        ({"index": "i.json"}, "release: can't be given beside index"),
        ({"to": "v1"}, "to: is for rollback, not for promote"),
        ({"release": "v9"}, "release: 'v9' isn't a release of the family web: there are v2, v1"),
        ({"required_locations": "eu, EU"}, "required_locations: "),
    ],
)
def test_bad_settings(emulator: Running, action: Action, given: dict[str, str], says: str) -> None:
    release(emulator, "v1", day=1)
    release(emulator, "v2", day=2)
    inputs = {"verb": "promote", "families": "web", "project_id": "p1", "release": "v2", **given}
    done = action.carry_out(promote.run, inputs)
    assert (done.exit_code, changes(emulator)) == (2, []), done.log
    assert says in done.log


def test_the_commands_of_the_page(emulator: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand in docs/promote-and-rollback.md, one after the other."""
    for number in (0, 1):
        for line in ("web", "web-arm64"):
            labels = {"release": f"v1-{number}"}
            family = "" if number else "{line}-{place}"
            release(
                emulator,
                f"{line}-{number}",
                day=number + 1,
                line=line,
                family=family,
                labels=labels,
                project="acme-images",
            )
    lines = re.findall(r"^gce-image-replicator (promote .*)$", PAGES["promote-and-rollback.md"], re.MULTILINE)
    assert len(lines) == 3
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", f"{emulator.url}/")
    monkeypatch.setenv("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
    results = []
    for line in lines:
        stdout = io.StringIO()
        assert cli.main([*shlex.split(line), "--json"], os.environ, stdout) == 0
        results.append(json.loads(stdout.getvalue()))
    assert [(told["result"], told["due"]) for told in results] == [("planned", 4), ("complete", 4), ("complete", 0)]
