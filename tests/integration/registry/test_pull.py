"""`registry check --pull`: mirrors and upstreams at their real names, on loopback, with whatever can be wrong with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from google.oauth2.credentials import Credentials

from emulator.testing import Running, running
from testkit.listening import listening
from testkit.registry.images import NOBODYS, TOKEN, Images, Mirror
from testkit.registry.mirroring import SHORT, Registry
from testkit.registry.network import Network, Reply, network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.action import Finished

IMAGE = "ghcr.io/org/app:v1"


@dataclass
class World:
    """ghcr.io with one image, and its mirrors in us and europe."""

    registry: Registry
    ghcr: Images
    us: Mirror
    europe: Mirror
    here: Network
    digest: str

    def check(self, *references: str) -> Finished:
        return self.registry("check", pull=" ".join(references or (IMAGE,)), **SHORT)

    @property
    def emulator(self) -> Running:
        return self.registry.emulator


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    ghcr = Images("ghcr.io")
    us, europe = (
        Mirror(f"{place}-docker.pkg.dev", below="p1/ghcr-mirror", upstream=ghcr) for place in ("us", "europe")
    )
    sites = {each.host: each for each in (ghcr, us, europe)}
    with running(scenario={"repository_seconds": 0}) as emulator, network(tmp_path, sites) as here:
        for name, value in here.env.items():
            monkeypatch.setenv(name, value)
        registry = Registry(emulator, tmp_path)
        assert registry("ensure", **SHORT).exit_code == 0
        yield World(registry, ghcr, us, europe, here, ghcr.push("org/app", "v1", b'{"v": 1}'))
        assert here.refused == []


def pulls(done: Finished) -> dict[str, dict[str, Any]]:
    return {row["location"]: row for row in json.loads(done.outputs["pulls"])}


def signed_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run have an identity, which alone may read the mirrors."""
    world.registry.action.env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
    credentials = Credentials(token=TOKEN)  # type: ignore[no-untyped-call]
    monkeypatch.setattr(google.auth, "default", lambda **_: (credentials, None))
    world.us.readers = world.europe.readers = frozenset({TOKEN})


@pytest.mark.parametrize("reference", [IMAGE, "ghcr.io/org/app@{digest}", "ghcr.io/org/app:other@{digest}"])
@pytest.mark.parametrize("says_digest", [True, False])
def test_every_mirror_serves_what_the_upstream_has(world: World, reference: str, says_digest: bool) -> None:
    world.us.says_digest = world.ghcr.says_digest = says_digest
    before = world.registry.mutations()
    done = world.check(reference.format(digest=world.digest))
    assert (done.exit_code, done.result) == (0, "complete"), done.log
    for location, row in pulls(done).items():
        assert (row["state"], row["digest"], row["upstream_digest"]) == ("same", world.digest, world.digest)
        assert row["image"].startswith(f"{location}-docker.pkg.dev/p1/ghcr-mirror/org/app")
        assert 0 <= row["seconds"] < 60
    assert "2 of 2 images were served" in done.outputs["reason"]
    assert world.registry.mutations() == before
    assert done.summary.count("| same | The mirror serves sha256") == 2


