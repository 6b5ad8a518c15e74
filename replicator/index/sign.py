"""Signs a file, keyless or with a key: a bundle over its bytes, and of an index one over the statement about it.

Failures that can be foreseen are raised before anything is made: `signer` returns a `Signer` or raises.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from replicator.bootstrap import workflow_commands
from replicator.compute import sign_in_errors
from replicator.core.errors import ReplicatorError
from replicator.core.replicas import Sign
from replicator.index import bundle, image_index
from replicator.index import errors as index_errors
from replicator.index.errors import CannotSign
from replicator.inputs import ci_build, files

if TYPE_CHECKING:
    from collections.abc import Mapping


KEY_VARIABLE = "SIGNING_KEY"
KEY_FILE_VARIABLE = "SIGNING_KEY_FILE"
#: Names the client trust config of a private Sigstore.
TRUST_VARIABLE = "SIGSTORE_TRUST_CONFIG"

BUNDLE_SUFFIX, ATTESTATION_SUFFIX = ".sigstore.json", ".intoto.sigstore.json"
BUNDLE_NAME = f"{image_index.FILE_NAME}{BUNDLE_SUFFIX}"
ATTESTATION_NAME = f"{image_index.FILE_NAME}{ATTESTATION_SUFFIX}"

_AUDIENCE = "sigstore"
_LARGEST_KEY = 2**16
_LARGEST_TRUST = 2**20
#: The timeout in seconds of the runner's token service.
_PATIENCE = 30.0


#: Where a key is kept outside of workflows, by CI system.
_KEY_OUTSIDE = {
    "": "SIGNING_KEY or SIGNING_KEY_FILE",
    "github": "SIGNING_KEY or SIGNING_KEY_FILE",
    "gitlab": "a protected CI/CD variable SIGNING_KEY_FILE of the type File",
    "cloud_build": "a secret of Secret Manager that `secretEnv: [SIGNING_KEY]` gives to the step",
}


class Signer(Protocol):
    """Signs with a key, or keyless."""

    @property
    def who(self) -> str:
        """Who signs, for people; of a keyless signer known once it has signed."""

    def sign(self, data: bytes, statement: bytes) -> tuple[bytes, bytes]:
        """Return a bundle over a file's bytes and one over a statement. Raises CannotSign."""

    def sign_file(self, data: bytes) -> bytes:
        """Return a bundle over a file's bytes alone. Raises CannotSign."""


def signer(how: Sign, env: Mapping[str, str]) -> Signer | None:
    """Return the signer that the input asks for. Raises CannotSign, or ReplicatorError without Sigstore."""
    if how is Sign.OFF:
        return None
    return KeySigner(_key(env)) if how is Sign.KEY else KeylessSigner(env)


def identities(certificate: x509.Certificate) -> list[str]:
    """Return the addresses and e-mail addresses that a certificate of Fulcio's was made out to."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier | x509.RFC822Name)]


def hint(key: ec.EllipticCurvePublicKey) -> str:
    """Return the hint by which a bundle names its key: the SHA-256 of the key's DER form, in Base64."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def trust_config(env: Mapping[str, str]) -> str:
    """Return the client trust config of a private Sigstore; empty for the public one. Raises ReplicatorError."""
    named = env.get(TRUST_VARIABLE, "")
    try:
        return files.read(Path(named), largest=_LARGEST_TRUST) if named else ""
    except files.Unfit as error:
        raise ReplicatorError(
            index_errors.TRUST_UNUSABLE, f"{TRUST_VARIABLE}: {error}", remedy=f"Correct or unset {TRUST_VARIABLE}."
        ) from None


class KeySigner:
    """Signs with a P-256 key; cosign verifies the bundles with `--key` and without a log."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._hint = hint(key.public_key())

    @property
    def who(self) -> str:
        """The key, by its hint."""
        return f"the key {self._hint}"

    def sign(self, data: bytes, statement: bytes) -> tuple[bytes, bytes]:
        """Return a bundle over a file's bytes and one over a statement."""
        return bundle.of_file(data, self._sign, self._hint), bundle.of_statement(statement, self._sign, self._hint)

    def sign_file(self, data: bytes) -> bytes:
        """Return a bundle over a file's bytes alone."""
        return bundle.of_file(data, self._sign, self._hint)

    def made(self, signature: bytes, data: bytes) -> bool:
        """Return whether this key made a signature over a file's bytes."""
        try:
            self._key.public_key().verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    def _sign(self, data: bytes) -> bytes:
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


