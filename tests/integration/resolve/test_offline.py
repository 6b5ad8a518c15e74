"""`resolve` of an index without any API: every form of the answer, every failure, and what it imports."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator import cli
from replicator.commands.resolve import metadata
from replicator.index import image_index
from testkit.places import ROOT
from testkit.resolve import resolving

if TYPE_CHECKING:
    from collections.abc import Mapping

EU = "projects/p1/global/images/web-1-eu"


class Told:
    """What one resolution printed."""

    def __init__(self, index: Path | str, *words: str, env: Mapping[str, str] | None = None) -> None:
        stdout, stderr = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", stderr)
            argv = ["resolve", *(["--index", str(index)] if index else []), "--offline", *words]
            self.exit_code = cli.main(argv, env or {}, stdout)
        self.stdout, self.stderr = stdout.getvalue(), stderr.getvalue()

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.stdout))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return resolving.write(resolving.index(), tmp_path)


def standard_input(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_text_is_the_image_on_stdout_and_sentences_elsewhere(index: Path) -> None:
    told = Told(index, "--zone", "europe-west4-a")
    assert (told.exit_code, told.stdout) == (0, f"{EU}\n")
    assert told.stderr == "eu holds europe-west4; nothing was asked: the index alone says so.\n"


def test_uri_is_silent_even_far_away(index: Path) -> None:
    told = Told(index, "--region", "me-west1", "--format", "uri")
    assert (told.exit_code, told.stdout, told.stderr) == (0, f"{EU}\n", "")


def test_far_away_is_a_warning_with_the_line_that_adds_a_replica(index: Path) -> None:
    told = Told(index, "--region", "me-west1")
    assert told.stdout == f"{EU}\n"
    assert told.stderr.count("warning: ") == 1
    assert "me-west1 is served from eu, 3260 km away: there is no replica nearer." in told.stderr
    (line,) = [line for line in told.stderr.splitlines() if "replicator replicate" in line]
    words = shlex.split(line[line.index("replicator replicate") :])
    assert words[2:] == [f"--source-image={resolving.URI}", "--locations=asia,eu,me-west1,us"]


@pytest.mark.parametrize("form", [("--json",), ("--format", "json")])
def test_json_has_all_of_it(index: Path, form: tuple[str, ...]) -> None:
    told = Told(index, "--zone", "europe-west4-a", *form)
    assert told.document == {
        "schema": 1,
        "result": "resolved",
        "image": EU,
        "self_link": f"https://www.googleapis.com/compute/v1/{EU}",
        "id": "2001",
        "location": "eu",
        "place": "europe-west4",
        "tier": 1,
        "km": 382,
        "reason": "eu holds europe-west4",
        "architecture": "X86_64",
        "variant": "",
        "family": "web-eu",
        "deprecated": "",
        "replacement": "",
        "index_digest": image_index.digest(index.read_bytes()),
        "signed_by": "",
        "verified": False,
        "passed_over": [],
        "order": [
            {"location": "eu", "image": EU, "tier": 1, "km": 382},
            {"location": "us", "image": EU.replace("-eu", "-us"), "tier": 3, "km": 7166},
            {"location": "asia", "image": EU.replace("-eu", "-asia"), "tier": 3, "km": 9311},
        ],
        "problems": [],
    }


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_shell_sets_three_variables(index: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is missing")
    told = Told(index, "--zone", "europe-west4-a", "--format", "shell")
    script = f'{told.stdout}printf "%s\\n" "$IMAGE" "$IMAGE_ID" "$IMAGE_LOCATION"'
    ran = subprocess.run([shell, "-euc", script], capture_output=True, text=True, check=True, env={})
    assert ran.stdout.split() == [EU, "2001", "eu"]
    assert ran.stderr == ""


def test_terraform_gives_a_query_and_gets_strings(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = {"index": str(index), "region": "europe-west9", "offline": "true", "architecture": "X86_64"}
    standard_input(monkeypatch, json.dumps(query).encode())
    told = Told("", "--format", "tf-external")
    assert told.exit_code == 0, told.stderr
    assert told.document["image"] == EU
    assert all(isinstance(value, str) for value in told.document.values())
    standard_input(monkeypatch, b'{"image": "x"}')
    told = Told(index, "--format", "tf-external")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "the key 'image', which isn't an option: " in told.stderr


def test_an_index_on_standard_input(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, index.read_bytes())
    assert Told("-", "--location", "asia").stdout == "projects/p1/global/images/web-1-asia\n"


def test_outputs_and_a_notice_under_a_runner(index: Path, tmp_path: Path) -> None:
    env = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(tmp_path / "output")}
    told = Told(index, "--zone", "europe-west4-a", env=env)
    assert (told.exit_code, told.stdout) == (0, "")
    assert "::notice title=Resolved::" in told.stderr
    assert f"{EU}\n" in (tmp_path / "output").read_text("utf-8")
    told = Told(index, "--zone", "europe-west4-a", "--format", "uri", env=env)
    assert (told.stdout, told.stderr) == (f"{EU}\n", "")


def test_architectures_and_variants_are_chosen_as_verify_does(tmp_path: Path) -> None:
    rows = resolving.index()["images"][0]["locations"]
    entries = [
        resolving.entry(rows),
        resolving.entry(rows, architecture="ARM64"),
        resolving.entry(rows, architecture="ARM64", variant="gpu"),
    ]
    index = resolving.write({"schema": 1, "images": entries}, tmp_path)
    place = ("--location", "eu")
    assert "architecture: is needed: the index holds ARM64, X86_64" in Told(index, *place).stderr
    told = Told(index, *place, "--architecture", "ARM64", "--variant", "gpu", "--json")
    assert (told.document["architecture"], told.document["variant"]) == ("ARM64", "gpu")
    told = Told(index, *place, "--architecture", "X86_64", "--variant", "gpu")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "variant: 'gpu' is not in this index, which holds none" in told.stderr


class TestFailures:
    def told(self, told: Told, code: int, result: str, says: str) -> None:
        assert (told.exit_code, told.document["result"]) == (code, result), told.stderr
        assert (told.document["image"], told.document["order"] if result != "no_replica" else []) == ("", [])
        assert says in told.stderr
        assert told.document["problems"]

    def test_another_digest(self, index: Path) -> None:
        told = Told(index, "--location", "eu", "--digest", f"sha256:{'0' * 64}", "--json")
        self.told(told, 2, "digest_differs", f"The index has the digest {image_index.digest(index.read_bytes())}, not")
        right = Told(index, "--location", "eu", "--digest", image_index.digest(index.read_bytes()))
        assert right.stdout == f"{EU}\n"

    @pytest.mark.parametrize("fallback", ["none", "continent"])
    def test_nothing_near_enough(self, index: Path, fallback: str) -> None:
        told = Told(index, "--region", "me-west1", "--fallback", fallback, "--json")
        says = (
            f"me-west1 has no replica that fallback: {fallback} allows; there is one in asia, eu, us, and the nearest"
        )
        self.told(told, 1, "no_replica", says)
        assert [row["location"] for row in told.document["order"]] == ["eu", "asia", "us"]

    def test_no_location_at_all(self, tmp_path: Path) -> None:
        index = resolving.write(resolving.index([]), tmp_path)
        self.told(Told(index, "--region", "me-west1", "--json"), 1, "no_replica", "no location is served at all")

    def test_no_place(self, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(metadata, "_SECONDS", 0.05)
        told = Told(index, "--json", env={"GCE_METADATA_HOST": "127.0.0.1:1"})
        self.told(told, 2, "place_unknown", "Give --zone, --region or --location.")

    @pytest.mark.parametrize(
        ("data", "says"),
        [(b"{}", "isn't an index of ours"), (b"\xff", "is not UTF-8 text"), (b'{"schema": 2, "images": []}', "schema")],
    )
    def test_no_index(self, tmp_path: Path, data: bytes, says: str) -> None:
        (tmp_path / "i.json").write_bytes(data)
        self.told(Told(tmp_path / "i.json", "--location", "eu", "--json"), 2, "error", says)
        self.told(Told(tmp_path / "none.json", "--location", "eu", "--json"), 2, "error", "can't be read")

    def test_another_signed_file(self, index: Path) -> None:
        data = ROOT / "testkit" / "signing" / "data"
        signed = ("--bundle", str(data / "key.sigstore.json"), "--key", str(data / "key.pub"))
        told = Told(index, "--location", "eu", *signed, "--json")
        assert (told.exit_code, told.document["result"], told.document["image"]) == (5, "signature_wrong", "")


@pytest.mark.parametrize(
    "text", ["\n::error::x", "\r::set-env name=A::b", "$(touch x)", "${HOME}", "`id`", "'; exit 9; '", "\x1b[31m\u202e"]
)
@pytest.mark.parametrize("form", ["text", "shell", "json", "tf-external", "github"])
def test_hostile_text_of_an_index_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, form: str
) -> None:
    """Where an index may hold any text; where it may not, it is refused."""
    rows = resolving.index(["eu"])["images"][0]["locations"]
    rows["eu"]["labels"] = {text: text}
    hostile = resolving.entry(rows, architecture=text, variant=text)
    (tmp_path / "image-index.json").write_bytes(image_index.to_bytes({"schema": 1, "images": [hostile]}))
    standard_input(monkeypatch, b"{}")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(tmp_path / "output")}
    told = Told(tmp_path / "image-index.json", "--location", "eu", "--format", form, env=env)
    assert told.exit_code == 0, told.stderr
    commands = [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("::")]
    assert [line.partition(" ")[0] for line in commands] == (["::notice"] if form == "github" else [])
    if form in {"json", "tf-external"}:
        assert told.document["architecture"] == text
    assert "title=Resolved" in told.stderr or form != "github"
    for name in ("uri", "name", "id"):
        wrong = {"eu": {**rows["eu"], name: text}}
        document = {"schema": 1, "images": [resolving.entry(wrong)]}
        (tmp_path / "image-index.json").write_bytes(image_index.to_bytes(document))
        told = Told(tmp_path / "image-index.json", "--location", "eu", "--format", "shell")
        assert (told.exit_code, told.stdout) == (2, "")


def test_offline_imports_nothing_that_asks_anybody(index: Path) -> None:
    """No library of Google's, nothing that fetches a URL, no event loop, no other command."""
    script = (
        "import sys\nfrom replicator.__main__ import main\n"
        f"code = main(['resolve', '--index', {str(index)!r}, '--location', 'eu', '--offline'], {{}}, sys.stdout)\n"
        "print(code, *sorted(sys.modules))"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    image, rest = ran.stdout.splitlines()
    code, *names = rest.split()
    modules = {name.partition(".")[0] for name in names}
    assert (image, code) == (EU, "0")
    assert "pydantic" in modules
    assert not {"google", "requests", "urllib3", "cryptography", "sigstore", "tenacity", "actions_toolkit"} & modules
    assert not {"asyncio", "ssl"} & modules
    others = [name for name in names if name.startswith("replicator.commands.") and name.endswith(".command")]
    assert others == ["replicator.commands.resolve.command"]
