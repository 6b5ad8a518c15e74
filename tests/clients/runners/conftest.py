"""Jobs on real runners, each against an emulator of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.testing import Running, running
from testkit.harness.callers import OFFLINE, add_source, locked, shared_by_workers
from testkit.harness.job import export
from testkit.runners.engine import ENGINES, Engine, Ran
from testkit.runners.runner import Cold, Runner, make_template, use_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# What a cell is: one run of one workflow on one engine, with everything that follows from it.
COUNTED = "runner cells"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that runs an engine is a cell of the count."""
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.user_properties.append(("counted", COUNTED))


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that is built; the others' cells are skipped by name."""
    engine: Engine = request.param
    if not engine.program.exists():
        pytest.skip(f"{engine.name} is not built: `make test-runners` builds it where Go is")
    return engine


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of pytest's workers share."""
    folder = shared_by_workers(tmp_path_factory) / "runners"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def action(common: Path) -> Path:
    """The action, exported as a release would hold it."""
    with locked(common / "export.lock"):
        if not (common / "exported").exists():
            (common / "exported").write_text(str(export(common / "_actions")), "utf-8")
    return Path((common / "exported").read_text("utf-8"))


@pytest.fixture
def compute() -> Iterator[Running]:
    """An emulator with the image that the recorded manifest names."""
    with running(copy_seconds=0.05) as emulator:
        add_source(emulator)
        yield emulator
        emulator.assert_faults_used()


@pytest.fixture(scope="session")
def cold(action: Path, common: Path) -> Callable[[Engine], Cold]:
    """Made once for each engine. Skips where there is no package index to install from."""

    def make(engine: Engine) -> Cold:
        folder = common / f"cold-{engine.name}"
        told = folder / "told.json"
        with locked(common / f"{folder.name}.lock"):
            if not told.exists():
                (folder / "kept").mkdir(parents=True)
                told.write_text(json.dumps(use_first(engine, action, folder)), "utf-8")
        report = json.loads(told.read_text("utf-8"))
        ran = Ran(report["exit_code"], tuple(report["entries"]), Path(report["witness"]), engine.understands_commands)
        environments = sorted((folder / "kept").glob("replicator-*"))
        if not environments and OFFLINE.search("\n".join(ran.log)):
            pytest.skip("the action's set-up needs a Python package index, and pip reached none")
        assert environments, ran
        return Cold(ran, {name: tuple(image) for name, image in report["images"].items()}, environments)

    return make


@pytest.fixture(scope="session")
def prepared(cold: Callable[[Engine], Cold], common: Path) -> Callable[[Engine], str]:
    """A folder with a python3 whose new virtual environments hold the packages of an engine's first set-up already.

    Engines give each job another path of the action, so no environment fits two jobs. With this python3 the action's
    set-up still runs as it is, line by line, but that it is told that all is installed; the first one was carried out.
    """

    def make(engine: Engine) -> str:
        (environment,) = cold(engine).environments
        folder = common / f"prepared-{engine.name}"
        with locked(common / f"{folder.name}.lock"):
            if not folder.exists():
                make_template(environment, folder)
        return str(folder)

    return make


@pytest.fixture
def runner(engine: Engine, action: Path, compute: Running, prepared: Callable[[Engine], str], tmp_path: Path) -> Runner:
    """A runner on which nothing is prepared, until `prepare` is called."""
    return Runner(engine=engine, action=action, emulator=compute, folder=tmp_path, prepared=prepared)
