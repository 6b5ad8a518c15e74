from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replicator.core import access
from replicator.core.images import Binding, Policy
from replicator.core.replicas import Access
from testkit.make import PUBLIC, READER

EVERYBODY = frozenset({"allAuthenticatedUsers"})
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
    assert access.readers(Access.SOURCE, None) == ()
    assert access.describe((conditional,)) == "user:a@x (if a condition holds)"


def test_which_readers_are_wanted() -> None:
    """The names are Compute Engine's own."""
    everybody = (Binding("roles/compute.imageUser", frozenset({"allAuthenticatedUsers"})),)
    assert access.readers(Access.PUBLIC, None) == access.readers(Access.PUBLIC, Policy()) == everybody
    assert access.readers(Access.PRIVATE, None) == access.readers(Access.PRIVATE, PUBLIC) == ()
    assert access.readers(Access.SOURCE, Policy()) == ()


def test_members_of_one_role_become_one_binding() -> None:
    """Where they are bound by one condition, or none; a policy of another order says the same."""
    until = '{"expression": "x", "title": "t"}'
    source = Policy(
        (
            Binding(READER, frozenset({"user:a@x"})),
            Binding(READER, frozenset({"user:b@x"}), until),
            Binding("roles/owner", frozenset({"user:o@x"})),
            Binding(READER, frozenset({"user:c@x", "user:a@x"})),
            Binding(READER, frozenset({"user:d@x"}), until),
            Binding("roles/owner", frozenset({"user:p@x"})),
        )
    )
    assert access.readers(Access.SOURCE, source) == (
        Binding(READER, frozenset({"user:a@x", "user:c@x"})),
        Binding(READER, frozenset({"user:b@x", "user:d@x"}), until),
    )
    assert access.other_roles(source) == (Binding("roles/owner", frozenset({"user:o@x", "user:p@x"})),)


def test_who_is_missing() -> None:
    """Only a member with that very role, under that very condition, is there already."""
    until = '{"expression": "x", "title": "t"}'
    wanted = Binding(READER, frozenset({"user:a@x", "user:b@x"}))
    policy = Policy((Binding(READER, frozenset({"user:a@x"})), Binding(READER, frozenset({"user:c@x"}))))
    assert access.missing(policy, [wanted]) == (Binding(READER, frozenset({"user:b@x"})),)
    assert access.missing(Policy((wanted,)), [wanted, Binding(READER, frozenset({"user:c@x"}))]) == (
        Binding(READER, frozenset({"user:c@x"})),
    )
    for other in (Binding("roles/owner", wanted.members), Binding(READER, wanted.members, until)):
        assert access.missing(Policy((other,)), [wanted]) == (wanted,)
        assert access.missing(Policy((wanted,)), [other]) == (other,)
        assert access.missing(Policy((wanted, other)), [other, wanted]) == ()
        assert access.with_added(Policy((other,), "e"), [wanted]) == Policy((other, wanted), "e")


def test_who_is_beyond() -> None:
    """Readers alone: other roles are nobody's concern here."""
    policy = Policy(
        (
            Binding("roles/owner", frozenset({"user:o@x"})),
            Binding(READER, frozenset({"user:a@x", "user:b@x", "deleted:user:c@x?uid=1"})),
        )
    )
    assert access.beyond(policy, [Binding(READER, frozenset({"user:a@x"}))]) == (
        Binding(READER, frozenset({"user:b@x"})),
    )
    assert access.beyond(policy, iter(policy.bindings)) == ()


GONE = "deleted:serviceAccount:ci@p.iam.gserviceaccount.com?uid=1"


def test_deleted_accounts_are_left_out_and_told() -> None:
    """A policy that names one can be read, and can't be written."""
    mixed = Policy(
        (Binding(READER, frozenset({"group:b@x", GONE})), Binding("roles/owner", frozenset({f"deleted:user:{GONE}"})))
    )
    (reader,) = access.readers(Access.SOURCE, mixed)
    assert reader.members == {"group:b@x"}
    assert access.readers(Access.SOURCE, Policy((Binding(READER, frozenset({GONE})),))) == ()
    assert access.deleted_members(mixed) == (GONE, f"deleted:user:{GONE}")
    written = access.with_added(mixed, PUBLIC.bindings)
    assert {member for binding in written.bindings for member in binding.members} == {"group:b@x", *EVERYBODY}
    assert access.beyond(Policy((Binding(READER, frozenset({GONE})),)), ()) == ()


def test_other_roles() -> None:
    policy = Policy((*PUBLIC.bindings, Binding("roles/compute.viewer", EVERYBODY, '{"title": "t"}')))
    (other,) = access.other_roles(policy)
    assert access.describe((other,), roles=True) == "allAuthenticatedUsers by roles/compute.viewer (if t)"
    assert access.other_roles(PUBLIC) == ()


def test_found() -> None:
    everybody = frozenset({"allAuthenticatedUsers"})
    assert access.found(PUBLIC) == "public"
    assert access.found(None) == ""
    assert access.found(Policy()) == "private"
    assert access.found(Policy((Binding(READER, everybody, '{"expression": "x"}'),))) == "private"
    assert access.found(Policy((Binding("roles/viewer", everybody),))) == "private"
    assert access.found(Policy((Binding(READER, frozenset({"user:a@x"})),))) == "private"
    # One binding that opens it is enough, whatever stands beside it.
    beside = (Binding(READER, everybody, '{"expression": "x"}'), Binding("roles/viewer", everybody))
    assert access.found(Policy((*beside, *PUBLIC.bindings))) == "public"


def test_describe() -> None:
    assert access.describe(()) == "nobody"
    conditional = Binding(READER, frozenset({"user:b@x"}), '{"expression": "x", "title": "until June"}')
    assert access.describe((*PUBLIC.bindings, conditional)) == "allAuthenticatedUsers, user:b@x (if until June)"
    untitled = Binding("roles/owner", frozenset({"user:b@x", "group:a@x"}), '{"expression": "x"}')
    assert access.describe((*PUBLIC.bindings, untitled), roles=True) == (
        "allAuthenticatedUsers by roles/compute.imageUser, group:a@x by roles/owner (if a condition holds), "
        "user:b@x by roles/owner (if a condition holds)"
    )
