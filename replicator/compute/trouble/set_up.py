"""Holds the rows of the table of refusals about set-up: billing, APIs, permissions, policies, quota projects. Pure."""

from __future__ import annotations

from replicator.compute.errors import CREDENTIALS_REFUSED
from replicator.compute.trouble.fault import INSERT, NOT_FOUND, SET_LABELS, SET_POLICY, Fault
from replicator.core import errors

_ORGANISATION = r"(?i)constraints/|\borg(anization)?('s)? polic|permitted customer"
_CUSTOM_REMEDY = (
    "Make it so that CONSTRAINT allows it (labels, for instance, by the input labels), or ask an administrator of the "
    "organisation for an exception for the project."
)
_PROJECT = r"'projects/[^/']+'"
_LICENCE = r"\bglobal/licenses/"
_LICENCE_REMEDY = "Ask the owner of LICENCE for the right to use it, or build the image without it."

#: The set-up is wrong; waiting doesn't help.
SET_UP: tuple[Fault, ...] = (
    Fault(
        error=errors.Quota,
        words=r"(?m)^(quotaExceeded|QUOTA_EXCEEDED|limitExceeded|LIMIT_EXCEEDED|dailyLimitExceeded)$"
        r"|(?i:\bquota '?[\w-]+'? exceeded|\bdaily limit exceeded)",
        remedy="Delete images that nobody needs (`gcloud compute images list --project PROJECT --no-standard-images` "
        "lists them), or ask for more quota; then run this again.",
    ),
    Fault(
        error=errors.Forbidden,
        words=r"BILLING_(DISABLED|NOT_ACTIVE|NOT_FOUND)|billingNotEnabled"
        r"|(?i:billing (to be )?enabled|billing account.{0,80}(closed|disabled)|(absent|delinquent) billing account)",
        why="The project has no billing account that is open.",
        remedy="Link it to one: `gcloud billing projects link PROJECT --billing-account=ACCOUNT`; then wait some "
        "minutes. No role helps.",
    ),
    Fault(
        error=errors.ApiDisabled,
        words=r"accessNotConfigured|SERVICE_DISABLED|(?i: API has not been used in project)",
        remedy="Run `gcloud services enable SERVICE --project PROJECT` and wait a few minutes.",
    ),
    Fault(
        error=errors.OrgPolicy,
        words=r"SECURITY_POLICY_VIOLATED|(?i:vpc[ _]?service[ _]?controls)",
        why="A VPC Service Controls perimeter forbids it; no role helps.",
        remedy="Run this on a runner inside the perimeter, or ask its administrator for a rule that lets this step's "
        "identity in; the identifier in the message finds the refusal in the audit log.",
        of_setup=True,
    ),
    Fault(
        error=errors.OrgPolicy,
        words="ORG_RESTRICTION_",
        why="The network of this machine restricts the organisations whose resources may be used; no role helps.",
        remedy="Ask the administrator of the network's proxy to allow the project's organisation.",
        of_setup=True,
    ),
    Fault(
        error=errors.Forbidden,
        words=r"ACCESS_TOKEN_SCOPE_INSUFFICIENT|(?im:insufficient authentication scopes|^insufficient permission\b)",
        why="The access token lacks the scope; no role helps.",
        remedy="Give the machine, or the sign-in, the scope https://www.googleapis.com/auth/cloud-platform.",
    ),
    Fault(
        error=errors.ProjectNotFound,
        words=r"CONSUMER_INVALID|RESOURCE_PROJECT_INVALID"
        r"|(?i:\bproject .{0,80}\b(has been deleted|(pending|scheduled for|marked for) deletion))"
        r"|(?i:\b(unknown project id|failed to find project|permission denied on resource project)\b)",
    ),
    Fault(
        error=errors.Forbidden,
        words=r"CONSUMER_SUSPENDED|GCP_SUSPENDED|(?i:\b(project|consumer) .{0,80}(has been|is) suspended)",
        why="The project is suspended; no role helps.",
        remedy="Look at the project in the Google Cloud console, which says why and how to appeal.",
    ),
    Fault(
        error=errors.Forbidden,
        words=r"USER_PROJECT_DENIED|serviceusage\.services\.use|(?i:permission to use project)",
        why="The request is counted against a quota project that this identity may not use.",
        remedy="Unset GOOGLE_CLOUD_QUOTA_PROJECT (or take the quota project out of the credentials file), or grant "
        "this step's identity roles/serviceusage.serviceUsageConsumer on PROJECT.",
    ),
    Fault(
        error=errors.Forbidden,
        words=r"(?i)requires a quota project",
        why="The sign-in of a person is counted against a quota project, and names none.",
        remedy="Run `gcloud auth application-default set-quota-project PROJECT`, or set GOOGLE_CLOUD_QUOTA_PROJECT.",
    ),
    Fault(
        error=errors.Forbidden,
        words=r"(?i)context-aware access|\baccess levels?\b",
        why="A rule of the organisation about the machines that may sign in forbids it; no role helps.",
        remedy="Run this on a machine that the rule allows, or ask its administrator for an exception.",
    ),
    Fault(
        error=errors.Forbidden,
        words=r"(?i)\bdeny polic(y|ies)\b|principal access boundary",
        why="A deny policy or a principal access boundary forbids it; no role helps.",
        remedy="Ask its administrator for an exception for this step's identity.",
    ),
    Fault(
        error=errors.Forbidden,
        words="ACCOUNT_STATE_INVALID|USER_BLOCKED_BY_ADMIN",
        why="The account is disabled, blocked or deleted.",
        remedy="Let its administrator enable it (`gcloud iam service-accounts enable ACCOUNT`), or sign in as another.",
        ends=CREDENTIALS_REFUSED,
    ),
    Fault(error=errors.ProjectNotFound, statuses=frozenset({404}), words=_PROJECT),
    Fault(error=errors.ProjectNotFound, codes=NOT_FOUND, words=_PROJECT),
)

