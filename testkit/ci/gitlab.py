"""Runs the GitLab component of ci-examples/ by gitlab-ci-local, which reads pipelines, inputs and rules as GitLab does.

It runs jobs in a shell of this machine, so our container image isn't what they run in. It gives no identity token and
sets GITLAB_CI to false: both are handed in as variables, as GitLab's runner would set them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testkit import identity
from testkit.ci.machine import EXAMPLES, Machine
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PROGRAM = ROOT / "build" / "engines" / "gitlab-ci-local" / "node_modules" / "gitlab-ci-local" / "dist" / "index.js"
_STAND_INS = ROOT / "testkit" / "ci" / "stand_ins"
_LONGEST = 180.0
#: The project of the example's provider; identity.py's pool trusts one of another name.
_PROVIDER = "projects/123456789/locations/global/workloadIdentityPools/gitlab/providers/gitlab"
_ACCOUNT = "image-publisher@my-project.iam.gserviceaccount.com"


def missing() -> str:
    """Why pipelines can't be run here; empty where they can."""
    if not _PROGRAM.exists():
        return "gitlab-ci-local is missing: `bash scripts/node.sh gitlab-ci-local` installs it where Node is"
    return "" if shutil.which("node") else "node is missing, which runs gitlab-ci-local"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A project's repository on GitLab, with the component in it."""

    folder: Path
    machine: Machine

    @classmethod
    def make(cls, folder: Path, machine: Machine) -> Pipeline:
        """Put the example into a repository; the addresses of Google's token services are those on loopback."""
        project = folder / "project"
        shutil.copytree(EXAMPLES / "gitlab", project)
        for path, old, new in (
            (project / "templates" / "replicate.yml", "https://sts.googleapis.com", machine.identity.url),
            (project / "templates" / "replicate.yml", "https://iamcredentials.googleapis.com", machine.identity.url),
            (project / ".gitlab-ci.yml", _PROVIDER, identity.PROVIDER),
            (project / ".gitlab-ci.yml", _ACCOUNT, identity.EMAIL),
        ):
            text = path.read_text("utf-8")
            if old not in text:
                raise ValueError(f"{path.name} doesn't name {old}")
            path.write_text(text.replace(old, new), "utf-8")
        git = ["git", "-c", "user.name=n", "-c", "user.email=n@example.com", "-C", str(project)]
        for words in (
            ["init", "--quiet", "--initial-branch=main"],
            ["remote", "add", "origin", "https://gitlab.example/acme/web.git"],
            ["add", "--all"],
            ["commit", "--quiet", "--message=one"],
        ):
            subprocess.run([*git, *words], check=True, capture_output=True)
        return cls(project, machine)

    def run(self, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the pipeline with these variables, and those that GitLab's runner sets besides."""
        known = {
            "GITLAB_CI": "true",
            "CI_PROJECT_URL": "https://gitlab.example/acme/web",
            "CI_RUNNER_ID": "7",
            "CI_JOB_URL": "https://gitlab.example/acme/web/-/jobs/9",
            "GOOGLE_ID_TOKEN": self.token(),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{self.machine.emulator.url}/",
            **variables,
        }
        env = self.machine.env(self.folder.parent)
        given = [f"--variable={name}={value}" for name, value in known.items()]
        return subprocess.run(
            ["node", str(_PROGRAM), "--force-shell-executor", "--no-color", *given],
            cwd=self.folder,
            env={**env, "PATH": f"{_STAND_INS}:{env['PATH']}", "NO_GCE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST,
            check=False,
        )

    def token(self) -> str:
        """The token that GitLab would put into GOOGLE_ID_TOKEN, for the audience that the component names."""
        now = int(time.time())
        audience = f"https://iam.googleapis.com/{identity.PROVIDER}"
        claims = {"iss": identity.ISSUER, "sub": "project_path:acme/web:ref_type:tag:ref:v1", "aud": audience}
        return identity.sign({**claims, "iat": now, "exp": now + 300})

    def artifact(self, name: str) -> str:
        """What an artifact of the component's job holds."""
        return (self.folder / ".gitlab-ci-local" / "artifacts" / "replicate-image" / name).read_text("utf-8")

    def index(self) -> object:
        """The index that the job left."""
        return json.loads(self.artifact("image-index.json"))
