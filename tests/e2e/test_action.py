"""The main job through the real `action.yml`: what it makes, and what it tells."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.testing import running
from testkit.harness.callers import (
    MANIFEST,
    SOURCE,
    WHOLE,
    Caller,
    SetUp,
    add_source,
    calls,
    everyone_may_use,
    new_job,
    with_environment,
)
from testkit.harness.job import branch_push, on_branch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.harness.job import Action, Run


@pytest.fixture(scope="module")
def pusher(action: Action, set_up: SetUp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with running(copy_seconds=0.05) as emulator:
        add_source(emulator)
        yield with_environment(new_job(action, emulator, tmp_path_factory.mktemp("pushed")), set_up.environments)


@pytest.fixture(scope="module")
def pushed(pusher: Caller) -> Run:
    return pusher.replicate()


class TestTagPush:
    """The main job, once; then what it left behind."""

    def test_outputs(self, pushed: Run) -> None:
        assert (pushed.exit_code, pushed.conclusion) == (0, "success")
        assert pushed.ran == ["decide", "setup", "replicate"]
        outputs = pushed.outputs
        assert (outputs["decision"], outputs["result"], outputs["failed_locations"]) == ("replicate", "complete", "")
        assert pushed.json("images") == WHOLE
        assert pushed.json("image_names") == {location: uri.rpartition("/")[2] for location, uri in WHOLE.items()}
        assert (outputs["image_us"], outputs["image_eu"], outputs["image_asia"]) == tuple(WHOLE.values())
        assert {where: row["outcome"] for where, row in pushed.replicas.items()} == {
            "us": "source",
            "eu": "created",
            "asia": "created",
        }

    @pytest.mark.parametrize("location", ["eu", "asia"])
    def test_replica(self, pusher: Caller, pushed: Run, location: str) -> None:
        replica = pusher.image(f"web-20261122-{location}")
        assert replica["status"] == "READY"
        assert replica["storageLocations"] == [location]
        assert replica["sourceImageId"] == pusher.image("web-20261122")["id"]
        assert replica["family"] == f"web-{location}"
        assert replica["labels"] == {"team": "infra"}
        assert replica["description"] == "The web server"
        assert everyone_may_use(pusher, replica["name"])
        row = pushed.replicas[location]
        assert (row["id"], row["access"], row["promoted"]) == (replica["id"], "public", True)

    def test_source_is_untouched(self, pusher: Caller, pushed: Run) -> None:
        source = pusher.image("web-20261122")
        assert (source["family"], source["labels"]) == ("web", {"team": "infra"})
        touched = {entry["method"] for entry in pusher.emulator.journal() if entry["target"] == SOURCE}
        assert touched == {f"compute.images.{verb}" for verb in ("get", "getIamPolicy", "testIamPermissions")}

    def test_index_and_its_digest(self, pusher: Caller, pushed: Run) -> None:
        path = Path(pushed.outputs["index_path"])
        assert path == pusher.job.temp / "image-index.json"
        data = path.read_bytes()
        assert pushed.outputs["index_digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        (image,) = json.loads(data)["images"]
        assert {where: entry["uri"] for where, entry in image["locations"].items()} == WHOLE
        assert image["wanted_locations"] == ["asia", "eu", "us"]

    def test_what_people_see(self, pushed: Run) -> None:
        assert [(note.level, note.title) for note in pushed.annotations] == [("notice", "us, eu, asia")]
        for uri in WHOLE.values():
            assert uri in pushed.summary
            assert uri in pushed.log
        assert pushed.log.index("Plan for") < pushed.log.index("copying")


class TestReplicates:
    def test_dispatch_with_distribute_true(self, caller: Caller) -> None:
        run = caller(on_branch("workflow_dispatch"), {**MANIFEST, "distribute": "true"})
        assert (run.exit_code, run.outputs["result"]) == (0, "complete")
        assert run.json("images") == WHOLE

    def test_dry_run_on_a_branch(self, caller: Caller) -> None:
        run = caller(branch_push(), {**MANIFEST, "distribute": "true", "dry_run": "true"})
        assert (run.exit_code, run.outputs["result"]) == (0, "planned")
        assert {row["outcome"] for row in run.replicas.values()} <= {"planned", "source"}
        assert (run.outputs["index_path"], run.outputs["index_digest"]) == ("", "")
        assert not calls(caller, "insert")
