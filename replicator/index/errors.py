"""Lists the failures of signing an index and of verifying its signature; each ends the run."""

from __future__ import annotations

from replicator.compute.errors import NO_ID_TOKEN
from replicator.core.errors import Advice, ExitCode, ReplicatorError


class CannotSign(ReplicatorError):
    """The index can't be signed, so no family is moved, and no index is written."""


class SignatureWrong(ReplicatorError):
    """An index is not what the policy asks for, or nobody can tell."""


_NEVER_UNSIGNED = "Signing was asked for, and nothing is published unsigned."

INDEX_UNSIGNED = Advice(
    title="Index can't be signed",
    meaning="The index can't be signed, so no family is moved, and no index is written.",
    why=_NEVER_UNSIGNED,
)

NO_SIGNING_TOKEN = Advice(
    title="No identity token to sign with",
    meaning="The job has no right to the identity token that a keyless signature is made with.",
    why="A keyless signature is bound to the identity of the job, which GitHub confirms by that token.",
    remedy="Add `id-token: write` to the permissions of the job, or sign with a key (`sign: key`).",
    lines=NO_ID_TOKEN.lines,
)

SIGNING_KEY_UNUSABLE = Advice(
    title="Signing key can't be used",
    meaning="There is no key to sign with, or it is of another kind.",
    why=_NEVER_UNSIGNED,
    remedy="Keep an unencrypted P-256 key in PEM (PKCS8) as a secret, and give it to this step in the variable "
    "SIGNING_KEY, or in a file that SIGNING_KEY_FILE names.",
    lines="openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.key",
)

SIGSTORE_MISSING = Advice(
    title="Sigstore is not installed",
    meaning="The packages that keyless signatures are made and verified with are not installed.",
    remedy="Install them with the lock that has them, or the package with its extra `sign`.",
    lines="pip install --require-hashes --no-deps -r locks/sign.txt",
)

SIGSTORE_FAILED = Advice(
    title="Sigstore did not sign",
    meaning="Sigstore, or what it needs of the runner, did not sign.",
    why=_NEVER_UNSIGNED,
    remedy="Run this again later: https://status.sigstore.dev says whether Sigstore works. Behind a firewall let the "
    "job reach fulcio.sigstore.dev, rekor.sigstore.dev and tuf-repo-cdn.sigstore.dev, or sign with a key "
    "(`sign: key`).",
)

TRUST_UNUSABLE = Advice(
    title="Root of trust can't be used",
    meaning="The root of trust, which says what signatures are believed, can't be read or fetched.",
    remedy="Give a file with a trusted root; without one it is fetched from tuf-repo-cdn.sigstore.dev, which must be "
    "reachable, and kept in XDG_CACHE_HOME, or in `.cache` of the home folder, which must be writable.",
)

_DISTRUST = "Don't use the images that it names. Fetch index and bundle again from where they were published."
_IF_RIGHT = "If that identity is the right one, correct the policy; else don't use the images that the index names."

BUNDLE_UNUSABLE = Advice(
    title="Bundle can't be used",
    meaning="The file that is to hold the signature holds none.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_KIND_OF_BUNDLE = Advice(
    title="Another kind of bundle",
    meaning="A bundle over a statement was given as one over the file, or the other way round, or one of a key as "
    "keyless.",
    remedy="Give the signature over the file (`image-index.json.sigstore.json`) as bundle and the statement about it "
    "(`image-index.json.intoto.sigstore.json`) as attestation; key for one that was made with a key.",
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_FILE = Advice(
    title="Signature of another file",
    meaning="The signature belongs to other bytes than the file's.",
    why="The file was changed after it was signed, or index and bundle are of different releases.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_STATEMENT = Advice(
    title="Another statement",
    meaning="The statement is signed, and does not say of this file where it comes from.",
    why="It is another kind of statement than SLSA provenance version 1.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

SIGNATURE_BROKEN = Advice(
    title="Signature is broken",
    meaning="The signature does not fit what it is said to sign.",
    why="What is signed or the bundle was changed, or another key made it.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_IDENTITY = Advice(
    title="Signed by another identity",
    meaning="The index is signed, but not by the identity that the policy names.",
    why="The whole identity must match the regular expression, not only a part of it.",
    remedy=_IF_RIGHT,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_ISSUER = Advice(
    title="Confirmed by another issuer",
    meaning="The identity was confirmed by another issuer than the one that the policy names.",
    why="Anybody can run an issuer that confirms any identity.",
    remedy=_IF_RIGHT,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OUTSIDE_ITS_TIME = Advice(
    title="Certificate used outside its time",
    meaning="The certificate was used before or after the minutes for which it is good.",
    why="With the certificate's key, stolen later, anything could be signed; the log's time tells.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

UNTRUSTED = Advice(
    title="Signature isn't trusted",
    meaning="Certificate or log entry don't come from the Sigstore that is trusted.",
    why="Certificate, its log and the signature's log must be those of the trusted root.",
    remedy="For another Sigstore than the public one give its trusted root; else don't use the images.",
    exit_code=ExitCode.SIGNATURE_WRONG,
)
