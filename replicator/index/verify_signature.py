"""Verifies a file's signatures: the signer's identity or key against the policy, and that the signed bytes match.

Our own checks come first, so that the messages are our own; sigstore-python then checks that the certificate and its
log entry are Sigstore's.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from replicator.core import errors
from replicator.core.errors import ReplicatorError
from replicator.index import bundle, image_index, provenance, sign
from replicator.index import errors as index_errors
from replicator.index.errors import SignatureWrong
from replicator.inputs import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sigstore.models import Bundle as SigstoreBundle

    from replicator.index.bundle import Bundle
    from replicator.index.signature_settings import PolicySettings


_LARGEST_KEY = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerIdentity:
    """Trusts a keyless signer whose whole identity matches the pattern and was confirmed by the issuer."""

    pattern: re.Pattern[str]
    issuer: str
    trusted_root: Path | None
    """None means the root of `config`, or the public Sigstore's."""
    config: str
    """The client trust config of a private Sigstore; empty for the public one."""
    offline: bool
    """Whether to use a public trusted root that was fetched earlier."""


@dataclass(frozen=True, slots=True)
class SignerKey:
    """Trusts a signer who has the private key."""

    public: ec.EllipticCurvePublicKey


SignerPolicy = SignerIdentity | SignerKey


@dataclass(frozen=True, slots=True)
class Signed:
    """The digest that was signed, the signer, and the issuer that confirmed the signer's identity."""

    digest: str
    by: str
    issuer: str = ""
    at: datetime | None = None
    """When, as a log or a time-stamping authority vouches for it; None for a key, and where several times are given."""


def policy(wanted: PolicySettings, env: Mapping[str, str], *, offline: bool = False) -> SignerPolicy:
    """Return the policy that the settings describe; `offline` uses a public trusted root that was fetched earlier.

    Raises BadSettings, and ReplicatorError for a bad trust config.
    """
    if wanted.key:
        return SignerKey(_public_key(Path(wanted.key)))
    return SignerIdentity(
        pattern=re.compile(wanted.certificate_identity_regexp),
        issuer=wanted.certificate_oidc_issuer,
        trusted_root=Path(wanted.trusted_root) if wanted.trusted_root else None,
        config=sign.trust_config(env),
        offline=offline,
    )


def verify(data: bytes, signatures: Mapping[str, str], policy: SignerPolicy) -> Signed:
    """Verify a file's bytes against its bundle, its signed statement, or both.

    Raises SignatureWrong, and ReplicatorError without Sigstore or a usable trust root.
    """
    digest = hashlib.sha256(data).hexdigest()
    signed = Signed("", "nobody")
    for option, file in signatures.items():
        read = bundle.read(Path(file), option)
        if bool(read.statement) != (option == "attestation"):
            kind = "a statement about a file" if read.statement else "a file"
            raise SignatureWrong(
                index_errors.OTHER_KIND_OF_BUNDLE, f"'{read.path}' signs {kind}, but was given as {option}"
            )
        signed = _verify(data, digest, read, policy)
    return signed


def _verify(data: bytes, digest: str, read: Bundle, policy: SignerPolicy) -> Signed:
    if not read.statement and read.signed != digest:
        raise SignatureWrong(
            index_errors.OTHER_FILE,
            f"'{read.path}' signs a file of sha256:{read.signed}, but this one is sha256:{digest}",
        )
    if isinstance(policy, SignerKey) is not read.by_key:
        held = (
            "names a key, but the policy an identity" if read.by_key else "holds a certificate, but the policy is a key"
        )
        raise SignatureWrong(index_errors.OTHER_KIND_OF_BUNDLE, f"'{read.path}' {held}")
    message = bundle.pae(read.statement) if read.statement else data
    if isinstance(policy, SignerKey):
        _check(policy.public, read, message)
        signed = Signed(f"sha256:{digest}", f"the key {sign.hint(policy.public)}")
    else:
        signed = _verify_keyless(data, read, message, policy)
    if read.statement:
        _check_statement(read, digest, data)
    return signed


def _verify_keyless(data: bytes, read: Bundle, message: bytes, policy: SignerIdentity) -> Signed:
    """Verify a keyless signature, and return who made it, and when."""
    try:
        from sigstore.errors import Error
        from sigstore.models import Bundle as SigstoreBundle
        from sigstore.verify import Verifier
    except ImportError as error:
        raise ReplicatorError(
            index_errors.SIGSTORE_MISSING,
            f"Verifying a keyless signature needs the package sigstore ({error.name} is missing)",
        ) from None
    try:
        sigstore = SigstoreBundle.from_json(read.text)
    except (Error, ValueError) as error:
        raise SignatureWrong(index_errors.BUNDLE_UNUSABLE, f"'{read.path}' isn't a usable bundle: {error}") from None
    _check(sigstore.signing_certificate.public_key(), read, message)
    _check_time(sigstore.signing_certificate, read)
    verifier = Verifier(trusted_root=_trusted_root(policy))
    who = _Who(policy)
    try:
        if not read.statement:
            verifier.verify_artifact(data, sigstore, who)
        elif verifier.verify_dsse(sigstore, who) != (bundle.STATEMENT_TYPE, read.statement):
            raise SignatureWrong(index_errors.BUNDLE_UNUSABLE, f"'{read.path}' can be read in two ways")
    except (Error, x509.ExtensionNotFound, ValueError) as error:
        raise SignatureWrong(index_errors.UNTRUSTED, f"'{read.path}' can't be trusted: {error}") from None
    digest = hashlib.sha256(data).hexdigest()
    return Signed(f"sha256:{digest}", who.by, who.issuer, read.logged or _stamped(sigstore))


