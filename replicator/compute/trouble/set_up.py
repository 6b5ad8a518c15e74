"""Holds the rows of the table of refusals about set-up: billing, APIs, permissions, policies, quota projects. Pure."""

from __future__ import annotations

from replicator.compute.errors import ACCOUNT_DISABLED
from replicator.compute.trouble.fault import INSERT, NOT_FOUND, SET_POLICY, Fault
from replicator.core import errors

_POLICY = (
    "constraints/…",
    "permitted customer",
    "org polic…",
    "organization polic…",
    "organization's polic…",
    "RESOURCE_USAGE_RESTRICTION_VIOLATED",
    "ENDPOINT_USAGE_RESTRICTION_VIOLATED",
    "TLS_ORG_POLICY_VIOLATED",
    "TLS_CIPHER_RESTRICTION_VIOLATED",
)
_PROJECT = r"'projects/[^/']+'"
_LICENCE = ("global/licenses/…",)
_LICENCE_REMEDY = "Ask the owner of LICENCE for the right to use it, or build the image without it."

#: What is wrong with a member, and how members are written.
_MEMBER_GONE = (
    "policy.members",
    "policy.bindings",
    *("user:", "group:", "serviceAccount:", "domain:", "deleted:", "principal://…", "principalSet://…"),
    *(
        f"{who} … {what}"
        for who in ("user", "group", "service account", "principal", "member", "domain", "email address")
        for what in ("does not exist", "do not exist", "not found", "not valid", "not associated")
    ),
)

