"""What an answer names decides what people are told: at either layer, and nothing that contradicts it beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from google.api.error_reason_pb2 import ErrorReason  # type: ignore[import-untyped]

from replicator.compute import answers, refusals
from replicator.compute.refusals import Failed, Refusal, Then
from replicator.core import errors
from replicator.core.images import Problem

INSERT, POLICY, LABELS, PATCH, GET = (
    f"compute.images.{verb}" for verb in ("insert", "setIamPolicy", "setLabels", "patch", "get")
)
CUSTOM = 'Operation denied by custom org policies: ["customConstraints/custom.costCentre": "Images need a label"].'
MANAGED = (
    "Operation denied by org policy on resource 'projects/p1': [\"constraints/iam.managed.allowedPolicyMembers\"]."
)
AGENT = "service-42@compute-system.iam.gserviceaccount.com"
KEY = "projects/keys/locations/europe/keyRings/images/cryptoKeys/web"
LICENCE = "projects/acme-os/global/licenses/acme-9"


def constraint(name: str) -> str:
    return f"Constraint constraints/{name} violated for project p1."


#: Method, status, codes, message → reason, whether it is the set-up's, what is told, and what is not.
CAUSES: dict[str, tuple[str, int, tuple[str, ...], str, str, bool, str, str]] = {
    "the location": (
        INSERT, 412, ("conditionNotMet",), "Location asia violates constraint constraints/gcp.resourceLocations",
        "org_policy", False, "Take the location out of `locations`", "kms_key",
    ),
    "tax policy": (
        INSERT, 403, ("LOCATION_TAX_POLICY_VIOLATED",), "No.", "org_policy", False, "Take the location out", "Grant",
    ),
    "trusted images": (
        INSERT, 412, ("conditionNotMet",), constraint("compute.trustedImageProjects"),
        "org_policy", True, "add the source's project to constraints/compute.trustedImageProjects", "`locations`",
    ),
    "storage resources": (
        INSERT, 412, ("conditionNotMet",), constraint("compute.storageResourceUseRestrictions"),
        "org_policy", True, "add the replicas' project to constraints/compute.storageResource", "`locations`",
    ),
    "CMEK": (
        INSERT, 412, ("conditionNotMet",), constraint("gcp.restrictNonCmekServices"),
        "org_policy", True, "Give a kms_key for each location in the config file", "`locations`",
    ),
    "projects of keys": (
        INSERT, 412, ("conditionNotMet",), constraint("gcp.restrictCmekCryptoKeyProjects"),
        "org_policy", True, "a kms_key of a project that constraints/gcp.restrictCmekCryptoKeyProjects allows", "`locations`",
    ),
    "another constraint": (
        INSERT, 412, ("conditionNotMet",), constraint("compute.somethingNew"),
        "org_policy", True, "an exception to constraints/compute.somethingNew for the project", "`locations`",
    ),
    "a policy without a name": (INSERT, 412, ("conditionNotMet",), "No.", "org_policy", False, "Look which policy", "Grant"),
    "custom, insert": (
        INSERT, 412, ("conditionNotMet",), CUSTOM,
        "org_policy", True, "that customConstraints/custom.costCentre allows it (labels", "`locations`",
    ),
    "custom, setLabels": (LABELS, 412, ("conditionNotMet",), CUSTOM, "org_policy", True, "customConstraints/", "Someone"),
    "custom, patch": (PATCH, 412, ("conditionNotMet",), CUSTOM, "org_policy", True, "customConstraints/", "Someone"),
    "custom, setIamPolicy": (
        POLICY, 412, ("conditionNotMet",), CUSTOM,
        "access_blocked", True, "A policy of the organisation (customConstraints/custom.costCentre)", "allowedPolicyMemberDomains",
    ),
    "custom, aborted": (POLICY, 409, ("aborted",), CUSTOM, "access_blocked", True, "customConstraints/", "Someone"),
    "managed members": (
        POLICY, 400, ("failedPrecondition",), MANAGED,
        "access_blocked", True, "exception to constraints/iam.managed.allowedPolicyMembers", "allowedPolicyMemberDomains",
    ),
    "domains": (
        POLICY, 400, ("failedPrecondition",), "One or more users named in the policy do not belong to a permitted customer.",
        "access_blocked", True, "constraints/iam.allowedPolicyMemberDomains", "Grant",
    ),
    "domains, named": (
        POLICY, 412, ("conditionNotMet",), "Not permitted by constraints/iam.allowedPolicyMemberDomains.",
        "access_blocked", True, "public images need allAuthenticatedUsers", "Grant",
    ),
    "a member that is gone": (
        POLICY, 400, ("badRequest",), "Invalid value for field 'policy.bindings.members': 'user:old@example.com'.",
        "operation_failed", True, "Remove the member that is named", "run this again with",
    ),
    "a perimeter": (
        INSERT, 403, ("forbidden", "SECURITY_POLICY_VIOLATED"),
        "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X",
        "org_policy", True, "inside the perimeter", "Grant",
    ),
    "a perimeter, read": (
        GET, 403, ("forbidden",), "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X",
        "org_policy", True, "inside the perimeter", "Grant",
    ),
    "a perimeter, setIamPolicy": (
        POLICY, 403, ("vpcServiceControls",), "Request is prohibited by organization's policy.",
        "org_policy", True, "inside the perimeter", "access: private",
    ),
    "a network": (INSERT, 403, ("ORG_RESTRICTION_VIOLATION",), "No.", "org_policy", True, "the network's proxy", "Grant"),
    "scopes": (
        INSERT, 403, ("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        "Request had insufficient authentication scopes.", "forbidden", True, "the scope https://", "Grant",
    ),
    "scopes, in old words": (GET, 403, ("insufficientPermissions",), "Insufficient Permission", "forbidden", True, "the scope", "Grant"),
    "quota project": (
        GET, 403, ("forbidden", "USER_PROJECT_DENIED"),
        ("Caller does not have required permission to use project acme-billing. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission."),
        "forbidden", True, "Unset GOOGLE_CLOUD_QUOTA_PROJECT", "compute.images.get",
    ),
    "billing": (
        INSERT, 403, ("forbidden", "BILLING_DISABLED"),
        "This API method requires billing to be enabled. Please enable billing on project #77 by visiting the console.",
        "forbidden", True, "`gcloud billing projects link 77 --billing-account=ACCOUNT`", "Grant",
    ),
    "a closed account": (
        INSERT, 403, ("forbidden",), "The billing account for the owning project is disabled in state closed",
        "forbidden", True, "`gcloud billing projects link p1 ", "Grant",
    ),
    "suspended": (INSERT, 403, ("CONSUMER_SUSPENDED",), "Permission denied: Consumer 'projects/p1' has been suspended.", "forbidden", True, "how to appeal", "Grant"),
    "deleted project": (INSERT, 403, ("forbidden", "USER_PROJECT_DENIED"), "Project 'projects/p1' has been deleted.", "project_not_found", True, "Check project_id", "Grant"),
    "deny policy": (INSERT, 403, ("forbidden",), "Denied by an IAM deny policy.", "forbidden", True, "an exception for this step's identity", "Grant"),
    "disabled account": (GET, 401, ("ACCOUNT_STATE_INVALID",), "No.", "forbidden", True, "service-accounts enable", "clock"),
    "the agent and a key": (
        INSERT, 403, ("forbidden",),
        f"Cloud KMS error when using key {KEY}: Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied for {AGENT}",
        "forbidden", True, f"Let {AGENT} use {KEY}", "Grant this step's identity",
    ),
    "a key that is off": (
        INSERT, 400, ("invalid",), f"Cloud KMS error when using key {KEY}: {KEY}/cryptoKeyVersions/1 is not enabled",
        "operation_failed", True, f"Check that {KEY} exists", "Read the message",
    ),
    "the agent, alone": (
        INSERT, 403, ("forbidden",), f"Required 'compute.images.useReadOnly' permission for '{AGENT}'",
        "forbidden", True, f"Grant {AGENT}, an agent", "this step's identity compute",
    ),
    "a licence": (INSERT, 403, ("forbidden",), f"Use of '{LICENCE}' is not allowed", "forbidden", True, f"Ask the owner of {LICENCE}", "Grant"),
    "a licence that is gone": (INSERT, 404, ("notFound",), f"The resource '{LICENCE}' was not found", "operation_failed", True, f"Ask the owner of {LICENCE}", "run this again with the source"),
    "another API": (
        INSERT, 403, ("forbidden", "SERVICE_DISABLED"), ("Cloud Key Management Service (KMS) API has not been used in project 77 "
        "before or it is disabled. Enable it by visiting https://console.example/apis/api/cloudkms.googleapis.com/overview?project=77"),
        "api_disabled", True, "`gcloud services enable cloudkms.googleapis.com --project 77`", "compute.googleapis.com",
    ),
    "the API of the project asked": (
        INSERT, 403, ("accessNotConfigured",), "Access Not Configured.",
        "api_disabled", True, "`gcloud services enable compute.googleapis.com --project p1`", "Grant",
    ),
    "a permission": (
        INSERT, 403, ("forbidden",), "Required 'compute.images.useReadOnly' permission for 'projects/p1/global/images/web'",
        "forbidden", True, "identity compute.images.useReadOnly (roles/compute.imageUser has it)", "images.create",
    ),
    "daily limit": (INSERT, 403, ("dailyLimitExceeded",), "Daily Limit Exceeded", "quota", False, "ask for more quota", "Grant"),
    "a quota, in words": (INSERT, 403, ("forbidden",), "Quota 'IMAGES' exceeded.  Limit: 2000.0 globally.", "quota", False, "`gcloud compute images list --project p1 ", "Grant"),
    "a quota, as a condition": (INSERT, 412, ("conditionNotMet",), "Quota 'IMAGES' exceeded.", "quota", False, "Delete images", "exception"),
    "no billing account": (INSERT, 403, ("forbidden",), "The project to be billed is associated with an absent billing account.", "forbidden", True, "`gcloud billing projects link p1 ", "Grant"),
    "billing, old code": (INSERT, 403, ("billingNotEnabled",), "The project must have billing enabled.", "forbidden", True, "`gcloud billing projects link", "Grant"),
    "deleted soon": (INSERT, 403, ("forbidden",), "Project 77 has been scheduled for deletion and cannot be used for API calls.", "project_not_found", True, "Check project_id", "Grant"),
    "unknown id": (INSERT, 400, ("invalid",), "Unknown project id: acme-public", "project_not_found", True, "Check project_id", "Read the message"),
    "no such project": (INSERT, 404, ("notFound",), "Failed to find project acme-public", "project_not_found", True, "replica_project", "the right source"),
    "a project, denied": (GET, 403, ("forbidden",), "Permission denied on resource project acme-public.", "project_not_found", True, "may see the project", "Grant"),
    "an API, in words": (
        INSERT, 403, ("forbidden",), "Compute Engine API has not been used in project 77 before or it is disabled.",
        "api_disabled", True, "--project 77", "Grant",
    ),
    "a perimeter, in words": (INSERT, 403, ("policyViolation",), "Request violates VPC Service Controls.", "org_policy", True, "inside the perimeter", "Grant"),
    "a machine": (GET, 403, ("forbidden",), "Access denied by Context-Aware Access policy.", "forbidden", True, "a machine that the rule allows", "Grant"),
    "a person's quota project": (
        GET, 403, ("forbidden",), "The compute.googleapis.com API requires a quota project, which is not set by default.",
        "forbidden", True, "set-quota-project p1`", "Grant",
    ),
    "a service": (
        INSERT, 403, ("forbidden", "RESOURCE_USAGE_RESTRICTION_VIOLATED"),
        "Request is disallowed by organization's constraints/gcp.restrictServiceUsage constraint for 'projects/77'.",
        "org_policy", True, "exception to constraints/gcp.restrictServiceUsage", "Grant",
    ),
    "a user that is gone": (POLICY, 400, ("badRequest",), "User old@example.com does not exist.", "operation_failed", True, "Remove the member", "run this again with"),
    "an account that is gone": (POLICY, 400, ("badRequest",), "Service account old@p1.example does not exist.", "operation_failed", True, "Remove the member", "Read"),
    "an address of nobody": (
        POLICY, 400, ("badRequest",), "The email address 'old@example.com' is not associated with a Google Account.",
        "operation_failed", True, "Remove the member", "Read",
    ),
    "a label": (INSERT, 400, ("invalid",), "Invalid value for field 'resource.labels': ''. Invalid label.", "operation_failed", True, "off the source", "Correct what"),
    "a reserved label": (LABELS, 400, ("invalid",), "Labels with the prefix 'goog-' are reserved for system use", "operation_failed", True, "off the source", "Correct what"),
    "no storage location": (
        INSERT, 400, ("invalid",), "Invalid value for field 'resource.storageLocations[0]': 'us-west9'.",
        "operation_failed", False, "Take the location out of `locations`", "Correct what",
    ),
    "a location without images": (INSERT, 400, ("badRequest",), "Location us-west9 is not supported.", "operation_failed", False, "Take the location out", "Correct what"),
    "a policy": (INSERT, 403, ("RESOURCE_USAGE_RESTRICTION_VIOLATED",), "No.", "org_policy", True, "Ask an administrator of the organisation for an exception", "Grant"),
    "nothing": (INSERT, 403, ("forbidden",), "Forbidden", "forbidden", True, "compute.images.create", "No role helps"),
}  # fmt: skip


def refused(case: str, said: str = "") -> Refusal:
    """The refusal of a case, or one in other words."""
    method, status, codes, message, *_ = CAUSES[case]
    return Refusal(method, project="p1", status=status, codes=() if said else codes, message=said or message)


@pytest.mark.parametrize("case", CAUSES)
@pytest.mark.parametrize("layer", ["answer", "operation"])
def test_cause(case: str, layer: str) -> None:
    method, status, codes, message, reason, of_setup, told, untold = CAUSES[case]
    refusal = Refusal(method, project="p1", status=status, codes=codes, message=message)
    if layer == "operation":
        refusal = Failed(method, "p1", Problem(codes[0], message, status, reasons=codes[1:]))
    error = refusals.error_of(refusal, doing="Copying to eu")
    assert refusal.fault.then is Then.GIVE_UP
    assert (error.reason, error.of_setup) == (reason, of_setup)
    assert told in f"{error.why} {error.todo}"
    assert untold not in f"{error.why} {error.todo}"


#: Other words and reasons of the same cause, as recorded or documented of Google's services, each by itself.
SAME: dict[str, list[str]] = {
    "a quota, in words": [
        "QUOTA_EXCEEDED", "quotaExceeded", "RESOURCE_QUOTA_EXCEEDED", "LIMIT_EXCEEDED", "limitExceeded", "dailyLimitExceeded",
        "Daily Limit Exceeded. The quota will be reset at midnight Pacific Time.", "Quota exceeded for quota metric 'Q' and limit 'Q per day'.",
    ],
    "no billing account": [
        "BILLING_DISABLED", "BILLING_NOT_ACTIVE", "UREQ_PROJECT_BILLING_NOT_FOUND", "billingNotEnabled",
        "The project must have billing enabled.", "This API method requires billing to be enabled.",
        "The billing account for the owning project is closed.", "The billing account for the owning project is disabled in state absent",
        "The project to be billed is associated with a delinquent billing account.",
    ],
    "the API of the project asked": ["SERVICE_DISABLED", "Compute Engine API has not been used in project p1 before or it is disabled."],
    "a perimeter": [
        "SECURITY_POLICY_VIOLATED", "No. vpcServiceControlsUniqueIdentifier: X", "VPC Service Controls: No.", "type=VPC_SERVICE_CONTROLS",
    ],
    "a network": ["ORG_RESTRICTION_VIOLATION", "ORG_RESTRICTION_HEADER_INVALID"],
    "scopes": ["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "Request had insufficient authentication scopes.", "Insufficient Permission"],
    "no such project": [
        "CONSUMER_INVALID", "RESOURCE_PROJECT_INVALID", "Project 'p1' has been deleted.", "Project p1 is pending deletion.",
        "Project p1 has been scheduled for deletion.", "Project p1 is marked for deletion.", "Unknown project id: p1",
        "Permission denied on resource project p1.",
    ],
    "suspended": [
        "CONSUMER_SUSPENDED", "GCP_SUSPENDED", "Project p1 is suspended.", "Project p1 has been suspended.",
        "Permission denied: Consumer 'projects/p1' has been suspended.",
    ],
    "quota project": [
        "USER_PROJECT_DENIED", "Permission serviceusage.services.use is missing", "Caller does not have required permission to use project p1.",
    ],
    "a machine": ["Access denied by Context-Aware Access policy.", "An access level is not met.", "The access levels are not met."],
    "deny policy": ["Denied by an IAM deny policy.", "Denied by deny policies.", "Denied by a principal access boundary policy."],
    "disabled account": ["ACCOUNT_STATE_INVALID", "USER_BLOCKED_BY_ADMIN"],
    "tax policy": ["LOCATION_TAX_POLICY_VIOLATED", "LOCATION_ORG_POLICY_VIOLATED", "LOCATION_POLICY_VIOLATED", "No: constraints/gcp.resourceLocations"],
    "a policy": [
        "No: constraints/x.y", "permitted customer", "Operation denied by org policy", "Operation denied by org policies",
        "Perhaps due to an organization policy", "Prohibited by organization's policy.", "RESOURCE_USAGE_RESTRICTION_VIOLATED",
        "ENDPOINT_USAGE_RESTRICTION_VIOLATED", "TLS_ORG_POLICY_VIOLATED", "TLS_CIPHER_RESTRICTION_VIOLATED",
    ],
    "the agent and a key": [
        f"Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on {KEY}", "Permission cloudkms.cryptoKeys.get denied",
        "Grant roles/cloudkms.cryptoKeyEncrypterDecrypter", "Cloud KMS: no permission", "Cloud KMS: Permission was denied", "Cloud KMS has denied it",
    ],
    "a key that is off": [
        f"{KEY} is not enabled", f"//cloudkms.googleapis.com/{KEY} is not enabled", "KMS_RESOURCE_NOT_FOUND", "Cloud KMS is at fault", "That KMS key is not there",
    ],
    "a user that is gone": [
        *("policy.members: no.", "policy.bindings: no.", "No user:x@y", "No group:x@y", "No serviceAccount:x@y", "No domain:x", "No deleted:x"),
        *("No principal://iam.googleapis.com/x", "No principalSet://iam.googleapis.com/x"),
        *(f"{who} x does not exist." for who in ("User", "Group", "Service account", "Principal", "Member", "Domain", "Email address")),
        *(f"User x {what}" for what in ("do not exist", "was not found", "is not valid", "is not associated with an account")),
    ],
    "a label": ["'resource.labels': no.", "Label goog-x is reserved", "Labels with a prefix that is reserved", "A reserved prefix of labels"],
    "no storage location": [
        "'resource.storageLocations[0]': 'x'", "Location x is not supported.", "Location x is not valid", "Location x is invalid", "Location x does not exist",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("case", "said"), [(case, said) for case, texts in SAME.items() for said in texts])
def test_other_words_for_the_same_cause(case: str, said: str) -> None:
    assert refused(case, said).fault == refused(case).fault


@pytest.mark.parametrize(
    ("method", "status", "said"),
    [
        (POLICY, 400, "Role roles/compute.imageViewer does not exist."),
        (POLICY, 400, "Too much for one user or group, service account, principal, member, domain and email address "),
        (LABELS, 400, "The label of a user is not valid."),
        (LABELS, 400, "The location of the header is invalid."),
        (GET, 403, "You have Insufficient Permission"),
        (GET, 403, "Insufficient Permission to use the image"),
    ],
)
def test_similar_words_are_told_as_they_are(method: str, status: int, said: str) -> None:
    fault = Refusal(method, project="p1", status=status, message=said).fault
    assert (fault.why, fault.remedy) == ("", "")


#: Cases → words that say why, where the remedy alone would not be understood.
WHY = {
    "no billing account": "no billing account",
    "a perimeter": "perimeter forbids it; no role helps",
    "a network": "network of this machine",
    "scopes": "token lacks the scope; no role helps",
    "suspended": "project is suspended; no role helps",
    "quota project": "counted against a quota project",
    "a person's quota project": "sign-in of a person",
    "a machine": "machines that may sign in",
    "deny policy": "deny policy or a principal access boundary",
    "disabled account": "account is disabled",
    "trusted images": "may not use images of the source's project",
    "storage resources": "may not be used by the replicas' project",
    "CMEK": "without a Cloud KMS key",
    "projects of keys": "Keys of that project",
    "custom, insert": "custom constraint",
    "the agent and a key": "service agent of the replicas' project, not by this step's identity",
    "a key that is off": "key can't be used",
    "a licence": "may not be used here",
    "a licence that is gone": "can't be given to a copy",
    "a member that is gone": "can't be given access any more",
    "a label": "can't be written",
    "no storage location": "stores no images there",
    "domains": "allowedPolicyMemberDomains",
    "managed members": "constraints/iam.managed.allowedPolicyMembers",
}


@pytest.mark.parametrize("case", WHY)
def test_why_it_is_refused_is_said(case: str) -> None:
    assert WHY[case] in refusals.error_of(refused(case), doing="Copying").why


#: Google's reasons that name nothing to mend beyond the sign-in, an API key (there is none here) or the permission.
OF_THE_SIGN_IN = re.compile(
    "API_KEY_|ACCESS_TOKEN_(EXPIRED|TYPE)|CREDENTIAL|SESSION_|JWT_|ACCOUNT_TYPE_|IAM_PERMISSION_DENIED"
)
NOT_MET_HERE = {"ERROR_REASON_UNSPECIFIED", "SYSTEM_PARAMETER_UNSUPPORTED", "SERVICE_NOT_VISIBLE", "MISSING_ORIGIN"} | {
    "OVERLOADED_CREDENTIALS", "EMULATOR_QUOTA_EXCEEDED", "MCP_SERVER_DISABLED",
}  # fmt: skip


def test_no_documented_reason_is_told_as_a_missing_permission() -> None:
    """Of Google's closed list of reasons (`google.api.ErrorReason`), a new one must be looked at."""
    told = {
        reason
        for reason in ErrorReason.DESCRIPTOR.values_by_name
        if "Grant this step" in refusals.error_of(Refusal(INSERT, status=403, codes=(reason,)), doing="Copying").todo
    }
    assert {reason for reason in told if not OF_THE_SIGN_IN.match(reason)} == NOT_MET_HERE


