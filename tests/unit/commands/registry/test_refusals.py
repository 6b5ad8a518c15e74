"""What Artifact Registry's refusals name decides what people are told, as it does for Compute Engine's."""

from __future__ import annotations

import pytest

from replicator.commands.registry import errors

#: Status and text → reason, what is told, and what is not.
CAUSES: dict[str, tuple[int, str, str, str, str]] = {
    "billing": (403, "This API method requires billing to be enabled. BILLING_DISABLED", "forbidden", "`gcloud billing projects link p1 ", "Grant"),
    "a perimeter": (403, "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: X", "org_policy", "inside the perimeter", "`locations`"),
    "scopes": (403, "Request had insufficient authentication scopes.", "forbidden", "the scope https://", "Grant"),
    "quota project": (403, "Caller does not have required permission to use project acme-ci. USER_PROJECT_DENIED", "forbidden", "serviceUsageConsumer on acme-ci", "artifactregistry.admin"),
    "suspended": (403, "Consumer 'projects/p1' has been suspended. CONSUMER_SUSPENDED", "forbidden", "how to appeal", "Grant"),
    "deny policy": (403, "Denied by an IAM deny policy.", "forbidden", "an exception for this step's identity", "Grant"),
    "the location": (400, "Constraint constraints/gcp.resourceLocations violated", "org_policy", "Take the location out", "billing"),
    "custom": (400, 'Operation denied by custom org policy: ["customConstraints/custom.labels"].', "org_policy", "an exception to customConstraints/custom.labels", "`locations`"),
    "another constraint": (403, "Denied by constraints/artifactregistry.something.", "org_policy", "an exception to constraints/artifactregistry.something", "`locations`"),
    "the API": (403, "Artifact Registry API has not been used in project 7 before or it is disabled.", "api_disabled", "enable artifactregistry.googleapis.com", "Grant"),
    "a permission": (403, "Permission 'artifactregistry.repositories.create' denied", "forbidden", "Grant this identity artifactregistry.repositories.create", "scope"),
    "anything": (400, "Nothing is known of this.", "refused", "Correct what the message", "run this again later"),
}  # fmt: skip


@pytest.mark.parametrize("case", CAUSES)
@pytest.mark.parametrize("layer", ["answer", "operation"])
def test_cause(case: str, layer: str) -> None:
    status, text, reason, told, untold = CAUSES[case]
    code = {400: 9, 403: 7}[status]
    refused = errors.refused(status, text) if layer == "answer" else errors.of_operation(code, text)
    said = errors.told(refused, project="p1", secret="")
    assert (refused.reason, refused.again) == (reason, False)
    assert told in said
    assert untold not in said


def test_what_passes_is_asked_again_whatever_it_names() -> None:
    refused = errors.refused(503, "billing account is closed")
    assert (refused.reason, refused.again) == ("unreachable", True)
