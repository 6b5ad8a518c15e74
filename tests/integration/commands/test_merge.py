"""A merge as a whole, against the emulator: what it verifies, writes and promotes, and what stops all of it.

All of it holds of a merge that signs its index as well; tests/integration/signing/ looks at the signatures.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from replicator.index import image_index
from testkit.faults import interrupt_at, refuse
from testkit.signing.release import FAMILIES, KEY, PROMOTED, Release, families, images
from testkit.tiers import few

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.action import Action, Finished


@pytest.fixture(params=few(["off", "key"], "off"), ids=lambda sign: f"sign {sign}")
def release(action: Action, tmp_path: Path, request: pytest.FixtureRequest) -> Release:
    action.emulator.delete_image("p1", "web-1")
    action.env["SIGNING_KEY"] = KEY
    return Release(action, tmp_path / "fragments", request.param)


def untouched(release: Release, done: Finished, before: int) -> None:
    """A merge is all or nothing: this is nothing."""
    assert done.result == "failed"
    assert (done.outputs["index_path"], done.outputs["index_digest"], done.index) == ("", "", b"")
    assert done.images == {}
    # Whatever kept it from being signed: nothing else is known of replicas.
    assert {row["reason"] for row in done.replicas.values()} <= {"unsigned"}
    assert len(release.action.mutations()) == before
    assert families(release) == set()


class TestWhole:
    def test_parents_that_were_listed_are_not_read_again(self, release: Release) -> None:
        release.build("web-a", "web", "X86_64", copies_per_source="1")
        release.build("web-b", "web-arm64", "ARM64", copies_per_source="1")
        reads = len(release.action.calls("get"))
        done = release.merge(dry_run="true")
        assert done.result == "planned", done.log
        assert len(release.action.calls("get")) == reads

    def test_families_move_in_the_merge_alone(self, release: Release) -> None:
        release.build_all()
        assert families(release) == set()
        before = len(release.action.emulator.journal())
        done = release.merge(required_locations="all")
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert families(release) == PROMOTED
        made = Counter(entry["method"].rpartition(".")[2] for entry in release.action.emulator.journal()[before:])
        assert made["patch"] == 6
        assert {"insert", "setIamPolicy", "setLabels", "delete"} & set(made) == set()
        # One list for the project, one policy for each image that is said to be public.
        assert (made["list"], made["getIamPolicy"]) == (1, 6)

    def test_outputs_and_index(self, release: Release) -> None:
        release.build_all()
        done = release.merge()
        assert images(done) == {
            key: {at: f"projects/p1/global/images/{name}-{at}" for at in FAMILIES.values()}
            for key, name in (("ARM64", "web-b"), ("X86_64", "web-a"))
        }
        assert json.loads(done.outputs["image_names"])["ARM64"]["eu"] == "web-b-eu"
        assert done.outputs["index_digest"] == image_index.digest(done.index)
        read = image_index.parse(done.index, Path("image-index.json"))
        assert [entry.architecture for entry in read.images] == ["ARM64", "X86_64"]
        assert done.outputs["failed_locations"] == ""
        rows = json.loads(done.outputs["replicas"])
        assert {(row["architecture"], row["variant"], row["outcome"], row["promoted"]) for row in rows} == {
            ("ARM64", "", "repaired", True),
            ("X86_64", "", "repaired", True),
        }
        (title,) = [title for level, title, _ in done.annotations if level == "notice"]
        assert "ARM64 eu" in title
        assert "ARM64 eu" in done.summary

    def test_a_rerun_changes_nothing(self, release: Release) -> None:
        release.build_all()
        first = release.merge()
        before = len(release.action.mutations())
        again = release.merge()
        assert (again.exit_code, again.result, again.index) == (0, "complete", first.index)
        assert len(release.action.mutations()) == before
        assert {row["outcome"] for row in json.loads(again.outputs["replicas"])} == {"adopted"}

    def test_variants(self, release: Release) -> None:
        for variant in ("lts", "rolling"):
            for architecture in ("X86_64", "ARM64"):
                stem = f"web-{variant}-{architecture[0].lower()}"
                release.build(stem, stem, architecture, variant=variant)
        done = release.merge(expect="X86_64/lts X86_64/rolling ARM64/lts ARM64/rolling")
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert set(images(done)) == {"ARM64/lts", "ARM64/rolling", "X86_64/lts", "X86_64/rolling"}
        assert len(families(release)) == 12

    @pytest.mark.parametrize(("inputs", "held"), [({"promote": "false"}, "promote_off"), ({"dry_run": "true"}, "")])
    def test_no_family_moves(self, release: Release, inputs: dict[str, str], held: str) -> None:
        release.build_all()
        before = len(release.action.mutations())
        done = release.merge(**inputs)
        assert done.exit_code == 0
        assert bool(done.index) == bool(held)
        assert {row["reason"] for row in json.loads(done.outputs["replicas"])} == {held}
        assert len(release.action.mutations()) == before
        assert families(release) == set()

    def test_the_source_may_serve_its_home(self, release: Release) -> None:
        release.build("web-a", "web", "X86_64", home_copy="auto")
        release.build("web-b", "web-arm64", "ARM64", home_copy="auto")
        done = release.merge()
        assert (done.exit_code, done.result) == (0, "complete"), done.log
        assert images(done)["X86_64"]["us"] == "projects/p1/global/images/web-a"
        sources = {"projects/p1/global/images/web-a", "projects/p1/global/images/web-b"}
        assert not sources & {entry["target"] for entry in release.action.mutations()}

    def test_a_family_never_goes_back(self, release: Release) -> None:
        """Rule 7, for each image by itself: a release that is merged late leaves a newer one its families."""
        add = release.action.emulator.add_image
        add(project="p1", name="web-a", family="web", public=True, created=100)
        add(project="p1", name="web-b", family="web-arm64", architecture="ARM64", public=True, created=100)
        newer = add(project="p1", name="newer", created=200)
        head = add(
            project="p1",
            name="newer-eu",
            family="web-eu",
            location="eu",
            created=300,
            source_image="projects/p1/global/images/newer",
            source_image_id=newer["id"],
        )
        release.build_all()
        done = release.merge()
        assert (done.exit_code, done.result) == (0, "complete")
        rows = json.loads(done.outputs["replicas"])
        held = {(row["architecture"], row["location"]): row["reason"] for row in rows if row["reason"]}
        assert held == {("X86_64", "eu"): "family_is_newer"}
        assert families(release) == PROMOTED
        assert not release.action.image("web-a-eu").get("family")
        assert head["family"] == "web-eu"


class TestLeftOut:
    def test_a_location_that_one_lacks(self, release: Release) -> None:
        release.action.emulator.faults([refuse("web-b-asia")])
        release.build_all()
        done = release.merge()
        assert (done.exit_code, done.result, done.outputs["failed_locations"]) == (0, "partial", "asia")
        assert {at for found in images(done).values() for at in found} == {"eu", "us"}
        assert families(release) == {family for family in PROMOTED if not family.endswith("asia")}
        (warning,) = [message for level, _, message in done.annotations if level == "warning"]
        assert "ARM64" in warning
        assert "asia" in warning
        read = image_index.parse(done.index, Path("image-index.json"))
        assert {tuple(entry.wanted_locations) for entry in read.images} == {("asia", "eu", "us")}

    def test_it_comes_when_it_is_there(self, release: Release) -> None:
        release.action.emulator.faults([{**refuse("web-b-asia"), "times": 1}])
        release.build_all()
        release.merge()
        release.build_all()
        done = release.merge()
        assert (done.exit_code, done.result) == (0, "complete")
        assert families(release) == PROMOTED

    @pytest.mark.parametrize("required", ["asia", "all"])
    def test_required(self, release: Release, required: str) -> None:
        release.action.emulator.faults([refuse("web-b-asia")])
        release.build_all()
        before = len(release.action.mutations())
        done = release.merge(required_locations=required)
        assert done.exit_code == 1
        untouched(release, done, before)
        assert "asia is required and not served by ARM64" in done.outputs["reason"]


def drop(release: Release) -> None:
    release.action.emulator.delete_image("p1", "web-b-eu")


def replace_image(release: Release) -> None:
    drop(release)
    release.action.emulator.add_image(project="p1", name="web-b-eu", location="eu", architecture="ARM64", public=True)


def drop_source(release: Release) -> None:
    release.action.emulator.delete_image("p1", "web-b")


def replace_source(release: Release) -> None:
    drop_source(release)
    release.action.emulator.add_image(project="p1", name="web-b", architecture="ARM64", public=True)


def close(release: Release) -> None:
    drop(release)
    release.build("web-b", "web-arm64", "ARM64", access="private")
    release.edit("ARM64", lambda image: image["locations"]["eu"].update(public=True))


def swap(release: Release) -> None:
    """The fragment of one architecture says that it is the other's, and the other way round."""
    release.edit("X86_64", lambda image: image.update(architecture="ARM64"))
    release.edit("ARM64", lambda image: image.update(architecture="X86_64"))


