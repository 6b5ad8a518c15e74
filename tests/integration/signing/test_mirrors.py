"""`registry ensure` with `sign`: mirrors.json is signed before it is written, and believed only as the policy says."""

from __future__ import annotations

import io
import json
import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import Running, running
from replicator.__main__ import main
from replicator.index import image_index, seal
from replicator.index import sign as signing
from replicator.index.errors import SIGSTORE_FAILED, CannotSign
from testkit.faults import interrupt_at
from testkit.registry.mirroring import CREATE, SHORT, Registry, states
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.action import Finished

KEY = world.private_key()
IMAGE, NEAR = "ghcr.io/org/app:v1", "europe-docker.pkg.dev/p1/ghcr-mirror/org/app:v1"


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(scenario={"repository_seconds": 0}) as emulator:
        yield emulator
        emulator.assert_faults_used()


@pytest.fixture
def registry(emulator: Running, tmp_path: Path) -> Registry:
    made = Registry(emulator, tmp_path)
    made.action.env["SIGNING_KEY"] = KEY
    return made


@pytest.fixture
def policy(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "key.pub").write_bytes(world.public_key(KEY))
    return ("--key", str(tmp_path / "key.pub"))


def signed(done: Finished) -> tuple[Path, Path]:
    """The record and its signature."""
    return Path(done.outputs["mirrors_path"]), Path(done.outputs["bundle_path"])


def rewrite(record: Path, bundle: Path, *policy: str) -> tuple[int, str]:
    """What a machine does that believes only a signed record: the exit code, and the answer."""
    said = io.StringIO()
    argv = ["--mirrors", str(record), "--bundle", str(bundle), *policy, "--zone", "europe-west4-a", IMAGE]
    return main(["registry", "rewrite", *argv], {}, said), said.getvalue()


def nothing(registry: Registry, done: Finished) -> None:
    """Neither the record nor its signature."""
    assert {done.outputs[name] for name in ("mirrors_path", "bundle_path")} == {""}
    assert not list((registry.action.folder / f"temp{registry.action.runs}").glob("*mirrors*"))


def test_with_a_key(registry: Registry, policy: tuple[str, ...], tmp_path: Path) -> None:
    unsigned = Path(registry("ensure", **SHORT).outputs["mirrors_path"]).read_bytes()
    for command in ("ensure", "check"):
        done = registry(command, sign="key", **SHORT)
        record, bundle = signed(done)
        assert (done.exit_code, record.read_bytes(), bundle.parent) == (0, unsigned, record.parent)
        assert rewrite(record, bundle, *policy) == (0, f"{NEAR}\n")
    (tmp_path / "other.pub").write_bytes(world.public_key(world.private_key()))
    tampered = tmp_path / "mirrors.json"
    tampered.write_bytes(unsigned.replace(b"p1", b"p2"))
    torn = tmp_path / "torn.json"
    torn.write_bytes(bundle.read_bytes()[:-40])
    foes: list[tuple[Path, Path, *tuple[str, ...]]] = [
        (record, bundle, "--key", str(tmp_path / "other.pub")),
        (tampered, bundle, *policy),
        (record, torn, *policy),
    ]
    assert [rewrite(*foe) for foe in foes] == [(5, "")] * 3


def test_what_is_not_right_stands_in_no_signed_record(registry: Registry, policy: tuple[str, ...]) -> None:
    fault = {"kind": "http", "code": 400, "reason": "failedPrecondition", "message": "constraints/gcp.x violated"}
    registry.emulator.faults([{"method": CREATE, "match": "/us/", "action": fault}])
    done = registry("ensure", sign="key", **SHORT)
    record, bundle = signed(done)
    assert done.exit_code == 1
    assert [row["location"] for row in json.loads(record.read_bytes())["mirrors"]] == ["europe"]
    assert rewrite(record, bundle, *policy)[0] == 0


@pytest.mark.skipif(bool(world.without_cosign()), reason=world.without_cosign())
def test_cosign_believes_the_key(registry: Registry, policy: tuple[str, ...]) -> None:
    record, bundle = signed(registry("ensure", sign="key", **SHORT))
    asked: tuple[str | Path, ...] = ("verify-blob", "--bundle", bundle, "--insecure-ignore-tlog", *policy)
    said = world.run_cosign(*asked, record)
    assert (said.returncode, "Verified OK" in said.stderr) == (0, True), said.stderr
    record.write_bytes(record.read_bytes() + b" ")
    assert world.run_cosign(*asked, record).returncode != 0


def test_keyless(registry: Registry, service: world.Sigstore, tmp_path: Path) -> None:
    registry.action.env |= service.environment()
    done = registry("ensure", sign="keyless", **SHORT)
    record, bundle = signed(done)
    assert (done.exit_code, set(states(done).values())) == (0, {"created"}), done.log
    root = ("--trusted-root", str(service.folder / "trusted_root.json"))
    who = ("--certificate-identity-regexp", world.POLICY, "--certificate-oidc-issuer", world.ISSUER, *root)
    assert rewrite(record, bundle, *who) == (0, f"{NEAR}\n")
    others = (who[0], world.POLICY.replace("o/r", "x/y"), *who[2:])
    assert rewrite(record, bundle, *others) == (5, "")
    if not world.without_cosign():
        said = world.run_cosign("verify-blob", "--bundle", bundle, who[0], f"^{world.POLICY}$", *who[2:], record)
        assert (said.returncode, "Verified OK" in said.stderr) == (0, True), said.stderr