def test_the_token_of_this_identity_goes_to_mirrors_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(world, monkeypatch)
    netrc = world.registry.folder / "netrc"
    netrc.write_text("machine ghcr.io login me password s3cret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    assert world.check().exit_code == 0
    sent = {(each.host, each.headers.get("authorization", "")) for each in world.here.asked}
    assert sent == {
        ("us-docker.pkg.dev", f"Bearer {TOKEN}"),
        ("europe-docker.pkg.dev", f"Bearer {TOKEN}"),
        ("ghcr.io", ""),
        ("ghcr.io", f"Bearer {NOBODYS}"),
    }
    assert {each.method for each in world.here.asked} == {"HEAD", "GET"}


def test_a_reader_that_lacks_is_told_with_the_remedy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(world, monkeypatch)
    world.europe.readers = frozenset({"another"})
    done = world.check()
    assert (done.exit_code, done.result) == (1, "failed")
    assert {place: row["state"] for place, row in pulls(done).items()} == {"us": "same", "europe": "denied"}
    assert "Add those who pull to `readers`, and run `registry ensure`" in done.log
    assert ("error", "europe-docker.pkg.dev/p1/ghcr-mirror/org/app%3Av1") in [each[:2] for each in done.annotations]


def test_nobody_is_denied_where_the_mirror_is_not_public(world: World) -> None:
    world.us.readers = frozenset()
    assert {place: row["state"] for place, row in pulls(world.check()).items()} == {"us": "denied", "europe": "same"}


def test_a_token_is_asked_for_at_an_encrypted_place_only(world: World) -> None:
    with listening(200, '{"token": "x"}') as (port, heard):
        world.us.realm = f"http://127.0.0.1:{port}/token"
        assert pulls(world.check())["us"]["state"] == "denied"
        assert heard == []
    for realm in ("file:///etc/passwd", "https://[", "https://", "nonsense"):
        world.us.realm = realm
        assert pulls(world.check())["us"]["state"] == "denied"
    for realm in (f"https://{'a' * 70}.example/", "https://a..b/", "https://unknown.example/token"):
        world.us.realm = realm
        assert pulls(world.check())["us"]["state"] == "unreachable"
    world.here.refused.clear()
    assert not [path for path in world.here.paths("us-docker.pkg.dev") if path.startswith("/token")]
    (asked, *_) = [path for path in world.here.paths("europe-docker.pkg.dev") if path.startswith("/token")]
    scope = "repository%3Ap1%2Fghcr-mirror%2Forg%2Fapp%3Apull"
    assert asked == f"/token?service=europe-docker.pkg.dev&scope={scope}"


STATES: dict[str, tuple[dict[str, Any], str, int, str]] = {
    "not there at all": ({"image": "ghcr.io/org/none:v1"}, "not_upstream", 1, "It is not at ghcr.io either."),
    "not through the mirror": ({"below": "p1/else"}, "not_served", 1, "The mirror doesn't serve it, and ghcr.io does."),
    "the tag moved": ({"moved": True}, "differs", 1, "the tag was moved, and the mirror keeps what it fetched"),
    "a mirror that lies": ({"lies": True}, "differs", 1, "Don't use it: something on the way changes what is pulled"),
    "gone upstream": ({"gone": True}, "served", 0, "ghcr.io has it no longer, or shows it to nobody"),
    "private": ({"private": True}, "served", 0, "ghcr.io shows it to nobody without a sign-in, so it was not compared"),
    "private, not served": (
        {"private": True, "below": "p1/else"}, "not_served", 1, "If it is private, give the mirror `credentials`"
    ),
    "an upstream out of order": ({"out": True}, "served", 0, "ghcr.io gave no answer (HTTP 503)"),
    "a mirror out of order": ({"mirror": [Reply(503)] * 3}, "unreachable", 4, "us-docker.pkg.dev answered HTTP 503"),
    "a mirror out of order for a moment": ({"mirror": [Reply(503), Reply(429)]}, "same", 0, "as ghcr.io does"),
    "a mirror that leads elsewhere": (
        {"mirror": [Reply(302, headers={"Location": "https://ghcr.io/x"})]}, "unreachable", 4, "answered HTTP 302"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_each_state_has_its_words_and_its_exit_code(world: World, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, state, code, says = STATES[case]
    signed_in(world, monkeypatch)
    image = given.get("image", IMAGE)
    world.us.below = given.get("below", world.us.below)
    world.us.broken = list(given.get("mirror", []))
    if given.get("moved") or given.get("gone"):
        assert world.check().exit_code == 0
    if given.get("moved"):
        world.ghcr.push("org/app", "v1", b"{}")
        world.europe.manifests.clear()
    if given.get("gone"):
        world.ghcr.manifests.clear()
    if given.get("private"):
        world.ghcr.readers = frozenset()
    if given.get("out"):
        world.ghcr.broken = [Reply(503)] * 10
    if given.get("lies"):
        image = f"ghcr.io/org/app@{world.digest}"
        world.us.manifests["org/app", world.digest] = b"other"
    done = world.check(image)
    row = pulls(done)["us"]
    assert (row["state"], done.exit_code) == (state, code), done.log
    assert says in row["message"]
    assert says in done.log.replace("%3A", ":")


@pytest.mark.parametrize(
    ("attached", "told"),
    [
        ("sha256-….sig", "its signature (the tag sha256-….sig)"),
        ("sha256-…", "its referrers' tag"),
        ("referrers", "referrers (signatures and attestations)"),
    ],
)
def test_signatures_that_a_mirror_lacks_are_a_notice(world: World, attached: str, told: str) -> None:
    if attached == "referrers":
        world.ghcr.referring[world.digest] = ["sha256:" + "ab" * 32]
    else:
        world.ghcr.push("org/app", attached.replace("sha256-…", world.digest.replace(":", "-")))
    world.us.blind = frozenset({"referrers", ".sig", world.digest.replace(":", "-")})
    done = world.check()
    rows = pulls(done)
    assert (done.exit_code, rows["us"]["lacks"], rows["europe"]["lacks"]) == (0, [told], [])
    (notice,) = [message for level, _, message in done.annotations if level == "notice" and "lacks" in message]
    assert notice == f"The mirror lacks {told}, which ghcr.io has: verify there."


def test_an_upstream_in_artifact_registry_is_asked_as_this_identity(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(world, monkeypatch)
    config = world.registry.write(
        "project: p1\nlocations: [europe]\nmirrors: {projects/p1/locations/us/repositories/own: {repository: m}}\n"
    )
    assert world.registry("ensure", config=config).exit_code == 0
    digest = world.us.push("app", "v1", b'{"own": 1}')
    world.us.below, world.us.upstream = "p1/own", None
    world.europe.below, world.europe.upstream = "p1/m", world.us
    world.europe.manifests["app", "v1"] = b'{"own": 1}'
    done = world.registry("check", config=config, pull="us-docker.pkg.dev/p1/own/app:v1")
    (row,) = pulls(done).values()
    assert (done.exit_code, row["state"], row["digest"]) == (0, "same", digest), done.log
    assert row["image"] == "europe-docker.pkg.dev/p1/m/app:v1"
    assert {each.headers["authorization"] for each in world.here.asked} == {f"Bearer {TOKEN}"}


def test_what_is_not_mirrored_is_told_before_any_call(world: World) -> None:
    calls = len(world.emulator.journal())
    done = world.check("quay.io/a/b", "https://ghcr.io/a", "us-docker.pkg.dev/p1/ghcr-mirror/org/app", "ubuntu")
    assert done.exit_code == 2
    for text in ("quay.io/a/b", "us-docker.pkg.dev/p1/ghcr-mirror/org/app", "ubuntu"):
        assert f"'{text}' isn't at an upstream of a mirror: the configuration mirrors ghcr.io" in done.log
    assert "leave out the scheme" in done.log
    assert (len(world.emulator.journal()), world.here.asked) == (calls, [])


def test_a_mirror_that_is_not_right_is_not_asked(world: World) -> None:
    europe = {"method": "artifactregistry.repositories.get", "match": "/europe/"}
    missing = {"kind": "http", "code": 404, "reason": "notFound", "message": "no"}
    world.emulator.faults([{**europe, "times": None, "action": missing}])
    done = world.check()
    assert (done.exit_code, list(pulls(done))) == (1, ["us"])
    assert world.here.paths("europe-docker.pkg.dev") == []


def test_a_host_that_can_not_be_reached_is_unreachable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    done = world.check()
    assert (done.exit_code, {row["state"] for row in pulls(done).values()}) == (4, {"unreachable"})
    assert "the proxy http://127.0.0.1:9" in done.log
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    (row, _) = pulls(world.check()).values()
    assert "REQUESTS_CA_BUNDLE names no file" in row["message"]
    assert "Correct REQUESTS_CA_BUNDLE, or unset it" in row["message"]
