"""Runs other people's workflows, which use the action, on a real runner."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.testing import Running, running
from testkit.harness import manifest
from testkit.harness.callers import MANIFEST, OUTPUTS, add_source
from testkit.harness.job import on_emulator, search_path, tag_push
from testkit.places import ROOT
from testkit.runners import consumer
from testkit.runners.engine import Engine, Job, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.harness.job import Event


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
        manifest.put(repository)
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
