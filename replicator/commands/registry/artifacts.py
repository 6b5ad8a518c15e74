"""Calls Artifact Registry: plain JSON over google-auth's session; the only module that speaks to that service.

Google's client library is not used: it would add 20 MB and 1.4 s to every run, and it refuses repositories whose
policies came from gcloud, which keeps the spelling of its file (`"action": "Delete"`; measured with 1.23).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from google.auth import exceptions as auth_errors
from google.auth.transport.requests import AuthorizedSession

from replicator.commands.registry.errors import Refused, refused
from replicator.compute import connect, credentials
from replicator.compute.refusals import NoToken, NoWay
from replicator.compute.trouble import connection, environment

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOGLE = "https://artifactregistry.googleapis.com"
#: Seconds for a connection, and for an answer.
_TIMEOUT = (10.0, 60.0)
_POLICY_VERSION = 3


class Artifacts:
    """The calls that mirrors need. Each raises Refused if refused or not answered, SignInFailed without a token."""

    def __init__(self, endpoint: str, env: Mapping[str, str], *, anonymous: bool) -> None:
        self._endpoint = endpoint or GOOGLE
        found = credentials.anonymous() if anonymous else credentials.find(env, endpoint=endpoint)
        self._session = AuthorizedSession(found)  # type: ignore[no-untyped-call]
        connect.set_up(self._session, local=self._endpoint.startswith("http://"))

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
        url = f"{self._endpoint}/v1/{quote(name, safe='/:')}"
        try:
            answer = self._session.request(  # type: ignore[no-untyped-call]
                verb, url, json=body, params=query, timeout=_TIMEOUT, allow_redirects=False
            )
        except auth_errors.GoogleAuthError as error:
            try:
                credentials.failed(error)
            except NoToken as told:
                raise Refused("unreachable", str(told), again=True) from None
        except NoToken as error:
            raise Refused("unreachable", str(error), again=True) from None
        except NoWay as error:
            raise Refused("unreachable", str(error), remedy=error.fault.remedy) from None
        except (requests.RequestException, OSError, UnicodeError) as error:
            if wrong := environment.blamed(error, os.environ):
                raise wrong from None
            trouble = connection.of_url(error, url)
            what = f"{verb} {name} got no answer: {trouble.text}"
            raise Refused("unreachable", what, again=not trouble.remedy, remedy=trouble.remedy) from None
        return _read(answer, verb, name)


def _read(answer: Any, verb: str, name: str) -> dict[str, Any]:
    """Return the JSON of an answer. Raises Refused."""
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if answer.status_code == requests.codes.ok and isinstance(found, dict):
        return found
    error = found.get("error") if isinstance(found, dict) else None
    if isinstance(error, dict):
        # The details name what the message may leave out, such as SERVICE_DISABLED.
        words = [str(error.get("message", "")), *(str(each.get("reason", "")) for each in _listed(error))]
        raise refused(answer.status_code, " ".join(filter(None, words)))
    status = answer.status_code
    message = f"{verb} {name} was answered with HTTP {status}, which is not Artifact Registry's (a proxy's page?)"
    raise Refused("unreachable", message, again=status == requests.codes.ok or status >= 500 or status == 429)


def _listed(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    both = (error.get("errors"), error.get("details"))
    return [each for several in both if isinstance(several, list) for each in several if isinstance(each, dict)]
