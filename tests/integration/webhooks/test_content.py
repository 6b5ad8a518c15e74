"""What the holder of a webhook's secret may announce: each attack on the content has its own reason, nothing is published."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import running
from replicator.commands.webhooks import event
from replicator.commands.webhooks.receiver.verification import PAUSES
from replicator.index import image_index, provenance
from testkit.signing import world
from testkit.webhooks.inside import KEYLESS, NOW, Inside
from testkit.webhooks.sending import announced
from testkit.webhooks.signed import PUBLIC, event_about, index

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emulator.testing import Running

TAG_2 = {"GITHUB_REF": "refs/tags/v2", "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/release.yml@refs/tags/v2"}


@pytest.fixture
def hook(tmp_path: Path) -> dict[str, Any]:
    """One that believes the tests' own key."""
    (tmp_path / "own.pub").write_bytes(PUBLIC)
    return {"policy": {"key": str(tmp_path / "own.pub")}}


@pytest.fixture
def inside(tmp_path: Path, hook: dict[str, Any]) -> Inside:
    return Inside(tmp_path, hook)


def changed(document: dict[str, Any], **data: Any) -> dict[str, Any]:
    """The same event with other data."""
    return {**document, "data": {**document["data"], **data}}


def without_images() -> list[dict[str, Any]]:
    return list(event_about(index())["data"]["images"][:1])


def linked(document: dict[str, Any]) -> dict[str, Any]:
    return changed(document, index={**document["data"]["index"], "content": None, "url": "https://evil.example/x"})


NEWER = {**index(), "schema": 2}


def statement(material: object) -> bytes:
    """A statement about the index, in which this stands for the commit."""
    read = json.loads(provenance.statement(index(), {}))
    read["predicate"]["buildDefinition"]["resolvedDependencies"][:0] = [material] if material else []
    return json.dumps(read).encode()


ATTACKS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "another repository's statement": (
        "repository",
        lambda: event_about(index(), workflow={"GITHUB_REPOSITORY": "o/x"}),
    ),
    "a look-alike repository": ("repository", lambda: event_about(index(), workflow={"GITHUB_REPOSITORY": "o/r-evil"})),
    "another server's statement": (
        "repository",
        lambda: event_about(index(), workflow={"GITHUB_SERVER_URL": "https://github.example"}),
    ),
    "another repository is announced": (
        "repository",
        lambda: event_about(index(), repository={"server_url": "https://github.com", "name": "o/x"}),
    ),
    "a statement about no repository": ("repository", lambda: event_about(index(), statement=statement(None))),
    "a statement about a commit that has no address": (
        "statement",
        lambda: event_about(index(), statement=statement({"digest": {"gitCommit": "d" * 40}})),
    ),
    "a statement in which a commit is none": ("statement", lambda: event_about(index(), statement=statement("d" * 40))),
    "a signed index of another version": ("signature", lambda: event_about(NEWER, images=without_images())),
    "such a one with a statement of another builder": (
        "statement",
        lambda: event_about(
            NEWER,
            images=without_images(),
            statement=provenance.statement(NEWER, world.workflow()).replace(provenance.BUILD_TYPE.encode(), b"x"),
        ),
    ),
    "another commit is announced": ("statement", lambda: event_about(index(), commit="d" * 40)),
    "no commit is announced": ("statement", lambda: event_about(index(), commit="")),
    "another version is announced": ("statement", lambda: event_about(index(), version="v9")),
    "other images are announced": ("statement", lambda: event_about(index(), images=without_images())),
    "a statement about another index": (
        "signature",
        lambda: changed(event_about(index()), attestation=event_about(index(2))["data"]["attestation"]),
    ),
    "a signature over another index": (
        "signature",
        lambda: changed(event_about(index()), bundle=event_about(index(2))["data"]["bundle"]),
    ),
    "bundle and statement are exchanged": (
        "signature",
        lambda: changed(
            event_about(index()),
            bundle=event_about(index())["data"]["attestation"],
            attestation=event_about(index())["data"]["bundle"],
        ),
    ),
    "no statement": ("signature", lambda: changed(event_about(index()), attestation=None)),
    "no signature": ("signature", lambda: changed(event_about(index()), bundle=None)),
    "another key's": ("signature", announced),
    "an address instead of content": ("digest", lambda: linked(event_about(index()))),
    "another digest": (
        "digest",
        lambda: changed(
            event_about(index()), index={**event_about(index())["data"]["index"], "digest": f"sha256:{'0' * 64}"}
        ),
    ),
}

