"""Makes the requests of the Compute Engine API; the only module that imports google.cloud.compute.

`retry` sends the requests, paced by quotas, and repeats them as the table in `refusals` says; the library's own
retries are off. The library's `insert().result()` is not used: it asks the public endpoint even if another one was
given, and reports success for an operation that failed without an HTTP status (measured with google-cloud-compute
1.56).
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import requests
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth import exceptions as auth_errors
from google.cloud import compute_v1
from google.protobuf.json_format import ParseError

from replicator.compute import answers
from replicator.compute import credentials as sign_in
from replicator.compute.rate_limit import Request
from replicator.compute.refusals import NoWay, Refusal
from replicator.compute.trouble import connection, environment
from replicator.core.images import ImageRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from replicator.compute.lifecycle.clock import ServiceClock
    from replicator.compute.lifecycle.fresh_check import CheckedForDeletion
    from replicator.core.images import Deprecation, Image, Operation, Policy, Template


_Answer = TypeVar("_Answer")

#: Timeouts in seconds: for most requests, and for globalOperations.wait, which answers after up to two minutes.
_ANSWER_SECONDS = 60.0
_WAIT_SECONDS = 150.0

_POLICY_VERSION = 3

#: With the longest names these make a URL of 8 KiB; many servers and proxies refuse longer ones (414).
_MOST_NAMES = 90

#: Images on a page of a whole list: the most that the API gives.
_PAGE = 500


class Compute:
    """The calls of the Compute Engine API that replication needs.

    Every request raises Refusal if it is refused or not answered, and SignInFailed if no token can be got.
    """

    def __init__(self, endpoint: str, credentials: Any) -> None:
        options = ClientOptions(api_endpoint=endpoint) if endpoint else None
        self._host = urlsplit(endpoint).netloc or compute_v1.ImagesClient.DEFAULT_ENDPOINT
        self._encrypted = not endpoint.startswith("http://")
        self.credentials = credentials
        self._images = compute_v1.ImagesClient(credentials=credentials, client_options=options)
        self._operations = compute_v1.GlobalOperationsClient(credentials=credentials, client_options=options)
        self._templates = compute_v1.InstanceTemplatesClient(credentials=credentials, client_options=options)
        self.clock: ServiceClock | None = None
        """What the first answer said of the time; None until there is one."""

    @property
    def transports(self) -> tuple[Any, ...]:
        """The transports by which the library sends requests."""
        return self._images.transport, self._operations.transport, self._templates.transport

    def get(self, ref: ImageRef) -> Request[Image]:
        """Read one image."""
        return self._request(
            "compute.images.get", self._images.get, {"project": ref.project, "image": ref.name}, answers.image
        )

    def find(self, project: str, names: Iterable[str]) -> Request[dict[ImageRef, Image]]:
        """Read those of the named images that exist, in one list call (several for many names or many pages)."""
        return Request("compute.images.list", project, partial(self._find, project, tuple(names)))

    def _find(self, project: str, names: Sequence[str]) -> dict[ImageRef, Image]:
        found: dict[ImageRef, Image] = {}
        for first in range(0, len(names), _MOST_NAMES):
            wanted = " OR ".join(f'(name = "{name}")' for name in names[first : first + _MOST_NAMES])
            token: str | None = None
            while token != "":
                request = {"project": project, "filter": wanted, "page_token": token or ""}
                images, token = self._send("compute.images.list", self._images.list, request, answers.page)
                # Keyed by the project as it was asked for: the answer may name it by its number, for instance.
                found.update((ImageRef(project, image.ref.name), image) for image in images)
        return found

    def list_page(self, project: str, token: str) -> Request[tuple[list[Image], str]]:
        """Read one page of all images of a project, and the token of the next page; both tokens are "" at the ends.

        A page that may lack images is refused.
        """
        request = {"project": project, "max_results": _PAGE, "page_token": token}
        return self._request("compute.images.list", self._images.list, request, answers.whole_page)

    def list_newest(self, project: str) -> Request[list[Image]]:
        """Read the newest images of a project, one page of them."""
        request = {"project": project, "max_results": _PAGE, "order_by": "creationTimestamp desc"}
        read: Callable[[Any], list[Image]] = lambda pager: answers.page(pager)[0]  # noqa: E731
        return self._request("compute.images.list", self._images.list, request, read)

    def list_copies(self, project: str, image: Image, token: str) -> Request[tuple[list[Image], str]]:
        """Read one page of what was copied from an image directly, and of the image itself, in a project.

        A page that may lack images is refused, as in `list_page`. Where the image is in the project, an answer
        without it shows that the filter was not understood.
        """
        wanted = f'(sourceImageId = "{image.id}") OR (name = "{image.ref.name}")'
        request = {"project": project, "filter": wanted, "max_results": _PAGE, "page_token": token}
        return self._request("compute.images.list", self._images.list, request, answers.whole_page)

    def list_templates(self, project: str, token: str) -> Request[tuple[list[Template], str]]:
        """Read one page of a project's instance templates, global and regional, and the token of the next page.

        A page that may lack templates is refused.
        """
        request = {"project": project, "max_results": _PAGE, "page_token": token}
        method = "compute.instanceTemplates.aggregatedList"
        return self._request(method, self._templates.aggregated_list, request, answers.template_page)

    def family_head(self, project: str, family: str) -> Request[Image]:
        """Read the image that a family resolves to; a family without one is a Refusal with status 404."""
        request = {"project": project, "family": family}
        return self._request("compute.images.getFromFamily", self._images.get_from_family, request, answers.image)

    def get_policy(self, ref: ImageRef) -> Request[Policy]:
        """Read the image's own access policy, conditions included."""
        request = {
            "project": ref.project,
            "resource": ref.name,
            "options_requested_policy_version": _POLICY_VERSION,
        }
        return self._request("compute.images.getIamPolicy", self._images.get_iam_policy, request, answers.policy)

    def test_permissions(self, ref: ImageRef, permissions: Sequence[str]) -> Request[frozenset[str]]:
        """Those of the permissions that the caller has on an image."""
        asked = compute_v1.TestPermissionsRequest(permissions=list(permissions))
        request = {"project": ref.project, "resource": ref.name, "test_permissions_request_resource": asked}
        test = self._images.test_iam_permissions
        return self._request(
            "compute.images.testIamPermissions", test, request, lambda answer: frozenset(answer.permissions)
        )

    def set_policy(self, ref: ImageRef, policy: Policy) -> Request[Policy]:
        """Replace the image's own access policy, guarded by the policy's etag; the answer is the new policy."""
        body = compute_v1.Policy(
            version=_POLICY_VERSION,
            etag=policy.etag,
            bindings=[
                compute_v1.Binding(
                    role=binding.role,
                    members=sorted(binding.members),
                    condition=compute_v1.Expr(json.loads(binding.condition)) if binding.condition else None,
                )
                for binding in policy.bindings
            ],
        )
        request = {
            "project": ref.project,
            "resource": ref.name,
            "global_set_policy_request_resource": compute_v1.GlobalSetPolicyRequest(policy=body),
        }
        return self._request("compute.images.setIamPolicy", self._images.set_iam_policy, request, answers.policy)

    def insert(
        self,
        ref: ImageRef,
        *,
        source: ImageRef,
        location: str,
        labels: Mapping[str, str],
        description: str,
        kms_key: str,
        request_id: str,
    ) -> Request[Operation]:
        """Start copying an image into a location. The copy has no family yet, and nobody may use it."""
        body = compute_v1.Image(
            name=ref.name,
            source_image=source.uri,
            storage_locations=[location],
            labels=dict(labels),
            description=description,
        )
        if kms_key:
            body.image_encryption_key = compute_v1.CustomerEncryptionKey(kms_key_name=kms_key)
        request = {"project": ref.project, "image_resource": body, "request_id": request_id}
        return self._request("compute.images.insert", self._images.insert_unary, request, answers.operation)

    def patch(
        self, ref: ImageRef, *, family: str | None = None, description: str | None = None, request_id: str
    ) -> Request[Operation]:
        """Change the family or the description of an image."""
        body = compute_v1.Image()
        if family is not None:
            body.family = family
        if description is not None:
            body.description = description
        request = {
            "project": ref.project,
            "image": ref.name,
            "image_resource": body,
            "request_id": request_id,
        }
        return self._request("compute.images.patch", self._images.patch_unary, request, answers.operation)

    def set_labels(self, ref: ImageRef, labels: Mapping[str, str], fingerprint: str) -> Request[Operation]:
        """Replace an image's labels, guarded by the fingerprint that they were read with."""
        body = compute_v1.GlobalSetLabelsRequest(labels=dict(labels), label_fingerprint=fingerprint)
        request = {"project": ref.project, "resource": ref.name, "global_set_labels_request_resource": body}
        return self._request("compute.images.setLabels", self._images.set_labels_unary, request, answers.operation)

    def deprecate(self, ref: ImageRef, deprecation: Deprecation, *, request_id: str) -> Request[Operation]:
        """Replace the deprecation of an image; a value without a state clears it.

        It is cleared by an empty body: `{"state": "ACTIVE"}` was seen to change nothing (libcloud#852).
        """
        body = compute_v1.DeprecationStatus()
        if deprecation:
            body = compute_v1.DeprecationStatus(
                state=deprecation.state,
                replacement=deprecation.replacement or None,
                deleted=deprecation.deleted or None,
            )
        request = {
            "project": ref.project,
            "image": ref.name,
            "deprecation_status_resource": body,
            "request_id": request_id,
        }
        return self._request("compute.images.deprecate", self._images.deprecate_unary, request, answers.operation)

    def delete(self, image: Image, *, by_name: bool, request_id: str) -> Request[Operation]:
        """Start deleting a FAILED copy of ours; whatever else goes is deleted by `delete_checked`.

        By its numeric id, which no other image ever has; or by its name, for a service that takes no ids here.
        """
        key = image.ref.name if by_name else image.id
        request = {"project": image.ref.project, "image": key, "request_id": request_id}
        return self._request("compute.images.delete", self._images.delete_unary, request, answers.operation)

    def delete_checked(self, checked: CheckedForDeletion, *, by_name: bool, request_id: str) -> Request[Operation]:
        """Start deleting an image right after the check that nothing speaks against it, as `delete` does.

        The request raises CheckTooOld if it is sent too late.
        """
        request = self.delete(checked.image, by_name=by_name, request_id=request_id)

        def send() -> Operation:
            checked.ensure_fresh()
            return request.send()

        return replace(request, send=send)

    def wait(self, operation: Operation) -> Request[Operation]:
        """Wait for an operation, at most two minutes; it may not be done when the answer comes."""
        request = {"project": operation.project, "operation": operation.name}
        wait = self._operations.wait
        return self._request("compute.globalOperations.wait", wait, request, answers.operation, _WAIT_SECONDS)

    def _request(
        self,
        method: str,
        send: Callable[..., Any],
        request: dict[str, Any],
        read: Callable[[Any], _Answer],
        timeout: float = _ANSWER_SECONDS,
    ) -> Request[_Answer]:
        return Request(method, request["project"], partial(self._send, method, send, request, read, timeout))

    def _send(
        self,
        method: str,
        send: Callable[..., Any],
        request: dict[str, Any],
        read: Callable[[Any], _Answer],
        timeout: float = _ANSWER_SECONDS,
    ) -> _Answer:
        try:
            return read(send(request=request, retry=None, timeout=timeout))
        except GoogleAPICallError as error:
            refused = answers.refusal(method, str(request["project"]), error)
            refused.member = sign_in.member(self.credentials)
            raise refused from error
        except auth_errors.GoogleAuthError as error:
            sign_in.failed(error)
        except (ParseError, answers.Garbled, AttributeError) as error:
            # AttributeError: the library assumes that the JSON of an error has the usual shape.
            message = f"the answer of {self._host} is not Compute Engine's (a proxy's page?): {_first_line(error)}"
            raise Refusal(method, message=message) from error
        except (requests.RequestException, OSError, UnicodeError) as error:
            if wrong := environment.blamed(error, os.environ):
                raise wrong from error
            trouble = connection.of(error, self._host, encrypted=self._encrypted)
            if trouble.remedy:
                raise NoWay(trouble.text, remedy=trouble.remedy) from error
            raise Refusal(method, message=trouble.text) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:500].rstrip(".")
