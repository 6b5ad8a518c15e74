"""The table that tells refusals apart: never by HTTP status alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from replicator.compute import errors as compute_errors
from replicator.compute import lookup, refusals
from replicator.compute.permissions import ROLES
from replicator.compute.refusals import Refusal, Then
from replicator.core import errors
from replicator.core.images import Problem

GET, LABELS, POLICY, INSERT, PATCH = (
    f"compute.images.{verb}" for verb in ("get", "setLabels", "setIamPolicy", "insert", "patch")
)
ORG = "Location asia violates constraint constraints/gcp.resourceLocations on the resource"
DOMAIN = "One or more users named in the policy do not belong to a permitted customer (constraints/iam.allowedPolicyMemberDomains)"


@pytest.mark.parametrize(
    ("method", "status", "codes", "message", "reason", "then"),
    [
        (INSERT, None, (), "reset", "unreachable", Then.REPEAT),
        (INSERT, 503, ("backendError",), "", "unreachable", Then.REPEAT),
        (INSERT, 502, (), "<html>", "unreachable", Then.REPEAT),
        *((GET, status, (), "", "unreachable", Then.REPEAT) for status in (408, 500, 502, 503, 504)),
        *((GET, status, (), "", "operation_failed", None) for status in (400, 407, 409, 410, 412, 501, 505)),
        *((INSERT, 403, (code, "forbidden"), "", "rate", Then.REPEAT)
          for code in ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED")),
        *((INSERT, 403, (code, "forbidden"), "", "source_rate", Then.ELSEWHERE)
          for code in ("RESOURCE_OPERATION_RATE_EXCEEDED", "resourceOperationRateExceeded")),
        (refusals.SET_LABELS, 403, ("RESOURCE_OPERATION_RATE_EXCEEDED",), "", "source_rate", Then.REPEAT),
        (INSERT, 409, ("resourceNotReady",), "", "not_ready", Then.REPEAT),
        (INSERT, 412, ("QUOTA_EXCEEDED",), "", "quota", None),
        (INSERT, 403, ("limitExceeded",), "", "quota", None),
        (INSERT, 429, ("CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",), "", "rate", Then.REPEAT),
        (INSERT, 403, ("rateLimitExceeded", "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"), "", "rate", Then.REPEAT),
        (INSERT, 429, (), "", "rate", Then.REPEAT),
        (INSERT, 403, ("quotaExceeded",), "", "quota", Then.GIVE_UP),
        (INSERT, 403, ("forbidden",), "", "forbidden", Then.GIVE_UP),
        (INSERT, 403, ("accessNotConfigured",), "", "api_disabled", Then.GIVE_UP),
        (INSERT, 403, ("forbidden", "SERVICE_DISABLED"), "", "api_disabled", Then.GIVE_UP),
        (INSERT, 400, ("resourceNotReady",), "", "not_ready", Then.REPEAT),
        (INSERT, 409, ("alreadyExists",), "", "conflict", Then.LOOK),
        (INSERT, 412, ("conditionNotMet",), "Conditions not met", "org_policy", Then.GIVE_UP),
        (INSERT, 412, ("conditionNotMet",), ORG, "org_policy", Then.GIVE_UP),
        (INSERT, 404, ("notFound",), "The resource 'projects/p1/global/images/web' was not found", "source_changed", None),
        (INSERT, 404, ("notFound",), "The resource 'projects/p1' was not found", "project_not_found", None),
        (INSERT, 400, ("invalid",), "Invalid value for field 'resource.sourceImage': was not found.", "source_changed", None),
        (INSERT, 404, ("notFound",), "Not found", "source_changed", None),
        (INSERT, 400, ("invalid",), "The sourceImage could not be found", "source_changed", None),
        (INSERT, 400, ("invalid",), "The sourceImage is not so far found", "operation_failed", None),
        (INSERT, 400, ("invalid",), "The licence was not found", "operation_failed", None),
        (PATCH, 400, ("invalid",), "The sourceImage was not found", "operation_failed", None),
        (INSERT, 400, ("invalid",), "Invalid value", "operation_failed", Then.GIVE_UP),
        (INSERT, 400, ("invalid",), "'projects/p1' is no network", "operation_failed", None),
        (INSERT, 404, ("notFound",), "The image projects/p1' in 'x' was not found", "source_changed", None),
        (PATCH, 412, ("conditionNotMet",), "", "operation_failed", None),
        (PATCH, 400, ("failedPrecondition",), "", "operation_failed", None),
        (PATCH, 403, ("forbidden",), ORG, "org_policy", None),
        (LABELS, 412, ("conditionNotMet",), ORG, "org_policy", None),
        (PATCH, 400, (), "No permitted customer", "org_policy", None),
        (PATCH, 400, (), "The constraints of this are many", "operation_failed", None),
        (POLICY, 400, (), "The constraints of this are many", "operation_failed", None),
        *((method, 400, (), text, "operation_failed", None)
          for method in (PATCH, POLICY) for text in ("a/b", "the customer is not permitted to", "a customer")),
        (POLICY, 403, ("forbidden",), "It violates constraints/x", "access_blocked", None),
        (POLICY, 412, ("failedPrecondition",), "", "access_blocked", None),
        (LABELS, 409, ("aborted",), "", "drift", Then.READ_AGAIN),
        (GET, 200, ("FORBIDDEN",), "", "forbidden", None),
        (LABELS, 412, ("conditionNotMet",), "Supplied fingerprint does not match", "drift", Then.READ_AGAIN),
        (POLICY, 412, ("conditionNotMet",), "", "drift", Then.READ_AGAIN),
        (POLICY, 409, ("aborted",), "", "drift", Then.READ_AGAIN),
        (POLICY, 400, ("failedPrecondition",), "", "access_blocked", Then.GIVE_UP),
        (POLICY, 412, ("conditionNotMet",), DOMAIN, "access_blocked", Then.GIVE_UP),
        (POLICY, 412, ("conditionNotMet",), DOMAIN.partition(" (")[0], "access_blocked", Then.GIVE_UP),
        (POLICY, 400, ("invalid",), "", "operation_failed", Then.GIVE_UP),
        (GET, 404, ("notFound",), "The resource 'projects/p1/global/images/web' was not found", "operation_failed", None),
        (INSERT, 409, (), "", "conflict", Then.LOOK),
        (INSERT, 404, (), "", "source_changed", None),
        *((LABELS, status, (), "", "drift", Then.READ_AGAIN) for status in (409, 412)),
        # A code of operations decides nothing in an answer.
        (GET, 400, ("INTERNAL_ERROR",), "", "operation_failed", None),
        (GET, 401, ("authError",), "", "forbidden", Then.GIVE_UP),
    ],
)  # fmt: skip
def test_refusals(
    method: str, status: int | None, codes: tuple[str, ...], message: str, reason: str, then: Then | None
) -> None:
    fault = Refusal(method, status=status, codes=codes, message=message).fault
    assert (fault.error.reason, fault.then) == (reason, then or Then.GIVE_UP)


@pytest.mark.parametrize(
    ("code", "status", "message", "reason", "then"),
    [
        ("RESOURCE_OPERATION_RATE_EXCEEDED", 403, "Too frequent", "source_rate", Then.REPEAT),
        ("RESOURCE_OPERATION_RATE_EXCEEDED", 0, "Too frequent", "source_rate", Then.REPEAT),
        ("RESOURCE_NOT_READY", 400, "", "not_ready", Then.REPEAT),
        ("QUOTA_EXCEEDED", 403, "", "quota", Then.GIVE_UP),
        ("INTERNAL_ERROR", 503, "", "operation_failed", Then.REPEAT),
        ("INTERNAL_ERROR", 500, "", "operation_failed", Then.REPEAT),
        ("INTERNAL_ERROR", 0, "", "operation_failed", Then.REPEAT),
        ("BACKEND_ERROR", 0, "", "operation_failed", Then.REPEAT),
        *(("SOME_ERROR", status, "", "operation_failed", Then.REPEAT) for status in (408, 500, 502, 503, 504)),
        ("SOME_ERROR", 501, "", "operation_failed", Then.GIVE_UP),
        *(
            (code, 0, "", "operation_failed", Then.REPEAT)
            for code in ("DEADLINE_EXCEEDED", "TIMEOUT", "ABORTED", "INTERNAL", "UNAVAILABLE", "SERVICE_UNAVAILABLE")
        ),
        ("LIMIT_EXCEEDED", 0, "", "quota", Then.GIVE_UP),
        ("PERMISSIONS_ERROR", 0, "", "forbidden", Then.GIVE_UP),
        *(
            (code, 0, "The resource 'projects/p1' was not found", "project_not_found", Then.GIVE_UP)
            for code in ("NOT_FOUND", "notFound")
        ),
        ("RESOURCE_NOT_FOUND", 0, "The resource 'projects/p1' was not found", "project_not_found", Then.GIVE_UP),
        ("RATE_LIMIT_EXCEEDED", 403, "", "rate", Then.REPEAT),
        ("SOME_ERROR", 429, "", "rate", Then.REPEAT),
        ("QUOTA_EXCEEDED", 503, "", "quota", Then.GIVE_UP),
        ("NOT_FOUND", 499, "", "operation_failed", Then.GIVE_UP),
        ("RESOURCE_ALREADY_EXISTS", 409, "", "operation_failed", Then.GIVE_UP),
        ("CONDITION_NOT_MET", 412, ORG, "org_policy", Then.GIVE_UP),
        ("PERMISSION_DENIED", 0, "", "forbidden", Then.GIVE_UP),
        ("", 0, "", "operation_failed", Then.GIVE_UP),
    ],
)
def test_failed_operations(code: str, status: int, message: str, reason: str, then: Then) -> None:
    fault = refusals.Failed("", "", Problem(code, message, status)).fault
    assert (fault.error.reason, fault.then) == (reason, then)


def test_waits() -> None:
    """The seconds before each repetition, row by row; a trouble that lasts is asked for ever, at the longest wait."""
    found = [
        (row.error.reason, [row.seconds(tried) for tried in (1, 2, 3, 10**6)]) for row in refusals.TABLE if row.wait
    ]
    assert found == [
        ("unreachable", [1, 2, 4, 30]),
        ("unreachable", [1, 2, 4, 30]),
        ("rate", [15, 30, 60, 120]),
        ("rate", [0.5, 1, 2, 60]),
        ("rate", [0.5, 1, 2, 60]),
        ("rate", [0.5, 1, 2, 60]),
        ("source_rate", [600, 600, 600, 600]),
        ("source_rate", [600, 600, 600, 600]),
        ("not_ready", [5, 10, 20, 30]),
        ("drift", [1, 2, 4, 10]),
        ("drift", [1, 2, 4, 10]),
        ("operation_failed", [5, 10, 20, 60]),
        ("operation_failed", [5, 10, 20, 60]),
    ]
    assert all(bool(row.wait) is (row.then in {Then.REPEAT, Then.READ_AGAIN, Then.ELSEWHERE}) for row in refusals.TABLE)
    assert refusals.TABLE[-1].seconds(1) == 0


def test_only_operations_that_failed_are_given_up_after_some_times() -> None:
    assert {row.tries for row in refusals.TABLE[:-4]} == {0}
    fault = refusals.Failed(INSERT, "p1", Problem("INTERNAL_ERROR", "", 0)).fault
    assert (fault.tries, fault.of_operation) == (5, True)
    assert fault.remedy == "The trouble is Compute Engine's own: run this again later."
    # Where nothing is said of it, an answer is meant.
    assert refusals.TABLE[0].matches(GET, None, (), "")


def test_what_a_remedy_calls_what_is_not_named() -> None:
    found = refusals.filled("CONSTRAINT, SERVICE, AGENT, LICENCE, KEY, PROJECT", "p1")
    assert found == ("that policy, compute.googleapis.com, Compute Engine's service agent, that licence, the key, p1")


def test_the_last_row_takes_everything() -> None:
    assert refusals.TABLE[-1].matches("", 418, (), "")


def test_remedies_name_the_project() -> None:
    refusal = Refusal(INSERT, project="p1", status=403, codes=("accessNotConfigured",))
    assert "--project p1`" in refusals.error_of(refusal, doing="Copying").message
    assert refusals.filled("`x --project PROJECT`", "a b") == "`x --project 'a b'`"


#: Each method → the permissions that it needs, and the narrowest role that has each (Compute Engine's reference).
NEEDED = {
    GET: [("images.get", "imageUser")],
    "compute.images.list": [("images.list", "imageUser")],
    "compute.images.getFromFamily": [("images.getFromFamily", "imageUser")],
    "compute.images.getIamPolicy": [("images.getIamPolicy", "viewer")],
    "compute.images.delete": [("images.delete", "storageAdmin")],
    "compute.images.deprecate": [("images.deprecate", "storageAdmin")],
    "compute.globalOperations.wait": [("globalOperations.get", "viewer")],
    POLICY: [("images.setIamPolicy", "storageAdmin")],
    LABELS: [("images.setLabels", "storageAdmin")],
    PATCH: [("images.update", "storageAdmin")],
    "compute.instanceTemplates.aggregatedList": [("instanceTemplates.list", "viewer")],
    INSERT: [("images.create", "storageAdmin"), ("images.useReadOnly", "imageUser")],
}


#: What `gcloud iam roles describe roles/compute.…` listed of images and global operations in 2025, the narrowest first
#: (as kept by the public collection iann0036/iam-dataset).
READS = {"images.get", "images.getFromFamily", "images.list"}
HELD = {
    "imageUser": READS | {"images.useReadOnly"},
    "viewer": READS
    | {"images.getIamPolicy", "images.listEffectiveTags", "images.listTagBindings", "globalOperations.get"}
    | {"globalOperations.getIamPolicy", "globalOperations.list"}
    # Compute Viewer reads all of Compute Engine; Compute Storage Admin has nothing of templates.
    | {"instanceTemplates.list"},
    "storageAdmin": READS
    | {"images.getIamPolicy", "images.listEffectiveTags", "images.listTagBindings", "globalOperations.get"}
    | {"images.create", "images.createTagBinding", "images.delete", "images.deleteTagBinding", "images.deprecate"}
    | {"images.setIamPolicy", "images.setLabels", "images.update", "images.useReadOnly", "globalOperations.list"},
}


NARROW = "the README's section on IAM roles has a role that holds no more than is needed."


def test_each_role_is_the_narrowest_that_has_the_permission() -> None:
    narrowest = {
        name: next(role for role, held in HELD.items() if name in held) for name in set().union(*HELD.values())
    }
    named = {name.removeprefix("compute."): role.removeprefix("roles/compute.") for name, role in ROLES.items()}
    assert named == {name: narrowest[name] for name in named}


def test_the_widest_role_has_every_permission() -> None:
    """The README says so of `roles/compute.storageAdmin`, which has nothing of templates."""
    needed = {name for needed in NEEDED.values() for name, _ in needed}
    assert needed - HELD["storageAdmin"] == {"instanceTemplates.list"}


@pytest.mark.parametrize("one", ROLES)
def test_the_role_to_type_holds_all_that_is_missing(one: str) -> None:
    """Of two permissions that an answer names, too; no command where no role of those holds both."""
    for another in ROLES:
        both = {one.removeprefix("compute."), another.removeprefix("compute.")}
        refusal = Refusal(GET, project="p1", status=403, message=f"Required permissions: {one}, {another}")
        typed = re.findall(r"--role=roles/compute\.(\w+)`", refusals.error_of(refusal, doing="Trying").todo)
        assert typed == [role for role, held in HELD.items() if both <= held][:1], another


@pytest.mark.parametrize("method", NEEDED)
def test_messages_name_the_permission_and_a_role(method: str) -> None:
    error = refusals.error_of(Refusal(method, status=403, codes=("forbidden",), message="No"), doing="Copying to eu")
    assert isinstance(error, errors.Forbidden)
    assert error.what == "Copying to eu was refused: No"
    assert error.todo.startswith("Grant this step's identity compute.")
    assert error.todo.endswith("; the README's section on IAM roles has a role that holds no more than is needed.")
    assert "`gcloud" not in error.todo, "the project is not known"
    found = re.findall(r"compute\.(\w+\.\w+) \(roles/compute\.(\w+) has it\)", error.todo)
    assert found == NEEDED[method]


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (
            "Required 'compute.images.useReadOnly' permission for 'projects/p1/global/images/web'",
            "compute.images.useReadOnly (roles/compute.imageUser has it)",
        ),
        ("Required 'compute.disks.use' permission", "compute.disks.use"),
        ("Permission 'iam.serviceAccounts.actAs' denied on resource", "iam.serviceAccounts.actAs"),
        ("Grant the caller roles/compute.imageUser", "roles/compute.imageUser"),
        ("Ask for roles/owner", "compute.images.update (roles/compute.storageAdmin has it)"),
        (
            "Required compute.x.y, compute.images.get and compute.images.delete",
            (
                "compute.x.y, compute.images.get (roles/compute.imageUser has it), "
                "compute.images.delete (roles/compute.storageAdmin has it)"
            ),
        ),
        ("Ask for roles/editor", "compute.images.update (roles/compute.storageAdmin has it)"),
        ("Ask for roles/compute.viewer.", "roles/compute.viewer"),
        ("Ask for roles/compute.viewer, or for roles/compute.admin", "roles/compute.viewer"),
        ("Ask for myroles/compute.viewer", "compute.images.update (roles/compute.storageAdmin has it)"),
        ("Required 'iam.x.y', as in roles/compute.viewer", "iam.x.y"),
        *(
            (text, "compute.images.update (roles/compute.storageAdmin has it)")
            for text in (
                "Prerequired 'iam.x.y'",
                "permissioniam.x.y",
                "Required --- of iam.x.y",
                "Grant permission compute.googleapis.com",
            )
        ),
        ("Ask mycompute.images.get", "compute.images.update (roles/compute.storageAdmin has it)"),
    ],
)
def test_the_permission_that_the_answer_names_counts(message: str, named: str) -> None:
    error = refusals.error_of(Refusal(PATCH, status=403, message=message), doing="Moving")
    assert re.sub(": `gcloud [^`]*`", "", error.todo) == f"Grant this step's identity {named}; {NARROW}"


def test_a_method_of_no_known_permission_is_named_itself() -> None:
    error = refusals.error_of(Refusal("compute.images.new", status=403), doing="Trying")
    assert error.todo == f"Grant this step's identity compute.images.new; {NARROW}"


@pytest.mark.parametrize(
    ("method", "message", "command"),
    [
        (INSERT, "No", "projects add-iam-policy-binding p2 --member=MEMBER --role=roles/compute.storageAdmin"),
        (
            INSERT,
            "Required 'compute.images.useReadOnly' permission for 'projects/p1/global/images/web-1'",
            "compute images add-iam-policy-binding web-1 --project=p1 --member=MEMBER --role=roles/compute.imageUser",
        ),
        (
            INSERT,
            "Required 'compute.images.create' permission for 'projects/p1/global/images/web-1'",
            "projects add-iam-policy-binding p1 --member=MEMBER --role=roles/compute.storageAdmin",
        ),
        (GET, "Grant roles/compute.viewer", "projects add-iam-policy-binding p2 --member=MEMBER --role=roles/compute.viewer"),
        (PATCH, "Required 'compute.x.y' and compute.images.update", ""),
        ("compute.images.new", "No", ""),
        ("cloudresourcemanager.projects.get", "No", ""),
        # As recorded of Flatcar's and of Arch's images, for outsiders.
        (
            "compute.images.list",
            "Required 'compute.images.list' permission for 'projects/example.com:acme-os'",
            "projects add-iam-policy-binding example.com:acme-os --member=MEMBER --role=roles/compute.imageUser",
        ),
        (
            GET,
            "Required 'compute.images.get' permission for 'projects/acme-os/global/images/family/stable'",
            "projects add-iam-policy-binding acme-os --member=MEMBER --role=roles/compute.imageUser",
        ),
        (
            POLICY,
            "Required 'compute.images.setIamPolicy' permission for projects/p1.",
            "projects add-iam-policy-binding p1 --member=MEMBER --role=roles/compute.storageAdmin",
        ),
        # The consumer is the project that pays for the call.
        (
            GET,
            "No.\nconsumer=projects/77",
            "projects add-iam-policy-binding p2 --member=MEMBER --role=roles/compute.imageUser",
        ),
        (
            GET,
            "No.\npermission=compute.images.get\nresource=projects/p1/global/images/family-1",
            "compute images add-iam-policy-binding family-1 --project=p1 --member=MEMBER --role=roles/compute.imageUser",
        ),
    ],
)  # fmt: skip
def test_what_to_type_is_said_where_a_role_is_known(method: str, message: str, command: str) -> None:
    refusal = Refusal(method, project="p2", status=403, message=message)
    told = refusals.error_of(refusal, doing="Copying").todo
    assert re.findall("`gcloud ([^`]*)`", told) == [command] * bool(command)
    refusal.member = "serviceAccount:ci@p1.iam.gserviceaccount.com"
    assert ("--member=serviceAccount:ci@p1.iam.gserviceaccount.com" in refusals.error_of(refusal, doing="x").todo) is (
        command != ""
    )


@pytest.mark.parametrize(
    ("refusal", "error", "what", "remedy"),
    [
        (Refusal(GET, message="reset"), errors.Unreachable, "Reading got no usable answer: reset", errors.Unreachable),
        (Refusal(GET, status=400, message="No"), errors.OperationFailed, "Reading was refused: No", errors.OperationFailed),
        (Refusal(GET, status=404, message="None"), errors.OperationFailed, "Reading found nothing: None", errors.OperationFailed),
        (Refusal(GET, status=401, message="No"), errors.Forbidden, "Reading was refused: No", compute_errors.CREDENTIALS_REFUSED),
        (Refusal(GET, status=400, codes=("FORBIDDEN",), message="No"), errors.Forbidden, "Reading was refused: No", errors.Forbidden),
        (refusals.NoToken("silent"), errors.Unreachable, "Reading: silent", compute_errors.TOKEN_SERVICE_SILENT),
    ],
)  # fmt: skip
def test_what_is_said(refusal: Refusal, error: type[errors.ReplicaError], what: str, remedy: Any) -> None:
    found = refusals.error_of(refusal, doing="Reading")
    assert (type(found), found.what, found.todo) == (error, what, remedy.remedy)
    assert str(refusal) == refusal.message


def test_what_could_not_be_sent_is_not_sent_again() -> None:
    refusal = refusals.NoWay("no proxy", remedy="Unset it.")
    error = refusals.error_of(refusal, doing="Reading")
    assert (type(error), error.what, error.todo) == (
        errors.Unreachable,
        "Reading got no usable answer: no proxy",
        "Unset it.",
    )
    assert (refusal.method, refusal.fault.then, refusal.fault.ends) == (
        "",
        Then.GIVE_UP,
        compute_errors.ENDPOINT_UNREACHABLE,
    )


def test_a_sign_in_that_got_no_answer_is_repeated() -> None:
    fault = refusals.NoToken("silent").fault
    assert (fault.then, [fault.seconds(tried) for tried in (1, 2, 3, 99)]) == (Then.REPEAT, [1, 2, 4, 30])


def test_an_operation_tells_its_own_code_and_permission() -> None:
    said = "Required 'compute.images.useReadOnly' permission for 'projects/p1/global/images/web'"
    failed = refusals.Failed(INSERT, "p1", Problem("PERMISSIONS_ERROR", said, 0, reasons=("OTHER",)))
    error = refusals.error_of(failed, doing="Copying")
    assert error.what == f"Copying failed: {said} (PERMISSIONS_ERROR)"
    assert "compute.images.useReadOnly (roles/compute.imageUser has it)" in error.todo
    assert "compute.images.create" not in error.todo
    alone = refusals.Failed(INSERT, "p1", Problem("A", "It is A.", 0, reasons=("B",)))
    assert refusals.error_of(alone, doing="Copying").what == "Copying failed: It is A."


def test_an_agent_of_googles_is_told_as_that() -> None:
    refusal = Refusal(
        INSERT, status=403, message="Required 'compute.images.get' for 7@cloudservices.gserviceaccount.com"
    )
    assert refusals.error_of(refusal, doing="Copying").todo == (
        "Grant 7@cloudservices.gserviceaccount.com, an agent of Google's, compute.images.get (roles/compute.imageUser has "
        "it): it is not this step's identity that lacks it."
    )


def test_a_refusal_asks_for_nothing_that_was_not_said() -> None:
    refusal = Refusal(GET)
    assert (refusal.project, refusal.message, refusal.retry_after, refusal.codes) == ("", "", 0, ())
    assert Refusal(GET, retry_after=7).retry_after == 7
    assert refusals.NoToken("silent").method == ""


def test_credentials_say_what_is_wrong_with_them() -> None:
    wrong = compute_errors.SignInFailed(compute_errors.NO_CREDENTIALS, "None were found")
    assert (wrong.args, wrong.what, wrong.title) == (("None were found",), "None were found", "No credentials")


@pytest.mark.parametrize(
    ("refusal", "ends"),
    [
        (Refusal(GET, message="reset"), compute_errors.ENDPOINT_UNREACHABLE),
        (Refusal(GET, status=503), compute_errors.ENDPOINT_UNREACHABLE),
        (refusals.NoToken("silent"), compute_errors.TOKEN_SERVICE_SILENT),
        (Refusal(GET, status=401), compute_errors.CREDENTIALS_REFUSED),
        (Refusal(GET, status=401, codes=("ACCOUNT_STATE_INVALID",)), compute_errors.ACCOUNT_DISABLED),
        (Refusal(GET, status=404), compute_errors.SOURCE_MISSING),
        (
            Refusal(GET, status=404, message="The resource 'projects/p1' was not found"),
            compute_errors.SOURCE_UNREADABLE,
        ),
        (Refusal(GET, status=403), compute_errors.SOURCE_UNREADABLE),
        (Refusal(GET, status=429), compute_errors.SOURCE_UNREADABLE),
        (Refusal(GET, status=418), compute_errors.SOURCE_UNREADABLE),
    ],
)
def test_a_refusal_before_the_plan_ends_the_run(refusal: Refusal, ends: errors.Advice) -> None:
    with pytest.raises(errors.ReplicatorError) as caught, lookup.ending_the_run("Reading"):
        raise refusal
    found = refusals.error_of(refusal, doing="Reading")
    assert (caught.value.advice, caught.value.what) == (ends, found.what)
    assert caught.value.todo == (found.todo if ends is compute_errors.SOURCE_UNREADABLE else ends.remedy)
    assert isinstance(caught.value, compute_errors.EndpointUnreachable) is (ends is compute_errors.ENDPOINT_UNREACHABLE)


def test_a_missing_source_is_looked_for_in_its_project() -> None:
    with pytest.raises(errors.ReplicatorError) as caught, lookup.ending_the_run("Reading"):
        raise Refusal(GET, project="a b", status=404)
    assert "--project 'a b'`" in caught.value.todo


def test_a_sign_in_that_failed_ends_the_run_as_it_is() -> None:
    failed = compute_errors.SignInFailed(compute_errors.OTHER_UNIVERSE, "Elsewhere")
    with pytest.raises(compute_errors.SignInFailed) as caught, lookup.ending_the_run("Reading"):
        raise failed
    assert caught.value is failed


def test_a_refusal_is_classified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal(GET, status=403)
    first = refusal.fault
    monkeypatch.setattr(refusals, "TABLE", ())
    assert refusal.fault is first