def test_a_person_without_a_quota_project_is_not_sent_to_enable_an_api() -> None:
    """As recorded: the answer calls the API disabled, in the project that belongs to gcloud itself."""
    info = {"reason": "SERVICE_DISABLED", "metadata": {"consumer": "projects/764086051850"}}
    refusal = answers.refusal(GET, "p1", Answer(info))
    refusal.message = "The compute.googleapis.com API requires a quota project, which is not set by default."
    error = refusals.error_of(refusal, doing="Reading")
    assert (error.reason, "services enable" in error.todo) == ("forbidden", False)
    assert "application-default set-quota-project" in error.todo


def test_an_operation_is_told_as_one() -> None:
    failed = Failed(INSERT, "p1", Problem("SOME_ERROR", "It broke.", 400))
    assert refusals.error_of(failed, doing="Copying").what == "Copying failed: It broke. (SOME_ERROR)"
    failed.doing = "Copying to eu"
    assert refusals.error_of(failed, doing="Making").what == "Copying to eu failed: It broke. (SOME_ERROR)"
    assert refusals.error_of(Failed(INSERT, "", Problem("X", "", 0)), doing="Doing").what == "Doing failed: X"


@pytest.mark.parametrize(
    ("method", "code", "status", "then", "error"),
    [
        (INSERT, "RESOURCE_ALREADY_EXISTS", 409, Then.LOOK, errors.Conflict),
        (INSERT, "RESOURCE_ALREADY_EXISTS", 0, Then.LOOK, errors.Conflict),
        (INSERT, "ALREADY_EXISTS", 409, Then.LOOK, errors.Conflict),
        (INSERT, "SOME_ERROR", 412, Then.GIVE_UP, errors.OrgPolicy),
        (INSERT, "RESOURCE_NOT_FOUND", 404, Then.GIVE_UP, errors.SourceChanged),
        (INSERT, "RESOURCE_OPERATION_RATE_EXCEEDED", 403, Then.ELSEWHERE, errors.SourceRate),
        (LABELS, "CONDITION_NOT_MET", 412, Then.READ_AGAIN, errors.Drift),
        (PATCH, "CONDITION_NOT_MET", 412, Then.GIVE_UP, errors.OperationFailed),
        *((INSERT, code, 0, Then.LOOK, errors.Conflict) for code in ("alreadyExists", "ALREADY_EXISTS")),
        (INSERT, "conditionNotMet", 0, Then.GIVE_UP, errors.OrgPolicy),
        *((INSERT, code, 0, Then.GIVE_UP, errors.SourceChanged) for code in ("notFound", "NOT_FOUND")),
        *((POLICY, code, 0, Then.READ_AGAIN, errors.Drift) for code in ("aborted", "ABORTED", "conditionNotMet")),
        (LABELS, "INVALID_FINGERPRINT", 0, Then.READ_AGAIN, errors.Drift),
        (LABELS, "CONDITION_NOT_MET", 0, Then.READ_AGAIN, errors.Drift),
        (POLICY, "ABORTED", 409, Then.READ_AGAIN, errors.Drift),
        (INSERT, "CONDITION_NOT_MET", 0, Then.GIVE_UP, errors.OrgPolicy),
        (INSERT, "RESOURCE_NOT_FOUND", 0, Then.GIVE_UP, errors.SourceChanged),
    ],
)
def test_both_layers_mean_the_same(
    method: str, code: str, status: int, then: Then, error: type[errors.ReplicaError]
) -> None:
    fault = Failed(method, "p1", Problem(code, "No.", status)).fault
    assert (fault.then, fault.error) == (then, error)
    if status:
        answered = Refusal(method, status=status, codes=(code,), message="No.").fault
        assert answered == fault