def forge_lineage(release: Release) -> None:
    """An image that was never copied from the source stands in the fragment with its own, right data."""
    made = release.action.emulator.add_image(
        project="p1", name="stranger", location="eu", disk_size_gb=10, architecture="ARM64", public=True
    )
    release.edit(
        "ARM64",
        lambda image: image["locations"]["eu"].update(
            name="stranger",
            uri="projects/p1/global/images/stranger",
            id=made["id"],
            source_image_id="",
            disk_size_gb="10",
            labels={},
        ),
    )


WRONG: dict[str, tuple[Callable[[Release], None], str]] = {
    "a replica is gone": (drop, "web-b-eu does not exist"),
    "a replica is another image": (replace_image, "web-b-eu is not as the fragment says (id: wanted"),
    "a source is gone": (drop_source, "its source projects/p1/global/images/web-b"),
    "a source is another image": (replace_source, "its source projects/p1/global/images/web-b"),
    "a replica is not public": (close, "access: wanted public, found private"),
    "architectures are swapped": (swap, "architecture: wanted ARM64, found X86_64"),
    "a replica is of another source": (forge_lineage, "can't be proven to come from projects/p1/global/images/web-b"),
}


class TestHeldAgainstTheLiveImages:
    @pytest.mark.parametrize("case", WRONG)
    def test_nothing_happens(self, release: Release, case: str) -> None:
        change, says = WRONG[case]
        release.build_all()
        change(release)
        before = len(release.action.mutations())
        done = release.merge()
        assert done.exit_code == 1, done.log
        untouched(release, done, before)
        assert says in done.outputs["reason"]
        assert "image-index-ARM64-/image-index.json" in done.outputs["reason"]
        assert any(level == "error" and says in message for level, _, message in done.annotations)

    @pytest.mark.parametrize("method", ["list", "getIamPolicy"])
    def test_what_may_not_be_read_is_not_wrong(self, release: Release, method: str) -> None:
        release.build_all()
        release.action.emulator.faults([refuse("", method=method)])
        before = len(release.action.mutations())
        done = release.merge()
        assert done.exit_code == 3, done.log
        untouched(release, done, before)

    def test_nobody_answers(self, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
        release.build_all()
        monkeypatch.setattr("replicator.compute.lookup.PATIENCE", 0.0)
        release.action.emulator.faults([{"times": None, "action": {"kind": "drop", "how": "close"}}])
        before = len(release.action.mutations())
        done = release.merge()
        assert done.exit_code == 3, done.log
        untouched(release, done, before)


class TestFragmentsFolder:
    @pytest.mark.parametrize(
        ("spoil", "code", "says"),
        [
            (lambda path: path.unlink(), 1, "ARM64 is missing"),
            (lambda path: path.write_bytes(b""), 1, "isn't an index of ours"),
            (lambda path: path.write_bytes(b"\xff{}"), 1, "is not UTF-8"),
            (lambda path: (path.unlink(), path.mkdir()), 1, "ARM64 is missing"),
            (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), 1, "lies outside"),
            (lambda path: (path.parent / "stray.json").write_text("{}"), 1, "stray.json' isn't an index of ours"),
            (lambda path: (path.parent / "copy.json").write_bytes(path.read_bytes()), 1, "ARM64 is held 2 times"),
        ],
        ids=["missing", "empty", "no text", "a folder", "a link", "a stray file", "a copy"],
    )
    def test_nothing_happens(self, release: Release, spoil: Callable[[Path], object], code: int, says: str) -> None:
        release.build_all()
        spoil(release.fragments / "image-index-ARM64-" / "image-index.json")
        before = len(release.action.emulator.journal())
        mutations = len(release.action.mutations())
        done = release.merge()
        assert done.exit_code == code
        untouched(release, done, mutations)
        assert says in done.outputs["reason"], done.outputs["reason"]
        assert len(release.action.emulator.journal()) == before

    def test_no_folder(self, release: Release) -> None:
        """What actions/download-artifact leaves where no build kept a fragment."""
        done = release.merge()
        assert (done.exit_code, done.result) == (2, "failed")
        assert "fragments: " in done.outputs["reason"]
        assert "check that the builds uploaded their fragments" in done.outputs["reason"]

    @pytest.mark.parametrize(
        ("make", "says"),
        [
            (lambda path: path.write_text("{}"), "isn't a folder"),
            (lambda path: path.symlink_to(path), "can't be read (Too many levels"),
            (
                lambda path: [path.mkdir(), *((path / f"{n}.json").touch() for n in range(201))],
                "more than 200 files *.json",
            ),
        ],
        ids=["a file", "a link to itself", "too many files"],
    )
    def test_what_is_no_folder_of_fragments(self, release: Release, make: Callable[[Path], object], says: str) -> None:
        make(release.fragments)
        done = release.merge()
        assert (done.exit_code, release.action.calls()) == (2, [])
        assert says in done.outputs["reason"], done.outputs["reason"]

    def test_it_lies_in_the_workspace(self, release: Release, tmp_path: Path) -> None:
        release.build_all()
        (tmp_path / "checkout").mkdir()
        release.action.env["GITHUB_WORKSPACE"] = str(tmp_path / "checkout")
        done = release.merge()
        assert done.exit_code == 2
        assert "lies outside" in done.outputs["reason"]

    def test_nowhere_to_write_to(self, release: Release) -> None:
        release.build_all()
        before = len(release.action.mutations())
        release.action.env["RUNNER_TEMP"] = str(release.fragments / "missing")
        done = release.merge()
        assert done.exit_code == 3
        untouched(release, done, before)


