"""Principals, quotas, organisation policies: off unless a scenario names them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from testkit.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GET = "/compute/v1/projects/p1/global/images"
WEB = {"project": "p1", "name": "web", "family": "web"}
ALL = {"all": ["*"]}


@contextmanager
def under(**rules: Any) -> Iterator[Client]:
    with running(driven=True, copy_seconds=10, scenario={"images": [WEB], **rules}) as emulator:
        yield Client(emulator)


def send(client: Client, token: str, verb: str, path: str, body: object = None) -> Any:
    return client.send(verb, f"/compute/v1/projects/p1/global{path}", body, {"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic all"}])
def test_a_stranger(header: dict[str, str]) -> None:
    with under(principals=ALL) as client:
        answer = client.send("GET", f"{GET}/web", None, header)
        assert (answer.status, answer.reason, answer.message) == (401, "authError", "Invalid Credentials")
        assert "Bearer" in answer.headers["www-authenticate"]
        assert client.send("GET", "/_emulator/journal").status == 200
        assert client.emulator.journal()[0]["principal"] is None


CALLS: list[tuple[str, str, Any, str, str]] = [
    ("GET", "/images/web", None, "compute.images.get", "projects/p1/global/images/web"),
    ("GET", "/images", None, "compute.images.list", "projects/p1"),
    ("GET", "/images/family/web", None, "compute.images.getFromFamily", "projects/p1/global/images/family/web"),
    ("GET", "/images/web/getIamPolicy", None, "compute.images.getIamPolicy", "projects/p1/global/images/web"),
    ("POST", "/images/web/setIamPolicy", {"policy": {}}, "compute.images.setIamPolicy", "projects/p1/global/images/web"),
    ("POST", "/images/web/setLabels", {"labelFingerprint": ""}, "compute.images.setLabels", "projects/p1/global/images/web"),
    ("PATCH", "/images/web", {"family": "x"}, "compute.images.update", "projects/p1/global/images/web"),
    ("POST", "/images/web/deprecate", {}, "compute.images.deprecate", "projects/p1/global/images/web"),
    ("DELETE", "/images/web", None, "compute.images.delete", "projects/p1/global/images/web"),
    ("POST", "/images", {"name": "x", "rawDisk": {"source": "gs://a/b"}}, "compute.images.create", "projects/p1/global/images/x"),
    ("GET", "/operations/op", None, "compute.globalOperations.get", "projects/p1/global/operations/op"),
    ("POST", "/operations/op/wait", None, "compute.globalOperations.get", "projects/p1/global/operations/op"),
    ("GET", "/operations", None, "compute.globalOperations.list", "projects/p1"),
    ("DELETE", "/operations/op", None, "compute.globalOperations.delete", "projects/p1/global/operations/op"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "path", "body", "permission", "resource"), CALLS)
def test_each_method_needs_its_permission(verb: str, path: str, body: Any, permission: str, resource: str) -> None:
    principals = {
        "none": [],
        "elsewhere": {"projects": {"p2": [permission]}},
        "here": {"name": "ci", "projects": {"p1": [permission]}},
        "everywhere": [permission],
    }
    with under(principals=principals) as client:
        before = client.emulator.state()
        for token in ("none", "elsewhere"):
            answer = send(client, token, verb, path, body)
            assert (answer.status, answer.reason) == (403, "forbidden")
            assert answer.message == f"Required '{permission}' permission for '{resource}'"
        assert client.emulator.state() == before
        assert send(client, "here", verb, path, body).status != 403
        assert send(client, "everywhere", verb, path, body).status != 403
        names = [entry["principal"] for entry in client.emulator.journal()]
        assert names == ["none", "elsewhere", "ci", "everywhere"]


def test_a_copy_needs_its_source_which_may_be_public() -> None:
    body = {"name": "copy", "sourceImage": "projects/p2/global/images/src"}
    images = [{"project": "p2", "name": "src"}, {"project": "p2", "name": "open", "family": "f", "public": True}]
    principals = {
        "half": {"permissions": ["compute.images.create"]},
        "whole": {"permissions": ["compute.images.create"], "projects": {"p2": ["compute.images.useReadOnly"]}},
    }
    with under(principals=principals, images=images) as client:
        answer = send(client, "half", "POST", "/images", body)
        assert answer.message == "Required 'compute.images.useReadOnly' permission for 'projects/p2/global/images/src'"
        answer = send(client, "half", "POST", "/images", {**body, "sourceImage": "projects/p2/global/images/family/g"})
        assert answer.message.endswith("'projects/p2/global/images/family/g'")
        assert send(client, "half", "POST", "/images", {**body, "sourceImage": "?"}).status == 400
        made = send(client, "whole", "POST", "/images", body)
        assert (made.status, made.json["user"]) == (200, "whole")
        for number, name in enumerate(("images/open", "images/family/f")):
            public = {"name": f"c{number}", "sourceImage": f"projects/p2/global/{name}"}
            assert send(client, "half", "POST", "/images", public).status == 200
        path = "/compute/v1/projects/p2/global/images/"
        header = {"Authorization": "Bearer half"}
        statuses = [client.send("GET", path + name, None, header).status for name in ("open", "family/f", "src")]
        assert statuses == [200, 200, 403]
        asked = {"permissions": ["compute.images.get", "compute.images.delete", "compute.images.create"]}
        answer = client.send("POST", f"{path}open/testIamPermissions", asked, header)
        assert answer.json == {"permissions": ["compute.images.get", "compute.images.create"]}


def test_a_batch_is_sent_by_somebody() -> None:
    part = (
        "--b\nContent-Type: application/http\nContent-ID: <a+1>\n\nGET /compute/v1/projects/p1/global/images/web\n{}\n"
    )
    content = (part.format("") + part.format("Authorization: Bearer none\n") + "--b--\n").encode()
    headers = {"Content-Type": "multipart/mixed; boundary=b", "Authorization": "Bearer all"}
    with under(principals={**ALL, "none": []}) as client:
        client.send("POST", "/batch/compute/v1", content, headers)
        shown = [(entry["principal"], entry["status"]) for entry in client.emulator.journal()]
        assert shown == [("all", 200), ("none", 403)]


@pytest.mark.parametrize("kind", ["reads", "mutations"])
def test_requests_in_a_minute(kind: str) -> None:
    with under(quotas={f"{kind}_per_minute": 2}) as client:

        def go(project: str = "p1") -> Any:
            path = f"/compute/v1/projects/{project}/global/images/"
            return client.send("GET", f"{path}web") if kind == "reads" else client.send("DELETE", f"{path}none")

        assert [go().status == 403 for _ in range(3)] == [False, False, True]
        answer = go()
        assert answer.reason == "rateLimitExceeded"
        assert " per minute' of service 'compute.googleapis.com'" in answer.message
        assert answer.json["error"]["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
        assert go("p2").status == 404
        client.emulator.advance(60)
        assert go().status != 403


def test_images_of_a_project() -> None:
    with under(quotas={"images": 2}) as client:
        assert client.insert("a").status == 200
        answer = client.insert("b")
        assert (answer.status, answer.reason) == (403, "quotaExceeded")
        assert answer.message == "Quota 'IMAGES' exceeded.  Limit: 2.0 globally."
        client.delete("/images/a")
        assert client.insert("b").status == 200
    with under(quotas={"images": 1}, switches={"images_quota": "operation"}) as client:
        started = client.insert("a")
        client.emulator.advance(1)
        done = client.get(f"/operations/{started.json['name']}").json
        assert (done["error"]["errors"][0]["code"], done["httpErrorStatusCode"]) == ("QUOTA_EXCEEDED", 403)
        assert client.get("/images/a").status == 404


def test_copies_of_one_source() -> None:
    with under(
        images=[WEB, {**WEB, "name": "other"}], quotas={"copies_per_source": {"count": 2, "minutes": 10}}
    ) as client:

        def error(name: str, source: str = "web") -> str:
            started = client.insert(name, source)
            client.emulator.advance(10)
            done = client.get(f"/operations/{started.json['name']}").json
            return str(done["error"]["errors"][0]["code"] if "error" in done else "")

        assert [error("a"), error("b")] == ["", ""]
        assert error("c") == "RESOURCE_OPERATION_RATE_EXCEEDED"
        assert error("d", "other") == ""
        assert error("e", "a") == ""
        client.emulator.advance(600)
        assert error("c") == ""


def test_locations_an_organisation_allows() -> None:
    with under(org_policy={"allowed_locations": ["eu"]}) as client:
        assert client.insert("a", storageLocations=["eu"]).status == 200
        # Where nothing is said, a copy is stored with its source, in us.
        for answer in (client.insert("b"), client.insert("b", storageLocations=["asia"])):
            assert (answer.status, answer.reason) == (412, "conditionNotMet")
            assert "violates constraint constraints/gcp.resourceLocations" in answer.message


def test_members_an_organisation_allows() -> None:
    def policy(*members: str) -> dict[str, Any]:
        return {"policy": {"bindings": [{"role": "roles/compute.imageUser", "members": list(members)}]}}

    images = [WEB, {**WEB, "name": "open", "public": True}]
    with under(images=images, org_policy={"allowed_member_domains": ["example.com"]}) as client:
        path = "/images/web/setIamPolicy"
        assert client.post(path, policy("user:a@example.com", "domain:example.com")).status == 200
        for member in ("allAuthenticatedUsers", "user:a@badexample.com"):
            answer = client.post(path, policy("user:a@example.com", member))
            assert (answer.status, answer.reason) == (400, "failedPrecondition")
            assert "constraints/iam.allowedPolicyMemberDomains" in str(answer.json["error"]["details"])
        kept = policy("allAuthenticatedUsers", "user:b@example.com")
        assert client.post("/images/open/setIamPolicy", kept).status == 200
        assert "example.com" in json.dumps(client.emulator.policy("p1", "web"))


def test_copies_are_counted_for_each_project_that_copies_a_source() -> None:
    with under(quotas={"copies_per_source": {"count": 1, "minutes": 60}}) as still:
        client = Client(still.emulator, still.emulator.app.clock)  # type: ignore[arg-type]
        body = {"name": "copy", "sourceImage": "projects/p1/global/images/web"}
        assert "error" not in client.wait(client.insert("first"))
        assert client.send("POST", "/compute/v1/projects/p2/global/images", body).status == 200
        client.advance(1000)
        other = client.send("GET", "/compute/v1/projects/p2/global/operations").json["items"][0]
        assert "error" not in other
        refused = client.wait(client.insert("second"))["error"]["errors"][0]
        assert refused["code"] == "RESOURCE_OPERATION_RATE_EXCEEDED"
        assert "'projects/p1/global/images/web'" in refused["message"]


@pytest.mark.parametrize(
    ("method", "ask"),
    [
        ("compute.images.insert", lambda client: client.insert("copy")),
        ("compute.images.setLabels", lambda client: client.post("/images/web/setLabels", {"labelFingerprint": "AAAA"})),
        ("compute.images.setIamPolicy", lambda client: client.post("/images/web/setIamPolicy", {"policy": {}})),
        ("compute.images.patch", lambda client: client.patch("/images/web", {"family": "new"})),
        ("compute.images.delete", lambda client: client.delete("/images/web")),
    ],
)
def test_what_a_custom_constraint_forbids(method: str, ask: Callable[[Client], Any]) -> None:
    rule = {"method": method, "constraint": "customConstraints/custom.labels", "message": "Label it."}
    with under(org_policy={"custom": [rule]}) as client:
        answer = ask(client)
        assert (answer.status, answer.reason) == (412, "conditionNotMet")
        assert (
            'Operation denied by custom org policies: ["customConstraints/custom.labels": "Label it."]'
            in answer.message
        )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("failedPrecondition", "do not belong to a permitted customer."),
        ("managed", "Operation denied by org policy on resource 'projects/p1'"),
    ],
)
def test_the_words_about_a_foreign_domain(answer: str, says: str) -> None:
    with under(org_policy={"allowed_member_domains": ["a.b"]}, switches={"foreign_domain": answer}) as client:
        binding = {"role": "roles/compute.imageUser", "members": ["user:x@c.d"]}
        refused = client.post("/images/web/setIamPolicy", {"policy": {"bindings": [binding]}})
        assert (refused.status, refused.reason) == (400, "failedPrecondition")
        assert says in refused.message
        if answer == "failedPrecondition":
            violation = refused.json["error"]["details"][0]["violations"][0]
            assert violation["type"] == "constraints/iam.allowedPolicyMemberDomains"
            assert "user:x@c.d" in violation["description"]
