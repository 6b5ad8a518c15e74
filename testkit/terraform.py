"""Runs Terraform itself, without the settings of this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testkit.pages import program
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The module that we give to users.
MODULE = ROOT / "terraform"


@dataclass(frozen=True)
class Terraform:
    """A folder with a configuration. Where Terraform is missing, a test that runs it is skipped."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def offer(self, provider: str, version: str) -> None:
        """Lets it install a provider that `scripts/engines.sh` built; where that is missing, the test is skipped."""
        built = program(f"terraform-{provider}")
        mirror = self.folder / "providers"
        platform = json.loads(self.run("version", "-json"))["platform"]
        place = mirror / "registry.terraform.io" / "hashicorp" / provider / version / platform
        place.mkdir(parents=True)
        (place / f"terraform-provider-{provider}_v{version}").symlink_to(built)
        (self.folder / "settings.tfrc").write_text(
            f"provider_installation {{ filesystem_mirror {{ path = {json.dumps(str(mirror))} }} }}", encoding="utf-8"
        )

    def run(self, *words: str, code: int = 0) -> str:
        """Runs a command and returns what it printed, without the frames around errors; it must end with the code."""
        settings = self.folder / "settings.tfrc"
        settings.touch()
        env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        env |= {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": str(settings), "TF_IN_AUTOMATION": "1"}
        # Where there is no registry, one try is enough.
        env |= {"TF_REGISTRY_DISCOVERY_RETRY": "0", "TF_REGISTRY_CLIENT_TIMEOUT": "5", **self.env}
        command = [program("terraform"), f"-chdir={self.folder}", *words]
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, check=False
        )
        assert done.returncode == code, done.stdout
        return " ".join(line.strip("╷│╵ ") for line in done.stdout.splitlines()) if code else done.stdout

    def outputs(self, **variables: Any) -> dict[str, Any]:
        """Applies the configuration with these variables, and returns its outputs."""
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
        self.run("apply", "-auto-approve", "-input=false", "-no-color")
        return {name: given["value"] for name, given in json.loads(self.run("output", "-json")).items()}

    def refusal(self, **variables: Any) -> str:
        """Plans the configuration with these variables, and returns the errors; there must be some."""
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
        return self.run("plan", "-input=false", "-no-color", code=1)


def module(folder: Path, example: str = "") -> Terraform:
    """A copy of the module, or of one of its examples in it; not initialized."""
    copied = folder / "terraform"
    shutil.copytree(MODULE, copied, ignore=shutil.ignore_patterns(".terraform*", "terraform.tfstate*"))
    return Terraform(copied / "examples" / example if example else copied)
