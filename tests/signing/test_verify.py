"""Who signed an index: friends are believed, each foe is refused in words of its own; by the command line, offline.

Every case is held against bundles that were kept, and against ones made just now where there are Node and cosign.
"""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from replicator import index, provenance, signing
from replicator.__main__ import main
from replicator.model import Sign
from tests.signing import world


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a consumer verifies, and what comes of it: an exit code, and words of the answer."""

    name: str
    index: str = "index.json"
    bundle: str = ""
    attestation: str = ""
    identity: str = world.POLICY
    issuer: str = world.ISSUER
    key: str = ""
    root: str = "trusted_root.json"
    code: int = 5
    says: str
    cosign: str = ""
    """A pattern for what cosign says against it; nothing where it believes."""

    def options(self, folder: Path) -> list[str]:
        files = {"bundle": self.bundle, "attestation": self.attestation, "key": self.key}
        policy = (
            {} if self.key else {"certificate-identity-regexp": self.identity, "certificate-oidc-issuer": self.issuer}
        )
        named = {name: str(folder / file) for name, file in files.items() if file}
        root = {} if self.key else {"trusted-root": str(folder / self.root)}
        return [part for name, value in {**named, **policy, **root}.items() for part in (f"--{name}", value)]


CASES = [
    Case(
        name="the signature", bundle="ours.sigstore.json", code=0, says=f"was signed by {world.OURS}, as {world.ISSUER}"
    ),
    Case(name="the statement", attestation="ours.intoto.sigstore.json", code=0, says="was signed by"),
    Case(
        name="both", bundle="ours.sigstore.json", attestation="ours.intoto.sigstore.json", code=0, says="was signed by"
    ),
    Case(
        name="one architecture, by the statement about all",
        cosign="do not match digests in statement",
        index="child.json",
        attestation="ours.intoto.sigstore.json",
        code=0,
        says="was signed by",
    ),
    Case(name="a key's signature", bundle="key.sigstore.json", key="key.pub", code=0, says="was signed by the key "),
    Case(
        name="a key's statement",
        attestation="key.intoto.sigstore.json",
        key="key.pub",
        code=0,
        says="was signed by the key ",
    ),
    Case(name="cosign's signature", bundle="cosign.sigstore.json", code=0, says=f"was signed by {world.OURS}"),
    Case(name="cosign's statement", attestation="cosign.intoto.sigstore.json", code=0, says=f"by {world.OURS}"),
    Case(
        name="cosign's signature with a key", bundle="cosign-key.sigstore.json", key="key.pub", code=0, says="the key "
    ),
    Case(
        name="tampered index",
        cosign="invalid signature",
        index="tampered.json",
        bundle="ours.sigstore.json",
        says="signs a file of sha256:",
    ),
    Case(
        name="tampered index and digest",
        cosign="does not match artifact",
        index="tampered.json",
        bundle="tampered.sigstore.json",
        says="The signature in '{folder}/tampered.sigstore.json' is invalid",
    ),
    Case(
        name="tampered index, a key's",
        cosign="invalid signature",
        index="tampered.json",
        bundle="tampered-key.sigstore.json",
        key="key.pub",
        says="is invalid",
    ),
    Case(
        name="tampered index, by the statement",
        cosign="do not match digests in statement",
        index="tampered.json",
        attestation="ours.intoto.sigstore.json",
        says="is not about this file",
    ),
    Case(
        name="tampered predicate",
        cosign="does not match envelope payload",
        attestation="tampered.intoto.sigstore.json",
        says="is invalid",
    ),
    Case(
        name="tampered predicate, a key's",
        cosign="signatures do not match threshold",
        attestation="tampered-key.intoto.sigstore.json",
        key="key.pub",
        says="is invalid",
    ),
    Case(
        name="another file's bundle",
        cosign="invalid signature",
        bundle="other.sigstore.json",
        says="signs a file of sha256:",
    ),
    Case(
        name="another file's statement",
        cosign="do not match digests in statement",
        attestation="other.intoto.sigstore.json",
        says="is not about this file",
    ),
    Case(
        name="a stranger",
        cosign="expected SAN value to match regex",
        bundle="stranger.sigstore.json",
        says="https://github.com/x/y/.github",
    ),
    Case(
        name="a stranger's statement",
        cosign="expected SAN value to match regex",
        attestation="stranger.intoto.sigstore.json",
        says="does not match",
    ),
    Case(
        name="a look-alike repository",
        cosign="expected SAN value to match regex",
        bundle="evil.sigstore.json",
        says="https://github.com/o/r-evil/.github",
    ),
    Case(
        name="a look-alike repository, and a pattern without its end",
        cosign="expected SAN value to match regex",
        bundle="evil.sigstore.json",
        identity=r"https://github\.com/o/r",
        says="does not match",
    ),
    Case(
        name="another host with ours in its query",
        cosign="expected SAN value to match regex",
        bundle="query.sigstore.json",
        says="https://evil.example/?",
    ),
    Case(
        name="a pattern that is a part",
        cosign="expected SAN value to match regex",
        bundle="ours.sigstore.json",
        identity=r"https://github\.com/o/r/",
        says="The whole identity must match",
    ),
    Case(
        name="another issuer",
        cosign="expected issuer value",
        bundle="issuer.sigstore.json",
        says="confirmed by https://issuer.example, not by",
    ),
    Case(
        name="another issuer wanted",
        cosign="expected issuer value",
        bundle="ours.sigstore.json",
        issuer="https://token.actions.githubusercontent.com/evil",
        says="confirmed by https://token.actions.githubusercontent.com, not by",
    ),
    Case(
        name="a certificate after its time",
        cosign="integrated time outside certificate validity",
        bundle="late.sigstore.json",
        says="and was used at",
    ),
    Case(
        name="a certificate after its time, statement",
        cosign="integrated time outside certificate validity",
        attestation="late.intoto.sigstore.json",
        says="was used at",
    ),
    Case(
        name="the log's time changed",
        cosign="not enough verified log entries",
        bundle="time.sigstore.json",
        says="can't be trusted: ",
    ),
    Case(
        name="not logged",
        cosign="not enough verified log entries",
        bundle="unlogged.sigstore.json",
        says="is no usable bundle",
    ),
    Case(
        name="another Sigstore's",
        cosign="not enough verified log entries",
        bundle="ours.sigstore.json",
        root="foreign_root.json",
        says="can't be trusted: ",
    ),
    Case(
        name="a statement offered as signature",
        bundle="ours.intoto.sigstore.json",
        says="signs a statement about a file, and was given as bundle",
    ),
    Case(
        name="a signature offered as statement",
        cosign="does not contain a DSSE envelope",
        attestation="ours.sigstore.json",
        says="signs a file, and was given as attestation",
    ),
    Case(
        name="a signature with a good statement, and the statement of another file",
        bundle="ours.sigstore.json",
        attestation="other.intoto.sigstore.json",
        says="is not about this file",
    ),
    Case(
        name="another key",
        cosign="invalid signature",
        bundle="key.sigstore.json",
        key="other-key.pub",
        says="is invalid",
    ),
    Case(
        name="a key's bundle as keyless",
        cosign="not enough verified log entries",
        bundle="key.sigstore.json",
        says="names a key, and the policy an identity",
    ),
    Case(
        name="a keyless bundle as a key's",
        cosign="expected key signature, not certificate",
        bundle="ours.sigstore.json",
        key="key.pub",
        says="holds a certificate, and the policy is a key",
    ),
    Case(
        name="a signature and a statement in one",
        cosign="only supported with --new-bundle-format",
        bundle="both.sigstore.json",
        says="no Sigstore bundle with one",
    ),
    Case(
        name="a bundle without signature",
        cosign="only supported with --new-bundle-format",
        bundle="nothing.sigstore.json",
        says="no Sigstore bundle with one",
    ),
    Case(
        name="half a bundle",
        cosign="only supported with --new-bundle-format",
        bundle="torn.sigstore.json",
        says="no Sigstore bundle with one",
    ),
    Case(
        name="the index as bundle",
        cosign="only supported with --new-bundle-format",
        bundle="index.json",
        says="no Sigstore bundle with one",
    ),
]


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


def test_a_statement_that_names_other_sources(tmp_path: Path) -> None:
    """Whoever signs is believed of the file alone: what the statement says of its images must be what the file says."""
    whole, pem = world.document(), world.private_key()
    data, signer = index.to_bytes(whole), signing.signer(Sign.KEY, {"SIGNING_KEY": pem})
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
        (["--bundle", "B"], ["certificate_identity_regexp: is missing", "certificate_oidc_issuer: is missing"]),
        (["--bundle", "B", "--certificate-identity-regexp", ".*"], ["certificate_oidc_issuer: is missing"]),
        (["--attestation", "B", "--certificate-oidc-issuer", "I"], ["certificate_identity_regexp: is missing"]),
        (["--bundle", "B", "--certificate-identity-regexp", "(", "--certificate-oidc-issuer", "I"], ["is no regular"]),
        (["--certificate-oidc-issuer", "I"], ["certificate_oidc_issuer: is a policy for a signature"]),
        (["--key", "K"], ["key: is a policy for a signature"]),
        (["--offline-only"], ["offline_only: leaves the signature alone"]),
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
    assert (code, "bundle: is about an index: give index as well" in said) == (2, True)


def test_a_root_that_is_none() -> None:
    case = Case(name="", bundle="ours.sigstore.json", root="index.json", says="")
    code, said = verify("--index", str(world.KEPT / "index.json"), *case.options(world.KEPT))
    assert (code, "index.json' can't be used" in said) == (3, True)
