"""The permissions that each option needs, measured: each is taken away once, and the run must fail by its name.

What was measured is docs/permissions.json, of which the tables for people are made.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from google.oauth2.credentials import Credentials

from emulator.testing import Running, running
from replicator.__main__ import main
from replicator.compute.permissions import ROLES
from testkit.action import Action
from testkit.lifecycle.sweeping import add, copy_of, moment
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = ROOT / "docs" / "permissions.json"
SOURCE, REPLICAS = "p1", "p2"
#: What anything might need, by project; the least of it that does is found.
CANDIDATES = {
    SOURCE: sorted(name for name in ROLES if not name.endswith((".create", ".setIamPolicy", ".setLabels"))),
    REPLICAS: sorted(ROLES),
}
IMAGE = {"project": SOURCE, "name": "web-1", "family": "web", "labels": {"team": "infra"}, "description": "d"}
READERS = [{"role": "roles/compute.imageUser", "members": ["user:somebody@example.com"]}]


def copied(**fields: Any) -> Callable[[Running, Path], None]:
    def prepare(emulator: Running, _folder: Path) -> None:
        source = emulator.image(SOURCE, "web-1")
        assert source
        emulator.add_image(
            project=REPLICAS,
            name="web-1-eu",
            location="eu",
            source_image="projects/p1/global/images/web-1",
            source_image_id=source["id"],
            **fields,
        )

    return prepare


def nothing(_emulator: Running, _folder: Path) -> None:
    """The copy is made by the run."""


def made(**inputs: str) -> Callable[[Running, Path], None]:
    def prepare(emulator: Running, folder: Path) -> None:
        assert replicate(emulator, folder, "admin", **inputs)[0] == 0

    return prepare


def two_releases(*, promoted: bool = True, marked: bool = False) -> Callable[[Running, Path], None]:
    """An older release than the source's own, both with a copy in the project of the replicas."""

    def prepare(emulator: Running, _folder: Path) -> None:
        change = emulator.compute.state.image
        deprecated = {"state": "DEPRECATED"} if marked else {}
        emulator.add_image(project=SOURCE, name="web-0", family="web", created=1.0)
        if marked:
            emulator.run(lambda: change(SOURCE, "web-1", 9e9).fields.update(deprecated=deprecated))  # type: ignore[union-attr]
        for name in ("web-0", "web-1"):
            source = emulator.image(SOURCE, name)
            assert source
            emulator.add_image(
                project=REPLICAS,
                name=f"{name}-eu",
                location="eu",
                family="web-eu" if promoted or name == "web-0" else None,
                source_image=f"projects/p1/global/images/{name}",
                source_image_id=source["id"],
                deprecated=deprecated if name == "web-1" else {},
                created=2.0 if name == "web-0" else None,
            )

    return prepare


def old(emulator: Running, folder: Path) -> None:
    """A release of today, the one before it, one to retire and one to delete, each in both projects."""
    copied(family="web-eu")(emulator, folder)
    for name, age in (("web-c", 100), ("web-b", 400), ("web-a", 500)):
        retired = {"marked": "DEPRECATED", "deleted": moment(-2)} if name == "web-a" else {}
        source = add(emulator, name, age=age, family="web", project=SOURCE, **retired)
        own = {"location": "eu", "family": "web-eu", "project": REPLICAS, **copy_of(emulator, source), **retired}
        add(emulator, f"{name}-eu", age=age - 1, **own)


#: What people ask for → its inputs, and what stands there before.
CASES: dict[str, tuple[dict[str, str], Callable[[Running, Path], None]]] = {
    "a first run": ({}, nothing),
    "`access: public`": ({"access": "public"}, nothing),
    "`access: private`": ({"access": "private"}, nothing),
    "`promote: false`": ({"promote": "false"}, nothing),
    "`labels` on a first run": ({"labels": "a=b"}, nothing),
    "`labels` on a copy that exists": ({"labels": "a=b"}, made()),
    "a rerun with nothing to do": ({}, made()),
    "a copy that is adopted": ({}, copied(labels=IMAGE["labels"])),
    "`replace_failed: true`": ({"replace_failed": "true"}, copied(status="FAILED")),
    "`copies_per_source`": ({"locations": "eu asia", "copies_per_source": "1"}, nothing),
    "a family as `source_image`": ({"source_image": "projects/p1/global/images/family/web"}, nothing),
    "`dry_run: true` or `plan`": ({"dry_run": "true"}, nothing),
    "`dry_run: true` where copies exist": ({"dry_run": "true"}, made()),
    "`verify --index`": ({"verify": "index", "access": "public"}, made(access="public")),
    "`list`": ({"list": ""}, made()),
    "`rollback`": ({"turn": "rollback"}, two_releases()),
    "`promote`": ({"turn": "promote --release web-1"}, two_releases(promoted=False)),
    "`promote --reactivate`": ({"turn": "promote --release web-1 --reactivate"}, two_releases(marked=True)),
    "`retain`": ({"retain": "--keep=1"}, old),
    "`retain --in-use off`": ({"retain": "--keep=1 --in-use=off"}, old),
    "`retain --apply`": ({"retain": "--keep=1 --apply"}, old),
    "`resolve --index`": ({"resolve": "eu"}, made()),
}  # fmt: skip


