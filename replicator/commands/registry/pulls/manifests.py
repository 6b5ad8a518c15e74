"""Asks a registry for manifests, by the OCI distribution API; the only module that speaks to registries.

A mirror is asked with the token of this identity, an upstream as nobody: no credential of this run leaves for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import urlsplit

from replicator.commands.registry.pulls.verdicts import Held
from replicator.compute.services import json_api

#: Seconds for a connection, and for an answer: a mirror that has an image not yet fetches it meanwhile.
_TIMEOUT = (10.0, 60.0)
#: Bytes. Registries take manifests of 4 MiB at most.
_LARGEST = 2**22
_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_OK, _UNAUTHORISED = 200, 401


class Source:
    """One registry, asked by one identity."""

    def __init__(self, host: str, credentials: Any | None = None) -> None:
        """Take the host that answers for it; without credentials it is asked as nobody."""
        self._host = host
        self._signed_in = credentials is not None
        self._session = json_api.signed_in(credentials, local=False) if self._signed_in else json_api.nobodys()
        self._tokens: dict[str, str] = {}

    def held(self, name: str, manifest: str) -> Held:
        """Ask for a manifest by tag or digest, without its content. Raises Unanswered, and SignInFailed."""
        answer = self._send("HEAD", name, f"manifests/{manifest}")
        digest = answer.headers.get("Docker-Content-Digest", "")
        seconds = answer.elapsed.total_seconds()
        if answer.status_code == _OK and not _DIGEST.fullmatch(digest):
            content = self._content(name, f"manifests/{manifest}")
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return Held(status=answer.status_code, digest=digest if answer.status_code == _OK else "", seconds=seconds)

    def referrers(self, name: str, digest: str) -> frozenset[str]:
        """Return the digests of what refers to an image, such as signatures; none where the registry can't tell."""
        content = self._content(name, f"referrers/{digest}")
        try:
            found = json.loads(content or "{}").get("manifests") or []
            return frozenset(str(each["digest"]) for each in found)
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
            return frozenset()

    def _content(self, name: str, path: str) -> bytes:
        """Return the body of an answer, as far as a manifest may go; nothing if it was refused."""
        with self._send("GET", name, path, stream=True) as answer:
            if answer.status_code != _OK:
                return b""
            return bytes(answer.raw.read(_LARGEST, decode_content=True))

    def _send(self, verb: str, name: str, path: str, **more: Any) -> Any:
        """Send a request; as nobody, sign in the way the registry asks for, and follow to where it keeps things."""
        url = f"https://{self._host}/v2/{name}/{path}"
        answer = self._once(verb, url, self._tokens.get(name, ""), **more)
        if answer.status_code != _UNAUTHORISED or self._signed_in:
            return answer
        self._tokens[name] = self._token(name, answer.headers.get("WWW-Authenticate", ""))
        return self._once(verb, url, self._tokens[name], **more) if self._tokens[name] else answer

    def _once(self, verb: str, url: str, token: str, **more: Any) -> Any:
        headers = {"Accept": _ACCEPT, **({"Authorization": f"Bearer {token}"} if token else {})}
        return json_api.sent(
            self._session, verb, url, headers=headers, timeout=_TIMEOUT, allow_redirects=not self._signed_in, **more
        )

    def _token(self, name: str, challenge: str) -> str:
        """Return the token that a registry gives to anybody who asks; empty if it gives none."""
        said = dict(_CHALLENGE.findall(challenge)) if challenge.lower().startswith("bearer ") else {}
        if not _is_encrypted(said.get("realm", "")):
            return ""
        query = {"service": said.get("service", ""), "scope": f"repository:{name}:pull"}
        answer = json_api.sent(self._session, "GET", said["realm"], params=query, timeout=_TIMEOUT)
        try:
            found = answer.json() if answer.status_code == _OK else {}
            return str(found.get("token") or found.get("access_token") or "")
        except (ValueError, AttributeError, RecursionError):
            return ""


def _is_encrypted(realm: str) -> bool:
    """Whether a registry named a place for tokens that may be asked: a listener could answer for it otherwise."""
    try:
        parts = urlsplit(realm)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)
