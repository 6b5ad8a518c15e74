"""Asks Resource Manager which permissions the caller has in a project: the only module that calls that service."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests
from google.auth import exceptions as auth_errors
from google.auth.compute_engine import Credentials as MachineCredentials
from google.auth.transport.requests import AuthorizedSession

from replicator.compute import connect
from replicator.compute.errors import SignInFailed
from replicator.compute.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.compute.client import Compute

#: Points gcloud, and this tool, at another endpoint with one variable.
ENDPOINT_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER"
_UNIVERSE = "googleapis.com"
#: Seconds for a connection, and for an answer: all copies wait for it, and can do without.
_TIMEOUT = (5.0, 10.0)
#: What an API that is switched off says of itself.
_OFF = ("SERVICE_DISABLED", "accessNotConfigured")


class CantTell(Exception):
    """Resource Manager gave no answer to the question; why, in a few words."""


class ResourceManager:
    """One call of the Resource Manager API, version 3."""

    def __init__(self, endpoint: str, credentials: Any) -> None:
        self._endpoint = endpoint
        self._session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
        connect.set_up(self._session, local=endpoint.startswith("http://"))

    def held(self, project: str, permissions: Sequence[str]) -> frozenset[str]:
        """Those of the permissions that the caller has in a project. Raises CantTell."""
        url = f"{self._endpoint}/v3/projects/{quote(project, safe=':')}:testIamPermissions"
        try:
            answer = self._session.post(url, json={"permissions": list(permissions)}, timeout=_TIMEOUT)
            if answer.status_code != requests.codes.ok:
                raise CantTell(_why(answer.status_code, answer.text))
            found = answer.json().get("permissions", [])
            return frozenset(str(each) for each in found)
        except (requests.RequestException, OSError):
            raise CantTell("it did not answer") from None
        except (auth_errors.GoogleAuthError, SignInFailed, Refusal):
            raise CantTell("it takes no token of this sign-in") from None
        except (ValueError, AttributeError, TypeError):
            raise CantTell("its answer was not its own") from None


def manager(compute: Compute, compute_endpoint: str, env: Mapping[str, str]) -> ResourceManager | None:
    """The way to Resource Manager; None where it can't be asked.

    An emulator of Compute Engine on loopback has nothing to do with Google's Resource Manager.
    """
    given = env.get(ENDPOINT_VARIABLE, "").strip().rstrip("/")
    if given:
        return ResourceManager(given, compute.credentials) if _is_safe(given) else None
    if compute_endpoint and _is_loopback(urlsplit(compute_endpoint).hostname or ""):
        return None
    # Asking a machine for its universe is a request.
    machine = isinstance(compute.credentials, MachineCredentials)
    universe = _UNIVERSE if machine else compute.credentials.universe_domain
    return ResourceManager(f"https://cloudresourcemanager.{universe}", compute.credentials)


def _why(status: int, text: str) -> str:
    if any(word in text for word in _OFF):
        return "the Cloud Resource Manager API is off"
    return f"it answered HTTP {status}"


def _is_safe(endpoint: str) -> bool:
    """Whether credentials may be sent there."""
    parts = urlsplit(endpoint)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
