"""The page about registry mirrors: its configuration, its table, and the snippet for machines that boot."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from replicator.commands.registry import config
from replicator.commands.registry.config import Registry
from replicator.commands.registry.rewrite import NoMirror, rewrite
from replicator.inputs import config_file
from testkit.places import ROOT
from testkit.registry.snippet import BOOT, PAGE, block

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "ghcr.io/org/app:v1"


def test_the_file_is_taken_by_the_program_and_by_the_schema() -> None:
    text = block("yml", "registry.yaml")
    known = config_file.parse_as(Registry, text).declared()
    jsonschema.validate(yaml.safe_load(text), config.schema())
    assert len(known.mirrors) == 4


@pytest.mark.parametrize(("zone", "says"), re.findall(r"^\| (`.*|any other.*) \| (.*) \|$", PAGE, re.MULTILINE)[:4])
def test_the_table_is_true(zone: str, says: str) -> None:
    known = config_file.parse_as(Registry, block("yml", "registry.yaml")).declared()
    prefixes = re.findall(r"`([a-z]+)-…`", zone) or ["southamerica", "none"]
    for prefix in prefixes:
        place = prefix if prefix == "none" else f"{prefix}-east1-a"
        if says.startswith("an error"):
            with pytest.raises(NoMirror):
                rewrite(IMAGE, place, known)
        else:
            assert f"`{rewrite(IMAGE, place, known).text}`" in says


def test_the_boot_snippet_repeats_both_until_the_pull_succeeds(tmp_path: Path) -> None:
    """The helper fails once, then the pull twice; a try is both."""
    fakes = {
        "gcloud": 'echo "gcloud $*" >>log; [ "$(grep -c "^gcloud" log)" -gt 1 ]',
        "docker": 'echo "docker $*" >>log; [ "$(grep -c "^docker" log)" -gt 2 ]',
        "sleep": 'echo "sleep $*" >>log',
        "gce-image-replicator": f'exec "{sys.executable}" -m replicator "$@"',
    }
    for name, script in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    subprocess.run(["bash", "-euc", BOOT], cwd=tmp_path, env=env, check=True, timeout=60)
    log = (tmp_path / "log").read_text("utf-8").split("\n")
    helper = "gcloud auth configure-docker us-docker.pkg.dev --quiet"
    pull = "docker pull us-docker.pkg.dev/my-project/ghcr-mirror/org/app:v1"
    assert log == [helper, "sleep 15", helper, pull, "sleep 15", helper, pull, "sleep 15", helper, pull, ""]
