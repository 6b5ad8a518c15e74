"""Who signed an index: friends are believed, each foe is refused in words of its own; by the command line, offline.

Every case is held against bundles that were kept, and against ones made just now where there are Node and cosign.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from replicator.__main__ import main
from replicator.core.replicas import Sign
from replicator.index import image_index, provenance, sign, verify_signature
from replicator.index.errors import OTHER_IDENTITY, SignatureWrong
from testkit.signing import world
from testkit.signing.cases import CASES, Case


@pytest.fixture(scope="module", params=["kept", "made just now"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("signed")
    if request.param == "kept":
        shutil.copytree(world.KEPT, found, dirs_exist_ok=True)
    elif lacking := world.lacking():
        pytest.skip(lacking)
    else:
        world.make(found, cosign=not world.without_cosign())
    world.derive(found)
    return found


def verify(*argv: str) -> tuple[int, str]:
    stdout = io.StringIO()
    return main(["verify", "--offline-only", *argv], {}, stdout), stdout.getvalue()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verify(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (folder / (case.bundle or case.attestation)).exists():
        pytest.skip(world.without_cosign())
    monkeypatch.setattr("socket.socket.connect", _no_network)
    code, said = verify("--index", str(folder / case.index), *case.options(folder))
    assert (code, case.says.replace("{folder}", str(folder)) in said) == (case.code, True), said
    assert ("error: " in said) == bool(code)


def _no_network(*_: object) -> None:
    raise AssertionError("a verification went to the network")


#: What a policy is for: whoever changes a file, or signs one in somebody else's place.
FOES = (
    "tampered index",
    "tampered index and digest",
    "tampered index, by the statement",
    "tampered predicate",
    "a stranger",
    "a look-alike repository",
    "another host with ours in its query",
    "another issuer",
    "a certificate after its time",
    "another file's bundle",
    "a statement offered as signature",
    "another Sigstore's",
)


def test_each_foe_gets_words_of_its_own(folder: Path) -> None:
    cases = {case.name: case for case in CASES}
    said = {name: verify("--index", str(folder / cases[name].index), *cases[name].options(folder)) for name in FOES}
    assert {code for code, _ in said.values()} == {5}
    assert len({text for _, text in said.values()}) == len(FOES), said


def test_a_signed_index_of_a_newer_version(tmp_path: Path) -> None:
    """It is told as that, and neither bundle nor statement is blamed."""
    whole, pem = {**world.document(), "schema": 2}, world.private_key()
    data, signer = image_index.to_bytes(whole), sign.signer(Sign.KEY, {"SIGNING_KEY": pem})
    assert signer
    bundle, statement = signer.sign(data, provenance.statement(whole, world.workflow()))
    for name, content in {
        "index": data,
        "bundle": bundle,
        "attestation": statement,
        "key": world.public_key(pem),
    }.items():
        (tmp_path / name).write_bytes(content)
    given = {name: (f"--{name}", str(tmp_path / name)) for name in ("index", "bundle", "attestation", "key")}
    code, told = verify(*given["index"], *given["bundle"], *given["key"])
    assert (code, f"'{tmp_path / 'index'}' isn't an index of ours: schema: " in told) == (2, True), told
    code, told = verify(*given["index"], *given["bundle"], *given["attestation"], *given["key"])
    assert (code, "'image-index.json' isn't an index of ours: schema: " in told) == (5, True), told


def test_a_statement_that_names_other_sources(tmp_path: Path) -> None:
    """Whoever signs is believed of the file alone: what the statement says of its images must be what the file says."""
    whole, pem = world.document(), world.private_key()
    data, signer = image_index.to_bytes(whole), sign.signer(Sign.KEY, {"SIGNING_KEY": pem})
    assert signer
    said = json.loads(provenance.statement(whole, world.workflow()))
    said["predicate"]["buildDefinition"]["resolvedDependencies"][1]["annotations"]["id"] = "7"
    (tmp_path / "index").write_bytes(data)
    (tmp_path / "attestation").write_bytes(signer.sign(data, json.dumps(said).encode())[1])
    (tmp_path / "key").write_bytes(world.public_key(pem))
    code, told = verify(
        *(part for name in ("index", "attestation", "key") for part in (f"--{name}", str(tmp_path / name)))
    )
    assert (code, "names other source images than the file" in told) == (5, True), told


@pytest.mark.parametrize(
    ("argv", "problems"),
    [
        (["--bundle", "B"], ["certificate_identity_regexp: is required", "certificate_oidc_issuer: is required"]),
        (["--bundle", "B", "--certificate-identity-regexp", ".*"], ["certificate_oidc_issuer: is required"]),
        (["--attestation", "B", "--certificate-oidc-issuer", "I"], ["certificate_identity_regexp: is required"]),
        (
            ["--bundle", "B", "--certificate-identity-regexp", "(", "--certificate-oidc-issuer", "I"],
            ["isn't a valid regular"],
        ),
        (
            ["--bundle", "B", "--certificate-identity-regexp", f"a{{{'9' * 20}}}", "--certificate-oidc-issuer", "I"],
            ["isn't a valid regular expression: the repetition number is too large"],
        ),
        (
            ["--bundle", "B", "--certificate-identity-regexp", "(" * 9999, "--certificate-oidc-issuer", "I"],
            ["isn't a valid regular expression: maximum recursion depth exceeded"],
        ),
        (["--certificate-oidc-issuer", "I"], ["certificate_oidc_issuer: is a policy for a signature"]),
        (["--key", "K"], ["key: is a policy for a signature"]),
        (["--offline-only"], ["offline_only: verifies only the signature"]),
        (["--bundle", "B", "--key", "K", "--trusted-root", "R"], ["trusted_root: is for keyless signatures"]),
        (["--bundle", "B", "--key", "/nowhere"], ["key: '/nowhere' can't be read"]),
        (["--bundle", "B", "--key", "{folder}/index.json"], ["holds no public P-256 key"]),
        (["--bundle", "/nowhere", "--key", "{folder}/key.pub"], ["bundle: '/nowhere' can't be read"]),
    ],
)
def test_options_that_make_no_sense(argv: list[str], problems: list[str]) -> None:
    given = [part.replace("{folder}", str(world.KEPT)) for part in argv]
    stdout = io.StringIO()
    code = main(["verify", "--json", "--index", str(world.KEPT / "index.json"), *given], {}, stdout)
    document = json.loads(stdout.getvalue())
    assert (code, document["signed"], document["findings"]) == (2, None, [])
    assert len(document["problems"]) == len(problems)
    assert all(wanted in found for wanted, found in zip(problems, document["problems"], strict=True)), document


def test_a_signature_needs_an_index() -> None:
    code, said = verify("--bundle", "B", "--key", "K")
    assert (code, "bundle: needs an index: give index as well" in said) == (2, True)


def test_a_root_that_is_none() -> None:
    case = Case(name="", bundle="ours.sigstore.json", root="index.json", says="")
    code, said = verify("--index", str(world.KEPT / "index.json"), *case.options(world.KEPT))
    assert (code, "index.json' can't be used" in said) == (3, True)


def test_the_public_root_for_what_another_sigstore_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no root is named it is the public Sigstore's; offline, as sigstore-python brings it along."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr("socket.socket.connect", _no_network)
    case = Case(name="", bundle="ours.sigstore.json", says="")
    *options, option, _ = case.options(world.KEPT)
    code, said = verify("--index", str(world.KEPT / "index.json"), *options)
    assert (code, option, "ours.sigstore.json' can't be trusted" in said) == (5, "--trusted-root", True), said


def test_without_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigstore.verify", None)
    case = Case(name="", bundle="ours.sigstore.json", says="")
    code, said = verify("--index", str(world.KEPT / "index.json"), *case.options(world.KEPT))
    assert (code, "needs the package sigstore (sigstore.verify is missing)" in said) == (3, True), said


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (b"{", "holds a statement that isn't valid JSON"),
        (b"\xff", "holds a statement that isn't valid JSON"),
        (b"[]", "holds a statement without what it must have"),
        (b'{"_type": "https://in-toto.io/Statement/v1"}', "holds a statement without what it must have"),
        (b'{"_type": "x", "predicateType": "https://slsa.dev/provenance/v1"}', "holds another kind of statement"),
        (b'{"_type": "https://in-toto.io/Statement/v1", "predicateType": "x"}', "holds another kind of statement"),
        (b"[" * 100_000, "holds a statement without what it must have"),
    ],
)
def test_statements_that_are_none_of_ours(tmp_path: Path, statement: bytes, says: str) -> None:
    """Whoever has the key signs other things with it, too."""
    pem = world.private_key()
    (tmp_path / "key.pub").write_bytes(world.public_key(pem))
    signer = sign.signer(Sign.KEY, {"SIGNING_KEY": pem})
    assert signer
    (tmp_path / "bundle").write_bytes(signer.sign(b"", statement)[1])
    files = {"index": world.KEPT / "index.json", "attestation": tmp_path / "bundle", "key": tmp_path / "key.pub"}
    code, said = verify(*(word for name, path in files.items() for word in (f"--{name}", str(path))))
    assert (code, f"'{tmp_path / 'bundle'}' {says}" in said) == (5, True), said


def certificate(key: Any, *more: x509.GeneralName, **noted: bytes) -> x509.Certificate:
    """A certificate for our workflow, and for more identities, with what Fulcio notes in it; by nobody whom anybody trusts."""
    name = x509.Name([])
    times = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, *times)
    names = [x509.UniformResourceIdentifier(world.OURS), *more]
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=True)
    for last, value in noted.items():
        oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{last.removeprefix('oid')}")
        made = made.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    return made.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("noted", "issuer"),
    [
        ({"oid1": b"old"}, "old"),
        ({"oid8": b"\x0c\x03new"}, "new"),
        ({"oid1": b"old", "oid8": b"\x0c\x03new"}, "new"),
        ({}, "nobody"),
    ],
)
def test_who_confirmed_an_identity(noted: dict[str, bytes], issuer: str) -> None:
    """Fulcio notes it in two ways, the older of which is still in certificates of other signers."""
    shown = certificate(ec.generate_private_key(ec.SECP256R1()), **noted)
    for wanted in ("old", "new", "nobody"):
        policy = verify_signature.SignerIdentity(
            pattern=re.compile(world.POLICY), issuer=wanted, trusted_root=None, config="", offline=True
        )
        who = verify_signature._Who(policy)
        if wanted == issuer != "nobody":
            who.verify(shown)
            assert (who.by, who.issuer) == (world.OURS, issuer)
        else:
            with pytest.raises(SignatureWrong, match=f"confirmed by {issuer}, not by {wanted}"):
                who.verify(shown)


@pytest.mark.parametrize(
    "other", [x509.UniformResourceIdentifier(world.OURS), x509.RFC822Name("a@b.example"), x509.DNSName("b.example")]
)
def test_a_certificate_for_more_than_one_identity(other: x509.GeneralName) -> None:
    """Whoever has that of somebody else added to his own is not believed to be him."""
    shown = certificate(ec.generate_private_key(ec.SECP256R1()), other, oid1=b"I")
    wanted = verify_signature.SignerIdentity(
        pattern=re.compile(".*"), issuer="I", trusted_root=None, config="", offline=True
    )
    with pytest.raises(SignatureWrong) as caught:
        verify_signature._Who(wanted).verify(shown)
    assert caught.value.advice is OTHER_IDENTITY


def test_a_certificate_for_another_kind_of_key(tmp_path: Path) -> None:
    document = json.loads((world.KEPT / "ours.sigstore.json").read_bytes())
    shown = certificate(rsa.generate_private_key(65537, 2048)).public_bytes(serialization.Encoding.DER)
    document["verificationMaterial"]["certificate"]["rawBytes"] = base64.b64encode(shown).decode()
    (tmp_path / "bundle").write_text(json.dumps(document), "utf-8")
    case = Case(name="", bundle=str(tmp_path / "bundle"), says="")
    code, said = verify("--index", str(world.KEPT / "index.json"), *case.options(world.KEPT))
    assert (code, f"'{tmp_path / 'bundle'}' was not signed with a P-256 key" in said) == (5, True), said
