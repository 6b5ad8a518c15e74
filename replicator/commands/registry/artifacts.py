"""Calls Artifact Registry, as plain JSON; the only module that speaks to that service.

Google's client library is not used: it would add 20 MB and 1.4 s to every run, and it refuses repositories whose
policies came from gcloud, which keeps the spelling of its file (`"action": "Delete"`; measured with 1.23).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.commands.registry.errors import Refused, refused
from replicator.compute import credentials
from replicator.compute.services import json_api

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOGLE = "https://artifactregistry.googleapis.com"
#: Seconds for a connection, and for an answer.
_TIMEOUT = (10.0, 60.0)
_POLICY_VERSION = 3


class Artifacts:
    """The calls that mirrors need. Each raises Refused if refused or not answered, SignInFailed without a token."""

    def __init__(self, endpoint: str, env: Mapping[str, str], *, anonymous: bool) -> None:
        self.signed_in = credentials.anonymous() if anonymous else credentials.find(env, endpoint=endpoint)
        self._api = json_api.JsonApi("Artifact Registry", endpoint or GOOGLE, self.signed_in, timeout=_TIMEOUT)

    def get(self, name: str) -> dict[str, Any]:
        """Read a repository, or an operation, by its full name."""
        return self._send("GET", name)

    def create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start making a repository; the answer is an operation."""
        parent, _, identity = name.rpartition("/")
        return self._send("POST", parent, {**body, "name": name}, {"repositoryId": identity})

    def patch(self, name: str, body: Mapping[str, Any], mask: str) -> dict[str, Any]:
        """Change what the mask names; the answer is the repository."""
        return self._send("PATCH", name, {**body, "name": name}, {"updateMask": mask})

    def get_policy(self, name: str) -> dict[str, Any]:
        """Read a repository's own access policy, conditions included."""
        return self._send("GET", f"{name}:getIamPolicy", query={"options.requestedPolicyVersion": str(_POLICY_VERSION)})

    def set_policy(self, name: str, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Replace that policy, guarded by its etag."""
        return self._send("POST", f"{name}:setIamPolicy", {"policy": {**policy, "version": _POLICY_VERSION}})

    def _send(
        self, verb: str, name: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = self._api.send(verb, f"v1/{name}", body, query)
        except json_api.Unanswered as error:
            raise Refused("unreachable", str(error), again=error.again, remedy=error.remedy) from None
        if not answer.ok:
            raise refused(answer.status, answer.message)
        return dict(answer.body)
