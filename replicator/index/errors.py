"""Lists the failures of signing an index and of verifying its signature, with causes and remedies."""

from __future__ import annotations

from replicator.compute.errors import NO_ID_TOKEN
from replicator.core.errors import Advice, ExitCode, ReplicatorError


class CannotSign(ReplicatorError):
    """A file can't be signed, so it isn't written, and what would rely on it isn't done."""


class SignatureWrong(ReplicatorError):
    """A file isn't signed as the policy requires, or nobody can tell."""


_NEVER_UNSIGNED = "Signing was asked for, and nothing is published unsigned."

UNSIGNED = Advice(
    title="File can't be signed",
    meaning="The index, or `mirrors.json`, can't be signed, so it isn't written, and no family is moved.",
    why=_NEVER_UNSIGNED,
)

NO_SIGNING_TOKEN = Advice(
    title="No identity token to sign with",
    meaning="The job may not get the identity token that a keyless signature needs.",
    why="A keyless signature is bound to the identity of the job, which GitHub confirms by that token.",
    remedy="Add `id-token: write` to the permissions of the job, or sign with a key (`sign: key`).",
    lines=NO_ID_TOKEN.lines,
)

SIGNING_KEY_UNUSABLE = Advice(
    title="Signing key can't be used",
    meaning="There is no key to sign with, or its kind isn't supported.",
    why=_NEVER_UNSIGNED,
    remedy="Keep an unencrypted P-256 key in PEM (PKCS8) as a secret, and give it to this step in the variable "
    "SIGNING_KEY, or in a file that SIGNING_KEY_FILE names.",
    lines="openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.key",
)

SIGSTORE_MISSING = Advice(
    title="Sigstore is not installed",
    meaning="The packages that make and verify keyless signatures are not installed.",
    remedy="Install the lock that has them, or this package with its extra `sign`.",
    lines="pip install --require-hashes --no-deps -r locks/sign.txt",
)

SIGSTORE_FAILED = Advice(
    title="Sigstore did not sign",
    meaning="Sigstore did not sign, or the runner did not give what it needs.",
    why=_NEVER_UNSIGNED,
    remedy="Run this again later: https://status.sigstore.dev says whether Sigstore works. Behind a firewall let the "
    "job reach fulcio.sigstore.dev, rekor.sigstore.dev and tuf-repo-cdn.sigstore.dev, or sign with a key "
    "(`sign: key`).",
)

TRUST_UNUSABLE = Advice(
    title="Root of trust can't be used",
    meaning="The root of trust, which decides what signatures are trusted, can't be read or fetched.",
    remedy="Give a file with a trusted root. Without one it is fetched from tuf-repo-cdn.sigstore.dev, which must be "
    "reachable, and kept in XDG_CACHE_HOME or in `.cache` of the home folder, which must be writable.",
)

_DISTRUST = "Don't use what it names. Fetch the file and its bundle again from where they were published."
_IF_RIGHT = "If that identity is the right one, correct the policy; else don't use what the file names."

BUNDLE_UNUSABLE = Advice(
    title="Bundle can't be used",
    meaning="The file that should hold the signature isn't a valid bundle.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_KIND_OF_BUNDLE = Advice(
    title="Another kind of bundle",
    meaning="A bundle over a statement was given instead of one over the file, or one made with a key instead of a "
    "keyless one; or the other way round.",
    remedy="Give the signature over the file (`image-index.json.sigstore.json`) as bundle, and the statement about it "
    "(`image-index.json.intoto.sigstore.json`) as attestation. If they were made with a key, give key.",
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_FILE = Advice(
    title="Signature of another file",
    meaning="The signature is over other bytes than this file's.",
    why="The file was changed after it was signed, or it and its bundle are of different releases.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_STATEMENT = Advice(
    title="Another statement",
    meaning="The statement is signed, but doesn't say where this file comes from.",
    why="It isn't SLSA provenance version 1, or names other source images than the file, or the file isn't an index "
    "of ours: a newer version may have made it.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

SIGNATURE_BROKEN = Advice(
    title="Signature is broken",
    meaning="The signature doesn't match the file or the statement.",
    why="The file, the statement or the bundle was changed, or another key made the signature.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

OTHER_IDENTITY = Advice(
    title="Signed by another identity",
    meaning="The file is signed, but not by the identity that the policy names.",
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
    meaning="The certificate was used before or after the minutes in which it is valid.",
    why="Anybody who stole the certificate's key later could sign anything; the time in the log shows that.",
    remedy=_DISTRUST,
    exit_code=ExitCode.SIGNATURE_WRONG,
)

UNTRUSTED = Advice(
    title="Signature isn't trusted",
    meaning="Certificate or log entry don't come from the Sigstore that is trusted.",
    why="The certificate, its log and the signature's log must be those of the trusted root.",
    remedy="If another Sigstore than the public one signed, give its trusted root; else don't use the file.",
    exit_code=ExitCode.SIGNATURE_WRONG,
)
