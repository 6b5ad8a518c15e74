"""IAM policies of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from testkit.client import Client, Response

ROLE = "roles/compute.imageUser"
CONDITIONAL = {"role": ROLE, "members": ["user:a@b.c"], "condition": {"title": "t", "expression": "true"}}


def put(client: Client, *bindings: dict[str, Any], **policy: object) -> Response:
    return client.post("/images/web/setIamPolicy", {"policy": {"bindings": list(bindings), **policy}})


def read(client: Client, version: int | None = 3) -> Any:
    query = {} if version is None else {"optionsRequestedPolicyVersion": version}
    return client.get("/images/web/getIamPolicy", **query).json


def test_a_new_image_is_nobodys(still: Client) -> None:
    assert read(still) == {"etag": "ACAB"}
    assert still.get("/images/none/getIamPolicy").status == 404


def test_an_image_is_made_public_with_all_authenticated_users(still: Client) -> None:
    answer = put(still, {"role": ROLE, "members": ["allAuthenticatedUsers"]}, etag="ACAB", version=3)
    assert answer.json["bindings"] == [{"role": ROLE, "members": ["allAuthenticatedUsers"]}]
    assert answer.json["etag"] != "ACAB"
    assert read(still) == answer.json
    assert read(still) == read(still)


def test_all_users_are_refused(still: Client) -> None:
    answer = put(still, {"role": ROLE, "members": ["allUsers"]})
    assert (answer.status, answer.reason) == (400, "invalid")
    assert "allUsers cannot be granted access" in answer.message
    assert read(still) == {"etag": "ACAB"}


def test_a_stale_etag_is_refused_in_either_alphabet(still: Client) -> None:
    for number in range(20):
        etag = read(still)["etag"]
        safe = etag.replace("+", "-").replace("/", "_").rstrip("=")
        assert put(still, {"role": ROLE, "members": [f"user:{number}@b.c"]}, etag=safe).status == 200
    stale = put(still, etag="ACAB")
    assert (stale.status, stale.reason) == (409, "aborted")
    assert "The request's ETag 'ACAB' did not match" in stale.message
    assert put(still).status == 200
    assert "bindings" not in read(still)


def test_conditions_need_version_3(still: Client) -> None:
    assert put(still, CONDITIONAL).reason == "invalid"
    assert put(still, CONDITIONAL, version=1).reason == "invalid"
    assert put(still, CONDITIONAL, version=3).json["version"] == 3
    assert read(still)["bindings"] == [CONDITIONAL]
    for version in (1, None):
        old = read(still, version)
        assert old["version"] == 1
        assert old["bindings"][0]["role"].startswith(f"{ROLE}_withcond_")
        assert "condition" not in old["bindings"][0]
    assert still.get("/images/web/getIamPolicy", optionsRequestedPolicyVersion=2).reason == "invalid"


@pytest.mark.parametrize(
    "binding",
    [
        {"role": "imageUser", "members": ["user:a@b.c"]},
        {"role": None, "members": ["user:a@b.c"]},
        {"role": ROLE, "members": ["a@b.c"]},
        {"role": ROLE, "members": [""]},
        {"role": ROLE, "members": [None]},
        {"role": ROLE, "members": "user:a@b.c"},
        {"role": ROLE, "member": ["user:a@b.c"]},
    ],
)
def test_malformed_bindings_are_refused(still: Client, binding: dict[str, Any]) -> None:
    assert put(still, binding).reason == "invalid"


def test_bindings_of_one_role_are_joined_and_empty_ones_go(still: Client) -> None:
    one, two = {"role": ROLE, "members": ["user:a@b.c", "user:a@b.c"]}, {"role": ROLE, "members": ["group:g@b.c"]}
    answer = put(still, one, two, {"role": "roles/viewer", "members": []})
    assert answer.json["bindings"] == [{"role": ROLE, "members": ["user:a@b.c", "group:g@b.c"]}]


def test_the_older_form_without_policy(still: Client) -> None:
    binding = {"role": ROLE, "members": ["domain:b.c"]}
    assert still.post("/images/web/setIamPolicy", {"bindings": [binding], "etag": "ACAB"}).json["bindings"] == [binding]
    assert still.post("/images/web/setIamPolicy", {"bindings": [], "etag": "ACAB"}).status == 409


def test_everything_is_permitted(still: Client) -> None:
    asked = {"permissions": ["compute.images.get", "compute.images.setIamPolicy"]}
    assert still.post("/images/web/testIamPermissions", asked).json == asked
    assert still.post("/images/web/testIamPermissions", {}).json == {}
    assert still.post("/images/none/testIamPermissions", asked).status == 404
