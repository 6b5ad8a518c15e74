"""A merge with `sign`: one signature for the whole release, made before any family moves, or nothing at all."""

from __future__ import annotations

import base64
import io
import json
import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.__main__ import main
from replicator.commands.merge import run
from replicator.index import image_index, provenance, seal
from replicator.index import sign as signing
from replicator.index.errors import SIGSTORE_FAILED, CannotSign
from testkit.faults import interrupt_at
from testkit.signing import world
from testkit.signing.release import EXPECT, KEY, OUTPUTS, PROMOTED, Release, families, images, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.action import Action, Finished


@pytest.fixture
def release(action: Action, tmp_path: Path) -> Release:
    """Two builds, of which each has left its fragment."""
    action.emulator.delete_image("p1", "web-1")
    action.env |= {**world.workflow(), "SIGNING_KEY": KEY}
    made = Release(action, tmp_path / "fragments", "key")
    made.build_all()
    return made


@pytest.fixture
def policy(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "key.pub").write_bytes(world.public_key(KEY))
    return ("--key", str(tmp_path / "key.pub"))


def statement(done: Finished) -> dict[str, Any]:
    envelope = json.loads(Path(done.outputs["attestation_path"]).read_text("utf-8"))["dsseEnvelope"]
    return dict(json.loads(base64.b64decode(envelope["payload"])))


def nothing(release: Release, done: Finished) -> None:
    """Neither published nor promoted."""
    assert families(release) == set()
    assert {done.outputs[name] for name in OUTPUTS} == {""}
    assert (done.index, images(done)) == (b"", {})
    folder = release.action.folder / f"temp{release.action.runs}"
    assert not list(folder.glob("*index*"))


def test_whoever_needs_one_architecture_verifies_as_well(
    release: Release, policy: tuple[str, ...], tmp_path: Path
) -> None:
    done = release.merge()
    assert verify(done, tmp_path, *policy)[0] == 0
    assert image_index.digest(done.index) == done.outputs["index_digest"]
    whole = json.loads(done.index)
    for architecture in ("X86_64", "ARM64"):
        (tmp_path / "child.json").write_bytes(provenance.child(whole, architecture))
        argv = ["--index", str(tmp_path / "child.json"), "--attestation", done.outputs["attestation_path"], *policy]
        said = io.StringIO()
        assert main(["verify", "--offline-only", *argv], {}, said) == 0, said.getvalue()


def test_the_statement_names_sources_and_each_architecture(release: Release) -> None:
    done = release.merge()
    said = statement(done)
    assert said["subject"] == [{"name": "image-index.json", "digest": {"sha256": done.outputs["index_digest"][7:]}}]
    dependencies = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert dependencies[0]["digest"] == {"gitCommit": "c" * 40}
    sources = {"web-b": "ARM64", "web-a": "X86_64"}
    assert {item["name"]: item["annotations"] for item in dependencies[1:]} == {
        f"projects/p1/global/images/{name}": {"id": release.action.image(name)["id"], "architecture": architecture}
        for name, architecture in sources.items()
    }
    children = said["predicate"]["runDetails"]["byproducts"]
    assert [child["annotations"]["architecture"] for child in children] == ["ARM64", "X86_64"]
    for child, name in zip(children, sources, strict=True):
        assert child["annotations"]["source"] == {
            "uri": f"projects/p1/global/images/{name}",
            "id": release.action.image(name)["id"],
        }
        assert child["annotations"]["images"] == {
            location: {
                "uri": f"projects/p1/global/images/{name}-{location}",
                "id": release.action.image(f"{name}-{location}")["id"],
            }
            for location in ("us", "eu", "asia")
        }


