"""Writes what people can copy from the summary: gcloud and Terraform for the replicas, the command for a rerun.

Pure.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from replicator.bootstrap import workflow_commands
from replicator.core import locations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from replicator.core.replicas import ReplicaResult
    from replicator.inputs.source_reference import SourceRef
    from replicator.replicas.settings import Settings


#: The command where it is installed, and where uv has to fetch it first.
INSTALLED = "gce-image-replicator"
FETCHED = f"uvx --from git+https://github.com/gce-image-replicator/gce-image-replicator@v1 {INSTALLED}"

#: Inputs that say which image: the source that was found replaces them.
_WHICH_IMAGE = frozenset({"source_image", "packer_manifest", "project_id"})


def gcloud(rows: Sequence[ReplicaResult]) -> list[str]:
    """Return commands that create an instance in each location: from this image, and from its family's newest."""
    lines = []
    for row in rows:
        ref, family, location = row.replica.ref, row.replica.family, row.replica.location
        create = f"gcloud compute instances create my-instance --zone={_shell(locations.example_zone(location))}"
        lines.append(f"{create} --image={_shell(ref.uri)}")
        if family and row.promoted:
            lines.append(f"{create} --image-family={_shell(family)} --image-project={_shell(ref.project)}")
    return lines


def terraform(rows: Sequence[ReplicaResult]) -> list[str]:
    """Return a map from the prefix of each region, or its name, to the nearest image, and how to use it.

    Every known region finds an image, and so does one that is newer than the table in a known part of the world.
    """
    images = {row.replica.location: row.replica.ref.uri for row in rows}
    chosen = _nearest(images)
    width = max(map(len, map(_quoted, chosen)), default=0)
    entries = [f"    {_quoted(key).ljust(width)} = {_quoted(images[chosen[key]])}" for key in sorted(chosen)]
    found = "local.image_by_region_prefix"
    return [
        "locals {",
        "  image_by_region_prefix = {",
        *entries,
        "  }",
        "}",
        "",
        '# In boot_disk.initialize_params of a google_compute_instance; var.region is one such as "europe-west1".',
        f'# image = try({found}[var.region], {found}[split("-", var.region)[0]])',
    ]


def _nearest(there: Collection[str]) -> dict[str, str]:
    """Map each part of the world, and each region for which it is another, to the nearest of the locations."""
    if not there:
        return {}
    # A region without a number is in no table: it counts at the middle of its part of the world.
    chosen = {part: locations.order(f"{part}-", there)[0].location for part in locations.PARTS}
    for region in {*locations.REGIONS, *there} - set(locations.MULTI_REGIONS):
        nearest = locations.order(region, there)[0].location
        if chosen.get(locations.part(region)) != nearest:
            chosen[region] = nearest
    return chosen


def again(
    verb: str, settings: Settings, given: Mapping[str, str], source: SourceRef, *, late: bool = False, but: str = ""
) -> list[str]:
    """Return the words of a command with the options of this run, for this image. `given` maps inputs to their text.

    If copies were too `late`, it gives them twice the time: the same time would be too short again. `but` names an
    input that is left out.
    """
    options = {"source_image": str(source)}
    for name, field in type(settings).model_fields.items():
        usual = getattr(settings, name) == field.get_default(call_default_factory=True)
        if given.get(name) and not usual and name not in {*_WHICH_IMAGE, but}:
            # Labels may be given one per line, which doesn't fit into one line of shell.
            options[name] = ",".join(given[name].splitlines()) if name == "labels" else given[name]
    if settings.revision and "revision" in options:
        # `auto` would mean another revision, or none, wherever the command is typed.
        options["revision"] = json.dumps(asdict(settings.revision), separators=(",", ":"))
    if late:
        options["timeout_minutes"] = f"{2 * settings.timeout_minutes:g}"
    return [verb, *(f"--{name.replace('_', '-')}={_shell(value)}" for name, value in options.items())]


def plan(source: str) -> list[str]:
    """Return the words of the command that shows what a run for this image would do."""
    return ["plan", f"--source-image={_shell(source)}"]


def typed(program: str, words: Sequence[str]) -> list[str]:
    """Return the lines of a command as typed into a shell: one, or one for each option if there are several."""
    verb, *options = words
    start = f"{program} {verb}"
    if len(options) <= 1:
        return [" ".join([start, *options])]
    return " \\\n  ".join([start, *options]).split("\n")


def _shell(value: str) -> str:
    return shlex.quote(workflow_commands.plain(value))


def _quoted(value: str) -> str:
    """Return a string of HCL in which quotes, escapes and templates are literal."""
    text = workflow_commands.plain(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"([$%])\{", r"\1\1{", text) + '"'