#: The set-up is wrong; waiting doesn't help.
SET_UP: tuple[Fault, ...] = (
    Fault(
        error=errors.Quota,
        says=(
            "quotaExceeded",
            "QUOTA_EXCEEDED",
            "RESOURCE_QUOTA_EXCEEDED",
            "limitExceeded",
            "LIMIT_EXCEEDED",
            "dailyLimitExceeded",
            "daily limit exceeded",
            "quota exceeded",
            "quota … exceeded",
        ),
        remedy="Delete images that nobody needs (`gcloud compute images list --project PROJECT --no-standard-images` "
        "lists them), or ask for more quota; then run this again.",
    ),
    Fault(
        error=errors.Forbidden,
        says=(
            "BILLING_DISABLED",
            "BILLING_NOT_ACTIVE",
            "…BILLING_NOT_FOUND",
            "billingNotEnabled",
            "billing enabled",
            "billing to be enabled",
            "billing account … closed",
            "billing account … disabled",
            "absent billing account",
            "delinquent billing account",
        ),
        why="The project has no billing account that is open.",
        remedy="Link it to one: `gcloud billing projects link PROJECT --billing-account=ACCOUNT`; then wait some "
        "minutes. No role helps.",
    ),
    # Before the API that is off: such an answer calls it off, in the project of gcloud itself.
    Fault(
        error=errors.Forbidden,
        says=("requires a quota project",),
        why="The sign-in of a person is counted against a quota project, and names none.",
        remedy="Run `gcloud auth application-default set-quota-project PROJECT`, or set GOOGLE_CLOUD_QUOTA_PROJECT.",
    ),
    Fault(
        error=errors.ApiDisabled,
        says=("accessNotConfigured", "SERVICE_DISABLED", "API has not been used in project"),
        remedy="Run `gcloud services enable SERVICE --project PROJECT` and wait a few minutes.",
    ),
    Fault(
        error=errors.OrgPolicy,
        says=("SECURITY_POLICY_VIOLATED", "vpcServiceControls…", "VPC Service Controls", "VPC_SERVICE_CONTROLS"),
        why="A VPC Service Controls perimeter forbids it; no role helps.",
        remedy="Run this on a runner inside the perimeter, or ask its administrator for a rule that lets this step's "
        "identity in; the identifier in the message finds the refusal in the audit log.",
        of_setup=True,
    ),
    Fault(
        error=errors.OrgPolicy,
        says=("ORG_RESTRICTION_VIOLATION", "ORG_RESTRICTION_HEADER_INVALID"),
        why="The network of this machine restricts the organisations whose resources may be used; no role helps.",
        remedy="Ask the administrator of the network's proxy to allow the project's organisation.",
        of_setup=True,
    ),
    Fault(
        error=errors.Forbidden,
        says=("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficient authentication scopes"),
        words="(?m:^Insufficient Permission$)",
        why="The access token lacks the scope; no role helps.",
        remedy="Give the machine, or the sign-in, the scope https://www.googleapis.com/auth/cloud-platform.",
    ),
    Fault(
        error=errors.ProjectNotFound,
        says=(
            "CONSUMER_INVALID",
            "RESOURCE_PROJECT_INVALID",
            "project … has been deleted",
            "project … pending deletion",
            "project … scheduled for deletion",
            "project … marked for deletion",
            "unknown project id",
            "failed to find project",
            "permission denied on resource project",
        ),
    ),
    Fault(
        error=errors.Forbidden,
        says=(
            "CONSUMER_SUSPENDED",
            "GCP_SUSPENDED",
            "project … is suspended",
            "project … has been suspended",
            "consumer … has been suspended",
        ),
        why="The project is suspended; no role helps.",
        remedy="Look at the project in the Google Cloud console, which says why and how to appeal.",
    ),
    Fault(
        error=errors.Forbidden,
        says=("USER_PROJECT_DENIED", "serviceusage.services.use", "permission to use project"),
        why="The request is counted against a quota project that this identity may not use.",
        remedy="Unset GOOGLE_CLOUD_QUOTA_PROJECT (or take the quota project out of the credentials file), or grant "
        "this step's identity roles/serviceusage.serviceUsageConsumer on PROJECT.",
    ),
    Fault(
        error=errors.Forbidden,
        says=("context-aware access", "access level", "access levels"),
        why="A rule of the organisation about the machines that may sign in forbids it; no role helps.",
        remedy="Run this on a machine that the rule allows, or ask its administrator for an exception.",
    ),
    Fault(
        error=errors.Forbidden,
        says=("deny policy", "deny policies", "principal access boundary"),
        why="A deny policy or a principal access boundary forbids it; no role helps.",
        remedy="Ask its administrator for an exception for this step's identity.",
    ),
    Fault(
        error=errors.Forbidden,
        says=("ACCOUNT_STATE_INVALID", "USER_BLOCKED_BY_ADMIN"),
        why="The account is disabled, blocked or deleted.",
        remedy="Let its administrator enable it (`gcloud iam service-accounts enable ACCOUNT`), or sign in as another.",
        ends=ACCOUNT_DISABLED,
    ),
    Fault(error=errors.ProjectNotFound, statuses=frozenset({404}), words=_PROJECT),
    Fault(error=errors.ProjectNotFound, codes=NOT_FOUND, words=_PROJECT),
)

#: Constraints that have a cure of their own: why a copy is refused, and what helps.
_CURES = {
    "constraints/compute.trustedImageProjects": (
        "The replicas' project may not use images of the source's project.",
        (
            "Let an administrator of the organisation add the source's project to CONSTRAINT of the replicas' "
            "project, or build the image in the replicas' project."
        ),
    ),
    "constraints/compute.storageResourceUseRestrictions": (
        "Images of the source's project may not be used by the replicas' project.",
        (
            "Let an administrator of the organisation add the replicas' project to CONSTRAINT of the source's "
            "project, or leave the input replica_project out."
        ),
    ),
    "constraints/gcp.restrictNonCmekServices": (
        "Images without a Cloud KMS key of your own are forbidden there.",
        "Give a kms_key for each location in the config file.",
    ),
    "constraints/gcp.restrictCmekCryptoKeyProjects": (
        "Keys of that project are forbidden there.",
        "Give a kms_key of a project that CONSTRAINT allows in the config file.",
    ),
    "customConstraints/…": (
        "A custom constraint of the organisation forbids it.",
        (
            "Make it so that CONSTRAINT allows it (labels, for instance, by the input labels), or ask an administrator "
            "of the organisation for an exception for the project."
        ),
    ),
}