@contextmanager
def signed_in(token: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(google.auth, "default", lambda **_: (Credentials(token=token), None))  # type: ignore[no-untyped-call]
        yield


def replicate(emulator: Running, folder: Path, token: str, **inputs: str) -> tuple[int, str]:
    given = {"locations": "eu", "required_locations": "all", "replica_project": REPLICAS, **inputs}
    with signed_in(token):
        if given.pop("verify", ""):
            stdout = io.StringIO()
            index = next(folder.rglob("image-index.json"))
            env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": emulator.url}
            return main(["verify", "--index", str(index)], env, stdout), stdout.getvalue()
        if location := given.pop("resolve", ""):
            stdout = io.StringIO()
            index = next(folder.rglob("image-index.json"))
            env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": emulator.url}
            with contextlib.redirect_stderr(stdout):
                code = main(["resolve", "--index", str(index), "--location", location], env, stdout)
            return code, stdout.getvalue()
        if verb := next((verb for verb in ("list", "retain") if verb in given), ""):
            stdout = io.StringIO()
            env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": emulator.url, "RUNNER_TEMP": str(folder)}
            where = ["--locations", given["locations"], "--replica-project", given["replica_project"]]
            more = ["--families", "web", "--project-id", SOURCE, *where, *given[verb].split()]
            return main([verb, *more], env, stdout), stdout.getvalue()
        if turn := given.pop("turn", ""):
            stdout = io.StringIO()
            env = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": emulator.url}
            where = ["--locations", given["locations"] + ",us", "--replica-project", given["replica_project"]]
            code = main([*turn.split(), "--families", "web", "--project-id", SOURCE, *where], env, stdout)
            # Whatever is missing is found before anything is changed.
            assert bool(code) != any(entry["committed"] for entry in emulator.journal()), stdout.getvalue()
            return code, stdout.getvalue()
        action = Action(emulator, folder, runs=len(list(folder.iterdir())))
        action.env = {"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": ""}
        done = action(**given)
        return done.exit_code, done.log


Grant = dict[str, list[str]]


@contextmanager
def world(case: str, grants: dict[str, Grant], folder: Path) -> Iterator[Callable[[str], tuple[int, str]]]:
    """Tries the case, each time from the beginning, as somebody with one of these sets of permissions."""
    inputs, prepare = CASES[case]
    principals = {"admin": ["*"], **{token: {"projects": granted} for token, granted in grants.items()}}
    scenario = {"images": [{**IMAGE, "policy": READERS}], "principals": principals}
    with running(copy_seconds=0.01, wait_seconds=0.1, scenario=scenario) as emulator:

        def attempt(token: str) -> tuple[int, str]:
            emulator.reset()
            own = folder / token
            own.mkdir()
            prepare(emulator, own)
            return replicate(emulator, own, token, **inputs)

        yield attempt


@pytest.mark.parametrize("case", CASES)
def test_the_least_that_each_option_needs(case: str, tmp_path: Path) -> None:
    without = {
        f"{project}-{lacking}": (project, lacking, [name for name in permissions if name != lacking])
        for project, permissions in CANDIDATES.items()
        for lacking in permissions
    }
    grants = {token: {**CANDIDATES, project: left} for token, (project, _, left) in without.items()}
    needed: Grant = {SOURCE: [], REPLICAS: []}
    with world(case, {"all": CANDIDATES, **grants}, tmp_path) as attempt:
        assert attempt("all")[0] == 0
        for token, (project, lacking, _) in without.items():
            code, log = attempt(token)
            # A dry run ends well and says what would be refused.
            if code or "forbidden" in log:
                needed[project].append(lacking)
                assert set(re.findall(r"([\w.]+) \([\w./]+ has it\)", log)) == {lacking}, log
                assert f"{lacking} ({ROLES[lacking]} has it)" in log, log
    with world(case, {"least": needed}, tmp_path) as attempt:
        assert attempt("least")[0] == 0
    measured = {"source": needed[SOURCE], "replicas": needed[REPLICAS]}
    told = json.loads(TABLE.read_text()).get(case)
    assert told == measured, f"measured for docs/permissions.json: {json.dumps({case: measured})}"


def test_every_row_was_measured() -> None:
    assert list(json.loads(TABLE.read_text())) == list(CASES)


def test_every_permission_has_a_role_that_is_told() -> None:
    told: dict[str, Any] = json.loads(TABLE.read_text())
    used = {name for row in told.values() for names in row.values() for name in names}
    assert used <= set(ROLES)
