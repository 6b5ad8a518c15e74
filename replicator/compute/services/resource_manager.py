"""Calls Resource Manager, which knows the permissions in a project; no other module speaks to that service."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from google.auth.compute_engine import Credentials as MachineCredentials

from replicator.compute.errors import SignInFailed
from replicator.compute.services.json_api import JsonApi, Lack, Unanswered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from urllib.parse import SplitResult

    from replicator.compute.client import Compute

#: Points gcloud, and this tool, at another endpoint with one variable.
ENDPOINT_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"
_UNIVERSE = "googleapis.com"
#: Seconds for a connection, and for an answer: all copies wait for it, and can do without.
_TIMEOUT = (5.0, 10.0)
#: What an API that is switched off says of itself.
_OFF = ("SERVICE_DISABLED", "accessNotConfigured")
_LACKS = {
    Lack.TOKEN: "it takes no token of this sign-in",
    Lack.ANSWER: "it did not answer",
    Lack.SENSE: "its answer was not its own",
}


class CantTell(Exception):
    """Resource Manager gave no answer to the question; why, in a few words."""


class ResourceManager:
    """One call of the Resource Manager API, version 3."""

    def __init__(self, endpoint: str, credentials: Any) -> None:
        self._api = JsonApi("Resource Manager", endpoint, credentials, timeout=_TIMEOUT)

    def held(self, project: str, permissions: Sequence[str]) -> frozenset[str]:
        """Those of the permissions that the caller has in a project. Raises CantTell."""
        body = {"permissions": list(permissions)}
        try:
            answer = self._api.send("POST", f"v3/projects/{project}:testIamPermissions", body)
        except SignInFailed:
            raise CantTell(_LACKS[Lack.TOKEN]) from None
        except Unanswered as error:
            raise CantTell(_LACKS[error.lack]) from None
        if not answer.ok:
            raise CantTell(_why(answer.status, answer.message))
        found = answer.body.get("permissions", [])
        if not isinstance(found, list):
            raise CantTell(_LACKS[Lack.SENSE])
        return frozenset(str(each) for each in found)


def manager(compute: Compute, compute_endpoint: str, env: Mapping[str, str]) -> ResourceManager | str:
    """The way to Resource Manager, or why it is not asked.

    An emulator of Compute Engine on loopback has nothing to do with Google's Resource Manager.
    """
    if given := env.get(ENDPOINT_VARIABLE, "").strip().rstrip("/"):
        with suppress(ValueError):
            if _is_safe(given):
                return ResourceManager(given, compute.credentials)
        return f"Resource Manager is not asked: {ENDPOINT_VARIABLE} must be an https address, or http on loopback"
    if _is_loopback(urlsplit(compute_endpoint)):
        return "Resource Manager is not asked beside an emulator of Compute Engine"
    # Asking a machine for its universe is a request.
    machine = isinstance(compute.credentials, MachineCredentials)
    universe = _UNIVERSE if machine else compute.credentials.universe_domain
    return ResourceManager(f"https://cloudresourcemanager.{universe}", compute.credentials)


def _why(status: int, text: str) -> str:
    if any(word in text for word in _OFF):
        return "the Cloud Resource Manager API is off"
    return f"it answered HTTP {status}"


def _is_safe(endpoint: str) -> bool:
    """Whether credentials may be sent there. Raises ValueError if it can't be read."""
    parts = urlsplit(endpoint)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts)))


def _is_loopback(address: SplitResult) -> bool:
    host = address.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