def test_signed_before_the_first_family_moves(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []
    sign = signing.KeySigner.sign

    def watched(self: signing.KeySigner, data: bytes, statement: bytes) -> tuple[bytes, bytes]:
        seen.append(families(release))
        return sign(self, data, statement)

    monkeypatch.setattr(signing.KeySigner, "sign", watched)
    done = release.merge()
    assert (done.exit_code, seen, families(release)) == (0, [set()], PROMOTED)


def test_the_same_bytes_as_unsigned_and_again(release: Release) -> None:
    runs = [release.merge(), release.merge(sign="off"), release.merge()]
    assert len({done.index for done in runs}) == 1


@pytest.mark.parametrize(
    ("inputs", "signed"), [({"promote": "false"}, True), ({"dry_run": "true"}, False)], ids=["no promotion", "dry run"]
)
def test_without_promotion(
    release: Release, inputs: dict[str, str], signed: bool, tmp_path: Path, policy: tuple[str, ...]
) -> None:
    done = release.merge(**inputs)
    assert (done.exit_code, families(release), bool(done.index)) == (0, set(), signed)
    assert not signed or verify(done, tmp_path, *policy)[0] == 0


def refuses(*_: object) -> tuple[bytes, bytes]:
    raise CannotSign(SIGSTORE_FAILED, "No")


def breaks(*_: object) -> tuple[bytes, bytes]:
    raise ZeroDivisionError


@pytest.mark.parametrize(("sign", "code"), [(refuses, 3), (breaks, 70)])
def test_a_signature_that_could_not_be_made(
    release: Release, monkeypatch: pytest.MonkeyPatch, sign: Callable[..., Any], code: int
) -> None:
    monkeypatch.setattr(signing.KeySigner, "sign", sign)
    done = release.merge()
    assert (done.exit_code, done.result) == (code, "failed")
    rows = json.loads(done.outputs["replicas"])
    assert {(row["outcome"], row["promoted"], row["reason"]) for row in rows} == {("adopted", False, "unsigned")}
    nothing(release, done)
    monkeypatch.undo()
    assert (release.merge().result, families(release)) == ("complete", PROMOTED)


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_signature_that_can_not_be_kept(release: Release, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Nor half of it: so many files find room."""
    write, wrote = image_index.write, list[str]()

    def full(data: bytes, folder: Path, name: str) -> Path:
        if len(wrote) == room:
            raise OSError(28, "No space left on device")
        wrote.append(name)
        return write(data, folder, name)

    monkeypatch.setattr("replicator.index.image_index.write", full)
    done = release.merge()
    assert (done.exit_code, "could not be written" in done.outputs["reason"]) == (3, True)
    assert len(wrote) == room
    nothing(release, done)


def test_what_signs_it_lies_beside_it(release: Release) -> None:
    """Where no runner names a folder, too."""
    release.action.env["RUNNER_TEMP"] = ""
    done = release.action.carry_out(run.run, {"fragments": str(release.fragments), "expect": EXPECT, "sign": "key"})
    paths = [Path(done.outputs[name]) for name in OUTPUTS if name.endswith("path")]
    assert [path.exists() for path in paths] == [True] * 3
    assert len({path.parent for path in paths}) == 1
    shutil.rmtree(paths[0].parent)


@pytest.mark.parametrize(
    ("env", "inputs", "says"),
    [
        ({"SIGNING_KEY": ""}, {}, "There is no key"),
        ({"GITHUB_ACTIONS": "true"}, {"sign": "keyless"}, "the job has no right to an identity token"),
    ],
)
def test_known_before_anything_is_read(
    release: Release, env: dict[str, str], inputs: dict[str, str], says: str
) -> None:
    release.action.env |= env
    before = len(release.action.emulator.journal())
    done = release.merge(**inputs)
    assert (done.exit_code, says in done.outputs["reason"]) == (3, True)
    assert len(release.action.emulator.journal()) == before
    nothing(release, done)


def test_keyless(release: Release, service: world.Sigstore, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"private": True}}), "utf-8")
    release.action.env |= {**service.environment(), "GITHUB_EVENT_PATH": str(event)}
    done = release.merge(sign="keyless")
    assert (done.exit_code, done.result, families(release)) == (0, "complete", PROMOTED), done.log
    who = ("--certificate-identity-regexp", world.POLICY, "--certificate-oidc-issuer", world.ISSUER)
    assert verify(done, tmp_path, *who, "--trusted-root", str(service.folder / "trusted_root.json"))[0] == 0
    # A Sigstore of one's own is no public log.
    assert not [message for level, _, message in done.annotations if level == "warning"]


@pytest.mark.skipif(bool(world.without_cosign()), reason=world.without_cosign())
def test_cosign_believes_it(release: Release, service: world.Sigstore) -> None:
    release.action.env |= service.environment()
    done = release.merge(sign="keyless")
    who = ("--certificate-identity-regexp", f"^{world.POLICY}$", "--certificate-oidc-issuer", world.ISSUER)
    root = ("--trusted-root", service.folder / "trusted_root.json")
    for what, bundle in (
        (["verify-blob"], "bundle_path"),
        (["verify-blob-attestation", "--type", "slsaprovenance1"], "attestation_path"),
    ):
        said = world.run_cosign(*what, "--bundle", done.outputs[bundle], *who, *root, done.outputs["index_path"])
        assert (said.returncode, "Verified OK" in said.stderr) == (0, True), said.stderr


class Silence:
    """A Sigstore that takes the request and never answers."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self._over = threading.Event()
        self.asked = threading.Event()
        self.long = True
        """Whether the run's clock goes on meanwhile."""

    def sign(self, *_: object) -> tuple[bytes, bytes]:
        loop = self._action.loop
        assert loop
        if self.long:
            loop.call_soon_threadsafe(setattr, loop, "calls", 0)
        self.asked.set()
        self._over.wait()
        return b"too", b"late"

    def end(self) -> None:
        self._over.set()


@pytest.fixture
def silence(release: Release, monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    made = Silence(release.action)
    monkeypatch.setattr("replicator.index.sign.signer", lambda *_: made)
    yield made
    made.end()


class TestSilence:
    def merge(self, release: Release) -> Finished:
        return release.merge()

    def replicate(self, release: Release) -> Finished:
        return release.action(source_image="projects/p1/global/images/web-a", home_copy="true", sign="key")

    @pytest.mark.parametrize("act", [merge, replicate])
    def test_it_is_given_up(self, release: Release, silence: Silence, act: Callable[..., Finished]) -> None:
        done = act(self, release)
        assert (done.exit_code, done.result) == (3, "failed")
        assert f"did not answer for {seal.LONGEST:g} seconds" in done.outputs["reason"]
        assert seal.LONGEST <= done.seconds < seal.LONGEST + 30
        assert {row["reason"] for row in json.loads(done.outputs["replicas"])} == {"unsigned"}
        silence.end()
        assert (done.outputs["index_path"], families(release)) == ("", set())
        assert not list((release.action.folder / f"temp{release.action.runs}").glob("*index*"))

    @pytest.mark.parametrize("act", [merge, replicate])
    def test_a_signal_ends_it(self, release: Release, silence: Silence, act: Callable[..., Finished]) -> None:
        silence.long = False
        interrupt_at(silence.asked.is_set, signal.SIGTERM)
        done = act(self, release)
        assert done.exit_code == 143
        assert {row["reason"] for row in json.loads(done.outputs["replicas"])} == {"signal"}
        assert (done.outputs["index_path"], families(release)) == ("", set())