#: An organisation's policy: which constraint it is decides what helps.
POLICIES: tuple[Fault, ...] = (
    Fault(
        error=errors.AccessBlocked,
        methods=frozenset({SET_POLICY}),
        words="customConstraints/",
        why="A custom constraint of the organisation (CONSTRAINT) forbids it.",
        remedy="Set access: private, or ask an administrator of the organisation for an exception for the project.",
    ),
    Fault(
        error=errors.AccessBlocked,
        methods=frozenset({SET_POLICY}),
        words=r"(?i)constraints/(?!iam\.allowedPolicyMemberDomains)",
        why="An organisation's policy (CONSTRAINT) forbids it.",
        remedy="Set access: private, or ask for an exception to CONSTRAINT for the project.",
    ),
    Fault(error=errors.AccessBlocked, methods=frozenset({SET_POLICY}), words=_ORGANISATION),
    Fault(error=errors.AccessBlocked, methods=frozenset({SET_POLICY}), codes=frozenset({"failedPrecondition"})),
    Fault(
        error=errors.OrgPolicy,
        words=r"constraints/gcp\.resourceLocations|LOCATION_(TAX_)?POLICY_VIOLATED",
        remedy="Take the location out of `locations`, or ask for an exception to constraints/gcp.resourceLocations.",
    ),
    Fault(
        error=errors.OrgPolicy,
        words=r"constraints/compute\.trustedImageProjects",
        why="The replicas' project may not use images of the source's project.",
        remedy="Let an administrator of the organisation add the source's project to CONSTRAINT of the replicas' "
        "project, or build the image in the replicas' project.",
        of_setup=True,
    ),
    Fault(
        error=errors.OrgPolicy,
        words=r"constraints/compute\.storageResourceUseRestrictions",
        why="Images of the source's project may not be used by the replicas' project.",
        remedy="Let an administrator of the organisation add the replicas' project to CONSTRAINT of the source's "
        "project, or leave the input replica_project out.",
        of_setup=True,
    ),
    Fault(
        error=errors.OrgPolicy,
        words=r"constraints/gcp\.restrictNonCmekServices",
        why="Images without a Cloud KMS key of your own are forbidden there.",
        remedy="Give a kms_key for each location in the config file.",
        of_setup=True,
    ),
    Fault(
        error=errors.OrgPolicy,
        words=r"constraints/gcp\.restrictCmekCryptoKeyProjects",
        why="Keys of that project are forbidden there.",
        remedy="Give a kms_key of a project that CONSTRAINT allows in the config file.",
        of_setup=True,
    ),
    Fault(
        error=errors.OrgPolicy,
        words="customConstraints/",
        why="A custom constraint of the organisation forbids it.",
        remedy=_CUSTOM_REMEDY,
        of_setup=True,
    ),
    Fault(
        error=errors.OrgPolicy,
        words=_ORGANISATION,
        remedy="Ask an administrator of the organisation for an exception to CONSTRAINT for the project.",
        of_setup=True,
    ),
)

