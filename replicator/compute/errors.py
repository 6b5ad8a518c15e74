"""Lists the failures that end a run before its plan; `trouble.connection` words why a request got no answer."""

from __future__ import annotations

from replicator.core.errors import Advice, ReplicatorError


class EndpointUnreachable(ReplicatorError):
    """The API did not answer; `verify` exits with UNREACHABLE for it."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(ENDPOINT_UNREACHABLE, what, remedy=remedy)


class SignInFailed(ReplicatorError):
    """The sign-in failed for good; its advice is one of the rows below.

    It ends the run if there is no plan yet, else the replica whose call failed.
    """


SOURCE_MISSING = Advice(
    title="Source image is missing",
    meaning="The source image does not exist.",
    remedy="Check the name and the project (`gcloud compute images list --project PROJECT`), "
    "and that this step runs after the build.",
)

SOURCE_UNREADABLE = Advice(
    title="Source image can't be read",
    meaning="This step's identity may not read the source image, or its policy.",
    remedy="Grant the identity of this step a role that allows it on the source's project.",
)

SOURCE_UNUSABLE = Advice(
    title="Source image can't be used",
    meaning="The source exists, but can't be copied as it is.",
)

ENDPOINT_UNREACHABLE = Advice(
    title="Compute Engine doesn't answer",
    meaning="The API did not answer for a minute.",
    remedy="Check the network and the input compute_endpoint; then run this again: what was made is kept.",
)

CHECKOUT = "- uses: actions/checkout@v7"
AUTH = """\
- uses: google-github-actions/auth@v3
  with:
    workload_identity_provider: ${{ vars.GCP_WORKLOAD_IDENTITY_PROVIDER }}
    service_account: ${{ vars.GCP_SERVICE_ACCOUNT }}"""
THIS = "- uses: gce-image-replicator/gce-image-replicator@v1"

NO_CREDENTIALS = Advice(
    title="No credentials",
    meaning="No Application Default Credentials were found; the sections below are about known causes.",
    why="No other credentials are used: there is no input for a key.",
    remedy=(
        "On your machine run `gcloud auth application-default login`; in a workflow put google-github-actions/auth "
        "before this step, with `id-token: write` in the job's permissions."
    ),
)

NOT_SIGNED_IN = Advice(
    title="Not signed in",
    meaning="The job may sign in, but no step before this one did.",
    why="This action takes no key: it uses the credentials that a step before it leaves.",
    remedy="Put the step google-github-actions/auth between checkout and this one.",
    lines=f"{CHECKOUT}\n{AUTH}\n{THIS}",
)

NO_ID_TOKEN = Advice(
    title="No identity token",
    meaning="The job may not get an identity token to sign in with.",
    why="Without `id-token: write` GitHub gives the job no token that Google Cloud trusts.",
    remedy="Add `id-token: write` to the permissions of the job, and google-github-actions/auth before this step.",
    lines="permissions:\n  contents: read\n  id-token: write",
)

FORK_PULL_REQUEST = Advice(
    title="Pull request from a fork",
    meaning="The job belongs to a pull request from a fork, which may not sign in.",
    why="GitHub never gives such a job `id-token: write` or secrets, even if its permissions ask for them.",
    remedy="The set-up is right: leave the job out for forks, with this `if:` line.",
    lines="if: github.event.pull_request.head.repo.full_name == github.repository",
)

CREDENTIALS_FILE_GONE = Advice(
    title="Credentials file is gone",
    meaning="GOOGLE_APPLICATION_CREDENTIALS names a file that does not exist.",
    why=(
        "google-github-actions/auth writes its file into the workspace, and a later actions/checkout deletes the file, "
        "because it empties the workspace."
    ),
    remedy="Put actions/checkout before google-github-actions/auth, once, and this step after both.",
    lines=f"{CHECKOUT}\n{AUTH}\n{THIS}",
)

CREDENTIALS_FILE_UNUSABLE = Advice(
    title="Credentials file can't be used",
    meaning="The credentials file can't be read, or isn't valid.",
    why="The file must be the unchanged JSON that google-github-actions/auth or gcloud wrote.",
    remedy=(
        "Let google-github-actions/auth or `gcloud auth application-default login` write it. If a key is kept as a "
        "secret, give the whole key to the input `credentials_json` of google-github-actions/auth."
    ),
)

LIBRARY_VARIABLE = Advice(
    title="Variable can't be used",
    meaning="A variable that Google's libraries read has a value that they can't use.",
    why="The libraries read it before anything is asked for, on this machine.",
    remedy="Unset it, or correct it.",
)

OTHER_UNIVERSE = Advice(
    title="Credentials of another universe",
    meaning="The credentials and the endpoint belong to different universes.",
    why="Credentials work in their own universe only, so they were not sent.",
    remedy=(
        "Set compute_endpoint to the Compute Engine API of that universe, or take `universe` out of the step "
        "google-github-actions/auth."
    ),
)

SIGN_IN_EXPIRED = Advice(
    title="Sign-in has expired",
    meaning="The token, key or user's sign-in that the credentials are based on has expired, or was revoked.",
    why=(
        "The file that google-github-actions/auth writes is valid in its own job only; keys and a user's sign-in can "
        "be revoked."
    ),
    remedy=(
        "Run google-github-actions/auth in this job, after checkout; on your machine run "
        "`gcloud auth application-default login` again. A deleted key must be replaced."
    ),
    lines=AUTH,
)

WRONG_AUDIENCE = Advice(
    title="Wrong audience",
    meaning="The identity token was made for another audience than the provider expects.",
    why="The provider of the workload identity pool allows certain audiences; the default is its own full name.",
    remedy=(
        "Give google-github-actions/auth the provider's full name, with the project's number, and no `audience`, or "
        "an audience that the provider allows."
    ),
    lines="workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
)

PROVIDER_MISSING = Advice(
    title="Identity provider is missing",
    meaning="The workload identity pool, or its provider, does not exist or is disabled.",
    why="A new provider takes a few minutes to work. Its name must hold the project's number, not the project's id.",
    remedy=(
        WRONG_AUDIENCE.remedy + " `gcloud iam workload-identity-pools providers describe` shows whether it exists."
    ),
    lines=WRONG_AUDIENCE.lines,
)

CONDITION_REJECTS = Advice(
    title="Identity provider rejects this job",
    meaning="The provider's attribute condition rejects this job.",
    why="The condition checks the repository, the ref or the like in this job's identity token, and case matters.",
    remedy=(
        "Run the job from a ref that the condition allows (often tags and the default branch only), or change the "
        "condition: `gcloud iam workload-identity-pools providers update-oidc`."
    ),
)

IMPERSONATION_DENIED = Advice(
    title="Service account can't be used",
    meaning="The identity signed in, but may not act as the service account.",
    why="It lacks iam.serviceAccounts.getAccessToken, which roles/iam.workloadIdentityUser holds.",
    remedy=(
        "Check the input `service_account` of google-github-actions/auth, and grant the role to the repository with "
        "this command; it takes effect after some minutes."
    ),
    lines=(
        "gcloud iam service-accounts add-iam-policy-binding ACCOUNT --role=roles/iam.workloadIdentityUser \\\n"
        "  --member=principalSet://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/"
        "attribute.repository_id/REPOSITORY_ID"
    ),
)

ATTRIBUTE_TOO_LONG = Advice(
    title="Mapped attribute is too long",
    meaning="The provider maps an attribute of the identity token that is longer than 127 bytes.",
    why="`assertion.sub` holds repository and ref, and long names of branches and tags go beyond the limit.",
    remedy="Map what stays short, by this command; roles that were granted to a subject must be granted anew.",
    lines=(
        "gcloud iam workload-identity-pools providers update-oidc PROVIDER --location=global \\\n"
        "  --workload-identity-pool=POOL \\\n"
        '  --attribute-mapping="google.subject=assertion.repository_id,attribute.repository_id=assertion.repository_id"'
    ),
)

ISSUER_UNREACHABLE = Advice(
    title="Issuer can't be reached",
    meaning="Google could not fetch the keys of the issuer of the identity token.",
    why="Google asks the issuer itself, over the internet: a GitHub Enterprise Server behind a firewall can't answer.",
    remedy="Let Google reach the issuer's /.well-known/openid-configuration and its keys, or upload the keys by this "
    "command.",
    lines=(
        "gcloud iam workload-identity-pools providers update-oidc PROVIDER --location=global \\\n"
        "  --workload-identity-pool=POOL --jwk-json-path=KEYS.json"
    ),
)

SIGN_IN_SERVICE_OFF = Advice(
    title="Sign-in service is off",
    meaning="A service of Google's that the sign-in needs is switched off in the project of the identity provider.",
    remedy="Run this command for that project, and wait a few minutes.",
    lines="gcloud services enable sts.googleapis.com iamcredentials.googleapis.com --project=PROJECT",
)

QUOTA_PROJECT_DENIED = Advice(
    title="Quota project can't be used",
    meaning="The sign-in is counted against a quota project that the identity may not use.",
    why="It lacks serviceusage.services.use there; no role on the service account helps.",
    remedy=(
        "Unset GOOGLE_CLOUD_QUOTA_PROJECT (or take the quota project out of the credentials file), or grant the "
        "identity roles/serviceusage.serviceUsageConsumer on that project."
    ),
)

PERIMETER_FORBIDS = Advice(
    title="Perimeter forbids the sign-in",
    meaning="A VPC Service Controls perimeter does not let this sign-in through.",
    why="The perimeter protects the services that the sign-in needs; no role helps.",
    remedy="Run the job on a runner inside the perimeter, or ask its administrator to let this identity in.",
)

ACCOUNT_DISABLED = Advice(
    title="Account is disabled",
    meaning="The service account, or the user, is disabled, blocked or deleted.",
    remedy="Let its administrator enable it by this command, or sign in as another account.",
    lines="gcloud iam service-accounts enable ACCOUNT",
)

CREDENTIALS_REFUSED = Advice(
    title="Credentials are refused",
    meaning="The credentials are refused, for a reason that has no section here.",
    why="The service's answer is not quoted, because it may hold parts of tokens.",
    remedy=(
        "Check the workload identity provider and the service account (docs/permissions.md), and on your own machine "
        "its clock, too. The step google-github-actions/auth with debug logging shows the whole answer."
    ),
)

TOKEN_SERVICE_SILENT = Advice(
    title="Token service doesn't answer",
    meaning="A service that the sign-in needs did not answer for a minute, or its answers were garbled.",
    remedy=(
        "Run this again later. Behind a proxy or firewall let the job reach sts.googleapis.com, "
        "iamcredentials.googleapis.com and the runner's own token service; on a machine of Compute Engine, its "
        "metadata server."
    ),
)
