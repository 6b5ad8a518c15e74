"""A registry in memory, and a mirror in front of it: what `registry check --pull` asks, without any program built."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from testkit.registry.network import Reply

if TYPE_CHECKING:
    from testkit.registry.network import Asked

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|referrers)/(?P<what>[^/]+)")
TOKEN = "of-this-identity"
#: What a registry gives to anybody who asks for a token.
NOBODYS = "of-nobody"


@dataclass
class Images:
    """Images by name and tag or digest; who may read them, and what is wrong with the registry."""

    host: str
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    referring: dict[str, list[str]] = field(default_factory=dict)
    """Digest → digests of what refers to it."""
    readers: frozenset[str] = frozenset({NOBODYS})
    """The tokens that may read; a registry that takes `NOBODYS` gives that one to everybody."""
    says_digest: bool = True
    """Whether HEAD names the digest."""
    broken: list[Reply] = field(default_factory=list)
    """Answers that come first."""
    realm: str = ""
    """Where tokens are; empty: at its own host."""

    def push(self, name: str, tag: str, content: bytes = b"{}") -> str:
        digest = f"sha256:{sha256(content).hexdigest()}"
        self.manifests[name, tag] = self.manifests[name, digest] = content
        return digest

    def __call__(self, asked: Asked) -> Reply:
        if asked.path.startswith("/token?"):
            told = {"token": NOBODYS} if NOBODYS in self.readers else {}
            return Reply(200 if told else 401, json.dumps(told).encode())
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.readers:
            realm = self.realm or f"https://{self.host}/token"
            challenge = f'Bearer realm="{realm}",service="{self.host}",scope="repository:x:pull"'
            return Reply(403 if token else 401, headers={} if token else {"WWW-Authenticate": challenge})
        if self.broken:
            return self.broken.pop(0)
        parts = _PATH.fullmatch(asked.path)
        return self.held(parts["name"], parts["kind"], parts["what"]) if parts else Reply(404)

    def held(self, name: str, kind: str, what: str) -> Reply:
        if kind == "referrers":
            rows = [{"digest": each} for each in self.referring.get(what, [])]
            return Reply(200, json.dumps({"manifests": rows}).encode())
        content = self.manifests.get((name, what))
        if content is None:
            return Reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        digest = {"Docker-Content-Digest": f"sha256:{sha256(content).hexdigest()}"} if self.says_digest else {}
        return Reply(200, content, digest)


@dataclass
class Mirror(Images):
    """Serves what an upstream has, below a path, and keeps what it served."""

    below: str = ""
    upstream: Images | None = None
    blind: frozenset[str] = frozenset()
    """Kinds (`referrers`) and endings of tags (`.sig`) that it doesn't pass on."""

    def held(self, name: str, kind: str, what: str) -> Reply:
        path = name.removeprefix(f"{self.below}/")
        if path == name:
            return Reply(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}')
        if kind in self.blind or any(what.endswith(end) for end in self.blind):
            return Reply(404)
        if (path, what) in self.manifests or self.upstream is None:
            return super().held(path, kind, what)
        reply = self.upstream.held(path, kind, what)
        if kind == "manifests" and reply.status == 200:
            self.manifests[path, what] = reply.body
        return reply
