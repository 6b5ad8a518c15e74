"""Tests whom a verification believes, and the words in which it says that it does not."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from replicator.core.errors import BadSettings, ReplicatorError
from replicator.core.replicas import Sign
from replicator.index import bundle, errors, image_index, provenance, sign, verify_signature
from replicator.index.errors import SignatureWrong
from replicator.index.signature_settings import PolicySettings
from replicator.index.verify_signature import Signed, SignerIdentity, SignerKey
from testkit.signing import world
from testkit.signing.cases import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.core.errors import Advice

DATA = (world.KEPT / "index.json").read_bytes()
DIGEST = image_index.digest(DATA)
KEY = world.private_key()
OURS = SignerIdentity(
    pattern=re.compile(world.POLICY),
    issuer=world.ISSUER,
    trusted_root=world.KEPT / "trusted_root.json",
    config="",
    offline=True,
)


def key_policy(pem: str = KEY) -> SignerKey:
    public = serialization.load_pem_public_key(world.public_key(pem))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return SignerKey(public)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was signed once, and what foes make of it."""
    made = tmp_path_factory.mktemp("signed")
    shutil.copytree(world.KEPT, made, dirs_exist_ok=True)
    world.derive(made)
    return made


def wrong(act: Callable[[], object], kind: type[ReplicatorError] = SignatureWrong) -> tuple[Advice, str]:
    with pytest.raises(kind) as caught:
        act()
    return caught.value.advice, caught.value.what


def logged(file: Path) -> datetime:
    (entry,) = json.loads(file.read_bytes())["verificationMaterial"]["tlogEntries"]
    return datetime.fromtimestamp(int(entry["integratedTime"]), UTC)


class TestBelieved:
    @pytest.mark.parametrize(("option", "file"), [("bundle", "ours"), ("attestation", "ours.intoto")])
    def test_keyless(self, folder: Path, option: str, file: str) -> None:
        path = folder / f"{file}.sigstore.json"
        assert verify_signature.verify(DATA, {option: str(path)}, OURS) == Signed(
            DIGEST, world.OURS, world.ISSUER, logged(path)
        )

    @pytest.mark.parametrize(("option", "file"), [("bundle", "key"), ("attestation", "key.intoto")])
    def test_a_key(self, folder: Path, option: str, file: str) -> None:
        public = serialization.load_pem_public_key((folder / "key.pub").read_bytes())
        assert isinstance(public, ec.EllipticCurvePublicKey)
        signed = verify_signature.verify(DATA, {option: str(folder / f"{file}.sigstore.json")}, SignerKey(public))
        assert signed == Signed(DIGEST, f"the key {sign.hint(public)}", "", None)

    def test_nobody_signed(self) -> None:
        assert verify_signature.verify(DATA, {}, OURS) == Signed("", "nobody", "", None)

    def test_a_sigstore_of_one_s_own(self, folder: Path) -> None:
        """Its client trust config says what to trust."""
        config = world.trusting("https://sigstore.example")
        own = replace(OURS, trusted_root=None, config=json.dumps(config))
        signed = verify_signature.verify(DATA, {"bundle": str(folder / "ours.sigstore.json")}, own)
        assert signed.by == world.OURS


