"""Parses references of container images by Docker's rules: host, path, tag, digest. Pure.

The grammar is that of the distribution project's package `reference`; which first part is a host, Docker decides by a
`.`, a `:` or the name `localhost`. Hosts are compared whole and without regard to case, never by a part of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from replicator.bootstrap.quote import is_credential, quoted

DOCKER_HUB = "docker.io"
#: Names under which people and tools address Docker Hub.
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
#: Where Docker Hub's API is; every other registry's is at its own name.
_SERVERS = {DOCKER_HUB: "registry-1.docker.io"}
#: Where Docker Hub puts images that are named by one word.
_LIBRARY = "library/"
#: Characters of host and path together.
_LONGEST_NAME = 255

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ARTIFACT_REGISTRY = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev")
_REPOSITORY = re.compile(
    r"projects/(?P<project>[^/\s]+)/locations/(?P<location>[a-z0-9-]+)/repositories/(?P<name>[a-z][a-z0-9-]{0,62})"
)


class BadReference(ValueError):
    """A text that no registry takes as the reference of an image; the message quotes it and says what is allowed."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference, in parts that are put together again byte for byte."""

    text: str
    """The reference as it was given."""
    host: str
    """The registry's host, in lower case; `docker.io` for all names of Docker Hub, and for none."""
    path: str
    """The repository at that host, with `library/` where Docker Hub adds it."""
    suffix: str
    """Tag and digest as they were given, each with its separator: `:v1@sha256:…`; empty if there is neither."""

    @property
    def name(self) -> str:
        """Host and path as they were given, without tag and digest."""
        return self.text.removesuffix(self.suffix) if self.suffix else self.text

    @property
    def manifest(self) -> str:
        """What is asked for by the reference: its digest, else its tag, else `latest`."""
        tag, _, digest = self.suffix.removeprefix(":").partition("@")
        return digest or tag or "latest"

    @property
    def is_googles(self) -> bool:
        """Whether it names a registry of Google's: nothing in front of that is of use."""
        return is_googles(self.host)


def parse(text: str) -> Reference:
    """Parse a reference. Raises BadReference."""
    if not text or text.split() != [text]:
        raise _bad(text, "it is empty" if not text.strip() else "it holds blanks")
    if _SCHEME.match(text):
        raise _bad(text, "leave out the scheme (https://)")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _bad(text, "behind the @ a digest such as sha256:… is needed")
    first, slash, behind = rest.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first.lower() == "localhost")
    host, remote = (first, behind) if named else (DOCKER_HUB, rest)
    path, colon, tag = remote.partition(":")
    if not _HOST.fullmatch(host):
        raise _bad(text, "its host can't be one")
    if colon and not _TAG.fullmatch(tag):
        raise _bad(text, "a tag has at most 128 letters, digits, '_', '.' and '-'")
    if not _PATH.fullmatch(path):
        why = "the path is in lower case" if _PATH.fullmatch(path.lower()) else "the path is empty or malformed"
        raise _bad(text, f"{why}; write HOST/PATH:TAG, such as ghcr.io/org/app:v1")
    if len(host) + 1 + len(path) > _LONGEST_NAME:
        raise _bad(text, f"host and path have at most {_LONGEST_NAME} characters")
    return Reference(text, *_addressed(host.lower(), path), text[len(rest) - len(colon + tag) :])


def server(host: str) -> str:
    """Return the host that answers for a registry."""
    return _SERVERS.get(host, host)


def repository(upstream: str) -> re.Match[str] | None:
    """Return the project, location and name of an upstream that is a repository of Artifact Registry; else None."""
    return _REPOSITORY.fullmatch(upstream)


def address(upstream: str) -> str:
    """Return what the references of an upstream begin with: a host, or host, project and name of a repository."""
    parts = repository(upstream)
    if parts is None:
        return upstream
    return f"{parts['location']}-docker.pkg.dev/{parts['project'].replace(':', '/')}/{parts['name']}"


def is_googles(host: str) -> bool:
    """Whether a host is a registry of Google's."""
    return is_artifact_registry(host) or host == "gcr.io" or host.endswith(".gcr.io")


def is_artifact_registry(host: str) -> bool:
    """Whether a host is Artifact Registry's for container images, as `gcloud auth configure-docker` takes it."""
    return bool(_ARTIFACT_REGISTRY.fullmatch(host))


def upstream(text: str) -> str:
    """Return the registry that a text means: `docker.io` for all of Docker Hub's names. Raises BadReference.

    A repository of Artifact Registry is an upstream by its own name, `projects/P/locations/L/repositories/R`.
    """
    if repository(text):
        return text
    if not _HOST.fullmatch(text) or is_credential(text) or not ("." in text or ":" in text or text == "localhost"):
        raise BadReference(f"{quoted(text)} isn't the host of a registry, such as ghcr.io")
    return DOCKER_HUB if text.lower() in _HUB_NAMES else text.lower()


def _addressed(host: str, path: str) -> tuple[str, str]:
    """Return the host and path that Docker asks."""
    if host not in _HUB_NAMES:
        return host, path
    return DOCKER_HUB, path if "/" in path else f"{_LIBRARY}{path}"


def _bad(text: str, why: str) -> BadReference:
    return BadReference(f"{quoted(text)} isn't a valid reference of an image: {why}")
