"""google-cloud-compute, unmodified, over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1 as compute

if TYPE_CHECKING:
    from emulator.testing import Running

SOURCE = "projects/p1/global/images/web"


@pytest.fixture
def clients(emulator: Running) -> tuple[Any, Any]:
    emulator.add_image(project="p1", name="web", family="web", guest_os_features=["GVNIC"])
    options = ClientOptions(api_endpoint=emulator.url)
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return (
        compute.ImagesClient(credentials=credentials, client_options=options),
        compute.GlobalOperationsClient(credentials=credentials, client_options=options),
    )


def insert(images: Any, operations: Any, name: str, **fields: Any) -> Any:
    resource = compute.Image(name=name, source_image=SOURCE, **fields)
    request = compute.InsertImageRequest(
        project="p1", request_id="1f0e2d3c-0000-4000-8000-000000000001", image_resource=resource
    )
    return operations.wait(project="p1", operation=images.insert_unary(request=request).name)


def test_copy_and_read(clients: tuple[Any, Any]) -> None:
    images, operations = clients
    done = insert(images, operations, "copy", storage_locations=["eu"], labels={"a": "b"}, disk_size_gb=20)
    assert done.status == compute.Operation.Status.DONE
    image = images.get(project="p1", image="copy")
    assert (image.status, list(image.storage_locations), image.disk_size_gb) == ("READY", ["eu"], 20)
    assert image.guest_os_features[0].type_ == "GVNIC"
    assert image.source_image_id == str(images.get_from_family(project="p1", family="web").id)
    request = compute.ListImagesRequest(project="p1", max_results=1, order_by="creationTimestamp desc", filter="name:*")
    assert [each.name for each in images.list(request=request)] == ["copy", "web"]


def test_change_and_delete(clients: tuple[Any, Any]) -> None:
    images, operations = clients
    patched = images.patch_unary(project="p1", image="web", image_resource=compute.Image(family="new"))
    operations.wait(project="p1", operation=patched.name)
    mark = images.get(project="p1", image="web").label_fingerprint
    labels = compute.GlobalSetLabelsRequest(label_fingerprint=mark, labels={"x": "y"})
    images.set_labels_unary(project="p1", resource="web", global_set_labels_request_resource=labels)
    image = images.get(project="p1", image="web")
    assert (image.family, dict(image.labels)) == ("new", {"x": "y"})
    with pytest.raises(GoogleAPICallError) as caught:
        images.set_labels_unary(project="p1", resource="web", global_set_labels_request_resource=labels)
    assert (caught.value.code, caught.value.errors[0]["reason"]) == (412, "conditionNotMet")
    cleared = compute.GlobalSetLabelsRequest(label_fingerprint=image.label_fingerprint, labels={})
    images.set_labels_unary(project="p1", resource="web", global_set_labels_request_resource=cleared)
    assert not images.get(project="p1", image="web").labels
    deleted = images.delete_unary(project="p1", image="web")
    operations.wait(project="p1", operation=deleted.name)
    with pytest.raises(GoogleAPICallError) as caught:
        images.get(project="p1", image="web")
    assert (caught.value.code, caught.value.errors[0]["reason"]) == (404, "notFound")


def test_policy_with_conditions(clients: tuple[Any, Any]) -> None:
    images, _ = clients
    request = compute.GetIamPolicyImageRequest(project="p1", resource="web", options_requested_policy_version=3)
    policy = images.get_iam_policy(request=request)
    condition = compute.Expr(expression="true", title="t")
    policy.bindings.append(compute.Binding(role="roles/compute.imageUser", members=["user:a@b.c"], condition=condition))
    policy.version = 3
    resource = compute.GlobalSetPolicyRequest(policy=policy)
    changed = images.set_iam_policy(project="p1", resource="web", global_set_policy_request_resource=resource)
    assert changed == images.get_iam_policy(request=request)
    assert changed.bindings[0].condition.title == "t"
    with pytest.raises(GoogleAPICallError) as caught:
        images.set_iam_policy(project="p1", resource="web", global_set_policy_request_resource=resource)
    assert caught.value.code == 409


def test_failures(clients: tuple[Any, Any], emulator: Running) -> None:
    images, operations = clients
    action = {"kind": "operation", "code": "RESOURCE_OPERATION_RATE_EXCEEDED", "http_status": 403}
    emulator.faults([{"action": action}])
    done = insert(images, operations, "copy")
    assert done.error.errors[0].code == "RESOURCE_OPERATION_RATE_EXCEEDED"
    assert (done.http_error_status_code, done.http_error_message) == (403, "FORBIDDEN")
    emulator.faults([{"action": {"kind": "http", "code": 403, "reason": "rateLimitExceeded"}}])
    with pytest.raises(GoogleAPICallError) as caught:
        images.get(project="p1", image="web")
    assert caught.value.errors[0]["reason"] == "rateLimitExceeded"


def test_a_domain_scoped_project(clients: tuple[Any, Any], emulator: Running) -> None:
    images, _ = clients
    emulator.add_image(project="example.com:p", name="web")
    assert images.get(project="example.com:p", image="web").name == "web"