class Answer:
    """An error as google-api-core has it."""

    code, message, response = 403, "GET https://x/y: No.", None
    errors = [{"reason": "forbidden"}]

    def __init__(self, *details: Any) -> None:
        self.details = details


def test_details_name_what_the_message_does_not() -> None:
    info = {"reason": "IAM_PERMISSION_DENIED", "metadata": {"permission": "compute.images.create", "n": None}}
    refusal = answers.refusal(INSERT, "p1", Answer(info, "no object", {"metadata": [], "violations": ["x", 1]}))
    assert (refusal.codes, refusal.message) == (("forbidden", "IAM_PERMISSION_DENIED"), "No.")
    todo = refusals.error_of(refusal, doing="Copying").todo
    assert todo.startswith("Grant this step's identity compute.images.create (")
    assert "useReadOnly" not in todo


def test_a_violation_names_the_constraint() -> None:
    """As recorded of projects: the message says only that users do not belong to a permitted customer."""
    violation = {"type": "customConstraints/custom.members", "subject": "orgpolicy:projects/p1", "description": "No."}
    refusal = answers.refusal(POLICY, "p1", Answer({"@type": "PreconditionFailure", "violations": [violation]}))
    assert refusals.error_of(refusal, doing="Opening").reason == "access_blocked"
    assert "customConstraints/custom.members" in refusals.error_of(refusal, doing="Opening").why


