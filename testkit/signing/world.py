"""Signed indexes of friends and foes: made with a Sigstore on loopback, by us and by cosign, and kept for machines without.

`python -m testkit.signing.world FOLDER` makes all of it anew; testkit/signing/data is kept so.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from replicator.core.replicas import Sign
from replicator.index import image_index, provenance
from replicator.index import sign as signing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).parent
KEPT = HERE / "data"
ENGINES = HERE.parents[1] / "build" / "engines"
MOCK = ENGINES / "sigstore"
COSIGN = ENGINES / "cosign"

ISSUER = "https://token.actions.githubusercontent.com"
WORKFLOW = "/.github/workflows/release.yml@refs/tags/v1"
OURS = f"https://github.com/o/r{WORKFLOW}"
POLICY = r"https://github\.com/o/r/\.github/workflows/release\.yml@refs/tags/.*"
#: Who signs what: the name of the bundles, and the identity and issuer of the job that makes them.
SIGNERS = {
    "ours": (OURS, ISSUER),
    "evil": (f"https://github.com/o/r-evil{WORKFLOW}", ISSUER),
    "query": (f"https://evil.example/?{OURS}", ISSUER),
    "stranger": (f"https://github.com/x/y{WORKFLOW}", ISSUER),
    "issuer": (OURS, "https://issuer.example"),
}


@dataclass(frozen=True)
class Sigstore:
    """A Fulcio and Rekor on loopback, and where what their clients trust is written."""

    url: str
    folder: Path

    def environment(self, identity: str = OURS, issuer: str = ISSUER) -> dict[str, str]:
        """What a runner sets for a job that may ask for identity tokens."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?{urlencode({'sub': identity, 'iss': issuer})}",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner",
            "SIGSTORE_TRUST_CONFIG": str(self.folder / "trust.json"),
        }

    def token(self) -> str:
        """Such a token."""
        address = f"{self.environment()['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=sigstore"
        request = urllib.request.Request(address, headers={"Authorization": "bearer runner"})
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["value"])

    def late(self, seconds: int) -> None:
        """Let the log's clock run ahead."""
        body = json.dumps({"seconds": seconds}).encode()
        urllib.request.urlopen(f"{self.url}/late", data=body).close()


def lacking() -> str:
    """Why there is no Sigstore here; nothing where there is one."""
    if not shutil.which("node"):
        return "node is missing"
    return (
        "" if MOCK.exists() else "@sigstore/mock is missing: `bash scripts/node.sh sigstore` installs it where Node is"
    )


def without_cosign() -> str:
    """Why there is no cosign here."""
    return "" if COSIGN.exists() else "cosign is missing: `bash scripts/engines.sh cosign` builds it where Go is"


