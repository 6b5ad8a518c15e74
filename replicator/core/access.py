"""Computes who may use a replica and which IAM members its policy still lacks. Members are only ever added."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from replicator.core.images import Binding, Policy
from replicator.core.replicas import Access

if TYPE_CHECKING:
    from collections.abc import Iterable


#: The role that lets members create disks and instances from an image.
READER_ROLE = "roles/compute.imageUser"

#: The member that makes an image public; Compute Engine refuses `allUsers` on images.
EVERYBODY = "allAuthenticatedUsers"

#: Begins members whose account was deleted: a policy that names one can be read, and can't be written.
_DELETED = "deleted:"


def readers(access: Access, source_policy: Policy | None) -> tuple[Binding, ...]:
    """Return the bindings that every replica must have: the source's own readers, everybody, or nobody."""
    if access is Access.PUBLIC:
        return (Binding(READER_ROLE, frozenset({EVERYBODY})),)
    if access is Access.PRIVATE or source_policy is None:
        return ()
    return _living(_merged(binding for binding in source_policy.bindings if binding.role == READER_ROLE))


def other_roles(policy: Policy) -> tuple[Binding, ...]:
    """The bindings of other roles than the readers': replicas don't get them."""
    return _living(_merged(binding for binding in policy.bindings if binding.role != READER_ROLE))


def deleted_members(policy: Policy) -> tuple[str, ...]:
    """The readers and others that the policy names although their account was deleted."""
    members = {member for binding in policy.bindings for member in binding.members}
    return tuple(sorted(member for member in members if member.startswith(_DELETED)))


def found(policy: Policy | None) -> str:
    """Return `public` if everybody signed in to Google may use the image without a condition, else `private`.

    Empty if the policy is not known.
    """
    if policy is None:
        return ""
    everybody = any(
        binding.role == READER_ROLE and not binding.condition and EVERYBODY in binding.members
        for binding in policy.bindings
    )
    return "public" if everybody else "private"


def missing(policy: Policy, wanted: Iterable[Binding]) -> tuple[Binding, ...]:
    """Return the wanted members that the policy lacks, as bindings."""
    present = {(binding.role, binding.condition): binding.members for binding in _merged(policy.bindings)}
    lacking = (
        Binding(
            binding.role,
            binding.members - present.get((binding.role, binding.condition), frozenset()),
            binding.condition,
        )
        for binding in wanted
    )
    return tuple(binding for binding in lacking if binding.members)


def beyond(policy: Policy, wanted: Iterable[Binding]) -> tuple[Binding, ...]:
    """Return the readers that the policy has beyond the wanted ones. They are reported, never removed."""
    asked = Policy(tuple(wanted))
    return missing(asked, _living(binding for binding in policy.bindings if binding.role == READER_ROLE))


def with_added(policy: Policy, wanted: Iterable[Binding]) -> Policy:
    """The policy with the wanted bindings added and everything else that can be written, the etag too, as it was."""
    return Policy(_living(_merged((*policy.bindings, *wanted))), policy.etag)


def describe(bindings: Iterable[Binding], *, roles: bool = False) -> str:
    """The members for people, with the title of the condition that they are bound by, and their roles if asked."""
    listed = [
        member
        + (f" by {binding.role}" if roles else "")
        + (f" (if {json.loads(binding.condition).get('title', 'a condition holds')})" if binding.condition else "")
        for binding in bindings
        for member in sorted(binding.members)
    ]
    return ", ".join(listed) or "nobody"


def _living(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Without the members whose account was deleted, and without bindings that name nobody else."""
    living = (
        Binding(
            binding.role,
            frozenset(member for member in binding.members if not member.startswith(_DELETED)),
            binding.condition,
        )
        for binding in bindings
    )
    return tuple(binding for binding in living if binding.members)


def _merged(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    members: dict[tuple[str, str], frozenset[str]] = {}
    for binding in bindings:
        key = (binding.role, binding.condition)
        members[key] = members.get(key, frozenset()) | binding.members
    return tuple(Binding(role, found, condition) for (role, condition), found in members.items())
