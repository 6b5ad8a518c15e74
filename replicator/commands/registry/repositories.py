"""Compares a repository of Artifact Registry with the mirror that is wanted, whatever the spelling. Pure.

What can't be changed (format, mode, upstream, key) makes a conflict; the rest becomes the least field mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.quote import quoted
from replicator.commands.registry import policies, references

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.registry.config import Registry, Upstreams
    from replicator.commands.registry.mirrors import Mirror

READER = "roles/artifactregistry.reader"
_FORMATS, _MODES = {1: "DOCKER"}, {3: "REMOTE_REPOSITORY"}
_CREDENTIALS = "remoteRepositoryConfig.upstreamCredentials.usernamePasswordCredentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One mirror as the configuration wants it."""

    mirror: Mirror
    how: Upstreams
    policies: Mapping[str, Mapping[str, Any]]
    dry_run: bool
    readers: tuple[str, ...]

    @property
    def secret(self) -> str:
        """The version of the secret that it signs in with; empty if it doesn't."""
        return self.how.credentials.secret if self.how.credentials else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between a repository and the mirror that is wanted."""

    conflicts: tuple[str, ...]
    """What can't be changed: the repository is another one, and left alone."""
    differences: tuple[str, ...]
    """What a patch changes: `field: is 'found', wanted 'wanted'`."""
    mask: tuple[str, ...]
    body: Mapping[str, Any]


def wanted(registry: Registry, found: Mapping[str, Mapping[str, Any]]) -> list[Wanted]:
    """Return every mirror that a configuration wants, with its cleanup policies."""
    return [
        Wanted(
            mirror=mirror,
            how=registry.mirrors[mirror.upstream],
            policies=found,
            dry_run=registry.cleanup_dry_run,
            readers=registry.readers,
        )
        for mirror in registry.declared().mirrors
    ]


def body(want: Wanted) -> dict[str, Any]:
    """Return the repository to make."""
    upstream = want.mirror.upstream
    remote: dict[str, Any] = (
        {"dockerRepository": {"publicRepository": "DOCKER_HUB"}}
        if upstream == references.DOCKER_HUB
        else {"commonRepository": {"uri": upstream if references.repository(upstream) else f"https://{upstream}"}}
    )
    if want.how.credentials:
        remote["upstreamCredentials"] = _credentials(want)
    return {
        "format": "DOCKER",
        "mode": "REMOTE_REPOSITORY",
        "description": want.how.description or f"Pull-through mirror of {upstream}",
        "remoteRepositoryConfig": remote,
        "cleanupPolicies": dict(want.policies),
        "cleanupPolicyDryRun": want.dry_run,
        **({"labels": dict(want.how.labels)} if want.how.labels else {}),
        **({"kmsKeyName": want.how.kms_key} if want.how.kms_key else {}),
    }


def compare(found: Mapping[str, Any], want: Wanted, *, only_policies: bool = False) -> Comparison:
    """Compare a repository, as the API shows it, with what is wanted."""
    changes = list(_policies(found, want))
    if not only_policies:
        changes += _others(found, want)
    return Comparison(
        conflicts=tuple(_conflicts(found, want)),
        differences=tuple(told for _, told, _ in changes),
        mask=tuple(path for path, _, _ in changes),
        body=_nested({path: value for path, _, value in changes}),
    )


def upstream_of(found: Mapping[str, Any]) -> str:
    """Return the registry behind a repository, from any of the three spellings; empty if none can be told."""
    remote = _mapping(found.get("remoteRepositoryConfig"))
    docker = _mapping(remote.get("dockerRepository"))
    if docker.get("publicRepository") in {"DOCKER_HUB", 1}:
        return references.DOCKER_HUB
    uri = _mapping(remote.get("commonRepository")).get("uri") or _mapping(docker.get("customRepository")).get("uri")
    host = str(uri or "").removeprefix("https://").rstrip("/")
    try:
        return references.upstream(host)
    except references.BadReference:
        return host