class TestInTheMiddle:
    def test_a_family_that_can_not_be_moved(self, release: Release) -> None:
        """Promotion itself may fail: the rest goes on, it is said, and a rerun completes it."""
        release.build_all()
        release.action.emulator.faults([{**refuse("web-b-eu", method="patch"), "times": 1}])
        done = release.merge(required_locations="eu")
        assert (done.exit_code, done.result, done.outputs["failed_locations"]) == (1, "failed", "eu")
        assert "ARM64 eu (forbidden)" in done.outputs["reason"]
        assert families(release) == PROMOTED - {"web-arm64-eu"}
        again = release.merge(required_locations="eu")
        assert (again.exit_code, again.result, again.index) == (0, "complete", done.index)
        assert families(release) == PROMOTED

    @pytest.mark.parametrize("number", few([1, 2, 5, 8, 11, 14, 17, 20], 1, 8, 20))
    def test_a_signal(self, release: Release, number: int) -> None:
        """After so many calls: results are written, no family moved before the index was, and a rerun converges."""
        release.build_all()
        before = len(release.action.emulator.journal())
        release.action.emulator.faults([{"times": None, "action": {"kind": "delay", "seconds": 0.1}}])
        interrupt_at(lambda: len(release.action.emulator.journal()) >= before + number, signal.SIGTERM)
        done = release.merge()
        release.action.emulator.faults([])
        assert (done.exit_code, done.result) == (143, "failed")
        assert bool(done.index) == bool(done.outputs["index_path"])
        assert done.index or not families(release)
        if done.index:
            rows = json.loads(done.outputs["replicas"])
            assert {row["reason"] for row in rows if not row["promoted"]} <= {"signal"}
        again = release.merge()
        assert (again.exit_code, again.result) == (0, "complete"), again.log
        assert not done.index or again.index == done.index
        assert families(release) == PROMOTED