def test_a_project_that_the_details_name_counts() -> None:
    info = {"reason": "SERVICE_DISABLED", "metadata": {"service": "compute.googleapis.com", "consumer": "projects/77"}}
    refusal = answers.refusal(GET, "p1", Answer(info))
    assert "--project 77`" in refusals.error_of(refusal, doing="Reading").todo


def test_details_are_kept_within_bounds() -> None:
    refusal = answers.refusal(GET, "p1", Answer({"metadata": {str(number): "x" * 10**5 for number in range(1000)}}))
    assert len(refusal.said) < 10**4


def test_an_operation_has_details_too() -> None:
    from google.cloud import compute_v1

    info = compute_v1.ErrorInfo(reason="SERVICE_DISABLED", metadatas={"service": "cloudkms.googleapis.com"})
    failed = compute_v1.Errors(code="FORBIDDEN", message="No.", error_details=[{"error_info": info}, {}])
    answer = compute_v1.Operation(
        self_link="https://x/compute/v1/projects/p1/global/operations/o", error={"errors": [failed]}
    )
    problem = answers.operation(answer).problem
    assert problem == Problem(
        "FORBIDDEN", "No.", 0, reasons=("SERVICE_DISABLED",), details=("service=cloudkms.googleapis.com",)
    )
    assert (
        "enable cloudkms.googleapis.com --project p1"
        in refusals.error_of(Failed(INSERT, "p1", problem), doing="x").todo
    )


@pytest.mark.parametrize("layer", ["answer", "operation"])
def test_a_minutes_quota_refills_whatever_the_code(layer: str) -> None:
    said = (
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com'."
    )
    refusal = Refusal(GET, status=403, codes=("forbidden",), message=said)
    if layer == "operation":
        refusal = Failed(INSERT, "p1", Problem("FORBIDDEN", said, 403))
    assert (refusal.fault.then, refusal.fault.error) == (Then.REPEAT, errors.Rate)


@pytest.mark.parametrize("said", ["The quota metric 'Queries' is counted per day", "A metric 'x' is shown per minute"])
def test_other_words_about_quotas_are_no_minutes_quota(said: str) -> None:
    assert Refusal(GET, status=403, message=said).fault.error is errors.Forbidden
