"""What the action installs: the files that its lock names by their hashes, as wheels, and nothing else."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from scripts import lock_check
from testkit.harness import stand_in
from testkit.harness.callers import check
from testkit.harness.job import Job, tag_push
from testkit.harness.package_index import Offer, index, with_uv
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.harness.job import Action


def sdist(witness: Path) -> bytes:
    """A source distribution whose build would leave a trace."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        texts = {
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {stand_in.NAME}\nVersion: 1.0\n",
            "setup.py": f"open({str(witness)!r}, 'w').close()\nfrom setuptools import setup\nsetup()\n",
        }
        for name, text in texts.items():
            member = tarfile.TarInfo(f"{stand_in.NAME}-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def offers(folder: Path, wheel: Path) -> dict[str, tuple[Offer, str]]:
    """Name → what the index offers, and a part of what is said about it; nothing where the set-up works."""
    name, data = wheel.name, wheel.read_bytes()
    other = stand_in.make_wheel(folder / "other", note="another hand was here").read_bytes()
    newer = stand_in.make_wheel(folder / "newer", "1.1")
    higher_build = name.replace("-py3", "-9-py3")
    archive = {f"{stand_in.NAME}-1.0.tar.gz": sdist(folder / "built")}
    swapped, missing = "whose hash differs from the one in the action's lock", "could not be installed"
    many = {higher_build: other, newer.name: newer.read_bytes(), name: data, **archive}
    return {
        "the right wheel": (Offer({name: data}), ""),
        "the right wheel among others": (Offer(many, hashes=True), ""),
        "the right wheel among others, and no hashes in the links": (Offer(many), swapped),
        "another file under the name": (Offer({name: other}), swapped),
        "a changed byte": (Offer({name: data[:-1] + bytes([data[-1] ^ 1])}), swapped),
        "another build of the version": (Offer({higher_build: other}), swapped),
        "a hash in the link that is not the file's": (Offer({name: other}, hashes="0" * 64), swapped),
        "a newer version only": (Offer({newer.name: newer.read_bytes()}), missing),
        "a source distribution only": (Offer(archive), missing),
        "nothing": (Offer({}), missing),
        "words that are commands": (Offer({}, status=(403, "no ##[add-mask]x ::set-env name=A::b")), missing),
    }


OFFERS = [
    "the right wheel",
    "the right wheel among others",
    "the right wheel among others, and no hashes in the links",
    "another file under the name",
    "a changed byte",
    "another build of the version",
    "a hash in the link that is not the file's",
    "a newer version only",
    "a source distribution only",
    "nothing",
    "words that are commands",
]


@pytest.mark.parametrize("by", ["uv", "pip"])
@pytest.mark.parametrize("name", OFFERS)
def test_an_index_offers(
    name: str, by: str, action: Action, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", "offers of a package index")
    wheel = stand_in.make_wheel(tmp_path / "wheels")
    known = offers(tmp_path, wheel)
    assert list(known) == OFFERS
    offer, says = known[name]
    used = stand_in.make_action(action.path, tmp_path / "action", wheel)
    with index(offer) as url:
        job = Job(folder=tmp_path / "job", env={"PIP_INDEX_URL": url, "PIP_RETRIES": "0", "no_proxy": "*"})
        if by == "uv":
            job.search_path = with_uv(tmp_path / "programs")
        run = job.run(used, tag_push("v1"))
    check(run)
    assert not (tmp_path / "built").exists()
    installed = [path.name for path in job.temp.glob("replicator-*/lib/*/site-packages/replicator_stand_in*")]
    # Whatever uv says against an index, pip has the last word.
    assert ("Installing with pip" in run.log) == (by == "pip" or bool(says)), run.log
    if not says:
        # Without a source to replicate it goes no further than the inputs.
        assert (run.ran, run.exit_code) == (["decide", "setup", "replicate"], 2), run.log
        assert sorted(installed) == ["replicator_stand_in-1.0.dist-info", "replicator_stand_in.pth"]
        return
    assert (run.ran, run.exit_code) == (["decide", "setup"], 3), run.log
    (error,) = run.annotations
    assert (error.level, error.title) == ("error", "Set-up")
    assert says in error.message
    assert installed == []


@dataclass(frozen=True)
class Machine:
    """Where uv could come from, and who sets up."""

    on_path: str | None = None
    """uv, or what is there in its place; `uv` for the real one."""
    fetched: str | None = None
    """What the index has for the uv of our lock; `uv` for the real one."""
    by_pip: bool = False
    tampered: bool = False
    """Whether that file was changed after the lock was made."""


REAL = f'exec "{stand_in.UV}" "$@"'
MACHINES = {
    "nothing": Machine(by_pip=True),
    "uv on PATH": Machine(on_path="uv"),
    "uv of the index": Machine(fetched="uv"),
    "another file as uv's wheel": Machine(fetched="uv", tampered=True, by_pip=True),
    "a uv on PATH that is older, and the index's": Machine(on_path="echo uv 0.4.30", fetched="uv"),
    "a uv on PATH that does nothing, and the index's": Machine(on_path="exit 0", fetched="uv"),
    "a uv on PATH that fails, and the index's": Machine(on_path="exit 127", fetched="uv"),
    "a uv on PATH that knows no options": Machine(
        on_path=f'[ "$1" != --version ] || {REAL}\necho "error: unexpected ::argument::"; exit 2', by_pip=True
    ),
    "a uv on PATH that breaks off in the middle": Machine(
        on_path=f"{REAL.removeprefix('exec ')}\n[ $# = 1 ]", by_pip=True
    ),
    "a uv of the index that is not for this machine": Machine(fetched="\x7fELF", by_pip=True),
}


@pytest.mark.parametrize("name", MACHINES)
def test_who_sets_up(name: str, action: Action, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    record_property("counted", "ways to uv")
    machine = MACHINES[name]
    wheel = stand_in.make_wheel(tmp_path / "wheels")
    uv = None
    if machine.fetched:
        uv = stand_in.make_uv(wheel.parent, b"" if machine.fetched == "uv" else machine.fetched.encode())
    used = stand_in.make_action(action.path, tmp_path / "action", wheel, uv=uv)
    if machine.tampered:
        stand_in.make_uv(wheel.parent, b"#!/bin/bash\necho another hand was here\n")
    job = Job(folder=tmp_path / "job", env={"PIP_FIND_LINKS": str(wheel.parent), "PIP_NO_INDEX": "1"})
    if machine.on_path:
        job.search_path = with_uv(tmp_path / "programs", machine.on_path.removeprefix("uv"))
    run = job.run(used, tag_push("v1"))
    check(run)
    assert (run.ran, run.exit_code) == (["decide", "setup", "replicate"], 2), run.log
    assert ("Installing with pip" in run.log) == machine.by_pip, run.log
    assert "another hand" not in run.log
    assert "::argument::" not in run.log
    (environment,) = job.temp.glob("replicator-*")
    # Nothing of uv stays, and pip is there only where it did the work.
    packages = {path.name for path in environment.glob("lib/*/site-packages/*") if path.suffix != ".dist-info"}
    assert packages - {"pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth"} == {
        "replicator.pth",
        "replicator_stand_in.pth",
    }
    assert ("pip" in packages) == machine.by_pip
    assert {path.name for path in environment.iterdir()} <= {
        "bin",
        "complete",
        "include",
        "lib",
        "lib64",
        "log",
        "pyvenv.cfg",
    }


ACTIONS = sorted([ROOT / "action.yml", *ROOT.glob("*/action.yml")])
#: Overrides only say what is left out of the others.
LOCKS = sorted(path for path in (ROOT / "locks").glob("*.txt") if path.stem != "overrides")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
class TestTheLocks:
    def test_every_package_is_pinned_by_version_and_hash(self, lock: Path) -> None:
        logical = re.sub(r"\\\n", " ", re.sub(r"(?m)^ *#.*$", "", lock.read_text("utf-8"))).split("\n")
        lines = [line.strip() for line in logical if line.strip()]
        assert lines
        pinned = (
            r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[0-9]+(\.[0-9]+)*(\.post[0-9]+)?( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+"
        )
        for line in lines:
            assert re.fullmatch(pinned, line), line

    def test_it_says_nothing_of_where_packages_come_from(self, lock: Path) -> None:
        assert not re.search(r"--(extra-)?index-url|--find-links|://", lock.read_text("utf-8"))

    def test_it_is_made_again_by_make_lock(self, lock: Path) -> None:
        made = f"locks/{lock.stem}.in -o locks/{lock.name}"
        assert lock.with_suffix(".in").exists()
        assert made in (ROOT / "Makefile").read_text("utf-8")

    def test_its_packages_are_audited(self, lock: Path) -> None:
        audit = (ROOT / ".github" / "workflows" / "audit.yml").read_text("utf-8")
        audited = [line for line in audit.splitlines() if '/pip-audit" ' in line]
        assert f"-r locks/{lock.name}" in " ".join(audited)


def test_each_lock_that_an_action_installs_is_tried_on_every_system() -> None:
    installed = {name for action in ACTIONS for name in re.findall(r"locks/[a-z]+\.txt", action.read_text("utf-8"))}
    assert {f"locks/{lock.name}" for lock in lock_check.LOCKS} == installed
    assert len(installed) > 1


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.parent.name)
def test_nothing_is_nested(action: Path) -> None:
    """The policy of a caller who pins every action by its commit reaches through an action to those that it uses."""
    assert not re.search(r"(?m)^\s*-?\s*uses:", action.read_text("utf-8"))
