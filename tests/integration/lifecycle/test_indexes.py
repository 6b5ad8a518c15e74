"""What indexes add to a list: versions, lines of releases that carry no family yet, and proofs."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.lifecycle import indexed
from replicator.commands.lifecycle.run import Listing
from replicator.core.replicas import Sign
from replicator.index import image_index, sign
from replicator.index.signature_settings import SignerSettings
from replicator.runtime.lifecycle import execute
from testkit.action import Action
from testkit.harness.job import on_emulator
from testkit.signing import world
from testkit.virtual import VirtualLoop

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Running
    from testkit.action import Finished

REVISION = '{"repository": "acme/images", "ref": "refs/tags/v1.4.0", "commit": "%s"}' % ("c" * 40)
WEB = {"family_template": "web-{location}", "home_copy": "true", "promote": "false", "revision": REVISION}
LISTED = {"families": "web, db", "project_id": "p1"}


@pytest.fixture
def action(emulator: Running, tmp_path: Path) -> Action:
    return Action(emulator, tmp_path)


@pytest.fixture
def staged(action: Action) -> Finished:
    """A release that is to be everywhere or nowhere: neither the source nor a replica carries a family."""
    action.emulator.add_image(project="p1", name="build-77", location="us")
    action.emulator.add_image(project="p1", name="lonely", location="us")
    done = action(source_image="projects/p1/global/images/build-77", **WEB)
    assert done.result == "complete", done.log
    return done


def listed(action: Action, **given: str) -> tuple[int, str, dict[str, Any]]:
    log, document = io.StringIO(), io.StringIO()
    env = on_emulator(action.emulator.url)
    code = execute(Listing, {**LISTED, **given}, env, log, commands=False, document=document, loop_factory=VirtualLoop)
    return code, log.getvalue(), json.loads(document.getvalue())


def kept(folder: Path, done: Finished, name: str = "v1/image-index.json") -> Path:
    path = folder / "indexes" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(done.index)
    return path


def test_a_release_without_a_family_is_listed(action: Action, staged: Finished) -> None:
    """Which line it is of, nothing says; an image without replicas may be anything."""
    code, log, told = listed(action)
    assert code == 0, log
    (row,) = told["releases"]
    assert (row["line"], row["version"], row["status"]) == ("", "build-77", "busy")
    assert {image["name"] for image in row["images"]} == {
        "build-77",
        *(f"build-77-{at}" for at in ("us", "eu", "asia")),
    }
    assert "promote takes it by index, or, for one family, by the name of its source" in row["message"]
    assert "without a family (p1): 1 release" in log
    assert told["default"] == {}


def test_an_index_says_line_and_version(action: Action, staged: Finished, tmp_path: Path) -> None:
    """Anybody can write a file, so without a verified signature there is no digest."""
    folder = kept(tmp_path, staged).parent.parent
    code, log, told = listed(action, indexes=str(folder))
    assert code == 0, log
    (row,) = told["releases"]
    assert (row["line"], row["version"], row["status"]) == ("web", "v1.4.0", "busy")
    assert (row["digest"], row["signed_at"]) == ("", "")
    assert "web (p1): 1 release, default none" in log


def test_a_signature_that_is_verified_proves_the_index(action: Action, staged: Finished, tmp_path: Path) -> None:
    """A key vouches for no time. One that signed something else ends the list, as verify does."""
    path, private = kept(tmp_path, staged), world.private_key()
    (tmp_path / "key.pub").write_bytes(world.public_key(private))
    signer = sign.signer(Sign.KEY, {"SIGNING_KEY": private})
    assert signer
    given = {"indexes": str(path.parent.parent), "key": str(tmp_path / "key.pub")}
    code, log, told = listed(action, **given)
    assert (code, told["releases"][0]["digest"]) == (0, ""), log
    bundle = path.with_name(f"{path.name}.sigstore.json")
    bundle.write_bytes(signer.sign_file(staged.index))
    code, log, told = listed(action, **given)
    (row,) = told["releases"]
    assert (row["digest"], row["signed_at"]) == (image_index.digest(staged.index), ""), log
    bundle.write_bytes(signer.sign_file(b"another"))
    code, log, told = listed(action, **given)
    assert (code, told["releases"]) == (5, []), log


def test_when_it_was_signed(tmp_path: Path) -> None:
    """The log vouches for the time of a keyless signature."""
    shutil.copy(world.KEPT / "index.json", tmp_path / "image-index.json")
    shutil.copy(world.KEPT / "ours.sigstore.json", tmp_path / "image-index.json.sigstore.json")
    shutil.copy(world.KEPT / "ours.intoto.sigstore.json", tmp_path / "image-index.json.intoto.sigstore.json")
    policy = {"certificate_identity_regexp": world.POLICY, "certificate_oidc_issuer": world.ISSUER}
    signer = SignerSettings(**policy, trusted_root=str(world.KEPT / "trusted_root.json"))
    found = indexed.below(str(tmp_path), signer, {})
    data = (tmp_path / "image-index.json").read_bytes()
    sources = {entry.source.id for entry in image_index.parse(data, tmp_path).images}
    assert found.proofs.keys() == sources
    assert set(found.proofs.values()) == {(image_index.digest(data), datetime.fromtimestamp(1795250455, UTC))}


def test_indexes_that_disagree_say_no_version(action: Action, staged: Finished, tmp_path: Path) -> None:
    kept(tmp_path, staged)
    other = kept(tmp_path, staged, "v2/image-index.json")
    other.write_bytes(staged.index.replace(b"v1.4.0", b"v1.4.1"))
    code, log, told = listed(action, indexes=str(tmp_path / "indexes"))
    assert (code, [(row["line"], row["version"]) for row in told["releases"]]) == (0, [("web", "build-77")]), log


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"indexes": "none"}, ["indexes: '"]),
        ({"indexes": "EMPTY"}, ["holds no index"]),
        ({"indexes": "WRONG"}, ["indexes: '"]),
        ({"key": "key.pub"}, ["key: is a policy for a signature: give indexes as well"]),
        (
            {"indexes": "EMPTY", "certificate_identity_regexp": "("},
            ["certificate_oidc_issuer: is required with indexes", "isn't a valid regular expression"],
        ),
    ],
)
def test_bad_settings(action: Action, tmp_path: Path, given: dict[str, str], named: list[str]) -> None:
    for name, text in (("EMPTY", None), ("WRONG", "[]")):
        (tmp_path / name).mkdir()
        if text:
            (tmp_path / name / "image-index.json").write_text(text, encoding="utf-8")
    words = {name: str(tmp_path / text) if text.isupper() else text for name, text in given.items()}
    code, log, _ = listed(action, **words)
    assert code == 2, log
    for text in named:
        assert text in log
    assert not action.emulator.journal()
