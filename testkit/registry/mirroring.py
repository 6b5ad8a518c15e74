"""Runs `registry` commands inside this process against the emulator, on mirrors in every spelling of an upstream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from replicator.commands.registry.run import run
from testkit.action import Action
from testkit.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running
    from testkit.action import Finished

CREATE, GET, PATCH = (f"artifactregistry.repositories.{verb}" for verb in ("create", "get", "patch"))
SET = "artifactregistry.repositories.setIamPolicy"
CALLS = [CREATE, GET, PATCH, SET, "artifactregistry.repositories.getIamPolicy", "artifactregistry.operations.get"]
CONFIG = """\
project: p1
locations: [us, europe]
mirrors:
  ghcr.io:
    repository: ghcr-mirror
    description: Packages of ours
    labels: {team: infra}
    credentials: {username: bot, secret: projects/p1/secrets/ghcr/versions/3}
  docker.io: {repository: hub, locations: [us, asia-south1]}
readers: ["group:nodes@example.com", "serviceAccount:vm@p1.iam.gserviceaccount.com"]
zones: {asia: us, me: error}
"""
SPELLINGS: dict[str, dict[str, Any]] = {
    "common": {"commonRepository": {"uri": "https://ghcr.io"}},
    "custom": {"dockerRepository": {"customRepository": {"uri": "https://ghcr.io/"}}},
    "common, in capitals": {"commonRepository": {"uri": "https://GHCR.io"}},
}
GCLOUD = {
    "delete-older-than-30d": {"action": "Delete", "condition": {"olderThan": "2592000.0s", "tagState": "any"}},
    "keep-latest": {"action": "Keep", "mostRecentVersions": {"keepCount": 16}},
}
SHORT = {"project_id": "p1", "registry_locations": "us,europe"}


class Registry:
    """Runs `registry` commands."""

    def __init__(self, emulator: Running, folder: Path) -> None:
        self.emulator, self.folder = emulator, folder
        self.action = Action(emulator, folder)
        self.action.env |= {"CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY": emulator.url}

    def __call__(self, command: str, **given: str) -> Finished:
        return self.action.carry_out(run, {"command": command, **given})

    def write(self, text: str, name: str = "registry.yaml") -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def mutations(self) -> int:
        return sum(entry["committed"] for entry in self.emulator.journal())

    def make(self, name: str, location: str = "us", **fields: Any) -> None:
        body = {"format": "DOCKER", "mode": "REMOTE_REPOSITORY", "cleanupPolicies": GCLOUD, **fields}
        path = f"/v1/projects/p1/locations/{location}/repositories?repositoryId={name}"
        assert Client(self.emulator).send("POST", path, body).status == 200


def states(done: Finished) -> dict[tuple[str, str], str]:
    return {(row["upstream"], row["location"]): row["state"] for row in json.loads(done.outputs["mirrors"])}
