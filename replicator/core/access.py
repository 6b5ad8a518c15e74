"""Who may use an image: the arithmetic of its own policy. Members are only ever added."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from replicator.core.images import Binding, Policy
from replicator.core.replicas import Access

if TYPE_CHECKING:
    from collections.abc import Iterable


#: The role that lets members create disks and instances from an image.
READER_ROLE = "roles/compute.imageUser"

#: What "public" is for an image; Compute Engine refuses `allUsers` on images.
EVERYBODY = "allAuthenticatedUsers"


def readers(access: Access, source_policy: Policy | None) -> tuple[Binding, ...]:
    """The bindings that every replica must have: the source's own readers, everybody, or nobody."""
    if access is Access.PUBLIC:
        return (Binding(READER_ROLE, frozenset({EVERYBODY})),)
    if access is Access.PRIVATE or source_policy is None:
        return ()
    return _merged(binding for binding in source_policy.bindings if binding.role == READER_ROLE)


def found(policy: Policy | None) -> str:
    """`public` where everybody who is signed in to Google may use the image without a condition, else `private`.

    Nothing where the policy is not known.
    """
    if policy is None:
        return ""
    everybody = any(
        binding.role == READER_ROLE and not binding.condition and EVERYBODY in binding.members
        for binding in policy.bindings
    )
    return "public" if everybody else "private"


def missing(policy: Policy, wanted: Iterable[Binding]) -> tuple[Binding, ...]:
    """The part of the wanted bindings that the policy lacks."""
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
    """The readers that the policy has beside the wanted ones: reported, never removed."""
    asked = Policy(tuple(wanted))
    return missing(asked, (binding for binding in policy.bindings if binding.role == READER_ROLE))


def with_added(policy: Policy, wanted: Iterable[Binding]) -> Policy:
    """The policy with the wanted bindings added and everything else, the etag too, as it was."""
    return Policy(_merged((*policy.bindings, *wanted)), policy.etag)


def describe(bindings: Iterable[Binding]) -> str:
    """The members for people, with the title of the condition that they are bound by."""
    listed = [
        member
        + (f" (if {json.loads(binding.condition).get('title', 'a condition holds')})" if binding.condition else "")
        for binding in bindings
        for member in sorted(binding.members)
    ]
    return ", ".join(listed) or "nobody"


def _merged(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    members: dict[tuple[str, str], frozenset[str]] = {}
    for binding in bindings:
        key = (binding.role, binding.condition)
        members[key] = members.get(key, frozenset()) | binding.members
    return tuple(Binding(role, found, condition) for (role, condition), found in members.items())