def test_a_private_repository_is_warned_of_the_public_log(registry: Registry, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"private": True}}), "utf-8")
    token = {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}
    registry.action.env |= {**token, "GITHUB_EVENT_PATH": str(event)}
    done = registry("ensure", sign="keyless", **SHORT)
    assert (done.exit_code, set(states(done).values())) == (3, {"created"})
    assert [message for _, title, message in done.annotations if title == "Signing" and "public log" in message]
    nothing(registry, done)


@pytest.mark.parametrize(
    ("env", "sign", "says"),
    [
        ({"SIGNING_KEY": ""}, "key", "There is no key"),
        ({"GITHUB_ACTIONS": "true"}, "keyless", "the job has no right to an identity token"),
    ],
)
@pytest.mark.parametrize("command", ["ensure", "check"])
def test_known_before_anything_is_changed(
    registry: Registry, command: str, env: dict[str, str], sign: str, says: str
) -> None:
    registry.action.env |= env
    done = registry(command, sign=sign, **SHORT)
    assert (done.exit_code, says in done.outputs["reason"]) == (3, True)
    assert registry.emulator.journal() == []
    nothing(registry, done)


def refuses(*_: object) -> bytes:
    raise CannotSign(SIGSTORE_FAILED, "No")


def breaks(*_: object) -> bytes:
    raise ZeroDivisionError


@pytest.mark.parametrize(("sign", "code"), [(refuses, 3), (breaks, 70)])
def test_a_signature_that_could_not_be_made(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, sign: Callable[..., Any], code: int
) -> None:
    monkeypatch.setattr(signing.KeySigner, "sign_file", sign)
    done = registry("ensure", sign="key", **SHORT)
    assert (done.exit_code, done.result, set(states(done).values())) == (code, "failed", {"created"})
    nothing(registry, done)
    count = registry.mutations()
    monkeypatch.undo()
    again = registry("ensure", sign="key", **SHORT)
    assert (set(states(again).values()), registry.mutations()) == ({"correct"}, count)
    assert all(path.exists() for path in signed(again))


@pytest.mark.parametrize("room", [0, 1])
def test_a_signature_that_can_not_be_kept(registry: Registry, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Nor half of it: so many files find room."""
    write, wrote = image_index.write, list[str]()

    def full(data: bytes, folder: Path, name: str) -> Path:
        if len(wrote) == room:
            raise OSError(28, "No space left on device")
        wrote.append(name)
        return write(data, folder, name)

    monkeypatch.setattr("replicator.index.image_index.write", full)
    done = registry("ensure", sign="key", **SHORT)
    assert (done.exit_code, "could not be written" in done.outputs["reason"]) == (3, True)
    assert wrote == ["mirrors.json.sigstore.json"][:room]
    nothing(registry, done)


@pytest.mark.parametrize("stopped", [False, True], ids=["silent", "signal"])
def test_a_sigstore_that_does_not_answer(registry: Registry, monkeypatch: pytest.MonkeyPatch, stopped: bool) -> None:
    asked, over = threading.Event(), threading.Event()

    def silent(*_: object) -> bytes:
        asked.set()
        over.wait(10)
        return b""

    monkeypatch.setattr(signing.KeySigner, "sign_file", silent)
    if stopped:
        interrupt_at(asked.is_set, signal.SIGTERM)
    else:
        monkeypatch.setattr(seal, "LONGEST", 0.0)
    done = registry("ensure", sign="key", **SHORT)
    over.set()
    assert (done.exit_code, set(states(done).values())) == (143 if stopped else 3, {"created"})
    nothing(registry, done)


def test_an_older_record_is_not_replaced_by_an_unsigned_one(registry: Registry, tmp_path: Path) -> None:
    """And one that is written unsigned doesn't fit the older signature."""
    (tmp_path / "key.pub").write_bytes(world.public_key(KEY))
    kept = tmp_path / "kept"
    kept.mkdir()
    registry.action.env["RUNNER_TEMP"] = str(kept)
    record, bundle = signed(registry("ensure", sign="key", **SHORT))
    before = record.read_bytes()
    registry.action.env["SIGNING_KEY"] = ""
    assert registry("ensure", sign="key", project_id="p1", registry_locations="asia").exit_code == 3
    assert record.read_bytes() == before
    registry("ensure", project_id="p1", registry_locations="asia")
    assert rewrite(record, bundle, "--key", str(tmp_path / "key.pub")) == (5, "")
    shutil.rmtree(kept)


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"command": "policies", "sign": "key"}, ["sign"]),
        ({"command": "rewrite", "sign": "keyless", "images": IMAGE, "key": "key.pub"}, ["key", "sign"]),
        (
            {"command": "rewrite", "bundle": "b", "images": IMAGE},
            ["certificate_identity_regexp", "certificate_oidc_issuer", "bundle"],
        ),
        ({"command": "check", "bundle": "b", "key": "key.pub"}, ["bundle"]),
        ({"command": "ensure", "sign": "cosign"}, ["sign"]),
    ],
    ids=["policies", "rewrite", "no record", "check", "word"],
)
def test_settings_that_mean_nothing(registry: Registry, inputs: dict[str, str], names: list[str]) -> None:
    given = {**inputs, **SHORT}
    done = registry(given.pop("command"), **given)
    said = {title.removeprefix("Input ") for level, title, _ in done.annotations if level == "error"}
    assert (done.exit_code, said) == (2, set(names)), done.log
    assert registry.emulator.journal() == []
