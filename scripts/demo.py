"""Demonstrates the main job from start to end on this machine: `make demo`.

Starts the embedded Compute Engine emulator with one image from a build, runs the real `action.yml` as for a pushed tag
while one location is refused, runs it again, which makes what is missing, and once more, which changes nothing. Leaves
job summary, index and log in `demo-output/`. The exit code is 1 if anything is wrong. Only the action's set-up uses the
network: it asks a Python package index. With KEEP=1 the emulator goes on until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
# Isolated (-I), so that nothing else on this machine is imported.
sys.path.insert(0, str(ROOT))

from testkit.harness import manifest  # noqa: E402
from testkit.harness.backend import backend  # noqa: E402
from testkit.harness.job import Action, Job, export, network, on_emulator, tag_push  # noqa: E402
from testkit.harness.records import read_annotations  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from testkit.harness.backend import Backend
    from testkit.harness.job import Run, Step, Under

COPY_SECONDS = 3.5
PROJECT, SOURCE, FAMILY = "p1", "web-20261122", "web"
LOCATIONS = {"us": SOURCE, "eu": f"{SOURCE}-eu", "asia": f"{SOURCE}-asia"}
FAMILIES = {"us": FAMILY, "eu": f"{FAMILY}-eu", "asia": f"{FAMILY}-asia"}
REFUSAL = {
    "method": "compute.images.insert",
    "match": "-asia",
    "action": {
        "kind": "operation",
        "code": "QUOTA_EXCEEDED",
        "http_status": 403,
        "message": "Quota 'IMAGES' exceeded.",
    },
}
#: Lines that matter in a real run, not here: there are no prices or roles, and the index is left in demo-output/.
LEFT_OUT = ("  stored already:", "  prices are of", "  permissions", ": asking for the copy", "index: /")
OUTPUT = ROOT / "demo-output"
#: Lines that people read of a demonstration.
MOST_LINES = 80
PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Job summary</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #8886; padding: .3rem .8rem; text-align: left }}
pre, code {{ font: 14px/1.45 ui-monospace, monospace; background: #8882; border-radius: .3rem }}
code {{ padding: .1rem .3rem }}
pre {{ padding: .8rem; overflow-x: auto }}
pre code {{ padding: 0; background: none }}
</style>
{body}"""


def main() -> int:
    """Run the demonstration. Returns 0 if everything is right, else 1."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="replicator-demo-") as name, writing_log():
        say("One image in, three locations out: the whole job, against an emulator of Compute Engine on this machine.")
        folder = Path(name)
        with backend(folder, copy_seconds=COPY_SECONDS) as emulator:
            problems = show(folder, emulator)
            seconds = time.monotonic() - began
            for problem in problems:
                say(f"✗ {problem}")
            say(f"{'Not as it should be' if problems else 'Everything is as it should be'} ({seconds:.0f} s).")
            say_what_next()
            if unread := wrong_to_read((OUTPUT / "log.txt").read_text("utf-8").splitlines()):
                problems.append(unread)
                say(f"✗ {unread}")
            if os.environ.get("KEEP"):
                keep(emulator)
    return 1 if problems else 0


def show(folder: Path, emulator: Backend) -> list[str]:
    """Show the four parts. Returns everything that is wrong."""
    part("1. A build made an image")
    source = emulator.build_image(PROJECT, SOURCE, FAMILY, {"team": "infra"})
    say(f"{source['name']}: family {source['family']}, public, stored in {source['storageLocations'][0]} only.")

    part("2. The tag v1.2.3 is pushed, and Asia is refused")
    job = Job(folder=folder / "runner", env={**network(), **on_emulator(emulator.url)})
    manifest.put(job.workspace)
    action = Action.load(export(folder / "actions"))
    emulator.call("POST", "/_emulator/faults", [REFUSAL])
    say("    - uses: gce-image-replicator/gce-image-replicator@v1")
    say("      with:")
    say("        packer_manifest: packer-manifest.json")
    first = use(job, action)
    if not first.outputs["index_path"]:
        return [f"The action ended with {first.exit_code}: {first.outputs['reason']}"]
    put(first, "1-partial")

    part("3. Somebody raised the quota: the same step again makes what is missing")
    before = len(emulator.changes())
    second = use(job, action, since="Plan for")
    images = emulator.images()
    put(second, "2-complete")
    touched = [entry for entry in emulator.changes()[before:] if entry["target"].endswith(f"{SOURCE}-eu")]
    say("")
    show_images(images)

    part("4. Once more: everything is right, so nothing is changed")
    data, changes = Path(second.outputs["index_path"]).read_bytes(), len(emulator.changes())
    again = use(job, action, since="complete:")
    more = len(emulator.changes()) - changes
    same = Path(again.outputs["index_path"]).read_bytes() == data
    say("")
    say(f"Requests that change something: {changes} in the first two runs, {more} in the third.")
    say(f"Its index is {'the same to the byte' if same else 'another one'}.")

    return [
        *wrong_partial(first),
        *([f"The second run changed {SOURCE}-eu"] if touched else []),
        *wrong_images(images),
        *wrong_outputs(second, "The second run"),
        *wrong_outputs(again, "The third run"),
        *([f"The third run made {more} changing requests"] if more else []),
        *([] if same else ["The third run wrote another index"]),
        *([] if emulator.images() == images else ["The third run changed images"]),
    ]


def put(run: Run, name: str) -> None:
    """Keep what a run left: its job summary as Markdown and as a page, and the index."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    (OUTPUT / f"summary-{name}.md").write_text(run.summary, "utf-8")
    (OUTPUT / f"summary-{name}.html").write_text(PAGE.format(body=markdown.render(run.summary)), "utf-8")
    shutil.copy(run.outputs["index_path"], OUTPUT / f"image-index-{name}.json")


