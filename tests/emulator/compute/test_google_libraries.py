"""More clients that we did not write: google-api-python-client, google-cloud-compute's own `result()`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httplib2  # type: ignore[import-untyped]
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1 as compute
from googleapiclient import discovery
from googleapiclient.errors import HttpError

if TYPE_CHECKING:
    from emulator.testing import Running

SOURCE = "projects/p1/global/images/web"


@pytest.fixture
def web(emulator: Running) -> Running:
    emulator.add_image(project="p1", name="web", family="web")
    return emulator


def test_google_api_python_client(web: Running) -> None:
    options = ClientOptions(api_endpoint=f"{web.url}/compute/v1/")
    http = httplib2.Http()
    try:
        service = discovery.build(
            "compute", "v1", http=http, client_options=options, cache_discovery=False, static_discovery=True
        )
        images, operations = service.images(), service.globalOperations()

        def done(request: Any) -> Any:
            return operations.wait(project="p1", operation=request.execute()["name"]).execute()

        body = {"name": "copy", "sourceImage": SOURCE, "storageLocations": ["eu"], "labels": {"a": "b"}}
        assert done(images.insert(project="p1", body=body))["status"] == "DONE"
        copy = images.get(project="p1", image="copy").execute()
        assert (copy["status"], copy["storageLocations"], copy["labels"]) == ("READY", ["eu"], {"a": "b"})
        names = []
        request = images.list(project="p1", filter='family="web" OR name:copy', maxResults=1)
        while request is not None:
            answer = request.execute()
            names += [each["name"] for each in answer["items"]]
            request = images.list_next(request, answer)
        assert names == ["copy", "web"]
        labels = {"labelFingerprint": copy["labelFingerprint"], "labels": {}}
        images.setLabels(project="p1", resource="copy", body=labels).execute()
        policy = images.getIamPolicy(project="p1", resource="copy", optionsRequestedPolicyVersion=3).execute()
        policy["bindings"] = [{"role": "roles/compute.imageUser", "members": ["allAuthenticatedUsers"]}]
        images.setIamPolicy(project="p1", resource="copy", body={"policy": policy}).execute()
        answers: list[Any] = []
        batch = service.new_batch_http_request(callback=lambda _id, answer, error: answers.append(error or answer))
        batch._batch_uri = f"{web.url}/batch/compute/v1"
        batch.add(images.get(project="p1", image="web"))
        batch.add(images.get(project="p1", image="none"))
        batch.execute(http=http)
        assert answers[0]["name"] == "web"
        assert isinstance(answers[1], HttpError)
        with pytest.raises(HttpError) as caught:
            images.insert(project="p1", body=body).execute()
        assert (caught.value.status_code, caught.value.error_details[0]["reason"]) == (409, "alreadyExists")
        done(images.delete(project="p1", image="copy"))
    finally:
        http.close()
    assert not [entry for entry in web.journal() if entry["unsupported"]]


def test_google_cloud_compute_waits_by_itself(web: Running) -> None:
    options: Any = {
        "credentials": AnonymousCredentials(),  # type: ignore[no-untyped-call]
        "client_options": ClientOptions(api_endpoint=web.url),
    }
    images: Any = compute.ImagesClient(**options)
    # The client does not hand its endpoint on to its operations' client, which would ask the public service.
    images.transport._extended_operations_services["global_operations"] = compute.GlobalOperationsClient(**options)
    resource = compute.Image(name="copy", source_image=SOURCE)
    operation = images.insert(project="p1", image_resource=resource)
    operation.result(timeout=20)
    assert images.get(project="p1", image="copy").status == "READY"
    web.faults([{"action": {"kind": "operation", "code": "QUOTA_EXCEEDED", "http_status": 403}}])
    with pytest.raises(GoogleAPICallError) as caught:
        images.insert(project="p1", image_resource=compute.Image(name="b", source_image=SOURCE)).result(timeout=20)
    assert caught.value.code == 403
    assert {entry["method"] for entry in web.journal()} >= {"compute.globalOperations.get"}
    web.assert_faults_used()