#: What is needed beside the image: a key, a licence.
NEEDS: tuple[Fault, ...] = (
    Fault(
        error=errors.Forbidden,
        words=r"(?i)\bcloudkms\.\w+\.\w+|roles/cloudkms\.|Cloud KMS.{0,200}(permission|denied)",
        why="Keys are used by Compute Engine's service agent of the replicas' project, not by this step's identity.",
        remedy="Let AGENT use KEY: `gcloud kms keys add-iam-policy-binding` with "
        "roles/cloudkms.cryptoKeyEncrypterDecrypter, as docs/permissions.md shows.",
    ),
    Fault(
        error=errors.OperationFailed,
        words=r"(?i)/cryptoKeys/|\bKMS_|Cloud KMS|\bKMS key\b",
        why="The Cloud KMS key can't be used.",
        remedy="Check that KEY exists, that its primary version is enabled, and that its place fits the copy's; then "
        "correct kms_key in the config file, and run this again.",
        of_setup=True,
    ),
    Fault(
        error=errors.Forbidden,
        statuses=frozenset({403}),
        words=_LICENCE,
        why="A licence of the source may not be used here.",
        remedy=_LICENCE_REMEDY,
    ),
    Fault(
        error=errors.OperationFailed,
        methods=frozenset({INSERT}),
        words=_LICENCE,
        why="A licence of the source can't be given to a copy.",
        remedy=_LICENCE_REMEDY,
        of_setup=True,
    ),
    Fault(
        error=errors.OperationFailed,
        methods=frozenset({SET_POLICY}),
        statuses=frozenset({400}),
        words=r"(?i)polic(y|ies)\W(members|bindings)|\b(user|group|serviceAccount|domain|deleted|principal\w*):(?=[^:\s])"
        r"|\b(user|group|service account|principal|member|domain|email address)\b.{0,200}"
        r"\b(do(es)? not exist|not found|not (valid|associated))\b",
        why="A member that the source's policy names can't be given access any more.",
        remedy="Remove the member that is named from the source's policy, then run this again; or set access to "
        "public or private.",
        of_setup=True,
    ),
    Fault(
        error=errors.OperationFailed,
        methods=frozenset({INSERT, SET_LABELS}),
        words=r"(?i)\bresource\.labels\b|\blabel.{0,80}\breserved\b|\breserved\b.{0,80}\blabel",
        why="A label of the source, or of the input labels, can't be written.",
        remedy="Take the label that is named out of the input labels, or off the source "
        "(`gcloud compute images remove-labels`); then run this again.",
        of_setup=True,
    ),
    Fault(
        error=errors.OperationFailed,
        methods=frozenset({INSERT}),
        words=r"(?i)\bresource\.storageLocations\b|\blocation\b.{0,80}\b(not (supported|valid)|invalid|does not exist)",
        why="Compute Engine stores no images there.",
        remedy="Take the location out of `locations`, or correct it.",
    ),
)