def _stamped(sigstore: SigstoreBundle) -> datetime | None:
    """The time of the one time stamp. Of several, the library says not which are valid."""
    stamps = sigstore.verification_material.timestamp_verification_data
    times = [stamp.tst_info.gen_time for stamp in stamps.rfc3161_timestamps] if stamps else []
    return times[0] if len(times) == 1 else None


class _Who:
    """A policy for sigstore-python, which calls it with the certificate once that is known to be Fulcio's."""

    by: str
    issuer: str

    def __init__(self, policy: SignerIdentity) -> None:
        self._policy = policy

    def verify(self, cert: x509.Certificate) -> None:
        """Raise SignatureWrong unless the certificate meets the policy."""
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = sign.identities(cert)
        self.by, self.issuer = ", ".join(found) or "nobody", _issuer(cert)
        pattern, issuer = self._policy.pattern, self._policy.issuer
        if len(list(names)) != 1 or len(found) != 1 or not pattern.fullmatch(found[0]):
            raise SignatureWrong(
                index_errors.OTHER_IDENTITY, f"{self.by} signed, which '{pattern.pattern}' does not match"
            )
        if self.issuer != issuer:
            raise SignatureWrong(
                index_errors.OTHER_ISSUER, f"The identity was confirmed by {self.issuer or 'nobody'}, not by {issuer}"
            )


#: The extensions in which Fulcio writes the issuer: as a DER string, and in older certificates as bare text.
_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_OLD_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")


def _issuer(certificate: x509.Certificate) -> str:
    noted = {item.oid: item.value for item in certificate.extensions}
    for oid in (_ISSUER, _OLD_ISSUER):
        value = noted.get(oid)
        if isinstance(value, x509.UnrecognizedExtension):
            return asn1.decode_der(str, value.value) if oid == _ISSUER else value.value.decode("utf-8", "replace")
    return ""


def _check(key: object, read: Bundle, message: bytes) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureWrong(index_errors.BUNDLE_UNUSABLE, f"'{read.path}' was not signed with a P-256 key")
    try:
        key.verify(read.signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureWrong(index_errors.SIGNATURE_BROKEN, f"The signature in '{read.path}' is invalid") from None


def _check_time(certificate: x509.Certificate, read: Bundle) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if read.logged and not first <= read.logged <= last:
        raise SignatureWrong(
            index_errors.OUTSIDE_ITS_TIME,
            f"The certificate is valid from {first} to {last}, but was used at {read.logged}",
        )


def _check_statement(read: Bundle, digest: str, data: bytes) -> None:
    try:
        spoken_of = provenance.digests(read.statement)
        named = provenance.sources(read.statement)
    except (ValueError, KeyError, TypeError) as error:
        said = error if isinstance(error, ValueError) else "a statement without what it must have"
        raise SignatureWrong(index_errors.OTHER_STATEMENT, f"'{read.path}' holds {said}") from None
    if digest not in spoken_of:
        raise SignatureWrong(
            index_errors.OTHER_FILE, f"The statement in '{read.path}' is not about this file, which is sha256:{digest}"
        )
    if named is None:
        return
    try:
        held = {
            (entry.source.uri, entry.source.id) for entry in image_index.parse(data, Path(image_index.FILE_NAME)).images
        }
    except image_index.BadIndex as error:
        raise SignatureWrong(
            index_errors.OTHER_STATEMENT, f"The statement in '{read.path}' names images, but {error}"
        ) from None
    if not held <= named:
        raise SignatureWrong(
            index_errors.OTHER_STATEMENT, f"The statement in '{read.path}' names other source images than the file"
        )


def _trusted_root(policy: SignerIdentity) -> Any:
    from sigstore.models import ClientTrustConfig, TrustedRoot

    try:
        if policy.trusted_root:
            return TrustedRoot.from_file(str(policy.trusted_root))
        if policy.config:
            return ClientTrustConfig.from_json(policy.config).trusted_root
        return ClientTrustConfig.production(offline=policy.offline).trusted_root
    except Exception as error:
        # The root comes from a file or the network, through several libraries with their own exceptions.
        own = f"That of {sign.TRUST_VARIABLE}" if policy.config else "The public trusted root"
        where = f"'{policy.trusted_root}'" if policy.trusted_root else own
        raise ReplicatorError(
            index_errors.TRUST_UNUSABLE, f"{where} can't be used ({type(error).__name__}: {error})"
        ) from error


def _public_key(path: Path) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(files.read(path, largest=_LARGEST_KEY).strip().encode())
    except files.Unfit as error:
        raise errors.BadSettings([errors.InputProblem("key", str(error))]) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise errors.BadSettings([errors.InputProblem("key", f"'{path}' holds no public P-256 key in PEM")])
    return key
