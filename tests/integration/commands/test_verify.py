"""verify/action.yml's last step, in this process: which image it hands on, and what it says where it hands on none."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from replicator.__main__ import main
from replicator.commands.verify import report, settings, summary
from replicator.commands.verify.choose import pick
from replicator.commands.verify.settings import VerifySettings
from replicator.core.errors import BadSettings
from replicator.index import image_index
from replicator.replicas import audit
from testkit.faults import interrupt_at
from testkit.faults import refuse as refuse_image
from testkit.outputs import read_outputs
from testkit.places import ROOT
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.action import Action

ACTION = yaml.safe_load((ROOT / "verify" / "action.yml").read_text(encoding="utf-8"))
KEY = world.private_key()
EU = "projects/p1/global/images/web-1-eu"
SIGNED = {"index": "image-index.json", "bundle": "image-index.json.sigstore.json", "key": "signing.pub"}
WANTED = {"architecture": "X86_64", "location": "eu"}


def test_inputs_are_those_of_action_yml() -> None:
    assert set(ACTION["inputs"]) == {*VerifySettings.model_fields, "python"}
    for name, info in VerifySettings.model_fields.items():
        given = ACTION["inputs"][name]
        assert " ".join((info.description or "").split()) == given["description"].strip()
        assert given.get("required", False) == info.is_required()
        assert given.get("default", "") == ("false" if info.default is False else "")


@dataclass
class Told:
    """What a verification left behind."""

    exit_code: int
    outputs: dict[str, str]
    log: str
    summary: str

    @property
    def annotations(self) -> list[tuple[str, str]]:
        return re.findall(r"^::(notice|warning|error) title=([^:,]*)::", self.log, re.MULTILINE)


@dataclass
class Consumer:
    """Someone else's job, with what was published in its workspace."""

    action: Action
    workspace: Path

    def verify(self, given: dict[str, str]) -> Told:
        temp = self.workspace.parent / "temp"
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir()
        env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(temp / "output"),
            "GITHUB_STEP_SUMMARY": str(temp / "summary"),
            "RUNNER_TEMP": str(temp),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{self.action.emulator.url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            **{f"INPUT_{name.upper()}": text for name, text in given.items()},
        }
        stdout, before = io.StringIO(), len(self.action.mutations())
        code = main(["action", "verify"], env, stdout)
        told = Told(code, read_outputs(temp / "output"), stdout.getvalue(), (temp / "summary").read_text("utf-8"))
        assert set(told.outputs) == set(ACTION["outputs"])
        assert len(self.action.mutations()) == before
        assert told.outputs["reason"]
        assert (told.outputs["result"] == "correct") is (code == 0)
        assert not told.outputs["image"] or code == 0
        assert bool(told.outputs["image"]) == bool(told.outputs["image_id"]) == bool(told.outputs["image_name"])
        json.loads(told.outputs["findings"])
        return told


def published(action: Action, tmp_path: Path) -> Consumer:
    """What a signed run left, in the workspace of somebody else's job."""
    action.env["SIGNING_KEY"] = KEY
    done = action(sign="key")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for output in ("index_path", "bundle_path", "attestation_path"):
        shutil.copy(done.outputs[output], workspace)
    (workspace / "signing.pub").write_bytes(world.public_key(KEY))
    return Consumer(action, workspace)


@pytest.fixture
def consumer(action: Action, tmp_path: Path) -> Consumer:
    return published(action, tmp_path)


