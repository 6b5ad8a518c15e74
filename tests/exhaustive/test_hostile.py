"""Hostile text in every place that text comes from, through the front door.

Each cell is a carrier in a place. A scene is a run that quotes several places; it is made with the carrier in all of
them, and must have the shape of the same run with harmless text. Where it has not, each place is tried alone.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import google.auth
import pytest
from google.auth import exceptions as auth_errors

from emulator.compute.state import Change, Policy
from emulator.testing import Running, running
from replicator.__main__ import main
from replicator.commands.lifecycle.promote import run as turn
from replicator.commands.lifecycle.retain import run as sweep
from replicator.commands.replicate import run
from replicator.replicas.settings import Settings
from testkit.lifecycle.releases import release
from testkit.places import ROOT
from testkit.runners.runner_model import Left, fences, shape, strays, words_of_shell
from testkit.virtual import VirtualLoop

HARMLESS = "harmless text"

#: What is not text but structure, somewhere.
CARRIERS = {
    "command": "\n::error::x",
    "command after blanks": "\n \t\u00a0::set-output name=result::x",
    "mask": "\r::add-mask::word",
    "stop": "\n::stop-commands::x",
    "group": "\u2028::group::x",
    "old command": "##[error]x",
    "old command in a line": "x ##[set-env name=PATH;]x",
    "LF": "a\nb",
    "CR": "a\rb",
    "CRLF": "a\r\nb",
    "separators": "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei",
    "escapes": "%0A::error::x%0D%25%3A%2C",
    "table": "| a | b |\n|---|---|\n| c \\| d |",
    "link": "[x](https://evil.example) ![x](https://evil.example/x.png) <https://evil.example>",
    "reference": "[x][y]\n\n[y]: https://evil.example\n\n[^1] [^1]: x",
    "code": "`x` ``x`` ```\n```sh\nx\n```\n~~~\nx",
    "heading": "\n# x\n\n## x\nx\n===\nx\n---\n- x\n> x\n1. x",
    "emphasis": "*x* **x** _x_ ~~x~~ :+1: @octocat #1 a@b.example www.evil.example",
    "HTML": "</code></details><img src=x onerror=alert(1)><!-- x --><script>x</script>&lt;b&gt;&amp;&#124;",
    "comment": "<!--",
    "Mermaid": "%%{init: {}}%%\nsection x : crit, 0, 1; click x href y # x",
    "ANSI": "\x1b[2J\x1b]8;;https://evil.example\x07x\x9b31mx\x08\x7f",
    "bidirectional": "\u202ex\u2066y\u2069\u200f\u061c",
    "invisible": "a\u200bb\ufeffc\u00add\U000e0041e",
    "end of a record": "x\nghadelimiter_\nresult<<EOF\nx\nEOF\nname=value",
    "shell": "'; touch x; \"$(touch x)`touch x`\" ${x} \\",
    "Terraform": '"${file("/etc/passwd")}%{ if true }x\\',
    "YAML": "x: y\n- &a [*a]\n# x",
    "format": "{0} {name} {} %s %(x)s",
    "half a character": "a\ud800b\udfff",
    "not UTF-8": "a\udc80\udcffb",
    "long": "<x>|" * 250_000,
}  # fmt: skip


@dataclass
class Stage:
    """What a scene plays with."""

    emulator: Running
    folder: Path
    texts: Mapping[str, str]

    def __call__(self, place: str) -> str:
        return self.texts[place]

    def known(self, place: str) -> str:
        """As environment variables and paths can hold it."""
        text = self.texts[place].replace("\0", "")[:30_000]
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")

    def name(self, place: str) -> str:
        """As a name in a folder can hold it."""
        data = os.fsencode(self.known(place).replace("/", "_"))[:200]
        return os.fsdecode(data)

    def env(self, **more: str) -> dict[str, str]:
        return {
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_WORKSPACE": str(self.folder),
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_REF": "refs/tags/v1",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": self.emulator.url,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            **more,
        }

    def left(self, code: int, log: str) -> Left:
        paths = (self.folder / "output", self.folder / "summary")
        return Left(code, log, *(path.read_bytes().decode() if path.exists() else "" for path in paths))

    def action(self, env: Mapping[str, str] | None = None, **inputs: str) -> Left:
        """The action past its decision, on a clock that jumps."""
        stdout, loop = io.StringIO(newline=""), VirtualLoop()
        given = {"source_image": "projects/p1/global/images/web-1", **inputs}
        try:
            code = run.run(given, env or self.env(), stdout, commands=True, loop_factory=lambda: loop)
        finally:
            loop.close()
        return self.left(code, stdout.getvalue())

    def main(self, argv: list[str], **env: str) -> Left:
        stdout = io.StringIO(newline="")
        return self.left(main(argv, self.env(**env), stdout), stdout.getvalue())

    def decide(self, **env: str) -> Left:
        """`decide` as the action starts it."""
        script = str(ROOT / "replicator" / "bootstrap" / "decide.py")
        done = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", script], env=self.env(**env), capture_output=True, check=False
        )
        assert done.stderr == b""
        return self.left(done.returncode, done.stdout.decode())

    def source(self, **fields: Any) -> dict[str, Any]:
        return self.emulator.add_image(project="p1", name="web-1", family="web", public=True, **fields)

    def answers(self, method: str, match: str, status: int, text: str) -> dict[str, Any]:
        action = {"kind": "body", "status": status, "text": text}
        return {"method": f"compute.{method}", "match": match, "action": action}


Scene = Callable[[Stage], Left]
SCENES: dict[str, tuple[tuple[str, ...], Scene]] = {}


def scene(*places: str) -> Callable[[Scene], Scene]:
    def register(play: Scene) -> Scene:
        SCENES[play.__name__] = (places, play)
        return play

    return register


def refused(status: int, message: str, reason: str = "invalid") -> str:
    item = {"message": message, "reason": reason, "domain": "global"}
    return json.dumps({"error": {"code": status, "message": message, "errors": [item]}})


@scene("GITHUB_REF", "tag_pattern", "GITHUB_ACTOR")
def a_tag_that_does_not_match(stage: Stage) -> Left:
    pattern = stage.known("tag_pattern").replace("refs/", "")
    return stage.decide(
        GITHUB_REF="refs/tags/" + stage.known("GITHUB_REF"),
        INPUT_TAG_PATTERN="never,never" + re.sub(r"[\s,*?+^$(){}|\\[\]\\\\]+", "", pattern),
        GITHUB_ACTOR=stage.known("GITHUB_ACTOR"),
    )


@scene("GITHUB_EVENT_NAME")
def an_event_that_nobody_knows(stage: Stage) -> Left:
    return stage.decide(GITHUB_EVENT_NAME=stage.known("GITHUB_EVENT_NAME"), INPUT_DISTRIBUTE="true")


@scene("a deleted GITHUB_REF")
def a_deleted_tag(stage: Stage) -> Left:
    return stage.decide(GITHUB_REF=stage.known("a deleted GITHUB_REF"), GITHUB_SHA="0" * 40)


@scene("distribute")
def a_wrong_distribute(stage: Stage) -> Left:
    return stage.decide(INPUT_DISTRIBUTE="x" + stage.known("distribute"), INPUT_TAG_PATTERN="refs/tags/v*")


@scene("what setup.sh says")
def a_set_up_that_failed(stage: Stage) -> Left:
    from replicator.bootstrap import decide as decide_module

    stdout = io.StringIO(newline="")
    code = decide_module.main(["--failed", stage("what setup.sh says")], stage.env(), stdout)
    return stage.left(code, stdout.getvalue())


INPUTS = [f"input {name}" for name in Settings.model_fields if name != "config"]


@scene(*INPUTS)
def inputs_that_are_wrong(stage: Stage) -> Left:
    given = {f"INPUT_{place[6:].upper()}": "x " + stage(place) for place in INPUTS}
    return stage.main([], **given)


@scene("a name of a config file")
def a_config_file_that_is_missing(stage: Stage) -> Left:
    return stage.action(config="x" + stage.known("a name of a config file"))


CONFIG = ["name", "project", "family", "kms_key"]


@scene("a key of the config", "a location of the config", "a key in the config", "a label of the config", "its value",
       "the config file's name", *(f"{key} in the config" for key in CONFIG))  # fmt: skip
def a_config_file_that_is_wrong(stage: Stage) -> Left:
    inner = {key: "{" + stage(f"{key} in the config") for key in CONFIG}
    labels = {stage("a label of the config") + "!": stage("its value") + "!"}
    wrong = {"us": {**inner, "labels": labels, "!" + stage("a key in the config"): 1}}
    document = {
        "locations": {**wrong, "!" + stage("a location of the config"): {}},
        "!" + stage("a key of the config"): 1,
    }
    name = "x" + stage.name("the config file's name") + ".yaml"
    # The parser has a limit of its own, which is tested elsewhere.
    text = json.dumps(document) if len(str(document)) < 100_000 else json.dumps({"!" + "<x>|" * 20_000: 1})
    (stage.folder / name).write_text(text)
    return stage.action(config=name)


@scene("artifact_id", "builder_type", "the manifest's name")
def a_manifest_of_two_images(stage: Stage) -> Left:
    builds = [
        {"builder_type": "x.googlecompute", "artifact_id": stage("artifact_id"), "packer_run_uuid": "r"},
        {"builder_type": stage("builder_type"), "artifact_id": "x", "packer_run_uuid": "r"},
        {"builder_type": "googlecompute", "artifact_id": "b", "packer_run_uuid": "r"},
    ]
    name = "x" + stage.name("the manifest's name") + ".json"
    (stage.folder / name).write_text(json.dumps({"builds": builds, "last_run_uuid": "r"}))
    return stage.action(source_image="", packer_manifest=name)


@scene("custom_data.project_id")
def a_manifest_of_no_project(stage: Stage) -> Left:
    custom = {"project_id": stage("custom_data.project_id")}
    build = {"builder_type": "googlecompute", "artifact_id": "b", "packer_run_uuid": "r", "custom_data": custom}
    (stage.folder / "m.json").write_text(json.dumps({"builds": [build], "last_run_uuid": "r"}))
    return stage.action(source_image="", packer_manifest="m.json")


RUNNERS = ("GITHUB_ACTOR of a run", "GITHUB_REF of a run", "GITHUB_REPOSITORY", "GITHUB_SHA", "GITHUB_SERVER_URL")


@scene("description", "RUNNER_TEMP", "member", "condition", *RUNNERS)
def a_run_that_succeeds(stage: Stage) -> Left:
    stage.source()
    done = stage.action(locations="us, eu")
    assert done.exit_code == 0
    for name in ("output", "summary"):
        (stage.folder / name).unlink()
    state = stage.emulator.compute.state

    def spoil() -> None:
        now = stage.emulator.app.clock.now()
        source, copy = (state.image("p1", name, now) for name in ("web-1", "web-1-eu"))
        assert source
        assert copy
        binding = {"role": "roles/compute.imageUser", "members": ["user:" + stage("member")]}
        conditional = {**binding, "condition": {"title": stage("condition"), "expression": "true"}}
        policy = Policy(bindings=(*copy.policy.bindings, binding, conditional), etag=copy.policy.etag)
        fields = {**source.fields, "description": stage("description")}
        state.commit(Change(images=(replace(source, fields=fields), replace(copy, policy=policy))))

    stage.emulator.run(spoil)
    temp = stage.folder / stage.name("RUNNER_TEMP")
    temp.mkdir(exist_ok=True)
    variables = {place.split()[0]: stage.known(place) for place in RUNNERS}
    return stage.action(stage.env(**variables, RUNNER_TEMP=str(temp)), locations="us, eu", revision="auto")


#: Location → what makes it fail, from the text.
REFUSALS: dict[str, Callable[[str], dict[str, Any]]] = {
    "eu": lambda text: {"kind": "body", "status": 403, "text": refused(403, text, "forbidden")},
    "asia": lambda text: {"kind": "body", "status": 400, "text": refused(400, text)},
    "us-west1": lambda text: {"kind": "operation", "code": "X", "message": text},
    "us-west2": lambda text: {"kind": "operation", "code": "X" + text, "message": "x"},
    "us-west3": lambda text: {"kind": "body", "status": 403, "text": "<html>" + text},
    "us-west4": lambda text: {"kind": "body", "status": 403, "text": refused(403, "x", "x" + text)},
    "us-west5": lambda text: {"kind": "body", "status": 412, "text": refused(412, f"constraints/x {text}")},
    "us-west6": lambda text: {"kind": "body", "status": 503, "text": refused(503, text)},
    "us-west7": lambda text: {"kind": "body", "status": 200, "text": "<html>" + text},
    "us-west8": lambda text: {"kind": "http", "code": 429, "reason": "x", "message": "x"},
}


@scene(*(f"refusal in {where}" for where in REFUSALS), "refusal of setIamPolicy")
def copies_that_are_refused(stage: Stage) -> Left:
    stage.source()
    policy = refused(400, stage("refusal of setIamPolicy"))
    stage.emulator.faults(
        [
            stage.answers("images.setIamPolicy", "web-1-us-west8$", 400, policy),
            *(
                {"method": "compute.images.insert", "match": f"web-1-{where}$", "action": make(said(stage, where))}
                for where, make in REFUSALS.items()
            ),
        ]
    )
    return stage.action(locations=", ".join(["us", *REFUSALS]), required_locations="eu")


def said(stage: Stage, where: str) -> str:
    # The emulator's own door takes no halves of characters but as JSON.
    return (
        stage(f"refusal in {where}").encode("utf-8", "replace").decode()
        if where in RAW
        else stage(f"refusal in {where}")
    )


RAW = {"us-west1", "us-west2", "us-west3", "us-west7"}


@scene("label of the source", "family of the source")
def labels_and_families_that_cannot_be(stage: Stage) -> Left:
    image = stage.source()
    image |= {"labels": {stage("label of the source"): stage("label of the source")}}
    image |= {"family": "X" + stage("family of the source")}
    stage.emulator.faults([stage.answers("images.get", "web-1$", 200, json.dumps(image))])
    return stage.action(locations="us, eu")


def _of_source(name: str, field: str, spoil: Callable[[str], Any]) -> None:
    @scene(f"{name} of the source")
    def play(stage: Stage) -> Left:
        image = stage.source() | {field: spoil(stage(f"{name} of the source"))}
        stage.emulator.faults([stage.answers("images.get", "web-1$", 200, json.dumps(image))])
        return stage.action(locations="us, eu", home_copy="true", dry_run="true")

    SCENES[f"a_strange_{name}"] = SCENES.pop("play")


LINK = "https://www.googleapis.com/compute/v1/projects/{}/global/images/{}"
for _name, _field, _spoil in (
    ("name", "selfLink", lambda text: LINK.format("p1", text)),
    ("project", "selfLink", lambda text: LINK.format(text, "web-1")),
    ("status", "status", lambda text: "x" + text),
    ("location", "storageLocations", lambda text: ["x" + text]),
    ("architecture", "architecture", lambda text: "x" + text),
    ("birth", "creationTimestamp", lambda text: "x" + text),
    ("state", "deprecated", lambda text: {"state": "x" + text}),
    ("key", "imageEncryptionKey", lambda text: {"kmsKeyName": "x" + text}),
    ("licence", "licenses", lambda text: ["x" + text]),
    ("feature", "guestOsFeatures", lambda text: [{"type": "x" + text}]),
):
    _of_source(_name, _field, _spoil)


def _unreadable(status: int, html: bool) -> None:
    place = f"{'page' if html else 'message'} of {status}"

    @scene(place)
    def play(stage: Stage) -> Left:
        text = "<html>" + stage(place) if html else refused(status, stage(place))
        text = text.encode("utf-8", "replace").decode()
        fault = stage.answers("images.get", "web-1$", status, text) | {"times": None}
        stage.emulator.faults([fault])
        return stage.action(timeout_minutes="3")

    SCENES[f"a_source_that_answers_{status}_{html}"] = SCENES.pop("play")


for _status in (401, 403, 404, 500):
    for _html in (False, True):
        _unreadable(_status, _html)


@scene("what google-auth says")
def credentials_that_cannot_be_used(stage: Stage) -> Left:
    def default(**_: object) -> None:
        raise auth_errors.DefaultCredentialsError(stage("what google-auth says"))  # type: ignore[no-untyped-call]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(google.auth, "default", default)
        return stage.action(stage.env(CLOUDSDK_AUTH_DISABLE_CREDENTIALS=""))


@scene("ACTIONS_ID_TOKEN_REQUEST_URL")
def a_signature_that_the_job_has_no_right_to(stage: Stage) -> Left:
    """What is to be added to the workflow is shown as YAML."""
    where = stage.known("ACTIONS_ID_TOKEN_REQUEST_URL")
    done = stage.action(stage.env(GITHUB_ACTIONS="true", ACTIONS_ID_TOKEN_REQUEST_URL=where), sign="keyless")
    assert fences(done.summary, "yaml")
    return done


@scene("a defect's message")
def a_defect(stage: Stage) -> Left:
    def broken(*_: object) -> None:
        raise RuntimeError(stage("a defect's message").replace("\n", " ").replace("\r", " "))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replicator.compute.connect.connect", broken)
        left = stage.action()
    # How many lines a traceback takes is Python's business.
    return replace(left, log="".join(line for line in left.log.splitlines(keepends=True) if line.startswith("::")))


@scene("an index file's name")
def an_index_that_is_missing(stage: Stage) -> Left:
    return stage.main(["verify", "--index", "x" + stage("an index file's name")])


@scene("what an index says")
def an_index_that_is_wrong(stage: Stage) -> Left:
    (stage.folder / "index").write_text(json.dumps({"schema": 1, "images": [{"x" + stage("what an index says"): 1}]}))
    return stage.main(["verify", "--index", str(stage.folder / "index")])


@scene("an argument")
def an_argument_that_nobody_knows(stage: Stage) -> Left:
    return stage.main(["plan", "--x" + stage("an argument")])


@scene("a release's label", "why a deprecation is refused")
def a_release_that_goes_back_in_part(stage: Stage) -> Left:
    for number in (1, 2):
        release(stage.emulator, f"web-{number}", day=number, copies=("eu",), labels={"release": f"v{number}"})
    label = {"release": stage("a release's label")}
    for name in ("web-2", "web-2-eu"):
        stage.emulator.run(lambda name=name: stage.emulator.compute.state.image("p1", name, 9e9).labels.update(label))  # type: ignore[misc, union-attr]
    message = refused(403, stage("why a deprecation is refused"), "forbidden")
    stage.emulator.faults([stage.answers("images.deprecate", "web-2-eu", 403, message)])
    stdout, loop = io.StringIO(newline=""), VirtualLoop()
    given = {"verb": "rollback", "families": "web", "project_id": "p1"}
    code = turn.run(given, stage.env(), stdout, commands=True, loop_factory=lambda: loop)
    loop.close()
    return stage.left(code, stdout.getvalue())


@scene("a label that holds", "a date of deletion", "a release's label", "why a deletion is refused")
def a_sweep_that_deletes_in_part(stage: Stage) -> Left:
    gone = {"state": "DEPRECATED", "deleted": "2020-01-01T00:00:00Z"}
    for number in range(1, 6):
        release(stage.emulator, f"web-{number}", day=9000 + number, copies=("eu",))
    for name, labels, deprecated in (
        ("web-1", {"release": stage("a release's label")}, gone),
        ("web-1-eu", {}, gone),
        ("web-2-eu", {"hold": stage("a label that holds")}, {}),
        ("web-3", {}, {"state": "DEPRECATED", "deleted": stage("a date of deletion")}),
    ):
        image = stage.emulator.compute.state.image("p1", name, 9e9)
        assert image
        stage.emulator.run(lambda image=image, labels=labels: image.labels.update(labels))  # type: ignore[misc]
        stage.emulator.run(lambda image=image, marked=deprecated: image.fields.update(deprecated=marked))  # type: ignore[misc]
    message = refused(403, stage("why a deletion is refused"), "forbidden")
    target = stage.emulator.compute.state.image("p1", "web-1", 9e9)
    assert target
    stage.emulator.faults([stage.answers("images.delete", target.id, 403, message)])
    stdout, loop = io.StringIO(newline=""), VirtualLoop()
    given = {"families": "web", "project_id": "p1", "keep": "1", "apply": "true"}
    code = sweep.run(given, stage.env(), stdout, commands=True, loop_factory=lambda: loop)
    loop.close()
    return stage.left(code, stdout.getvalue())


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(copy_seconds=0.005, wait_seconds=0.03) as emulator:
        yield emulator


def play(name: str, emulator: Running, folder: Path, texts: Mapping[str, str]) -> Left:
    folder.mkdir()
    emulator.reset()
    return SCENES[name][1](Stage(emulator, folder, texts))


#: Texts that may rightly change the course of a run: no JSON parser takes them, or they are cut.
COURSE_CHANGING = {"half a character", "not UTF-8", "long"}
#: Scenes in which the text decides how many things are wrong.
UNEVEN = {"inputs_that_are_wrong", "a_config_file_that_is_wrong"}


def trouble(name: str, carrier: str, left: Left, usual: Left) -> str:
    """Nothing where the run has the shape of the usual one, or at least holds nothing that is not ours."""
    found, wanted = shape(left), shape(usual)
    if name in UNEVEN or carrier in COURSE_CHANGING:
        return "; ".join(strays(left))
    differing = {key: (str(wanted[key])[:600], str(found[key])[:600]) for key in wanted if found[key] != wanted[key]}
    return json.dumps(differing, indent=1) if differing else ""


@pytest.mark.parametrize("name", SCENES)
def test_hostile_text(
    name: str, emulator: Running, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    places, _ = SCENES[name]
    usual = play(name, emulator, tmp_path / "usual", dict.fromkeys(places, HARMLESS))
    assert not strays(usual)
    broken, scripts = [], []
    words = words_of_shell("".join(fences(usual.summary, "sh")))
    for number, (carrier, text) in enumerate(CARRIERS.items()):
        left = play(name, emulator, tmp_path / str(number), dict.fromkeys(places, text))
        if not trouble(name, carrier, left, usual):
            scripts += fences(left.summary, "sh")
            if name not in UNEVEN and carrier not in COURSE_CHANGING:
                assert words_of_shell("".join(fences(left.summary, "sh"))) == words, carrier
            continue
        for place in places:
            texts = {**dict.fromkeys(places, HARMLESS), place: text}
            alone = play(name, emulator, tmp_path / f"{number} {places.index(place)}", texts)
            if what := trouble(name, carrier, alone, usual):
                broken.append(f"{carrier} in {place}: {what}")
        broken += [] if broken else [f"{carrier} in several places of {name}"]
    assert not broken, f"{len(broken)} cells do not hold\n" + "\n".join(broken[:10])
    words_of_shell("\n".join(scripts))
    record_property("counted", ("hostile text", len(places) * len(CARRIERS)))