@contextlib.contextmanager
def sigstore(folder: Path) -> Iterator[Sigstore]:
    """Run one; with new keys each time."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(["node", HERE / "front.js", MOCK, folder])
    try:
        ready = folder / "url"
        for _ in range(600):
            if ready.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        yield Sigstore(ready.read_text("utf-8"), folder)
    finally:
        process.terminate()
        process.wait()


def document(locations: int = 3) -> dict[str, Any]:
    """An index of two architectures."""
    return {
        "schema": 1,
        "images": [
            _entry(architecture, str(number + 1), locations) for number, architecture in enumerate(("ARM64", "X86_64"))
        ],
    }


def _entry(architecture: str, number: str, locations: int) -> dict[str, Any]:
    name = f"web-{architecture.lower().replace('_', '-')}"
    places = ["us", "eu", "asia", *(f"region-{chr(97 + place // 10)}{place % 10}" for place in range(60))][:locations]
    return {
        "architecture": architecture,
        "variant": "",
        "revision": {"repository": "o/r", "ref": "refs/tags/v1", "commit": "c" * 40},
        "source": {**_named(name, number), "storage_location": "us", "family": "web"},
        "wanted_locations": sorted(places),
        "locations": {
            place: {
                **_named(f"{name}-{place}", f"{number}{at}"),
                "source_image_id": number,
                "copied_from": f"projects/p1/global/images/{name}",
                "family": f"web-{place}",
                "public": True,
                "disk_size_gb": "20",
                "labels": {"team": "infra"},
            }
            for at, place in enumerate(places)
        },
    }


def _named(name: str, number: str) -> dict[str, str]:
    return {"project": "p1", "name": name, "id": number, "uri": f"projects/p1/global/images/{name}"}


def workflow() -> dict[str, str]:
    """What GitHub tells a job of itself."""
    return {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_REPOSITORY_ID": "7",
        "GITHUB_REPOSITORY_OWNER_ID": "8",
        "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/release.yml@refs/tags/v1",
        "GITHUB_REF": "refs/tags/v1",
        "GITHUB_SHA": "c" * 40,
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_RUN_ID": "99",
        "GITHUB_RUN_ATTEMPT": "2",
        "RUNNER_ENVIRONMENT": "github-hosted",
    }


def private_key(curve: ec.EllipticCurve | None = None, password: bytes = b"") -> str:
    """A key as people keep it in a secret: by default one that can be signed with."""
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = ec.generate_private_key(curve or ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden).decode()


def public_key(private: str) -> bytes:
    """Its public half."""
    key = serialization.load_pem_private_key(private.encode(), None)
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def trusting(url: str) -> dict[str, Any]:
    """What clients of a Sigstore that is said to be there are given."""
    service = {"url": url, "majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "nobody"}
    return {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": json.loads((KEPT / "trusted_root.json").read_bytes()),
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service],
            "rekorTlogUrls": [service],
            "rekorTlogConfig": {"selector": "ANY"},
        },
    }


def make(folder: Path, *, cosign: bool) -> None:
    """Everything that needs a Sigstore, or cosign, or a private key."""
    whole = document()
    data = image_index.to_bytes(whole)
    other = {**whole, "images": whole["images"][:1]}
    (folder / "index.json").write_bytes(data)
    (folder / "other.json").write_bytes(image_index.to_bytes(other))
    (folder / "child.json").write_bytes(provenance.child(whole, "X86_64"))
    with tempfile.TemporaryDirectory() as scratch, sigstore(Path(scratch) / "ours") as service:
        for name, (identity, issuer) in SIGNERS.items():
            _sign(folder, name, whole, signing.KeylessSigner(service.environment(identity, issuer)))
        _sign(folder, "other", other, signing.KeylessSigner(service.environment()))
        if cosign:
            _cosign(folder, service)
        service.late(3600)
        _sign(folder, "late", whole, signing.KeylessSigner(service.environment()))
        shutil.copy(service.folder / "trusted_root.json", folder)
        with sigstore(Path(scratch) / "foreign") as foreign:
            shutil.copy(foreign.folder / "trusted_root.json", folder / "foreign_root.json")
    for name in ("key", "other-key"):
        pem = private_key()
        (folder / f"{name}.pub").write_bytes(public_key(pem))
        signer = signing.signer(Sign.KEY, {"SIGNING_KEY": pem})
        assert signer
        _sign(folder, name, whole, signer)
        if cosign and name == "key":
            _cosign_key(folder, pem)


def _sign(folder: Path, name: str, whole: dict[str, Any], signer: signing.Signer) -> None:
    blob, about = signer.sign(image_index.to_bytes(whole), provenance.statement(whole, workflow()))
    (folder / f"{name}.sigstore.json").write_bytes(blob)
    (folder / f"{name}.intoto.sigstore.json").write_bytes(about)


def run_cosign(*arguments: str | Path, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """cosign, which asks no question and knows nothing of this machine's user; started by a program, or directly."""
    with tempfile.TemporaryDirectory() as home:
        clean = {"PATH": os.environ["PATH"], "HOME": home, "COSIGN_PASSWORD": ""}
        return subprocess.run(
            [*within, COSIGN, *arguments],
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _made(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise RuntimeError(f"{done.args}: {done.stderr}")


def _cosign(folder: Path, service: Sigstore) -> None:
    statement = folder / "statement.part"
    statement.write_bytes(provenance.statement(document(), workflow()))
    token = service.folder / "token"
    token.write_text(service.token(), "utf-8")
    trust = (
        *("--yes", "--identity-token", token),
        *("--signing-config", service.folder / "signing_config.json"),
        *("--trusted-root", service.folder / "trusted_root.json"),
    )
    _made(run_cosign("sign-blob", *trust, "--bundle", folder / "cosign.sigstore.json", folder / "index.json"))
    about = ("--statement", statement, "--bundle", folder / "cosign.intoto.sigstore.json")
    _made(run_cosign("attest-blob", *trust, *about, folder / "index.json"))
    statement.unlink()


def _cosign_key(folder: Path, pem: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        key, config = Path(scratch) / "key.pem", Path(scratch) / "config.json"
        key.write_text(pem, "utf-8")
        config.write_text('{"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}', "utf-8")
        _made(run_cosign("import-key-pair", "--key", key, "--output-key-prefix", Path(scratch) / "cosign"))
        sign = ("--yes", "--key", Path(scratch) / "cosign.key", "--signing-config", config)
        _made(run_cosign("sign-blob", *sign, "--bundle", folder / "cosign-key.sigstore.json", folder / "index.json"))


def derive(folder: Path) -> None:
    """What foes make of it without any key."""
    data = (folder / "index.json").read_bytes()
    tampered = data.replace(b'"20"', b'"21"', 1)
    assert tampered != data
    (folder / "tampered.json").write_bytes(tampered)

    def digest(bundle: dict[str, Any]) -> None:
        bundle["messageSignature"]["messageDigest"]["digest"] = base64.b64encode(
            hashlib.sha256(tampered).digest()
        ).decode()

    def predicate(bundle: dict[str, Any]) -> None:
        envelope = bundle["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"]).replace(b"o/r/", b"o/x/", 1)
        envelope["payload"] = base64.b64encode(payload).decode()

    def time_of_log(bundle: dict[str, Any]) -> None:
        entry = bundle["verificationMaterial"]["tlogEntries"][0]
        entry["integratedTime"] = str(int(entry["integratedTime"]) + 1)

    def no_log(bundle: dict[str, Any]) -> None:
        bundle["verificationMaterial"]["tlogEntries"] = []

    def both(bundle: dict[str, Any]) -> None:
        bundle["dsseEnvelope"] = json.loads((folder / "ours.intoto.sigstore.json").read_text("utf-8"))["dsseEnvelope"]

    def nothing(bundle: dict[str, Any]) -> None:
        del bundle["messageSignature"]

    edits: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
        "tampered.sigstore.json": ("ours.sigstore.json", digest),
        "tampered-key.sigstore.json": ("key.sigstore.json", digest),
        "tampered.intoto.sigstore.json": ("ours.intoto.sigstore.json", predicate),
        "tampered-key.intoto.sigstore.json": ("key.intoto.sigstore.json", predicate),
        "time.sigstore.json": ("ours.sigstore.json", time_of_log),
        "unlogged.sigstore.json": ("ours.sigstore.json", no_log),
        "both.sigstore.json": ("ours.sigstore.json", both),
        "nothing.sigstore.json": ("ours.sigstore.json", nothing),
    }
    for name, (origin, edit) in edits.items():
        bundle = json.loads((folder / origin).read_text("utf-8"))
        edit(bundle)
        (folder / name).write_text(json.dumps(bundle), "utf-8")
    (folder / "torn.sigstore.json").write_text((folder / "ours.sigstore.json").read_text("utf-8")[:-40], "utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]), cosign=not without_cosign())
