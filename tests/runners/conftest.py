"""Jobs on real runners, each against an emulator of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from tests.e2e.conftest import DATA, MANIFEST, OFFLINE, OUTPUTS, add_source, locked, shared_by_workers
from tests.e2e.harness import ROOT, export, on_emulator, search_path, tag_push
from tests.runners import consumer
from tests.runners.engine import ENGINES, Engine, Job, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.harness import Event

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


@dataclass(kw_only=True)
class Runner:
    """A runner on which other people's workflows use the action."""

    engine: Engine
    action: Path
    emulator: Running
    folder: Path
    prepared: Callable[[Engine], str] | None = None
    """Answers where the Python is whose environments hold the action's packages already."""
    path: str = ""
    """In front of PATH."""
    env: dict[str, str] = field(default_factory=dict)

    def prepare(self, needed: bool = True) -> Runner:
        """Let a set-up take two seconds instead of ten, if there will be one."""
        if needed and self.prepared:
            self.path = self.prepared(self.engine)
        return self

    def __call__(self, event: Event, inputs: Mapping[str, str] | None = None) -> Ran:
        """One use by a workflow of ours, of what Packer built."""
        caller = consumer.caller({**MANIFEST, **(inputs or {})})
        return self.run(event, {consumer.CALLER: consumer.text(caller)})

    def run(
        self, event: Event, workflows: Mapping[str, str], *, served: Mapping[str, Path] | None = None, **job: Any
    ) -> Ran:
        """One run of the first of these workflows."""
        repository = self.folder / "repository"
        repository.mkdir(exist_ok=True)
        shutil.copy(DATA / "packer-manifest.json", repository)
        return self.engine.run(
            Job(
                repository=consumer.repository(repository, workflows),
                folder=self.folder,
                workflow=next(iter(workflows)),
                served={consumer.OURS: self.action, **(served or {})},
                env={**on_emulator(self.emulator.url), **self.env},
                path=self.path,
                **job,
            ),
            event,
        )

    def images(self) -> dict[str, tuple[str, str, bool]]:
        """What exists, by name: its location, its family, and whether everybody may use it."""
        return {
            image["name"]: (
                image["storageLocations"][0],
                image.get("family", ""),
                "allAuthenticatedUsers" in json.dumps(image["policy"]),
            )
            for image in self.emulator.state()["images"]
        }


@dataclass(frozen=True)
class Cold:
    """The first use of the action on a machine: everything is installed as users get it."""

    ran: Ran
    images: dict[str, tuple[str, str, bool]]
    environments: list[Path]


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


def use_first(engine: Engine, action: Path, folder: Path) -> dict[str, Any]:
    """Use the action where nothing is prepared, and keep the environment that it makes."""
    with running(copy_seconds=0.05) as emulator:
        add_source(emulator)
        env = {"KEEP": str(folder / "kept")}
        runner = Runner(engine=engine, action=action, emulator=emulator, folder=folder, env=env)
        ran = runner(tag_push("v1.2.3"))
        return {
            "exit_code": ran.exit_code,
            "entries": ran.entries,
            "witness": str(ran.witness),
            "images": runner.images(),
        }


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


def make_template(environment: Path, folder: Path) -> None:
    """Turn an environment into the template of others."""
    folder.mkdir()
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "replicator.pth").unlink()
    # Of jobs that sign keyless, too.
    install = ("--no-config", "pip", "install", "--quiet", "--compile-bytecode", "--python", environment / "bin/python")
    by_hash = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "locks/sign.txt")
    subprocess.run([Path(sys.executable).with_name("uv"), *install, *by_hash], check=True)
    script = f"""\
        #!/bin/sh
        case "$*" in
        "-I -m venv "*)
          for venv do :; done
          mkdir -p "$venv/{packages.relative_to(environment)}"
          cp "{environment}/pyvenv.cfg" "$venv"
          ln -s "{environment}/bin" "$venv"
          exec ln -s "{packages}"/* "$venv/{packages.relative_to(environment)}" ;;
        *install.py*) exit 0 ;;
        esac
        exec "{shutil.which("python3", path=search_path())}" "$@"
        """
    (folder / "python3").write_text(textwrap.dedent(script), "utf-8")
    (folder / "python3").chmod(0o755)


@pytest.fixture
def runner(engine: Engine, action: Path, compute: Running, prepared: Callable[[Engine], str], tmp_path: Path) -> Runner:
    """A runner on which nothing is prepared, until `prepare` is called."""
    return Runner(engine=engine, action=action, emulator=compute, folder=tmp_path, prepared=prepared)


def outputs_of(ran: Ran) -> dict[str, str]:
    """The action's outputs as a later step read them, and proof that the later jobs read the same."""
    outputs: dict[str, str] = ran.saw("step")
    assert set(outputs) == OUTPUTS
    needs = ran.saw("needs")
    assert {name: needs["outputs"].get(name, "") for name in OUTPUTS} == outputs
    assert needs["result"] == ran.saw("outcome")
    announced = ran.witness / "announced.json"
    assert announced.exists() == (outputs["result"] == "complete")
    if announced.exists():
        assert ran.saw("announced") == outputs["image_eu"]
    return outputs
