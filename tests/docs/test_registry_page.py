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
from replicator.commands.registry.pulls.verdicts import State
from replicator.commands.registry.rewrite import NoMirror, rewrite
from replicator.inputs import config_file
from testkit.places import ROOT
from testkit.registry.snippet import BOOT, PAGE, block

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "ghcr.io/org/app:v1"
#: Of the table of zones: which, and what becomes of the image there.
ROWS = re.findall(r"^\| (`[a-z]+-…`.*|any other.*) \| (.*) \|$", PAGE, re.MULTILINE)


def test_the_file_is_taken_by_the_program_and_by_the_schema() -> None:
    text = block("yml", "registry.yaml")
    known = config_file.parse_as(Registry, text).declared()
    jsonschema.validate(yaml.safe_load(text), config.schema())
    assert len(known.mirrors) == 4


def test_the_table_has_its_rows() -> None:
    assert len(ROWS) == 4


def test_the_page_names_every_state_of_a_pull() -> None:
    assert [state for state in State if f"| `{state}` |" not in PAGE] == []


@pytest.mark.parametrize(("zone", "says"), ROWS)
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


def booted(folder: Path, script: str, *, gcloud: str, docker: str) -> tuple[int, list[str]]:
    """Run the snippet with these in place of gcloud, docker and sleep. Returns its exit code, and what it called."""
    fakes = {
        "gcloud": f'echo "gcloud $*" >>log; {gcloud}',
        "docker": f'echo "docker $*" >>log; {docker}',
        "sleep": 'echo "sleep $*" >>log',
        "gce-image-replicator": f'exec "{sys.executable}" -m replicator "$@"',
    }
    for name, fake in fakes.items():
        (folder / name).write_text(f"#!/bin/sh\n{fake}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-euc", script], cwd=folder, env=env, check=False, timeout=60)
    return done.returncode, (folder / "log").read_text("utf-8").splitlines()


HELPER = "gcloud auth configure-docker us-docker.pkg.dev --quiet"
PULL = "docker pull us-docker.pkg.dev/my-project/ghcr-mirror/org/app:v1"


def test_the_boot_snippet_repeats_both_until_the_pull_succeeds(tmp_path: Path) -> None:
    """The helper fails once, then the pull twice; a try is both."""
    code, log = booted(
        tmp_path,
        BOOT,
        gcloud='[ "$(grep -c "^gcloud" log)" -gt 1 ]',
        docker='[ "$(grep -c "^docker" log)" -gt 2 ]',
    )
    assert (code, log) == (0, [HELPER, "sleep 15", HELPER, PULL, "sleep 15", HELPER, PULL, "sleep 15", HELPER, PULL])


def test_the_boot_snippet_fails_if_no_pull_succeeds(tmp_path: Path) -> None:
    code, log = booted(tmp_path, BOOT, gcloud="true", docker="false")
    assert (code, log) == (1, [HELPER, PULL, "sleep 15"] * 20)


def test_the_boot_snippet_asks_for_no_helper_where_the_upstream_is_pulled_from(tmp_path: Path) -> None:
    script = BOOT.replace(PULL.rpartition(" ")[2], IMAGE)
    assert booted(tmp_path, script, gcloud="false", docker="true") == (0, [f"docker pull {IMAGE}"])