def with_readers(policy: Mapping[str, Any], members: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the policy with members added as readers; None if all are. Conditional bindings are no whole access."""
    bindings = [dict(each) for each in policy.get("bindings", [])]
    own = next((each for each in bindings if each.get("role") == READER and not each.get("condition")), None)
    lacking = [member for member in members if member not in (own or {}).get("members", [])]
    if not lacking:
        return None
    if own is None:
        own = {"role": READER, "members": []}
        bindings.append(own)
    own["members"] = [*own["members"], *lacking]
    return {**policy, "bindings": bindings}


def _conflicts(found: Mapping[str, Any], want: Wanted) -> list[str]:
    key = want.how.kms_key
    pairs = [
        ("format", _word(found.get("format"), _FORMATS), "DOCKER"),
        ("mode", _word(found.get("mode"), _MODES), "REMOTE_REPOSITORY"),
        ("upstream", upstream_of(found), want.mirror.upstream),
        # Any key is taken where none is asked for.
        ("kmsKeyName", str(found.get("kmsKeyName", "")), key or str(found.get("kmsKeyName", ""))),
    ]
    return [_differs(name, is_now, wanted) for name, is_now, wanted in pairs if is_now != wanted]


def _policies(found: Mapping[str, Any], want: Wanted) -> list[tuple[str, str, Any]]:
    changes: list[tuple[str, str, Any]] = []
    there = _mapping(found.get("cleanupPolicies"))
    if not policies.same(there, want.policies):
        told = f"cleanupPolicies: are {_named(there)}, wanted {_named(want.policies)}"
        if sorted(there) == sorted(want.policies):
            told = f"cleanupPolicies: {_named(there)} say something else than wanted"
        changes.append(("cleanupPolicies", told, dict(want.policies)))
    if bool(found.get("cleanupPolicyDryRun")) != want.dry_run:
        told = _differs("cleanupPolicyDryRun", str(not want.dry_run).lower(), str(want.dry_run).lower())
        changes.append(("cleanupPolicyDryRun", told, want.dry_run))
    return changes


def _others(found: Mapping[str, Any], want: Wanted) -> list[tuple[str, str, Any]]:
    changes: list[tuple[str, str, Any]] = []
    text, labels = str(found.get("description", "")), _mapping(found.get("labels"))
    if want.how.description and text != want.how.description:
        changes.append(("description", _differs("description", text, want.how.description), want.how.description))
    if any(labels.get(key) != value for key, value in want.how.labels.items()):
        told = f"labels: {', '.join(sorted(key for key, value in want.how.labels.items() if labels.get(key) != value))}"
        changes.append(("labels", told, {**labels, **want.how.labels}))
    if want.how.credentials:
        config = _mapping(found.get("remoteRepositoryConfig"))
        there = _mapping(_mapping(config.get("upstreamCredentials")).get("usernamePasswordCredentials"))
        for key, value in _credentials(want)["usernamePasswordCredentials"].items():
            if there.get(key) != value:
                changes.append((f"{_CREDENTIALS}.{key}", _differs(key, str(there.get(key, "")), value), value))
    return changes


def _credentials(want: Wanted) -> dict[str, Any]:
    how = want.how.credentials
    pair = {"username": how.username, "passwordSecretVersion": how.secret} if how else {}
    return {"usernamePasswordCredentials": pair}


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        here = whole
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = value
    return whole


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any, numbers: Mapping[int, str]) -> str:
    return numbers.get(value, str(value)) if isinstance(value, int) else str(value or "").upper()


def _named(found: Mapping[str, Any]) -> str:
    return ", ".join(sorted(found)) or "none"


def _differs(name: str, found: str, wanted: str) -> str:
    return f"{name}: is {quoted(found) if found else 'empty'}, wanted {quoted(wanted)}"