class KeylessSigner:
    """Signs with a certificate that Fulcio gives for this job's identity token, and logs it in Rekor."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._url = env.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
        self._token = env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
        if not self._url or not self._token:
            raise _no_token(env)
        self._trust = trust_config(env)
        self._who = ""
        _sigstore()

    @property
    def who(self) -> str:
        """The identity in the certificate; empty before it has signed."""
        return self._who

    def sign(self, data: bytes, statement: bytes) -> tuple[bytes, bytes]:
        """Return a bundle over a file's bytes and one over a statement. Raises CannotSign."""
        return self._signed(data, statement)

    def sign_file(self, data: bytes) -> bytes:
        """Return a bundle over a file's bytes alone. Raises CannotSign."""
        return self._signed(data, b"")[0]

    def _signed(self, data: bytes, statement: bytes) -> tuple[bytes, bytes]:
        """Return both bundles; no statement leaves the second empty, and nothing about it in the public log."""
        models, oidc, dsse, sign = _sigstore()
        token = self._identity_token()
        try:
            trust = models.ClientTrustConfig
            config = trust.from_json(self._trust) if self._trust else trust.production()
            context = sign.SigningContext.from_trust_config(config)
            with context.signer(oidc.IdentityToken(token)) as signer:
                blob = signer.sign_artifact(data)
                about = signer.sign_dsse(dsse.Statement(statement)) if statement else None
        except Exception as error:
            # Sigstore's exceptions quote whole answers, and come from many libraries.
            raise CannotSign(index_errors.SIGSTORE_FAILED, f"Sigstore could not sign ({_kind(error)})") from error
        self._who = ", ".join(identities(blob.signing_certificate))
        return blob.to_json().encode() + b"\n", about.to_json().encode() + b"\n" if about else b""

    def _identity_token(self) -> str:
        """Return a fresh token, because a token is valid for some minutes only, and copies take longer."""
        try:
            answer = requests.get(
                self._url,
                params={"audience": _AUDIENCE},
                headers={"Authorization": f"bearer {self._token}"},
                timeout=_PATIENCE,
                allow_redirects=False,
            )
            answer.raise_for_status()
            token = answer.json()["value"]
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise CannotSign(
                index_errors.SIGSTORE_FAILED,
                f"{sign_in_errors.Service.OIDC.capitalize()} gave none to sign with ({_kind(error)})",
                remedy="Run this again: what was made is kept.",
            ) from None
        return str(token)


def _sigstore() -> tuple[Any, Any, Any, Any]:
    try:
        from sigstore import dsse, models, oidc, sign
    except ImportError as error:
        raise ReplicatorError(
            index_errors.SIGSTORE_MISSING, f"Keyless signing needs the package sigstore ({error.name} is missing)"
        ) from None
    return models, oidc, dsse, sign


def _kind(error: BaseException) -> str:
    said = workflow_commands.plain(error)[:300]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _no_token(env: Mapping[str, str]) -> CannotSign:
    what = "Nothing can be signed keyless: the job has no right to an identity token"
    if env.get("GITHUB_ACTIONS") != "true":
        build = ci_build.of(env)
        return CannotSign(
            index_errors.NO_SIGNING_TOKEN,
            "Only a workflow can sign keyless: there is no identity token here",
            remedy=f"Sign with a key: `--sign key`, with {_KEY_OUTSIDE[build.system if build else '']}.",
            lines="",
        )
    if any(name.startswith("FORGEJO_") for name in env):
        return CannotSign(
            index_errors.NO_SIGNING_TOKEN,
            what,
            remedy="Add `enable-openid-connect: true` to the job (the public Sigstore does not trust Forgejo: it takes "
            f"one of your own, named by {TRUST_VARIABLE}), or sign with a key (`sign: key`).",
            lines="enable-openid-connect: true",
        )
    return CannotSign(index_errors.NO_SIGNING_TOKEN, what)


def _key(env: Mapping[str, str]) -> ec.EllipticCurvePrivateKey:
    text, file = env.get(KEY_VARIABLE, ""), env.get(KEY_FILE_VARIABLE, "")
    if bool(text) == bool(file):
        both = f"{KEY_VARIABLE} and {KEY_FILE_VARIABLE}"
        raise CannotSign(
            index_errors.SIGNING_KEY_UNUSABLE,
            f"Both {both} are given" if text else f"There is no key: neither of {both} is set",
        )
    where = KEY_VARIABLE if text else f"'{file}'"
    try:
        pem = text or files.read(Path(file), largest=_LARGEST_KEY)
        key = serialization.load_pem_private_key(pem.strip().encode(), password=None)
    except files.Unfit as error:
        raise CannotSign(index_errors.SIGNING_KEY_UNUSABLE, f"{KEY_FILE_VARIABLE}: {error}") from None
    except TypeError:
        raise CannotSign(index_errors.SIGNING_KEY_UNUSABLE, f"The key in {where} is encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        # The library's message may quote the key.
        raise CannotSign(index_errors.SIGNING_KEY_UNUSABLE, f"{where} holds no private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CannotSign(index_errors.SIGNING_KEY_UNUSABLE, f"The key in {where} is not of the kind P-256")
    return key