#: What is told of some, beside the reason.
SAID = {
    "another repository's statement": "the signed statement is about https://github.com/o/x",
    "a look-alike repository": "the signed statement is about https://github.com/o/r-evil",
    "another repository is announced": "https://github.com/o/x is announced, which isn't this hook's repository",
    "a statement about no repository": "the signed statement is about no repository",
    "a statement about a commit that has no address": "doesn't say at which address its repository is",
    "a statement in which a commit is none": "a statement without what it must have",
    "a signed index of another version": "'image-index.json' isn't an index of ours: schema: ",
    "such a one with a statement of another builder": "'image-index.json' isn't an index of ours: schema: ",
    "a statement about another index": "The statement in 'attestation' is not about this file",
    "a signature over another index": "'bundle' signs a file of sha256:",
    "bundle and statement are exchanged": "'bundle' signs a statement about a file, but was given as bundle",
    "another commit is announced": "another commit is announced than the signed statement names",
    "another version is announced": "another version is announced than the signed statement names",
    "other images are announced": "other images are announced than the index holds",
    "no statement": "index, bundle and attestation are all needed",
    "an address instead of content": "announce with content: auto",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_with_its_reason(
    attack: str, inside: Inside, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", "attacks on what is announced")
    reason, make = ATTACKS[attack]
    row = inside.settled(make())
    assert (row["status"], row["reason"], row["signed_by"], row["command"]) == ("failed", reason, "", ""), row
    assert SAID.get(attack, "") in row["message"]
    assert row["message"]
    # The right one is published all the same.
    assert inside.settled(event_about(index()), name="msg_right")["status"] == "published"


def test_the_architectures_that_are_expected(tmp_path: Path, hook: dict[str, Any]) -> None:
    row = Inside(tmp_path, {**hook, "expect": ["X86_64"]}).settled(event_about(index()))
    assert (row["status"], row["reason"]) == ("failed", "unexpected")
    assert row["message"] == "the index holds ARM64, X86_64; expected are X86_64"


def test_more_architectures_are_expected_than_there_are(tmp_path: Path, hook: dict[str, Any]) -> None:
    inside = Inside(tmp_path, {**hook, "expect": ["X86_64", "ARM64"]})
    row = inside.settled(event_about({**index(), "images": index()["images"][:1]}))
    assert (row["status"], row["reason"]) == ("failed", "unexpected")
    assert row["message"] == "the index holds ARM64; expected are X86_64, ARM64"


def test_the_statement_of_a_branch_names_no_version(inside: Inside) -> None:
    branch = {
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/release.yml@refs/heads/main",
    }
    assert inside.settled(event_about(index(), workflow=branch, version="v9"))["status"] == "published"


def test_all_architectures_that_are_expected(tmp_path: Path, hook: dict[str, Any]) -> None:
    """In whatever order, and each however often."""
    inside = Inside(tmp_path, {**hook, "expect": ["X86_64", "ARM64", "X86_64"]})
    assert inside.settled(event_about(index()))["status"] == "published"


def test_capitals_make_no_other_repository(tmp_path: Path, hook: dict[str, Any]) -> None:
    inside = Inside(tmp_path, {**hook, "repository": "https://GitHub.com/O/R"})
    assert inside.settled(event_about(index()))["status"] == "published"


class TestOneVersion:
    def test_a_repair_adds_locations(self, inside: Inside) -> None:
        first = inside.settled(event_about(index(2)))
        later = inside.settled(event_about(index(3)))
        assert (later["status"], later["amends"]) == ("published", first["id"])
        # An old one that was signed before the repair is known already.
        assert inside.send(event_about(index(2)))[0] == 200

    @pytest.mark.parametrize(
        "contradicting", [index(2), index(3, id="99"), {**index(3), "images": index(3)["images"][:1]}, index(1)],
        ids=["gone", "another source", "an architecture less", "shrunk"],
    )  # fmt: skip
    def test_anything_else_is_a_conflict(self, contradicting: dict[str, Any], inside: Inside) -> None:
        first = inside.settled(event_about(index(3)))
        status, answer = inside.send(event_about(contradicting))
        assert (status, answer["status"], answer["reason"].partition(":")[0]) == (409, "error", "conflict")
        inside.work()
        row = inside.row(answer["publication_id"])
        assert (row["status"], row["reason"]) == ("failed", "conflict")
        assert inside.row(first["id"]) == first
        # Again, and by hand: it stays one.
        assert inside.send(event_about(contradicting))[0] == 409
        assert inside.store.retry(row["id"], inside.now)
        inside.work()
        assert inside.row(row["id"])["reason"] == "conflict"

    def test_one_that_waits_is_told_when_it_is_verified(self, inside: Inside) -> None:
        sent = [inside.send(event_about(each)) for each in (index(3), index(2))]
        assert [status for status, _ in sent] == [202, 202]
        inside.work()
        rows = [inside.row(answer["publication_id"]) for _, answer in sent]
        assert [(row["status"], row["reason"]) for row in rows] == [("published", ""), ("failed", "conflict")]

    def test_another_version_is_its_own(self, inside: Inside) -> None:
        assert inside.settled(event_about(index(3)))["status"] == "published"
        assert inside.settled(event_about(index(2), workflow=TAG_2, version="v2"))["status"] == "published"

    def test_none_is_a_default(self, inside: Inside) -> None:
        """A record says that a version was verified. Which one serves is the family's affair alone, and stays so."""
        newer = inside.settled(event_about(index(3), workflow=TAG_2, version="v2"))
        inside.now += 60
        older = inside.settled(event_about(index(2)))
        assert (older["status"], older["amends"]) == ("published", "")
        assert inside.row(newer["id"]) == newer
        # Neither a mark to move, nor an order that another version could take the head of.
        columns = {
            "id",
            "hook",
            "digest",
            "repository",
            "version",
            "status",
            "reason",
            "message",
            "signed_by",
            "signed_at",
        }
        columns |= {"amends", "received_at", "attempts", "command", "command_exit_code", "command_output", "events"}
        assert {*newer} == columns
        assert [row["id"] for row in inside.store.publications()] == [newer["id"], older["id"]]


class TestKeyless:
    """By the bundles of a Sigstore on loopback that are kept."""

    @pytest.mark.parametrize(
        ("name", "reason"), [("ours", ""), ("evil", "identity"), ("query", "identity"), ("stranger", "identity"), ("issuer", "identity"), ("key", "signature"), ("late", "signature")]
    )  # fmt: skip
    def test_who_signed(self, name: str, reason: str, tmp_path: Path) -> None:
        inside = Inside(tmp_path, {"policy": KEYLESS, "trusted_root": str(world.KEPT / "trusted_root.json")})
        files = {"bundle": f"{name}.sigstore.json", "attestation": f"{name}.intoto.sigstore.json"}
        made = {
            part: event.file(part, (world.KEPT / file).read_bytes(), inline=True, release_url="")
            for part, file in files.items()
        }
        row = inside.settled(announced(**made))
        assert (row["status"], row["reason"]) == ("failed" if reason else "published", reason), row
        assert (row["signed_by"], bool(row["signed_at"])) == ("" if reason else world.OURS, not reason)

    def test_another_sigstores_root(self, tmp_path: Path) -> None:
        inside = Inside(tmp_path, {"policy": KEYLESS, "trusted_root": str(world.KEPT / "foreign_root.json")})
        made = {
            part: event.file(part, (world.KEPT / f"ours.{kind}").read_bytes(), inline=True, release_url="")
            for part, kind in (("bundle", "sigstore.json"), ("attestation", "intoto.sigstore.json"))
        }
        assert inside.settled(announced(**made))["reason"] == "signature"

    def test_no_root_is_the_receivers_own_trouble(self, tmp_path: Path) -> None:
        inside = Inside(tmp_path, {"policy": KEYLESS, "trusted_root": str(tmp_path / "none")})
        made = {
            part: event.file(part, (world.KEPT / f"ours.{kind}").read_bytes(), inline=True, release_url="")
            for part, kind in (("bundle", "sigstore.json"), ("attestation", "intoto.sigstore.json"))
        }
        row = inside.settled(announced(**made))
        assert (row["status"], row["reason"]) == ("verifying", "unreachable")


class TestImages:
    """Held against Compute Engine, here the emulator."""

    @staticmethod
    def receiver(folder: Path, hook: dict[str, Any], url: str) -> Inside:
        env = {"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
        return Inside(folder, {**hook, "images": "verify"}, {"compute_endpoint": url}, env)

    @staticmethod
    def live(compute: Running) -> dict[str, Any]:
        """An index of one image that is there, at home alone."""
        image = compute.add_image(project="p1", name="web-1", location="us", disk_size_gb=20, public=True)
        named = {"project": "p1", "name": "web-1", "id": str(image["id"]), "uri": "projects/p1/global/images/web-1"}
        document = index(1)
        (entry, _) = document["images"]
        entry["architecture"] = "X86_64"
        entry["source"] |= named
        entry["locations"]["us"] |= {
            **named,
            "source_image_id": "",
            "copied_from": None,
            "family": None,
            "labels": {},
        }
        return {**document, "images": [entry]}

    def test_right_drifted_and_missing(self, tmp_path: Path, hook: dict[str, Any]) -> None:
        with running() as compute:
            inside = self.receiver(tmp_path, hook, compute.url)
            right = self.live(compute)
            row = inside.settled(event_about(right))
            assert (row["status"], row["message"]) == ("published", ""), row
            drifted = copy.deepcopy(right)
            drifted["images"][0]["locations"]["us"]["disk_size_gb"] = "30"
            gone = copy.deepcopy(right)
            gone["images"][0]["locations"]["us"] |= {"name": "web-2", "uri": "projects/p1/global/images/web-2"}
            for wanted, document in (("drifted", drifted), ("missing", gone)):
                row = inside.settled(event_about(document, workflow=TAG_2, version="v2"))
                assert (row["status"], row["reason"], row["message"]) == ("failed", wanted, f"us {wanted}")

    def test_unreachable_waits_and_then_fails(self, tmp_path: Path, hook: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
        monkeypatch.setattr("replicator.commands.webhooks.receiver.verification._SECONDS", 0.2)
        inside = self.receiver(tmp_path, hook, "http://127.0.0.1:1")
        row = inside.settled(event_about(index()))
        for pause in PAUSES:
            assert (row["status"], row["reason"]) == ("verifying", "unreachable")
            inside.now += pause - 1
            inside.work()
            assert inside.row(row["id"]) == row
            inside.now += 2
            inside.work()
            row = inside.row(row["id"])
        assert (row["status"], row["reason"]) == ("failed", "unreachable")
        assert inside.now - NOW > 4800


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1, "images": []}', '"' + "[" * 5000], ids=range(4))
def test_what_is_no_index_crashes_nothing(text: str, inside: Inside) -> None:
    """Beside a version that is published, it is looked at before anything is verified."""
    assert inside.settled(event_about(index()))["status"] == "published"
    made = event_about(index())
    held = {**made["data"]["index"], "content": text, "digest": f"sha256:{'1' * 64}"}
    row = inside.settled(changed(made, index=held), name="msg_other")
    assert (row["status"], row["reason"]) == ("failed", "digest")


def test_an_index_that_is_signed_and_unreadable(inside: Inside) -> None:
    document = {**index(), "schema": 2}
    made = event_about(index())
    data = image_index.to_bytes(document)
    made["data"]["index"] = event.file("index", data, inline=True, release_url="")
    assert inside.settled(made)["reason"] == "signature"


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", ["bundle", "attestation"])
@pytest.mark.parametrize("kind", ["key", "ours"])
def test_each_part_of_a_bundle(
    kind: str, part: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Left out or changed: nothing is published unless nothing depends on that part."""
    from testkit.signing.mutated import HINTS, mutants

    keyless = {"policy": KEYLESS, "trusted_root": str(world.KEPT / "trusted_root.json")}
    suffix = {"bundle": "sigstore.json", "attestation": "intoto.sigstore.json"}
    whole = json.loads((world.KEPT / f"{kind}.{suffix[part]}").read_text("utf-8"))
    files = {
        name: event.file(name, (world.KEPT / f"{kind}.{end}").read_bytes(), inline=True, release_url="")
        for name, end in suffix.items()
    }
    inside, held = None, 0
    for held, (at, mutant) in enumerate(mutants(whole), 1):
        if inside is None:
            (tmp_path / str(held)).mkdir()
            inside = Inside(tmp_path / str(held), keyless if kind == "ours" else {})
        made = event.file(part, json.dumps(mutant).encode(), inline=True, release_url="")
        # The same index again and again: it is verified each time until it is published.
        row = inside.settled(announced(**{**files, part: made}), name=f"msg_{held}")
        assert row["status"] == "failed" or HINTS.search(at), (at, row)
        assert row["reason"] in {"", "signature", "identity", "statement"}, (at, row)
        if row["status"] == "published":
            inside.store.close()
            inside = None
    record_property("counted", ("announced bundles with one part changed", held))