#: An organisation's policy: which constraint it is decides what helps.
POLICIES: tuple[Fault, ...] = (
    Fault(
        error=errors.AccessBlocked,
        methods=frozenset({SET_POLICY}),
        says=("constraints/iam.allowedPolicyMemberDomains",),
    ),
    Fault(
        error=errors.AccessBlocked,
        methods=frozenset({SET_POLICY}),
        says=("constraints/…", "customConstraints/…"),
        why="A policy of the organisation (CONSTRAINT) forbids it.",
        remedy="Set access: private, or ask an administrator of the organisation for an exception to CONSTRAINT for "
        "the project.",
    ),
    Fault(error=errors.AccessBlocked, methods=frozenset({SET_POLICY}), says=_POLICY),
    Fault(error=errors.AccessBlocked, methods=frozenset({SET_POLICY}), codes=frozenset({"failedPrecondition"})),
    Fault(
        error=errors.OrgPolicy,
        says=(
            "constraints/gcp.resourceLocations",
            "LOCATION_POLICY_VIOLATED",
            "LOCATION_ORG_POLICY_VIOLATED",
            "LOCATION_TAX_POLICY_VIOLATED",
        ),
        remedy="Take the location out of `locations`, or ask for an exception to constraints/gcp.resourceLocations.",
    ),
    *(
        Fault(error=errors.OrgPolicy, says=(constraint,), why=why, remedy=remedy, of_setup=True)
        for constraint, (why, remedy) in _CURES.items()
    ),
    Fault(
        error=errors.OrgPolicy,
        says=_POLICY,
        remedy="Ask an administrator of the organisation for an exception to CONSTRAINT for the project.",
        of_setup=True,
    ),
)

#: What is needed beside the image: a key, a licence.
NEEDS: tuple[Fault, ...] = (
    Fault(
        error=errors.Forbidden,
        says=(
            "cloudkms.cryptoKeys.…",
            "cloudkms.cryptoKeyVersions.…",
            "roles/cloudkms.…",
            "Cloud KMS…permission",
            "Cloud KMS…denied",
        ),
        why="Keys are used by Compute Engine's service agent of the replicas' project, not by this step's identity.",
        remedy="Let AGENT use KEY: `gcloud kms keys add-iam-policy-binding` with "
        "roles/cloudkms.cryptoKeyEncrypterDecrypter, as docs/permissions.md shows.",
    ),
    Fault(
        error=errors.OperationFailed,
        says=("…/cryptoKeys/…", "KMS_…", "Cloud KMS", "KMS key"),
        why="The Cloud KMS key can't be used.",
        remedy="Check that KEY exists, that its primary version is enabled, and that its place fits the copy's; then "
        "correct kms_key in the config file, and run this again.",
        of_setup=True,
    ),
    Fault(
        error=errors.Forbidden,
        statuses=frozenset({403}),
        says=_LICENCE,
        why="A licence of the source may not be used here.",
        remedy=_LICENCE_REMEDY,
    ),
    Fault(
        error=errors.OperationFailed,
        says=_LICENCE,
        why="A licence of the source can't be given to a copy.",
        remedy=_LICENCE_REMEDY,
        of_setup=True,
    ),
    Fault(
        error=errors.OperationFailed,
        methods=frozenset({SET_POLICY}),
        statuses=frozenset({400}),
        says=_MEMBER_GONE,
        why="A member that the source's policy names can't be given access any more.",
        remedy="Remove the member that is named from the source's policy, then run this again; or set access to "
        "public or private.",
        of_setup=True,
    ),
    Fault(
        error=errors.OperationFailed,
        says=("resource.labels", "label…reserved", "reserved…label…"),
        why="A label of the source, or of the input labels, can't be written.",
        remedy="Take the label that is named out of the input labels, or off the source "
        "(`gcloud compute images remove-labels`); then run this again.",
        of_setup=True,
    ),
    Fault(
        error=errors.OperationFailed,
        methods=frozenset({INSERT}),
        says=(
            "resource.storageLocations",
            "location … not supported",
            "location … not valid",
            "location … invalid",
            "location … does not exist",
        ),
        why="Compute Engine stores no images there.",
        remedy="Take the location out of `locations`, or correct it.",
    ),
)
