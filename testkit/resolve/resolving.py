"""Makes indexes, and replicas in an emulator, for tests of what reads them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from replicator.commands.resolve.run import Resolution
from replicator.index import image_index
from replicator.runtime.lifecycle import execute
from testkit.harness.job import on_emulator
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from emulator.testing import Running

URI = "projects/p1/global/images/web-1"


def served(location: str, *, number: str, source: str, name: str = "web-1", **more: Any) -> dict[str, Any]:
    """Return what an index says of one location."""
    return {
        "project": "p1",
        "name": f"{name}-{location}",
        "id": number,
        "uri": f"projects/p1/global/images/{name}-{location}",
        "source_image_id": source,
        "copied_from": URI,
        "family": f"web-{location}",
        "public": True,
        "disk_size_gb": "20",
        "labels": {},
        **more,
    }


def entry(locations: Mapping[str, Any], *, architecture: str = "X86_64", variant: str = "") -> dict[str, Any]:
    """Return one entry of an index."""
    return {
        "architecture": architecture,
        "variant": variant,
        "revision": None,
        "source": {
            "project": "p1",
            "name": "web-1",
            "id": "1001",
            "uri": URI,
            "storage_location": "us",
            "family": None,
        },
        "wanted_locations": sorted(locations),
        "locations": dict(locations),
    }


def index(locations: Iterable[str] = ("us", "eu", "asia")) -> dict[str, Any]:
    """Return an index of one image in these locations, with ids that are made up."""
    rows = {name: served(name, number=str(2000 + at), source="1001") for at, name in enumerate(locations)}
    return {"schema": 1, "images": [entry(rows)]}


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write an index to a file in a folder."""
    return image_index.write(image_index.to_bytes(dict(document)), folder)


def published(emulator: Running, locations: Iterable[str] = ("us", "eu", "asia")) -> dict[str, Any]:
    """Put a source and its replicas in place, and return their index."""
    source = emulator.add_image(project="p1", name="web-1", family="web", location="us", disk_size_gb=20, public=True)
    rows = {}
    for location in locations:
        image = emulator.add_image(
            project="p1",
            name=f"web-1-{location}",
            family=f"web-{location}",
            location=location,
            disk_size_gb=20,
            public=True,
            source_image=URI,
            source_image_id=source["id"],
        )
        rows[location] = served(location, number=image["id"], source=source["id"])
    return {"schema": 1, "images": [entry(rows)]}


class Told:
    """What one resolution against an emulator left behind, as JSON and on stderr; its clock jumps."""

    def __init__(self, emulator: Running, loop: Callable[[], AbstractEventLoop] = VirtualLoop, /, **given: str) -> None:
        log, document = io.StringIO(), io.StringIO()
        env = on_emulator(emulator.url)
        before = len(emulator.journal())
        self.exit_code = execute(
            Resolution,
            {"format": "json", **given},
            env,
            log,
            commands=False,
            document=document,
            loop_factory=loop,
        )
        self.log = log.getvalue()
        self.document: dict[str, Any] = json.loads(document.getvalue())
        self.calls = [entry["method"].rpartition(".")[2] for entry in emulator.journal()[before:]]

    @property
    def passed_over(self) -> dict[str, str]:
        """Why each location was passed over."""
        return {row["location"]: row["why"] for row in self.document["passed_over"]}