def test_all_is_well(consumer: Consumer) -> None:
    before = len(consumer.action.calls())
    told = consumer.verify({**SIGNED, **WANTED, "attestation": "image-index.json.intoto.sigstore.json"})
    assert (told.exit_code, told.outputs["result"], told.outputs["image"]) == (0, "correct", EU), told.log
    assert told.outputs["image_id"] == consumer.action.image("web-1-eu")["id"]
    assert told.outputs["signed_by"].startswith("the key ")
    assert told.outputs["index_digest"] == image_index.digest((consumer.workspace / "image-index.json").read_bytes())
    assert {item["state"] for item in json.loads(told.outputs["findings"])} == {"correct"}
    assert told.annotations == [("notice", "Verified")]
    assert told.outputs["index_digest"].replace(":", "&#58;") in told.summary
    assert f"signed by the key {told.outputs['signed_by'].split()[-1].replace('+', '&#43;')}" in told.summary
    assert f"(https://console.cloud.google.com/compute/imagesDetail/{EU})" in told.summary
    methods = [entry["method"].rpartition(".")[2] for entry in consumer.action.calls()[before:]]
    assert sorted(methods) == ["getIamPolicy"] * 3 + ["list"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a consumer meets, and is told."""

    name: str
    inputs: dict[str, str] = field(default_factory=dict)
    spoil: Callable[[Consumer], object] = lambda _: None
    code: int
    result: str = "error"
    says: str
    about: str = ""
    """The input that the annotation names."""
    calls: bool = False
    """Whether the API is asked anything."""


def tamper(consumer: Consumer) -> None:
    path = consumer.workspace / "image-index.json"
    path.write_bytes(path.read_bytes().replace(b"web-1-eu", b"web-1-ev"))


def delete(consumer: Consumer) -> None:
    consumer.action.emulator.delete_image("p1", "web-1-asia")


def refuse(consumer: Consumer) -> None:
    refused = {"kind": "http", "code": 403, "reason": "forbidden", "message": "no"}
    consumer.action.emulator.faults([{"times": None, "action": refused}])


def other_key(consumer: Consumer) -> None:
    (consumer.workspace / "signing.pub").write_bytes(world.public_key(world.private_key()))


CASES = [
    Case(name="tampered", spoil=tamper, code=5, says="signs a file of sha256:"),
    Case(name="another key", spoil=other_key, code=5, says="is invalid"),
    Case(name="a statement as signature", inputs={"bundle": "image-index.json.intoto.sigstore.json"}, code=5,
         says="was given as bundle"),
    Case(name="gone elsewhere", spoil=delete, code=1, result="wrong", says="X86_64 asia missing", about="X86_64 asia",
         calls=True),
    Case(name="not to be read", spoil=refuse, code=4, result="unreachable", says="X86_64 eu unreachable",
         about="X86_64 asia", calls=True),
    Case(name="no index", inputs={"index": ""}, code=2, says="index: is needed", about="Input index"),
    Case(name="no such file", inputs={"index": "nowhere.json"}, code=2, says="nowhere.json' can't be read",
         about="Input index"),
    Case(name="a statement that is not there", inputs={"attestation": "nowhere.json"}, code=2,
         says="attestation: ", about="Input attestation"),
    Case(name="a file outside", inputs={"key": "/etc/hostname"}, code=2, says="lies outside", about="Input key"),
    Case(name="no policy", inputs={"key": ""}, code=2, says="certificate_identity_regexp: is required",
         about="Input certificate_identity_regexp"),
    Case(name="no location", inputs={"location": ""}, code=2, says="location: is needed for an image: asia, eu, us",
         about="Input location"),
    Case(name="a location that is not served", inputs={"location": "us-east1"}, code=2,
         says="'us-east1' is not served by X86_64 of this index, which is in asia, eu, us", about="Input location"),
    Case(name="no location at all", inputs={"location": "EU"}, code=2, says="write 'eu'", about="Input location"),
    Case(name="another architecture", inputs={"architecture": "ARM64"}, code=2,
         says="'ARM64' is not in this index, which holds X86_64", about="Input architecture"),
    Case(name="a variant of none", inputs={"variant": "lts"}, code=2,
         says="'lts' is not in this index, which holds none", about="Input variant"),
    Case(name="a word for a switch", inputs={"offline_only": "yes"}, code=2, says="is not one of true, false",
         about="Input offline_only"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_image(consumer: Consumer, case: Case) -> None:
    case.spoil(consumer)
    before = len(consumer.action.emulator.journal())
    run = consumer.verify({**SIGNED, **WANTED, **case.inputs})
    assert (run.exit_code, run.outputs["result"]) == (case.code, case.result), run.log
    assert case.says in run.outputs["reason"]
    assert html.unescape(run.summary).count(case.says) >= (case.says in run.log)
    assert str(consumer.workspace) not in html.unescape(run.summary)
    assert ("**What to do:**" in run.summary) is (case.code in {1, 4, 5})
    assert run.outputs["image"] == ""
    titles = {title for level, title in run.annotations if level == "error"}
    assert titles
    assert not case.about or case.about in titles
    assert (len(consumer.action.emulator.journal()) > before) is case.calls


def test_the_signature_alone(consumer: Consumer) -> None:
    before = len(consumer.action.calls())
    run = consumer.verify({**SIGNED, **WANTED, "offline_only": "true"})
    assert (run.exit_code, run.outputs["image"], json.loads(run.outputs["findings"])) == (0, EU, [])
    assert "no image was checked" in run.outputs["reason"]
    assert len(consumer.action.calls()) == before


def test_the_only_architecture_need_not_be_named(consumer: Consumer) -> None:
    assert consumer.verify({**SIGNED, "location": "eu"}).outputs["image"] == EU
    whole = consumer.verify(SIGNED)
    assert (whole.outputs["result"], whole.outputs["image"]) == ("correct", "")


def test_a_location_that_was_left_out_is_no_matter_elsewhere(action: Action, tmp_path: Path) -> None:
    """What a partial release was signed for can be deployed; that it is not whole is told who asks about the whole."""
    action.emulator.faults([refuse_image("web-1-asia")])
    consumer = published(action, tmp_path)
    action.emulator.faults([])
    there = consumer.verify({**SIGNED, **WANTED})
    assert (there.exit_code, there.outputs["image"]) == (0, EU), there.log
    assert {item["location"] for item in json.loads(there.outputs["findings"])} == {"us", "eu"}
    whole = consumer.verify(SIGNED)
    assert (whole.exit_code, whole.outputs["result"], whole.outputs["image"]) == (1, "wrong", "")
    assert "X86_64 asia missing" in whole.outputs["reason"]
    left_out = consumer.verify({**SIGNED, **WANTED, "location": "asia"})
    assert (left_out.exit_code, left_out.outputs["image"]) == (2, "")
    assert "'asia' is not served by X86_64 of this index, which is in eu, us" in left_out.outputs["reason"]


def test_unsigned_and_said_so(consumer: Consumer) -> None:
    run = consumer.verify({"index": "image-index.json", **WANTED})
    assert (run.exit_code, run.outputs["image"], run.outputs["signed_by"]) == (0, EU, "")
    assert "No signature was checked" in run.outputs["reason"]


def test_a_signal(consumer: Consumer) -> None:
    """Results are written, and no image is handed on."""
    emulator = consumer.action.emulator
    before = len(emulator.journal())
    emulator.faults([{"method": "compute.images.getIamPolicy", "times": None, "action": {"kind": "hang"}}])
    interrupt_at(lambda: len(emulator.journal()) > before + 1, signal.SIGTERM)
    told = consumer.verify({**SIGNED, **WANTED})
    emulator.faults([])
    assert (told.exit_code, told.outputs["result"], told.outputs["image"]) == (143, "error", "")
    assert "SIGTERM" in told.outputs["reason"]


ENTRIES = {
    "one": [("X86_64", "")],
    "two architectures": [("ARM64", ""), ("X86_64", "")],
    "variants": [("ARM64", "lts"), ("ARM64", "rolling"), ("X86_64", "lts")],
    "a plain one and a variant": [("X86_64", ""), ("X86_64", "lts")],
    "twice": [("X86_64", ""), ("X86_64", "")],
}


@pytest.mark.parametrize(
    ("entries", "architecture", "variant", "location", "found"),
    [
        ("one", "", "", "eu", "X86_64/"),
        ("one", "X86_64", "", "eu", "X86_64/"),
        ("one", "X86_64", "", "", "location: is needed for an image: asia, eu, us"),
        ("one", "", "", "", None),
        ("two architectures", "ARM64", "", "eu", "ARM64/"),
        ("two architectures", "", "", "eu", "architecture: is needed: the index holds ARM64, X86_64"),
        ("variants", "X86_64", "", "eu", "X86_64/lts"),
        ("variants", "ARM64", "rolling", "eu", "ARM64/rolling"),
        ("variants", "ARM64", "", "eu", "variant: is needed: the index holds lts, rolling"),
        ("variants", "X86_64", "rolling", "eu", "variant: 'rolling' is not in this index, which holds lts"),
        ("variants", "", "lts", "eu", "architecture: is needed: the index holds ARM64, X86_64"),
        ("a plain one and a variant", "X86_64", "", "eu", "X86_64/"),
        ("a plain one and a variant", "X86_64", "lts", "eu", "X86_64/lts"),
        ("twice", "X86_64", "", "eu", "index: holds X86_64 more than once"),
    ],
)
def test_which_image_is_meant(entries: str, architecture: str, variant: str, location: str, found: str | None) -> None:
    def entry(architecture: str, variant: str) -> dict[str, Any]:
        made = dict(world.document()["images"][0], architecture=architecture, variant=variant)
        places = {
            at: {**served, "labels": {"of": f"{architecture}/{variant}"}} for at, served in made["locations"].items()
        }
        return {**made, "locations": places}

    document = {"schema": 1, "images": [entry(*key) for key in ENTRIES[entries]]}
    read = image_index.parse(image_index.to_bytes(document), Path("index.json"))
    given = {"index": "index.json", "architecture": architecture, "variant": variant, "location": location}
    wanted = settings.load(given, {}).settings
    if found and ": " in found:
        with pytest.raises(BadSettings, match=re.escape(found)):
            pick(read, wanted)
    else:
        picked = pick(read, wanted)
        assert (picked.labels["of"] if picked else None) == found


def test_many_of_which_the_same_is_to_be_said_share_a_line() -> None:
    """And what comes next is said once."""
    where = [f"europe-west{number}" for number in range(1, 15)]
    found = [
        audit.Finding(
            location=each,
            uri=f"projects/p1/global/images/web-{each}",
            state=audit.State.MISSING,
            architecture="",
        )
        for each in where
    ]
    known = report.Known(findings=found, plans=[["plan", "--source-image=x"]], digest="sha256:0")
    told = summary.render(known, report.judge(known))
    lines = [line for line in told.splitlines() if line.startswith("| ")]
    assert lines[1:] == [
        "| europe-west1, europe-west2, europe-west3, europe-west4, europe-west5 and 9 more | 14 images | missing |  |"
    ]
    assert told.count("**What to do:**") == 1