def say_what_next() -> None:
    """Say what was left behind, and what to try."""
    say("")
    say("Left in demo-output/, to look at in a browser or an editor:")
    names = sorted(path.name for path in OUTPUT.iterdir())
    for start in range(0, len(names), 3):
        say(f"  {'  '.join(names[start : start + 3])}")
    say("Next: KEEP=1 make demo leaves the emulator up for commands of your own; docs/quick-start-action.md puts the")
    say("action into a workflow; docs/quick-start-command-line.md does the same without one.")


def keep(emulator: Backend) -> None:
    """Leave the emulator up until Ctrl-C."""
    say("")
    say("The emulator goes on until Ctrl-C. In another terminal, in this folder:")
    say(f"  export CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE={emulator.url}/ CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true")
    say("  make setup")
    say(f"  .venv/bin/gce-image-replicator plan --source-image projects/{PROJECT}/global/images/{SOURCE}")
    with contextlib.suppress(KeyboardInterrupt):
        emulator.process.wait()


@contextlib.contextmanager
def writing_log() -> Iterator[None]:
    """Write what is said to demo-output/log.txt, too; the folder is made anew."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    with (OUTPUT / "log.txt").open("w", encoding="utf-8") as log:
        LOGS.append(log)
        try:
            yield
        finally:
            LOGS.clear()


def use(job: Job, action: Action, *, since: str = "") -> Run:
    """Run the action and show its log live: each step with a heading, or all from the line that has `since` in it."""
    shown = [since == ""]

    def on_step(step: Step) -> None:
        if not since:
            say("")
            say(f"── {step.name}")

    def on_line(_: Under, line: str) -> None:
        shown[0] = shown[0] or since in line
        if shown[0]:
            show_line(line)

    return job.run(
        action, tag_push("v1.2.3"), {"packer_manifest": "packer-manifest.json"}, on_step=on_step, on_line=on_line
    )


def show_line(line: str) -> None:
    """Print a line of the log unless it tells a newcomer little; workflow commands as the runner shows them."""
    if line.startswith("::notice") or any(words in line for words in LEFT_OUT):
        return
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


def wrong_partial(run: Run) -> list[str]:
    """Return what differs from a run in which asia alone failed for the quota."""
    reasons = {location: row["reason"] for location, row in run.replicas.items() if row["reason"]}
    if (run.exit_code, run.outputs["result"], reasons) == (0, "partial", {"asia": "quota"}):
        return []
    return [f"The first run ended with {run.exit_code} ({run.outputs['result']}): {run.outputs['reason']}"]


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


def wrong_to_read(lines: Sequence[str]) -> str:
    """What keeps people from reading what the demonstration says; empty if nothing does."""
    raw = [line for line in lines if line.strip().startswith(("{", "[{", '"'))]
    if raw:
        return f"Raw JSON was printed: {raw[0][:60]}"
    return f"{len(lines)} lines were printed; people read {MOST_LINES}" if len(lines) > MOST_LINES else ""


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


LOGS: list[TextIO] = []


def say(line: str) -> None:
    """A line, at once."""
    for file in (sys.stdout, *LOGS):
        file.write(f"{line}\n")
        file.flush()


if __name__ == "__main__":
    sys.exit(main())
