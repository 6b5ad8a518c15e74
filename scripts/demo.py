"""Demonstrates the main job from start to end on this machine: `make demo`.

Starts the embedded Compute Engine emulator with one image from a build, runs the real `action.yml` as for a pushed tag,
shows what exists where, and runs it again to show that nothing changes. The exit code is 1 if anything is wrong. Only
the action's set-up uses the network: it asks a Python package index.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
# Isolated (-I), so that nothing else on this machine is imported.
sys.path.insert(0, str(ROOT))

from testkit.harness import manifest  # noqa: E402
from testkit.harness.backend import backend  # noqa: E402
from testkit.harness.job import Action, Job, export, network, on_emulator, tag_push  # noqa: E402
from testkit.harness.records import read_annotations  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testkit.harness.backend import Backend
    from testkit.harness.job import Run, Step, Under

COPY_SECONDS = 3.5
PROJECT, SOURCE, FAMILY = "p1", "web-20261122", "web"
LOCATIONS = {"us": SOURCE, "eu": f"{SOURCE}-eu", "asia": f"{SOURCE}-asia"}
FAMILIES = {"us": FAMILY, "eu": f"{FAMILY}-eu", "asia": f"{FAMILY}-asia"}


def main() -> int:
    """Run the demonstration. Returns 0 if everything is right, else 1."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    began = time.monotonic()
    say("One image in, three locations out: the whole job, against an emulator of Compute Engine on this machine.")
    with tempfile.TemporaryDirectory(prefix="replicator-demo-") as name:
        folder = Path(name)
        with backend(folder, copy_seconds=COPY_SECONDS) as emulator:
            problems = show(folder, emulator)
    seconds = time.monotonic() - began
    for problem in problems:
        say(f"✗ {problem}")
    say(f"{'Not as it should be' if problems else 'Everything is as it should be'} ({seconds:.0f} s).")
    return 1 if problems else 0


def show(folder: Path, emulator: Backend) -> list[str]:
    """Show the five parts. Returns everything that is wrong."""
    part("1. A build made an image")
    source = emulator.build_image(PROJECT, SOURCE, FAMILY, {"team": "infra"})
    say(f"{source['name']}: family {source['family']}, public, stored in {source['storageLocations'][0]} only,")
    say("because a build can name one storage location. Packer noted it in packer-manifest.json.")

    part("2. The tag v1.2.3 is pushed: the workflow runs the action")
    job = Job(folder=folder / "runner", env={**network(), **on_emulator(emulator.url)})
    manifest.put(job.workspace)
    action = Action.load(export(folder / "actions"))
    say("    - uses: gce-image-replicator/gce-image-replicator@v1")
    say("      with:")
    say("        packer_manifest: packer-manifest.json")
    first = use(job, action)
    if first.exit_code:
        return [f"The action ended with {first.exit_code}: {first.outputs['reason']}"]

    part("3. What exists where, asked of Compute Engine")
    images = emulator.images()
    show_images(images)

    part("4. What later steps and people get")
    index = Path(first.outputs["index_path"])
    show_results(first, index)

    part("5. The same again: a rerun changes nothing")
    data, changes = index.read_bytes(), len(emulator.changes())
    again = use(job, action)
    more = len(emulator.changes()) - changes
    same = Path(again.outputs["index_path"] or index).read_bytes() == data
    say("")
    say(f"Requests that change something: {changes} before, {more} in the rerun.")
    say(f"The index is {'the same to the byte' if same else 'another one'}.")

    return [
        *wrong_images(images),
        *wrong_outputs(first, "The first run"),
        *wrong_outputs(again, "The rerun"),
        *([f"The rerun made {more} changing requests"] if more else []),
        *([] if same else ["The rerun wrote another index"]),
        *([] if emulator.images() == images else ["The rerun changed images"]),
    ]


