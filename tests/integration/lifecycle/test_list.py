"""`list`: each release once, with its status, from what the emulator says of the images; a doubtful reading ends it."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from replicator import cli
from replicator.commands.lifecycle import run as listing
from replicator.runtime.lifecycle import execute
from testkit.harness.job import on_emulator
from testkit.pages import PAGES
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.testing import Running
    from testkit.action import Action

LINES = {"families": "web, web-arm64", "project_id": "p1"}
DAY = 86400.0


class Told:
    """What one list left behind."""

    def __init__(self, emulator: Running, **given: str) -> None:
        log, document = io.StringIO(), io.StringIO()
        env = on_emulator(emulator.url)
        self.exit_code = execute(
            listing.Listing, {**LINES, **given}, env, log, commands=False, document=document, loop_factory=VirtualLoop
        )
        self.log = log.getvalue()
        self.document: dict[str, Any] = json.loads(document.getvalue())

    @property
    def releases(self) -> dict[str, dict[str, Any]]:
        return {each["source"]["name"] or each["version"]: each for each in self.document["releases"]}

    @property
    def statuses(self) -> dict[str, str]:
        return {name: each["status"] for name, each in self.releases.items()}


def add(emulator: Running, name: str, *, day: float, marked: str = "", deleted: str = "", **more: Any) -> str:
    """Put an image in place, as old as it is said to be, and return its URI."""
    deprecated = {"state": marked, **({"deleted": deleted} if deleted else {})} if marked else {}
    project = more.pop("project", "p1")
    emulator.add_image(project=project, name=name, created=day * DAY, deprecated=deprecated, **more)
    return f"projects/{project}/global/images/{name}"


def release(emulator: Running, name: str, *, day: float, line: str = "web", promoted: bool = True, **more: Any) -> None:
    """Put a source, stored in us, and its replicas in eu and asia in place."""
    eu = more.pop("eu", True)
    source = add(emulator, name, day=day, family=line, location="us", **more)
    for place in ("eu", "asia") if eu else ("asia",):
        family = {"family": f"{line}-{place}"} if promoted else {}
        add(emulator, f"{name}-{place}", day=day + 0.1, location=place, **of(emulator, source), **family, **more)


def of(emulator: Running, uri: str) -> dict[str, str]:
    project, name = uri.split("/")[1], uri.split("/")[-1]
    image = emulator.image(project, name)
    assert image is not None
    return {"source_image": uri, "source_image_id": image["id"]}


def change(emulator: Running, project: str, name: str, act: Callable[[Any], None]) -> None:
    """Change an image as somebody else does."""
    emulator.run(lambda: act(emulator.compute.state.image(project, name, 9e9)))


def test_every_status(emulator: Running) -> None:
    """Two architectures; a date is one where the whole set has it; a source heads its family from its build on."""
    release(emulator, "web-v1", day=1, marked="DEPRECATED", deleted="2026-12-24", labels={"hold": "legal"})
    release(emulator, "web-v2", day=2, marked="OBSOLETE", labels={"critical": "false"})
    release(emulator, "web-v3", day=3, labels={"release": "v3-0"})
    add(emulator, "web-v4", day=4, family="web", location="us")
    add(
        emulator,
        "web-v4-eu",
        day=4.1,
        location="eu",
        status="FAILED",
        **of(emulator, "projects/p1/global/images/web-v4"),
    )
    release(emulator, "web-v5", day=5, labels={"critical": "yes"})
    release(emulator, "web-v6", day=6, marked="DEPRECATED")
    release(emulator, "web-v7", day=7, promoted=False)
    release(emulator, "arm-v1", day=1, line="web-arm64", labels={"release": "v1"})
    release(emulator, "arm-v2", day=2, line="web-arm64", eu=False)
    add(emulator, "unrelated", day=9, family="db")
    told = Told(emulator)
    assert told.exit_code == 0, told.log
    assert told.statuses == {
        "web-v7": "staged",
        "web-v6": "withdrawn",
        "web-v5": "default",
        "web-v4": "broken",
        "web-v3": "published",
        "web-v2": "deprecated",
        "web-v1": "retired",
        "arm-v2": "default",
        "arm-v1": "partly_default",
    }
    assert told.document["default"] == {"web": "web-v5", "web-arm64": "arm-v2"}
    found = told.releases
    assert (found["web-v1"]["hold"], found["web-v2"]["critical"], found["web-v5"]["critical"]) == (True, False, True)
    assert found["web-v3"]["version"] == "v3-0"
    # A bare date without zone ends where it ends last.
    assert (found["web-v1"]["until"], found["web-v2"]["until"]) == ("2026-12-25T12:00:00Z", "")
    assert "what the family web resolves to: the build moved it" in found["web-v7"]["message"]
    assert found["arm-v1"]["message"] == "It is the default of web-arm64-eu."
    heads = {image["name"] for each in found.values() for image in each["images"] if image["head"]}
    assert heads == {"web-v7", "web-v5-eu", "web-v5-asia", "arm-v2", "arm-v2-asia", "arm-v1-eu"}
    assert "web (p1): 7 releases, default web-v5" in told.log
    assert not [entry for entry in emulator.journal() if entry["committed"]]


def test_what_replicate_makes(action: Action) -> None:
    """One release staged, promoted, then rolled back in two ways, in projects of their own for the replicas."""
    emulator = action.emulator
    where = {"replica_project": "{project}-{location}", "name_template": "{name}"}
    add(emulator, "web-0", day=1, family="web", location="us")
    assert action(source_image="projects/p1/global/images/web-0", **where).result == "complete"
    assert action(**where, promote="false").result == "complete"
    told = Told(emulator, families="web", **where)
    assert told.statuses == {"web-1": "busy", "web-0": "default"}
    assert len(told.releases["web-0"]["images"]) == 4
    assert action(**where).result == "complete"
    assert Told(emulator, families="web", **where).statuses == {"web-1": "default", "web-0": "busy"}
    for project in ("p1", "p1-us"):
        change(emulator, project, "web-1", lambda image: image.fields.update(deprecated={"state": "DEPRECATED"}))
    assert Told(emulator, families="web", **where).statuses == {"web-1": "partly_default", "web-0": "partly_default"}


def test_copies_of_copies_strangers_and_sourceless(emulator: Running) -> None:
    release(emulator, "web-v1", day=1)
    eu = "projects/p1/global/images/web-v1-eu"
    add(emulator, "web-v1-europe-west1", day=2, location="europe-west1", **of(emulator, eu))
    add(emulator, "my-test", day=3, location="eu", family="web-eu", **of(emulator, eu))
    lost = {"source_image": "projects/p1/global/images/gone", "source_image_id": "99"}
    add(emulator, "gone-eu", day=0.5, location="eu", family="web-eu", **lost)
    # Its parent is in a project out of scope, so it is a source of its own.
    away = {"source_image": "projects/golden/global/images/base", "source_image_id": "98"}
    add(emulator, "web-v0", day=0.6, location="us", family="web", **away)
    told = Told(emulator, families="web")
    names = [image["name"] for image in told.releases["web-v1"]["images"]]
    assert names == ["web-v1", "web-v1-asia", "web-v1-eu", "web-v1-europe-west1"]
    assert told.statuses == {"web-v1": "partly_default", "web-v0": "published"}
    assert "Other copies (strangers: 1, without a source: 1) are listed with --all." in told.log
    everything = Told(emulator, families="web", all="true")
    assert [image["name"] for image in everything.document["strangers"]] == ["my-test"]
    assert everything.statuses["gone-eu"] == "sourceless"


FAULTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "refused": lambda method: {"kind": "http", "code": 403, "reason": "forbidden", "message": "No."},
    "a project that is missing": lambda method: {"kind": "http", "code": 404, "reason": "notFound", "message": "Gone."},
    "a proxy's page": lambda method: {"kind": "body", "status": 200, "text": "<html>"},
    "an empty object": lambda method: {"kind": "body", "status": 200, "text": "{}"},
    "an empty list": lambda method: {"kind": "body", "status": 200, "text": '{"kind": "compute#imageList"}'},
    "a part with a warning": lambda method: {
        "kind": "body",
        "status": 200,
        "text": json.dumps({"kind": "compute#imageList", "items": [], "warning": {"code": "PARTIAL_SUCCESS"}}),
    },
}


#: What tells these faults from a project that is merely empty, or whose heads don't fit.
SAID = {"an empty object": "doesn't say it is one", "a part with a warning": "may lack some: PARTIAL_SUCCESS"}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("project", ["p1", "p1-eu"])
def test_a_list_that_is_not_whole(emulator: Running, fault: str, project: str) -> None:
    """Exit 3, and no release is told; of the project of the replicas as of that of the sources."""
    release(emulator, "web-v1", day=1)
    for place in ("us", "eu", "asia"):
        add(
            emulator,
            "web-v1",
            day=1,
            project=f"p1-{place}",
            location=place,
            **of(emulator, "projects/p1/global/images/web-v1"),
        )
    method = "compute.images.list"
    emulator.faults(
        [{"method": method, "match": f"projects/{project}/", "times": None, "action": FAULTS[fault](method)}]
    )
    told = Told(emulator, families="web", replica_project="{project}-{location}", name_template="{name}")
    assert (told.exit_code, told.document["releases"], told.document["default"]) == (3, [], {}), told.log
    assert project in told.log
    assert SAID.get(fault, "") in told.log


@pytest.mark.parametrize("fault", ["refused", "a proxy's page", "an empty object", "a project that is missing"])
def test_a_head_that_cannot_be_read(emulator: Running, fault: str) -> None:
    """A 404 is no answer either, while the list has an image that the family should resolve to."""
    release(emulator, "web-v1", day=1)
    method = "compute.images.getFromFamily"
    emulator.faults([{"method": method, "match": "web-eu", "times": None, "action": FAULTS[fault](method)}])
    told = Told(emulator, families="web")
    assert (told.exit_code, told.document["releases"]) == (3, []), told.log
    assert "web-eu" in told.log


def test_a_head_that_the_list_lacks(emulator: Running) -> None:
    release(emulator, "web-v1", day=1)
    other = {"kind": "compute#image", "id": "77", "name": "web-v2", "status": "READY", "family": "web-eu"}
    other |= {
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "selfLink": f"{emulator.url}/projects/p1/global/images/web-v2",
    }
    body = {"kind": "body", "status": 200, "text": json.dumps(other)}
    emulator.faults([{"method": "compute.images.getFromFamily", "match": "web-eu", "action": body}])
    told = Told(emulator, families="web")
    assert told.exit_code == 3
    assert "resolves to projects/p1/global/images/web-v2, which the list of images lacks" in told.log


def test_a_family_that_resolves_to_nothing(emulator: Running) -> None:
    release(emulator, "web-v1", day=1, marked="DEPRECATED", deleted="soon")
    told = Told(emulator, families="web")
    assert (told.exit_code, told.statuses, told.document["default"]) == (0, {"web-v1": "deprecated"}, {})
    assert "The date of deletion of web-v1, web-v1-asia, web-v1-eu can't be read." in told.releases["web-v1"]["message"]


def test_all_pages_are_read(emulator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.compute.client._PAGE", 2)
    release(emulator, "web-v1", day=1)
    release(emulator, "web-v2", day=2)
    told = Told(emulator, families="web")
    assert told.statuses == {"web-v2": "default", "web-v1": "published"}
    lists = [entry for entry in emulator.journal() if entry["method"] == "compute.images.list"]
    assert len(lists) == 3


def test_hostile_labels(emulator: Running) -> None:
    """A version is any label; two values are told and decide nothing."""
    release(emulator, "web-v1", day=1, labels={"release": "a"})
    change(emulator, "p1", "web-v1-eu", lambda image: image.labels.update(release="b\n::error::x"))
    told = Told(emulator, families="web")
    assert told.releases["web-v1"]["version"] == "web-v1"
    assert told.releases["web-v1"]["message"].startswith("ambiguous_release: the label release has the values a, b")
    assert not [line for line in told.log.splitlines() if line.startswith("::")]


def test_the_command_of_the_page(emulator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands in docs/lifecycle.md, and with --json, where stdout holds the document alone."""
    (line,) = re.findall(r"^gce-image-(replicator list .*)$", PAGES["lifecycle.md"], re.MULTILINE)
    release(emulator, "web-v1", day=1, project="acme-images")
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", f"{emulator.url}/")
    monkeypatch.setenv("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
    for more in ([], ["--json"]):
        stdout = io.StringIO()
        assert cli.main([*shlex.split(line)[1:], *more], os.environ, stdout) == 0
    assert json.loads(stdout.getvalue())["default"] == {"web": "web-v1"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"families": ""}, ["families: is needed"]),
        (
            {"families": "Web, web, web", "project_id": ""},
            ["project_id: is needed", "families: 'web' is given 2 times", "'Web' isn't a valid family"],
        ),
        ({"project_id": ""}, ["project_id: is needed"]),
        ({"project_id": "No Project"}, ["'No Project' isn't a valid project id"]),
        (
            {"family_template": "all-{location}"},
            ["families: 'web' and 'web-arm64' give their replicas the same family"],
        ),
        ({"locations": "EU", "release_label": "Version"}, ["locations: ", "release_label: 'Version' isn't a valid"]),
        ({"all": "maybe", "config": "none.yaml"}, ["all: ", "config: "]),
    ],
)
def test_bad_settings(emulator: Running, given: dict[str, str], named: list[str]) -> None:
    """All at once, before anything is called."""
    told = Told(emulator, **given)
    assert told.exit_code == 2
    for text in named:
        assert text in told.log
    assert not emulator.journal()
