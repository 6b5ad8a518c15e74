"""Cases of a verification: what a consumer checks, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testkit.signing import world


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
        says="isn't a usable bundle",
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
        says="signs a statement about a file, but was given as bundle",
    ),
    Case(
        name="a signature offered as statement",
        cosign="does not contain a DSSE envelope",
        attestation="ours.sigstore.json",
        says="signs a file, but was given as attestation",
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
        says="names a key, but the policy an identity",
    ),
    Case(
        name="a keyless bundle as a key's",
        cosign="expected key signature, not certificate",
        bundle="ours.sigstore.json",
        key="key.pub",
        says="holds a certificate, but the policy is a key",
    ),
    Case(
        name="a signature and a statement in one",
        cosign="only supported with --new-bundle-format",
        bundle="both.sigstore.json",
        says="isn't a Sigstore bundle with one",
    ),
    Case(
        name="a bundle without signature",
        cosign="only supported with --new-bundle-format",
        bundle="nothing.sigstore.json",
        says="isn't a Sigstore bundle with one",
    ),
    Case(
        name="half a bundle",
        cosign="only supported with --new-bundle-format",
        bundle="torn.sigstore.json",
        says="isn't a Sigstore bundle with one",
    ),
    Case(
        name="the index as bundle",
        cosign="only supported with --new-bundle-format",
        bundle="index.json",
        says="isn't a Sigstore bundle with one",
    ),
]
