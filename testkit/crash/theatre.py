"""Holds an emulator whose calls can be held still, and knows what stories come to when nothing disturbs them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from testkit.crash import process
from testkit.crash.stage import Stage
from testkit.crash.stories import Story, standing

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running


class Theatre:
    """An emulator with a stage, and what each story comes to when nothing disturbs it."""

    def __init__(self, emulator: Running, folder: Path) -> None:
        self.emulator = emulator
        self.stage = Stage(emulator)
        self._folder = folder
        self._whole: dict[str, tuple[dict[str, Any], bytes, list[str]]] = {}

    def undisturbed(self, story: Story) -> tuple[dict[str, Any], bytes, list[str]]:
        """What stands there in the end, the index, and the calls."""
        if story.name not in self._whole:
            story.begin(self.emulator)
            self.stage.set()
            run = process.fork(self._folder / story.name, self.emulator.url, story.inputs)
            done = run.left(run.end())
            assert (done.exit_code, done.outputs["result"]) == (0, "complete"), done.log
            self._whole[story.name] = (*self.came_to(story, done.index), list(self.stage.calls))
        return self._whole[story.name]

    def came_to(self, story: Story, index: bytes) -> tuple[dict[str, Any], bytes]:
        """What stands there now, and the index, as far as both are the same wherever a run ended before."""
        stands, index = standing(self.emulator), self.nameless(index)
        if story.origins_vary:
            del stands["made of"]
            for image in stands["images"].values():
                image.pop("sourceImage", None)
            index = re.sub(rb'"(copied_from|source_image_id)": "[^"]+"', b"", index)
        return stands, index

    def nameless(self, index: bytes) -> bytes:
        """An index with names in the place of ids, which the service gives out anew each time."""
        for image in self.emulator.state()["images"]:
            index = index.replace(f'"{image["id"]}"'.encode(), f'"id of {image["name"]}"'.encode())
        return index
