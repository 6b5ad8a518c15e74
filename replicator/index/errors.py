"""Failures of signing an index and of verifying its signature; each ends the run."""

from __future__ import annotations

from replicator.compute.sign_in_errors import NoIdToken
from replicator.core.errors import ReplicatorError


class CannotSign(ReplicatorError):
    """The index can't be signed, so no family is moved, and no index is written."""

    exit_code = 3
    why = "Signing was asked for, and nothing is published unsigned."


class NoSigningToken(CannotSign):
    """The job has no right to the identity token that a keyless signature is made with."""

    why = "A keyless signature is bound to the identity of the job, which GitHub confirms by that token."
    remedy = "Add `id-token: write` to the permissions of the job, or sign with a key (`sign: key`)."
    lines = NoIdToken.lines


class SigningKeyUnusable(CannotSign):
    """There is no key to sign with, or it is of another kind."""

    remedy = (
        "Keep an unencrypted P-256 key in PEM (PKCS8) as a secret, and give it to this step in the variable "
        "SIGNING_KEY, or in a file that SIGNING_KEY_FILE names."
    )
    lines = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.key"


class SigstoreMissing(ReplicatorError):
    """The packages that keyless signatures are made and verified with are not installed."""

    exit_code = 3
    remedy = "Install them with the lock that has them, or the package with its extra `sign`."
    lines = "pip install --require-hashes --no-deps -r locks/sign.txt"


class SigstoreFailed(CannotSign):
    """Sigstore, or what it needs of the runner, did not sign."""

    remedy = (
        "Run this again later: https://status.sigstore.dev says whether Sigstore works. Behind a firewall let the job "
        "reach fulcio.sigstore.dev, rekor.sigstore.dev and tuf-repo-cdn.sigstore.dev, or sign with a key (`sign: key`)."
    )


class TrustUnusable(ReplicatorError):
    """The root of trust, which says whom to believe, can't be had."""

    exit_code = 3
    remedy = (
        "Give a file with a trusted root; without one it is fetched from tuf-repo-cdn.sigstore.dev, which must be "
        "reachable, and kept in XDG_CACHE_HOME, or in `.cache` of the home folder, which must be writable."
    )


class SignatureWrong(ReplicatorError):
    """An index is not what the policy asks for, or nobody can tell."""

    exit_code = 5
    remedy = "Don't use the images that it names. Fetch index and bundle again from where they were published."


class BundleUnusable(SignatureWrong):
    """The file that is to hold the signature holds none."""


class OtherKindOfBundle(SignatureWrong):
    """A bundle over a statement was given as one over the file, or the other way round, or one of a key as keyless."""

    remedy = (
        "Give the signature over the file (`image-index.json.sigstore.json`) as bundle and the statement about it "
        "(`image-index.json.intoto.sigstore.json`) as attestation; key for one that was made with a key."
    )


class OtherFile(SignatureWrong):
    """The signature belongs to other bytes than the file's."""

    why = "The file was changed after it was signed, or index and bundle are of different releases."


class OtherStatement(SignatureWrong):
    """The statement is signed, and does not say of this file where it comes from."""

    why = "It is another kind of statement than SLSA provenance version 1."


class SignatureBroken(SignatureWrong):
    """The signature does not fit what it is said to sign."""

    why = "What is signed or the bundle was changed, or another key made it."


class OtherIdentity(SignatureWrong):
    """Somebody signed, but not the one that the policy names."""

    why = "The whole identity must match the regular expression, not only a part of it."
    remedy = "If that identity is the right one, correct the policy; else don't use the images that the index names."


class OtherIssuer(SignatureWrong):
    """The identity was confirmed by another issuer than the one that the policy names."""

    why = "Anybody can run an issuer that confirms any identity."
    remedy = OtherIdentity.remedy


class OutsideItsTime(SignatureWrong):
    """The certificate was used before or after the minutes for which it is good."""

    why = "Whoever got hold of its key later can sign anything; the log's time tells."


class Untrusted(SignatureWrong):
    """Certificate or log entry don't come from the Sigstore that is trusted."""

    why = "Certificate, its log and the signature's log must be those of the trusted root."
    remedy = "For another Sigstore than the public one give its trusted root; else don't use the images."
