"""Every failure once: what happened, why, what to do; with its exit code, or the reason that a replica's row shows.

`ReplicatorError`s end the run; `ReplicaError`s end one replica, and the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from replicator import protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORT_TO = "https://github.com/gce-image-replicator/gce-image-replicator/issues"


class Failure(Exception):
    """What happened, why, and what to do about it."""

    why: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    lines: ClassVar[str] = ""
    """Lines to add to a workflow, or to type, that the remedy speaks of; empty where a sentence says it all."""

    def __init__(self, what: str, *, remedy: str = "", lines: str | None = None) -> None:
        super().__init__(what)
        self.what = protocol.redacted(what)
        self.todo = remedy or self.remedy
        self.to_add = self.lines if lines is None else lines

    @property
    def message(self) -> str:
        """The three sentences that a person needs, in one paragraph."""
        return " ".join(part for part in (sentence(self.what), self.why, self.todo) if part)


class ReplicatorError(Failure):
    """A failure that ends the run before, or instead of, its replicas."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class InputProblem:
    """An input whose value can't be carried out: what is wrong, what is allowed, what to do."""

    input: str
    text: str
    file: str = ""
    """The file that the input names, where the problem lies in it, and the line, counted from 1."""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}: " if self.line else ""
        return protocol.redacted(f"{self.input}: {where}{self.text}")


