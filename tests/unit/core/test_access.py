from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replicator.core import access
from replicator.core.images import Binding, Policy
from replicator.core.replicas import Access
from testkit.make import PUBLIC, READER

members = st.frozensets(st.sampled_from(["allAuthenticatedUsers", "user:a@x", "group:b@x"]), min_size=1)
bindings = st.builds(
    Binding,
    st.sampled_from([READER, "roles/owner"]),
    members,
    st.sampled_from(["", '{"expression": "x", "title": "t"}']),
)
policies = st.builds(Policy, st.lists(bindings, max_size=4).map(tuple), st.just("etag"))


@given(policies, policies)
def test_adding_adds_and_takes_nothing(policy: Policy, source: Policy) -> None:
    wanted = access.readers(Access.SOURCE, source)
    after = access.with_added(policy, wanted)
    assert access.missing(after, wanted) == ()
    assert access.missing(after, policy.bindings) == ()
    assert after.etag == policy.etag
    everything = access.with_added(Policy(policy.bindings), wanted)
    assert access.missing(everything, after.bindings) == ()
    assert access.with_added(after, wanted) == after


@given(policies, policies)
def test_missing_and_beyond(policy: Policy, source: Policy) -> None:
    wanted = access.readers(Access.SOURCE, source)
    assert all(binding.role == READER for binding in (*wanted, *access.beyond(policy, wanted)))
    assert not access.beyond(Policy(wanted), wanted)
    if not access.missing(policy, wanted):
        assert access.with_added(policy, wanted).bindings == access.with_added(policy, ()).bindings


def test_modes() -> None:
    conditional = Binding(READER, frozenset({"user:a@x"}), '{"expression": "x"}')
    source = Policy((conditional, Binding("roles/owner", frozenset({"user:o@x"}))))
    assert access.readers(Access.SOURCE, source) == (conditional,)
    assert access.readers(Access.PUBLIC, source) == PUBLIC.bindings
    assert access.readers(Access.PRIVATE, source) == ()


def test_found() -> None:
    everybody = frozenset({"allAuthenticatedUsers"})
    assert access.found(PUBLIC) == "public"
    assert access.found(None) == ""
    assert access.found(Policy()) == "private"
    assert access.found(Policy((Binding(READER, everybody, '{"expression": "x"}'),))) == "private"
    assert access.found(Policy((Binding("roles/viewer", everybody),))) == "private"


def test_describe() -> None:
    assert access.describe(()) == "nobody"
    conditional = Binding(READER, frozenset({"user:b@x"}), '{"expression": "x", "title": "until June"}')
    assert access.describe((*PUBLIC.bindings, conditional)) == "allAuthenticatedUsers, user:b@x (if until June)"