WORDS = {
    "tampered index": (
        errors.OTHER_FILE,
        "'{bundle}' signs a file of {signed}, but this one is {digest}",
    ),
    "tampered index and digest": (errors.SIGNATURE_BROKEN, "The signature in '{bundle}' is invalid"),
    "tampered index, a key's": (errors.SIGNATURE_BROKEN, "The signature in '{bundle}' is invalid"),
    "tampered index, by the statement": (
        errors.OTHER_FILE,
        "The statement in '{attestation}' is not about this file, which is {digest}",
    ),
    "a stranger": (errors.OTHER_IDENTITY, "{stranger} signed, which '{pattern}' does not match"),
    "another issuer": (
        errors.OTHER_ISSUER,
        "The identity was confirmed by https://issuer.example, not by https://token.actions.githubusercontent.com",
    ),
    "a statement offered as signature": (
        errors.OTHER_KIND_OF_BUNDLE,
        "'{bundle}' signs a statement about a file, but was given as bundle",
    ),
    "a signature offered as statement": (
        errors.OTHER_KIND_OF_BUNDLE,
        "'{attestation}' signs a file, but was given as attestation",
    ),
    "a key's bundle as keyless": (
        errors.OTHER_KIND_OF_BUNDLE,
        "'{bundle}' names a key, but the policy an identity",
    ),
    "a keyless bundle as a key's": (
        errors.OTHER_KIND_OF_BUNDLE,
        "'{bundle}' holds a certificate, but the policy is a key",
    ),
    "a certificate after its time": (
        errors.OUTSIDE_ITS_TIME,
        "The certificate is valid from {first} to {last}, but was used at {used}",
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_words(folder: Path, name: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    data = (folder / case.index).read_bytes()
    files = {option: str(folder / file) for option in ("bundle", "attestation") if (file := getattr(case, option))}
    public = serialization.load_pem_public_key((folder / "key.pub").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    advice, words = WORDS[name]
    said = wrong(lambda: verify_signature.verify(data, files, SignerKey(public) if case.key else OURS))
    about: dict[str, Any] = {}
    if "{used}" in words:
        material = json.loads(Path(files["bundle"]).read_bytes())["verificationMaterial"]
        leaf = x509.load_der_x509_certificate(base64.b64decode(material["certificate"]["rawBytes"]))
        about = {"first": leaf.not_valid_before_utc, "last": leaf.not_valid_after_utc}
        about["used"] = logged(Path(files["bundle"]))
    assert said == (
        advice,
        words.format(
            **files, **about, signed=DIGEST, digest=image_index.digest(data), pattern=world.POLICY,
            stranger=world.OURS.replace("/o/r/", "/x/y/"),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("certificate", "why"),
    [({"rawBytes": "AAAA"}, "pars"), ({}, "")],
)
def test_a_bundle_of_nonsense(tmp_path: Path, certificate: dict[str, str], why: str) -> None:
    document = json.loads((world.KEPT / "ours.sigstore.json").read_bytes())
    document["verificationMaterial"]["certificate"] = certificate
    path = tmp_path / "bundle"
    path.write_text(json.dumps(document), "utf-8")
    advice, what = wrong(lambda: verify_signature.verify(DATA, {"bundle": str(path)}, OURS))
    assert advice is errors.BUNDLE_UNUSABLE
    assert what.startswith(f"'{path}' isn't a usable bundle: ")
    assert why in what


class Fulcio:
    """Stands for sigstore-python, for certificates that the real one certifies for nobody."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *names: x509.GeneralName, noted: bytes | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        times = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
        made = x509.CertificateBuilder(x509.Name([]), x509.Name([]), self.key.public_key(), 1, *times)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=True)
        if noted is not None:
            oid = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
            made = made.add_extension(x509.UnrecognizedExtension(oid, noted), critical=False)
        self.certificate = made.sign(self.key, hashes.SHA256())
        monkeypatch.setattr("sigstore.verify.Verifier", lambda trusted_root: self)

    def verify_artifact(self, _data: bytes, sigstore: Any, who: Any) -> None:
        who.verify(sigstore.signing_certificate)

    def bundle(self, path: Path) -> str:
        """Its signature over the index."""
        document = json.loads((world.KEPT / "ours.sigstore.json").read_bytes())
        signature = self.key.sign(DATA, ec.ECDSA(hashes.SHA256()))
        raw = self.certificate.public_bytes(serialization.Encoding.DER)
        document["messageSignature"]["signature"] = base64.b64encode(signature).decode()
        document["verificationMaterial"]["certificate"]["rawBytes"] = base64.b64encode(raw).decode()
        path.write_text(json.dumps(document), "utf-8")
        return str(path)


ISSUER = b"\x0c" + bytes([len(world.ISSUER)]) + world.ISSUER.encode()
US = x509.UniformResourceIdentifier(world.OURS)


@pytest.mark.parametrize("stamped", [None, datetime(2026, 5, 6, tzinfo=UTC)])
def test_when_it_was_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamped: datetime | None) -> None:
    """The log says it, and where it does not, a time-stamping authority may."""
    fulcio, path, read = Fulcio(monkeypatch, US, noted=ISSUER), tmp_path / "bundle", bundle.read
    files = {"bundle": fulcio.bundle(path)}
    monkeypatch.setattr(verify_signature, "_stamped", lambda _: stamped)
    assert verify_signature.verify(DATA, files, OURS) == Signed(DIGEST, world.OURS, world.ISSUER, logged(path))
    monkeypatch.setattr(bundle, "read", lambda *given: replace(read(*given), logged=None))
    assert verify_signature.verify(DATA, files, OURS) == Signed(DIGEST, world.OURS, world.ISSUER, stamped)


@pytest.mark.parametrize(
    ("stamps", "time"), [(None, None), ([], None), ([1], 1), ([1, 2], None)], ids=["no data", "none", "one", "two"]
)
def test_the_time_of_stamps(stamps: list[int] | None, time: int | None) -> None:
    """Of several nobody says which are valid."""
    found = [SimpleNamespace(tst_info=SimpleNamespace(gen_time=stamp)) for stamp in stamps or ()]
    data = None if stamps is None else SimpleNamespace(rfc3161_timestamps=found)
    sigstore = SimpleNamespace(verification_material=SimpleNamespace(timestamp_verification_data=data))
    assert verify_signature._stamped(cast("Any", sigstore)) == time


@pytest.mark.parametrize(
    ("names", "noted", "advice", "what"),
    [
        ([], ISSUER, errors.UNTRUSTED, "'{path}' can't be trusted: No "),
        ([US], b"\x0c\x7fx", errors.UNTRUSTED, "'{path}' can't be trusted: "),
        ([US], None, errors.OTHER_ISSUER, f"The identity was confirmed by nobody, not by {world.ISSUER}"),
        ([x509.DNSName("b.example")], ISSUER, errors.OTHER_IDENTITY, "nobody signed, which "),
        (
            [US, x509.RFC822Name("a@b.example")],
            ISSUER,
            errors.OTHER_IDENTITY,
            f"{world.OURS}, a@b.example signed, which ",
        ),
        ([US, x509.DNSName("b.example")], ISSUER, errors.OTHER_IDENTITY, f"{world.OURS} signed, which "),
    ],
    ids=["of nobody", "a broken issuer", "no issuer", "of a machine", "of two", "of a machine as well"],
)
def test_certificates_that_are_odd(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: list[x509.GeneralName],
    noted: bytes | None,
    advice: Advice,
    what: str,
) -> None:
    fulcio = Fulcio(monkeypatch, *names, noted=noted)
    path = tmp_path / "bundle"
    said = wrong(lambda: verify_signature.verify(DATA, {"bundle": fulcio.bundle(path)}, OURS))
    assert said[0] is advice
    assert said[1].startswith(what.replace("{path}", str(path)))


def test_an_old_certificate_of_bytes_that_are_no_text() -> None:
    """It is told as far as that is possible."""
    key = ec.generate_private_key(ec.SECP256R1())
    times = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
    made = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1, *times)
    made = made.add_extension(x509.SubjectAlternativeName([US]), critical=True)
    made = made.add_extension(x509.UnrecognizedExtension(oid, "ü".encode() + b"\xff"), critical=False)
    who = verify_signature._Who(OURS)
    said = wrong(lambda: who.verify(made.sign(key, hashes.SHA256())))
    assert said[1].startswith("The identity was confirmed by ü\N{REPLACEMENT CHARACTER}, not by ")


def test_a_statement_that_two_read_differently(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigstore.verify.Verifier.verify_dsse", lambda *_: ("application/vnd.in-toto+json", b"{}"))
    path = folder / "ours.intoto.sigstore.json"
    said = wrong(lambda: verify_signature.verify(DATA, {"attestation": str(path)}, OURS))
    assert said == (errors.BUNDLE_UNUSABLE, f"'{path}' can be read in two ways")


def stated(path: Path, change: Callable[[dict[str, Any]], object]) -> dict[str, str]:
    """A statement about the index, signed with the key."""
    said = json.loads(provenance.statement(json.loads(DATA), world.workflow()))
    change(said)
    signer = sign.signer(Sign.KEY, {"SIGNING_KEY": KEY})
    assert signer
    path.write_bytes(signer.sign(DATA, json.dumps(said).encode())[1])
    return {"attestation": str(path)}


def of_build(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda said: said["predicate"]["buildDefinition"].update(fields)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda said: said.update(_type="x"), "'{path}' holds another kind of statement"),
        (lambda said: said.clear(), "'{path}' holds a statement without what it must have"),
        (
            lambda said: said["predicate"]["buildDefinition"].pop("resolvedDependencies"),
            "'{path}' holds a statement without what it must have",
        ),
        (of_build(resolvedDependencies=7), "'{path}' holds a statement without what it must have"),
        (of_build(resolvedDependencies=[]), "The statement in '{path}' names other source images than the file"),
    ],
    ids=["another kind", "nothing", "no sources", "sources of another kind", "too few sources"],
)
def test_what_is_said_of_a_statement(tmp_path: Path, change: Callable[[dict[str, Any]], object], what: str) -> None:
    path = tmp_path / "statement"
    files = stated(path, change)
    said = wrong(lambda: verify_signature.verify(DATA, files, key_policy()))
    assert said == (errors.OTHER_STATEMENT, what.format(path=path))


def test_a_signed_file_that_is_no_index(tmp_path: Path) -> None:
    """What a newer version made, say: whether the statement names its sources, nobody can tell."""
    newer = image_index.to_bytes({**json.loads(DATA), "schema": 2})
    signer = sign.signer(Sign.KEY, {"SIGNING_KEY": KEY})
    assert signer
    path = tmp_path / "statement"
    path.write_bytes(signer.sign(newer, provenance.statement({**json.loads(DATA), "schema": 2}, {}))[1])
    advice, said = wrong(lambda: verify_signature.verify(newer, {"attestation": str(path)}, key_policy()))
    assert advice is errors.OTHER_STATEMENT
    assert said.startswith(f"The statement in '{path}' names images, but 'image-index.json' isn't an index of ours: ")
    files = stated(path, of_build(buildType="https://builder.example/v1"))
    assert verify_signature.verify(DATA, files, key_policy()).digest == DIGEST


def test_the_statement_of_another_builder(tmp_path: Path) -> None:
    """Which sources it was made from is ours alone to say, so that of others only the file counts."""
    files = stated(tmp_path / "statement", of_build(buildType="https://builder.example/v1", resolvedDependencies=[]))
    assert verify_signature.verify(DATA, files, key_policy()).digest == DIGEST


class TestTrustedRoot:
    def said(self, policy: SignerIdentity) -> str:
        advice, what = wrong(
            lambda: verify_signature.verify(DATA, {"bundle": str(world.KEPT / "ours.sigstore.json")}, policy),
            ReplicatorError,
        )
        assert advice is errors.TRUST_UNUSABLE
        return what

    def test_one_that_was_named(self, tmp_path: Path) -> None:
        path = tmp_path / "none"
        said = self.said(replace(OURS, trusted_root=path))
        assert said.startswith(f"'{path}' can't be used (FileNotFoundError: ")
        assert said.endswith(")")

    def test_that_of_a_sigstore_of_one_s_own(self) -> None:
        said = self.said(replace(OURS, trusted_root=None, config="{"))
        assert re.match(r"That of SIGSTORE_TRUST_CONFIG can't be used \(\w+: .+\)$", said, re.DOTALL)

    @pytest.mark.parametrize("offline", [False, True])
    def test_the_public_one(self, monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
        asked: list[bool] = []

        def gone(*, offline: bool) -> None:
            asked.append(offline)
            raise RuntimeError("No mirror")

        monkeypatch.setattr("sigstore.models.ClientTrustConfig.production", gone)
        said = self.said(replace(OURS, trusted_root=None, offline=offline))
        assert (said, asked) == ("The public trusted root can't be used (RuntimeError: No mirror)", [offline])


def test_without_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigstore.verify", None)
    files = {"bundle": str(world.KEPT / "ours.sigstore.json")}
    assert wrong(lambda: verify_signature.verify(DATA, files, OURS), ReplicatorError) == (
        errors.SIGSTORE_MISSING,
        "Verifying a keyless signature needs the package sigstore (sigstore.verify is missing)",
    )


class TestPolicy:
    def test_an_identity(self, tmp_path: Path) -> None:
        (tmp_path / "trust").write_text("{}")
        wanted = PolicySettings(certificate_identity_regexp="a.*", certificate_oidc_issuer="https://i.example")
        policy = verify_signature.policy(wanted, {"SIGSTORE_TRUST_CONFIG": str(tmp_path / "trust")})
        assert policy == SignerIdentity(
            pattern=re.compile("a.*"), issuer="https://i.example", trusted_root=None, config="{}", offline=False
        )
        named = wanted.model_copy(update={"trusted_root": "root.json"})
        assert verify_signature.policy(named, {}, offline=True) == SignerIdentity(
            pattern=re.compile("a.*"),
            issuer="https://i.example",
            trusted_root=Path("root.json"),
            config="",
            offline=True,
        )

    def test_a_key(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_bytes(b"\n" + world.public_key(KEY))
        policy = verify_signature.policy(PolicySettings(key=str(tmp_path / "key")), {})
        assert policy == key_policy()

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"hunter2", "'{path}' holds no public P-256 key in PEM"),
            (KEY.encode(), "'{path}' holds no public P-256 key in PEM"),
            (world.public_key(world.private_key(ec.SECP384R1())), "'{path}' holds no public P-256 key in PEM"),
            (
                rsa.generate_private_key(65537, 2048)
                .public_key()
                .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
                "'{path}' holds no public P-256 key in PEM",
            ),
            (
                # A key of a kind that nobody knows.
                b"-----BEGIN PUBLIC KEY-----\nMAowBAYCKgMDAgAA\n-----END PUBLIC KEY-----\n",
                "'{path}' holds no public P-256 key in PEM",
            ),
            (b"x" * 2**20, "'{path}' has 1048576 bytes or more; at most {most} are read"),
        ],
        ids=["no key", "a private key", "another curve", "another kind", "an unknown kind", "too large"],
    )
    def test_no_key(self, tmp_path: Path, data: bytes, says: str) -> None:
        path = tmp_path / "key"
        path.write_bytes(data)
        with pytest.raises(BadSettings) as caught:
            verify_signature.policy(PolicySettings(key=str(path)), {})
        ((name, text),) = [(problem.input, problem.text) for problem in caught.value.problems]
        assert (name, text) == ("key", says.format(path=path, most=verify_signature._LARGEST_KEY))