class BadSettings(ReplicatorError):
    """Inputs that cannot be carried out; nothing was called or changed."""

    exit_code = 2

    def __init__(self, problems: Sequence[InputProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
        """In the order of the inputs."""

    @property
    def headline(self) -> str:
        """What happened, without each problem."""
        count = len(self.problems)
        return f"{'An input is' if count == 1 else f'{count} inputs are'} wrong, so nothing was called or changed"


class BadFragments(BadSettings):
    """The fragments are not exactly those that were expected, do not fit together, or are not what the live images are.

    A merge is all or nothing.
    """

    exit_code = 1

    @property
    def headline(self) -> str:
        """What happened, without each problem."""
        return "The fragments make no release, so no index was written and no family was moved"


class FragmentsUnverified(BadFragments):
    """What the fragments name could not be read, so nobody can tell whether it is right."""

    exit_code = 3


class IndexUnwritten(ReplicatorError):
    """The merged index could not be written; no family was moved."""

    exit_code = 3
    remedy = "Make room in RUNNER_TEMP, or let the step write there; then run this again."


CHECKOUT = "- uses: actions/checkout@v7"
AUTH = """\
- uses: google-github-actions/auth@v3
  with:
    workload_identity_provider: ${{ vars.GCP_WORKLOAD_IDENTITY_PROVIDER }}
    service_account: ${{ vars.GCP_SERVICE_ACCOUNT }}"""
THIS = "- uses: gce-image-replicator/gce-image-replicator@v1"


class NoCredentials(ReplicatorError):
    """No Application Default Credentials were found; what is known of why stands in the sections below."""

    exit_code = 3
    why = "No other credentials are used: there is no input for a key."
    remedy = (
        "On your machine run `gcloud auth application-default login`; in a workflow put google-github-actions/auth "
        "before this step, with `id-token: write` in the job's permissions."
    )


class NotSignedIn(NoCredentials):
    """The job may sign in, and no step before this one did."""

    why = "This action takes no key: it uses the credentials that a step before it leaves."
    remedy = "Put the step google-github-actions/auth between checkout and this one."
    lines = f"{CHECKOUT}\n{AUTH}\n{THIS}"


class NoIdToken(NoCredentials):
    """The job has no right to a token that it could sign in with."""

    why = "Without `id-token: write` GitHub gives the job nothing that Google Cloud would trust."
    remedy = "Add `id-token: write` to the permissions of the job, and google-github-actions/auth before this step."
    lines = "permissions:\n  contents: read\n  id-token: write"


class ForkPullRequest(NoCredentials):
    """The job belongs to a pull request from a fork, which may not sign in."""

    why = "GitHub gives such a job neither `id-token: write` nor secrets, whatever its permissions say."
    remedy = "Nothing is wrong with the set-up: leave the job out for forks, with this `if:` line."
    lines = "if: github.event.pull_request.head.repo.full_name == github.repository"


class CredentialsFileGone(NoCredentials):
    """GOOGLE_APPLICATION_CREDENTIALS names a file that does not exist."""

    why = (
        "google-github-actions/auth writes its file into the workspace, and actions/checkout empties the workspace: "
        "after it the file is gone."
    )
    remedy = "Put actions/checkout before google-github-actions/auth, once, and this step after both."
    lines = f"{CHECKOUT}\n{AUTH}\n{THIS}"


class CredentialsFileUnreadable(NoCredentials):
    """The credentials file is there, and is none, or can't be read."""

    why = "It must be the JSON that google-github-actions/auth or gcloud wrote, unchanged."
    remedy = (
        "Let google-github-actions/auth write it, or `gcloud auth application-default login`. A key kept as a secret "
        "belongs in the input `credentials_json` of google-github-actions/auth, whole."
    )


class OtherUniverse(NoCredentials):
    """The credentials belong to another universe than the endpoint."""

    why = "Credentials are worth something in their own universe only, so they were sent nowhere."
    remedy = (
        "Set compute_endpoint to the Compute Engine API of that universe, or take `universe` out of the step "
        "google-github-actions/auth."
    )


class SignInExpired(NoCredentials):
    """What the sign-in starts from has expired, or was revoked."""

    why = (
        "The file that google-github-actions/auth writes is good for its own job only; keys and a user's sign-in can "
        "be revoked."
    )
    remedy = (
        "Run google-github-actions/auth in this job, after checkout; on your machine run "
        "`gcloud auth application-default login` again. A key that was deleted has to be replaced."
    )
    lines = AUTH


class WrongAudience(NoCredentials):
    """The identity token was made for another audience than the provider expects."""

    why = "The provider of the workload identity pool allows certain audiences; by default its own full name."
    remedy = (
        "Give google-github-actions/auth the provider's full name, with the project's number, and no `audience`; or "
        "one that the provider allows."
    )
    lines = "workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"


class ProviderMissing(NoCredentials):
    """The workload identity pool, or its provider, does not exist or is disabled."""

    why = "A provider that was just made works after some minutes; a name with the project's id for its number never."
    remedy = (
        WrongAudience.remedy + " `gcloud iam workload-identity-pools providers describe` shows whether it is there."
    )
    lines = WrongAudience.lines


class ConditionRejects(NoCredentials):
    """The provider's attribute condition does not let this job in."""

    why = "The condition compares repository, ref or the like with this job's identity token, capital letters included."
    remedy = (
        "Run the job from a ref that the condition allows (often tags and the default branch only), or change the "
        "condition: `gcloud iam workload-identity-pools providers update-oidc`."
    )


class ImpersonationDenied(NoCredentials):
    """The identity signed in, and may not act as the service account."""

    why = "It lacks iam.serviceAccounts.getAccessToken, which roles/iam.workloadIdentityUser holds."
    remedy = (
        "Check the input `service_account` of google-github-actions/auth, and grant the role to the repository by this "
        "command; it works after some minutes."
    )
    lines = (
        "gcloud iam service-accounts add-iam-policy-binding ACCOUNT --role=roles/iam.workloadIdentityUser \\\n"
        "  --member=principalSet://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/"
        "attribute.repository_id/REPOSITORY_ID"
    )


class CredentialsRefused(NoCredentials):
    """The credentials are there and are refused, for a reason that has no word of its own here."""

    why = "What the service says is not quoted, because it may hold parts of tokens."
    remedy = (
        "Check workload identity provider and service account (docs/permissions.md), on a machine of your own its "
        "clock, too; the step google-github-actions/auth with debug logging shows the whole answer."
    )


class TokenServiceSilent(ReplicatorError):
    """A service that the sign-in needs did not answer for a minute, or not in its own words."""

    exit_code = 3
    remedy = (
        "Run this again later. Behind a proxy or firewall let the job reach sts.googleapis.com, "
        "iamcredentials.googleapis.com and the runner's own token service; on a machine of Compute Engine, its "
        "metadata server."
    )


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
    lines = "pip install --require-hashes --no-deps -r requirements-sign.txt"


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


class SourceMissing(ReplicatorError):
    """The source image does not exist."""

    exit_code = 3
    remedy = (
        "Check the name and the project (`gcloud compute images list --project PROJECT`), "
        "and that this step runs after the build."
    )


class SourceUnreadable(ReplicatorError):
    """The source image, or its policy, may not be read."""

    exit_code = 3
    remedy = "Grant the identity of this step a role that allows it on the source's project."


class SourceUnusable(ReplicatorError):
    """The source exists and cannot be copied as it is."""

    exit_code = 3


class EndpointUnreachable(ReplicatorError):
    """The API did not answer for a minute."""

    exit_code = 3
    remedy = "Check the network and the input compute_endpoint; then run this again: what was made is kept."


class Interrupted(ReplicatorError):
    """SIGINT or SIGTERM."""

    def __init__(self, name: str, exit_code: int) -> None:
        super().__init__(f"The run was interrupted by {name}")
        self.exit_code = exit_code

    remedy = "Copies that were under way go on in Compute Engine: run this again and it takes them over."


class Unforeseen(ReplicatorError):
    """A defect of this program."""

    exit_code = 70
    remedy = f"This is a defect of the replicator. Please report it with the lines above: {REPORT_TO}"


class ReplicaError(Failure):
    """A failure that ends one replica."""

    reason: ClassVar[str]
    interrupts: ClassVar[bool] = False
    """Whether the replica may yet come to be by itself: outcome `interrupted` instead of `failed`."""
    of_setup: ClassVar[bool] = False
    """Whether, where it meets every replica, the set-up is at fault and the run exits with 3."""


class Conflict(ReplicaError):
    """Someone else's image stands under the replica's name."""

    reason = "conflict"
    why = "A name is not an identity: this image is not a copy of the source in this location, so it is left alone."
    remedy = "Remove that image if nobody needs it, or choose another name_template."


class Unproven(ReplicaError):
    """An image under the replica's name whose parent is gone."""

    reason = "unproven"
    why = "Without its parent nobody can tell whether it holds this source."
    remedy = "Look at it; if it can go, delete it and run this again, or choose another name_template."


class Drift(ReplicaError):
    """A replica that differs from what is wanted and can't be repaired."""

    reason = "drift"
    remedy = "Delete the image and run this again to make it anew."


class ImageFailed(ReplicaError):
    """A copy that Compute Engine marked FAILED."""

    reason = "image_failed"
    why = "Compute Engine could not make this copy, and its name stays taken."
    remedy = "Remove it and run this again, or set replace_failed: true."


class OperationFailed(ReplicaError):
    """Compute Engine refused or could not do what was asked, for a reason that has no word of its own here."""

    reason = "operation_failed"
    remedy = "Read the message of Compute Engine; then run this again."


class OrgPolicy(ReplicaError):
    """An organisation's policy forbids the location."""

    reason = "org_policy"
    why = "Waiting does not help."
    remedy = "Take the location out of `locations`, or ask for an exception to the constraint that is named."


class AccessBlocked(ReplicaError):
    """An organisation's policy forbids the access asked for."""

    reason = "access_blocked"
    why = "Domain-restricted sharing (constraints/iam.allowedPolicyMemberDomains) forbids these members."
    remedy = (
        "Set access: private, or ask for an exception to that constraint for the project (public images "
        "need allAuthenticatedUsers)."
    )


class Forbidden(ReplicaError):
    """The identity of this step lacks a permission."""

    reason = "forbidden"
    of_setup = True
    remedy = "Grant it the permission that is named; the README's section on IAM roles shows how."


class ApiDisabled(ReplicaError):
    """The Compute Engine API is off in the project."""

    reason = "api_disabled"
    of_setup = True
    remedy = "Run `gcloud services enable compute.googleapis.com --project PROJECT` and wait a few minutes."


class ProjectNotFound(ReplicaError):
    """There is no such project, or it is not to be seen."""

    reason = "project_not_found"
    of_setup = True
    remedy = "Check project_id and replica_project, and that this step's identity may see the project."


class Quota(ReplicaError):
    """A quota that does not refill by itself is used up."""

    reason = "quota"
    remedy = "Delete images that nobody needs, or ask for more quota; then run this again."


class Rate(ReplicaError):
    """Too many requests a minute; repeated while there is time."""

    reason = "rate"
    remedy = "Run this again later, or raise timeout_minutes."


class SourceRate(ReplicaError):
    """Too many copies of one image; verified replicas are copied instead, and it is repeated while there is time."""

    reason = "source_rate"
    why = "An image may be copied about six times an hour."
    remedy = "Run this again in an hour: it goes on where it stopped. Or raise timeout_minutes."


class SourceChanged(ReplicaError):
    """The source was deleted or replaced while the run went on."""

    reason = "source_changed"
    why = "Another image stands under the source's name now, or none."
    remedy = "Run this again with the source that is meant; delete the replica if it holds the wrong image."


class NotReady(ReplicaError):
    """The source, or something that it needs, is not ready; repeated while there is time."""

    reason = "not_ready"
    remedy = "Run this again when the source is READY, or raise timeout_minutes."


class Unreachable(ReplicaError):
    """The API could not be reached or did not answer in its own words; repeated while there is time."""

    reason = "unreachable"
    remedy = "Check the network and the input compute_endpoint; then run this again."


class Deadline(ReplicaError):
    """timeout_minutes passed."""

    reason = "deadline"
    interrupts = True
    remedy = "Run this again: it takes over what was begun. Or raise timeout_minutes."


class Signalled(ReplicaError):
    """SIGINT or SIGTERM reached the run."""

    reason = "signal"
    interrupts = True
    remedy = Interrupted.remedy


class Internal(ReplicaError):
    """A defect of this program met one replica."""

    reason = "internal"
    remedy = f"This is a defect of the replicator. Please report it with the log: {REPORT_TO}"


def language(lines: str) -> str:
    """What the lines to add of a failure are written in: `sh` or `yaml`."""
    return "sh" if lines.startswith(("gcloud ", "openssl ", "pip ")) else "yaml"


def because(doing: str, said: str, why: str) -> str:
    """For people: what the API said to what was being done, and what that means."""
    return f"{sentence(f'{doing}: {said}')} {why}".strip()


def sentence(text: str) -> str:
    """The text with what ends a sentence."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
