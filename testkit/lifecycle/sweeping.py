"""Runs `retain` in this process against an emulator that holds releases of two architectures."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.commands.lifecycle.retain.run import Retention
from replicator.runtime.lifecycle import execute
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from emulator.testing import Running

DAY = 86400.0
LINES = {"families": "web, web-arm64", "project_id": "p1"}
CHANGES = ("insert", "patch", "delete", "deprecate", "setLabels", "setIamPolicy")


def moment(days: float) -> str:
    """So many days from now, as the API writes it; days before now are negative."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds").replace("+00:00", "Z")


def add(emulator: Running, name: str, *, age: float, marked: str = "", deleted: str = "", **more: Any) -> str:
    """Put an image of so many days in place, and return its URI."""
    deprecated = {"state": marked, **({"deleted": deleted} if deleted else {})} if marked else {}
    project = more.pop("project", "p1")
    emulator.add_image(project=project, name=name, created=time.time() - age * DAY, deprecated=deprecated, **more)
    return f"projects/{project}/global/images/{name}"


def copy_of(emulator: Running, uri: str) -> dict[str, str]:
    """What a copy of an image says of its parent."""
    image = emulator.image(uri.split("/")[1], uri.split("/")[-1])
    if image is None:
        raise ValueError(f"{uri} is not there")
    return {"source_image": uri, "source_image_id": image["id"]}


def release(
    emulator: Running, name: str, *, age: float, line: str = "web", places: Sequence[str] = ("eu", "asia"), **more: Any
) -> None:
    """Put a source, stored in `us`, and its replicas in place; the last is a copy of the one before it."""
    parent = source = add(emulator, name, age=age, family=line, location="us", **more)
    for place in places:
        own = {"location": place, "family": f"{line}-{place}", **copy_of(emulator, parent), **more}
        made = add(emulator, f"{name}-{place}", age=age - 0.1, **own)
        parent = made if place == places[0] else source


def two_lines(emulator: Running) -> None:
    """Five releases of each architecture, the oldest retired with its date passed, and images of others."""
    for number, age in enumerate((400, 300, 200, 100, 50), 1):
        retired = {"marked": "DEPRECATED", "deleted": moment(-2)} if number == 1 else {}
        release(emulator, f"web-v{number}", age=age, labels={"release": f"v{number}"}, **retired)
        arm: dict[str, Any] = {"line": "web-arm64", "labels": {"release": f"v{number}"}, "architecture": "ARM64"}
        release(emulator, f"arm-v{number}", age=age - 0.5, places=("eu",), **arm, **retired)
    add(emulator, "db-v1", age=500, family="db", marked="DEPRECATED", deleted=moment(-90))
    uri = "projects/p1/global/images/web-v1-eu"
    add(emulator, "my-test", age=390, location="eu", family="mine", **copy_of(emulator, uri))


def pass_time(emulator: Running, days: float) -> None:
    """Let so many days pass for the dates of all images: move these back."""
    for image in emulator.state()["images"]:
        deprecated = image.get("deprecated", {})
        if deprecated.get("deleted", "").endswith("Z"):
            date = datetime.fromisoformat(deprecated["deleted"]) - timedelta(days=days)
            moved = {**deprecated, "deleted": date.isoformat().replace("+00:00", "Z")}
            change(emulator, image["name"], partial(_deprecate, moved), image["project"])


def _deprecate(deprecated: dict[str, Any], image: Any) -> None:
    image.fields.update(deprecated=deprecated)


def change(emulator: Running, name: str, act: Callable[[Any], None], project: str = "p1") -> None:
    """Change an image as somebody else does."""
    emulator.run(lambda: act(emulator.compute.state.image(project, name, 9e9)))


def names(emulator: Running) -> set[str]:
    """The images that exist."""
    return {image["name"] for image in emulator.state()["images"]}


def changes(emulator: Running) -> list[tuple[str, str]]:
    """The changes that were committed, in order: the method's last word, and what it was about."""
    return [
        (entry["method"].split(".")[-1], entry["target"].split("/")[-1])
        for entry in emulator.journal()
        if entry["committed"] and entry["method"].split(".")[-1] in CHANGES
    ]


@dataclass
class Swept:
    """What one `retain` left behind."""

    emulator: Running
    folder: Path
    given: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    action: bool = False
    make_loop: Callable[[], asyncio.AbstractEventLoop] = VirtualLoop

    def __post_init__(self) -> None:
        log, document = io.StringIO(), io.StringIO()
        for name in ("output", "summary"):
            (self.folder / name).write_bytes(b"")
        env = {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{self.emulator.url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            **self.env,
        }
        before = len(self.emulator.journal())
        given = {**({} if "rules" in self.given else LINES), **self.given}
        self.exit_code = execute(
            Retention,
            given,
            env,
            log,
            commands=self.action,
            document=document,
            of_action=self.action,
            loop_factory=self.make_loop,
        )
        self.log = log.getvalue()
        self.calls = self.emulator.journal()[before:]
        self.document: dict[str, Any] = json.loads(document.getvalue())
        self.summary = (self.folder / "summary").read_text(encoding="utf-8")

    @property
    def decisions(self) -> dict[str, str]:
        """The reason of each set that is kept, and the decision of each other, by its source."""
        return {each["source"]["name"]: each["reason"] or each["decision"] for each in self.document["releases"]}

    @property
    def changed(self) -> list[tuple[str, str]]:
        """The changes that it made, in order; of deletions by id, the id."""
        return [
            (entry["method"].split(".")[-1], entry["target"].split("/")[-1])
            for entry in self.calls
            if entry["committed"] and entry["method"].split(".")[-1] in CHANGES
        ]