def use(job: Job, action: Action) -> Run:
    """Run the action and show its log live, with a heading for each step."""
    printed = [""]

    def on_step(step: Step) -> None:
        if not printed:
            say("   (already done in this job)")
        printed.clear()
        say("")
        say(f"── {step.name}")

    def on_line(_: Under, line: str) -> None:
        printed.append(line)
        show_line(line)

    return job.run(
        action, tag_push("v1.2.3"), {"packer_manifest": "packer-manifest.json"}, on_step=on_step, on_line=on_line
    )


def show_line(line: str) -> None:
    """Print a line of the log; workflow commands as the runner shows them."""
    if line.startswith("::group::"):
        say(f"   {line.removeprefix('::group::')}")
    elif line.startswith("::") and not line.startswith("::endgroup::"):
        for note in read_annotations([line]):
            say(f"   [{note.level}] {note.title}: {note.message}")
    elif not line.startswith("::"):
        say(f"   {line}" if line else "")


def show_images(images: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a table of all images."""
    table(
        ("image", "stored in", "status", "family", "who may use it", "copied from"),
        [
            (
                image["name"],
                ", ".join(image["storageLocations"]),
                image["status"],
                image.get("family", "none"),
                ", ".join(members(image)) or "nobody else",
                image.get("sourceImage", "").rpartition("/")[2] or "(the build)",
            )
            for image in images.values()
        ],
    )


def show_results(run: Run, index: Path) -> None:
    """Print outputs, index and job summary."""
    say("Outputs of the step:")
    rows = [(name, value or "(empty)") for name, value in run.outputs.items() if name != "replicas"]
    rows += [("replicas", "a list, one object for each location:")]
    table((), rows)
    for row in run.replicas.values():
        say(f"      {json.dumps(row)}")
    say("")
    say(f"{index.name}:")
    quote(index.read_text("utf-8"))
    say("")
    say("Job summary (Markdown):")
    quote(run.summary)


def wrong_images(images: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what differs from one public copy of the source in each location, in its family."""
    problems = []
    if set(images) != set(LOCATIONS.values()):
        problems.append(f"There are the images {', '.join(images)}, not {', '.join(LOCATIONS.values())}")
    source = images[SOURCE]
    for location, name in LOCATIONS.items():
        image = images.get(name)
        if image is None:
            continue
        parent = {} if image is source else {"sourceImageId": source["id"]}
        wanted = {
            "status": "READY",
            "storageLocations": [location],
            "family": FAMILIES[location],
            "labels": source["labels"],
            "description": source["description"],
            **parent,
        }
        found = {key: image.get(key) for key in wanted}
        problems += [f"{name}: {key} is {found[key]}, not {wanted[key]}" for key in wanted if found[key] != wanted[key]]
        if members(image) != ["allAuthenticatedUsers"]:
            problems.append(f"{name} is open to {members(image)}")
    return problems


def wrong_outputs(run: Run, what: str) -> list[str]:
    """Return what differs from a complete run."""
    wanted = {location: f"projects/{PROJECT}/global/images/{name}" for location, name in LOCATIONS.items()}
    problems = []
    if run.outputs["result"] != "complete" or run.exit_code:
        problems.append(f"{what} ended with {run.exit_code} ({run.outputs['result']}): {run.outputs['reason']}")
    if run.json("images") != wanted:
        problems.append(f"{what} gave the images {run.outputs['images']}")
    return problems


def members(image: Mapping[str, Any]) -> list[str]:
    """Return the members who may use an image by its own policy."""
    return [member for binding in image["policy"].get("bindings", ()) for member in binding["members"]]


def part(title: str) -> None:
    """Print the heading of a part."""
    say("")
    say(title)
    say("=" * len(title))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; the last one as wide as it likes."""
    lines = [head, *rows] if head else list(rows)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def quote(text: str) -> None:
    """A file's text, set off."""
    for line in text.splitlines():
        say(f"  | {line}")


def say(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
