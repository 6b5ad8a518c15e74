"""Runs two builds' jobs and the merge job through the real action.yml files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from testkit.harness.callers import Caller, SetUp, new_job, with_environment
from testkit.harness.job import Action, tag_push
from testkit.places import ROOT

if TYPE_CHECKING:
    from emulator.testing import Running
    from testkit.harness.job import Event, Run


TAG = tag_push("v1.2.3")

IMAGES = {"X86_64": "web-1", "ARM64": "web-1-arm64"}

EXPECT = "X86_64, ARM64"

OUTPUTS = set(yaml.safe_load((ROOT / "merge" / "action.yml").read_text("utf-8"))["outputs"])


class Jobs:
    """A workflow of three jobs, each on a runner of its own; artifacts are copied from one to the other."""

    def __init__(self, action: Action, set_up: SetUp | None, emulator: Running, folder: Path) -> None:
        self.action, self.set_up, self.emulator, self.folder = action, set_up, emulator, folder
        self.merge_action = Action.load(action.path / "merge")
        self.env: dict[str, str] = {}
        self.count = 0

    def job(self) -> Caller:
        self.count += 1
        caller = new_job(self.action, self.emulator, self.folder / f"job{self.count}")
        caller.job.env |= self.env
        return with_environment(caller, self.set_up.environments if self.set_up else self.environments())

    def environments(self) -> list[Path]:
        """Those that earlier jobs made."""
        found = self.folder.glob("job*/*/_temp/replicator-*")
        return list({path.name: path for path in found if not path.is_symlink()}.values())

    def build(self, architecture: str, event: Event = TAG, caller: Caller | None = None, **inputs: str) -> Run:
        caller = caller or self.job()
        name = IMAGES[architecture]
        if not self.emulator.image("p1", name):
            self.emulator.add_image(
                project="p1",
                name=name,
                family=name.replace("-1", ""),
                architecture="ARM64" if architecture == "ARM64" else "X86_64",
                public=True,
            )
        source = f"projects/p1/global/images/{name}"
        run = caller(event, {"source_image": source, "promote": "false", "revision": "auto", **inputs})
        if run.outputs["index_path"]:
            artifact = self.folder / "artifacts" / f"image-index-{architecture}"
            artifact.mkdir(parents=True, exist_ok=True)
            shutil.copy(run.outputs["index_path"], artifact)
        return run

    def merge(self, event: Event = TAG, caller: Caller | None = None, **inputs: str) -> Run:
        caller = caller or self.job()
        if (self.folder / "artifacts").exists():
            shutil.copytree(self.folder / "artifacts", caller.job.workspace / "fragments")
        run = caller.job.run(self.merge_action, event, {"fragments": "fragments", "expect": EXPECT, **inputs})
        assert set(run.outputs) == OUTPUTS
        assert run.outputs["decision"] in {"replicate", "skip"}
        assert run.outputs["reason"]
        for name in ("images", "image_names", "replicas"):
            run.json(name)
        return run

    def families(self) -> set[str]:
        images = self.emulator.state()["images"]
        return {image["family"] for image in images if image.get("family") and image.get("sourceImageId")}


def installed(caller: Caller) -> list[str]:
    """Which stand-in packages a job's set-up installed."""
    return [path.name for path in caller.job.temp.glob("replicator-*/lib/*/site-packages/replicator_stand_in*info")]
