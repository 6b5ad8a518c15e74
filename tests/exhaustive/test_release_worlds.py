"""`merge` and `verify` in releases of two architectures to which something happened, judged by an oracle of the rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from emulator.testing import Running, running
from replicator.commands.merge import run as merge
from replicator.commands.verify import run as verify
from testkit.action import Action, Finished
from testkit.pairs import release_oracle as oracle
from testkit.pairs.case import is_change
from testkit.pairs.events import EVENTS, Event, happening
from testkit.pairs.history import recorded
from testkit.pairs.releases import HEADS, OF_SOURCE, SINCE, STEMS, Release
from testkit.swarm import Swarm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SWARM = Swarm(3)
AT_LENGTH = Swarm(40)
EACH = list(Release().each())


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """One for all: each release begins with nothing."""
    with running(copy_seconds=0.005, wait_seconds=0.05) as emulator:
        yield emulator


class Deployment:
    """A release, and what is done with it."""

    def __init__(self, emulator: Running, folder: Path, release: Release) -> None:
        self.emulator, self.release, self.folder = emulator, release, folder
        self.act = Action(emulator, folder)
        self.said = release.build(emulator)
        self.fragments = folder / "fragments"
        for architecture, document in self.said.items():
            (self.fragments / architecture).mkdir(parents=True)
            (self.fragments / architecture / "image-index.json").write_bytes(_bytes(document))
        both = {"schema": 1, "images": [self.said[key]["images"][0] for key in sorted(self.said)]}
        (folder / "both.json").write_bytes(_bytes(both))

    def verified(self, *, refuse_deprecated: bool = False, promoted: bool = False) -> None:
        """What `verify` finds is what the rules say, and it changes nothing."""
        number = len(self.emulator.journal())
        index = {"index": str(self.folder / "both.json"), "refuse_deprecated": str(refuse_deprecated).lower()}
        done = self.act.carry_out(verify.run, index)
        found = {
            (finding["architecture"], finding["location"]): finding["state"]
            for finding in json.loads(done.outputs["findings"])
        }
        wanted = oracle.states(self.release, refuse_deprecated=refuse_deprecated, promoted=promoted)
        assert found == wanted
        assert done.exit_code == (1 if set(wanted.values()) != {"correct"} else 0)
        assert not [call for call in self.emulator.journal()[number:] if is_change(call)]

    def merged(self, happens: Sequence[Event] = ()) -> tuple[Finished, oracle.Merged]:
        number = len(self.emulator.journal())
        begun = self.emulator.state()["images"]
        with recorded(self.emulator) as history, pytest.MonkeyPatch.context() as patch:
            history.deeds.clear()
            happening(patch, history, self.release, happens)
            given = {"fragments": str(self.fragments), "expect": "X86_64, ARM64", "sign": "off"}
            asked = {"required_locations": self.release.required, "promote": str(self.release.promote).lower()}
            done = self.act.carry_out(merge.run, {**given, **asked})
            ended = self.emulator.state()["images"]
            deeds = list(history.deeds)
        rows = json.loads(done.outputs["replicas"])
        return done, oracle.Merged(
            release=self.release,
            said={
                (architecture, at): served
                for architecture, document in self.said.items()
                for at, served in document["images"][0]["locations"].items()
            },
            begun=begun,
            ended=ended,
            deeds=deeds,
            calls=self.emulator.journal()[number:],
            exit_code=done.exit_code,
            index=json.loads(done.index) if done.index else None,
            rows={(row["architecture"], row["location"]): row for row in rows},
            calm=not happens,
        )


def _bytes(document: Any) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def judged(emulator: Running, folder: Path, release: Release) -> None:
    """Before the merge, the merge, after it, and a second one that changes nothing."""
    there = Deployment(emulator, folder, release)
    there.verified()
    there.verified(refuse_deprecated=True)
    done, case = there.merged()
    assert oracle.broken(case) == [], done.log
    if done.exit_code == 0:
        moves = release.promote and "deprecated" not in release.sources.values()
        if moves and "newer" not in release.heads.values():
            there.verified(promoted=True)
        again, case = there.merged()
        assert oracle.broken(case) == []
        assert not [call for call in case.calls if is_change(call)]
        assert again.index == done.index


@pytest.mark.parametrize("became", SINCE)
def test_whatever_became_of_a_replica(emulator: Running, tmp_path: Path, became: str) -> None:
    """Each thing once, in another location for each, with something harmless in one of the other architecture."""
    number = list(SINCE).index(became)
    since = {EACH[number % len(EACH)]: became, EACH[(number + 4) % len(EACH)]: "more labels"}
    judged(emulator, tmp_path, Release(since=since))


@pytest.mark.parametrize("architecture", STEMS)
@pytest.mark.parametrize("became", OF_SOURCE)
@pytest.mark.parametrize(("since", "home"), [("nothing", True), ("other keys", True), ("more labels", False)])
def test_whatever_became_of_a_source(
    emulator: Running, tmp_path: Path, became: str, architecture: str, since: str, home: bool
) -> None:
    release = Release(sources={architecture: became}, since={(architecture, "asia"): since}, home=home)
    judged(emulator, tmp_path, release)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("key", EACH)
@pytest.mark.parametrize("required", ["", "all"])
def test_whatever_leads_a_family(
    emulator: Running, tmp_path: Path, head: str, key: tuple[str, str], required: str
) -> None:
    judged(emulator, tmp_path, Release(heads={key: head}, required=required))


@st.composite
def drawn(draw: st.DrawFn) -> Release:
    harmless = [became for became, (_, verdict) in SINCE.items() if verdict == "right"]
    kinds = draw(st.sampled_from([sorted(SINCE), harmless, harmless]))
    return Release(
        since=draw(st.dictionaries(st.sampled_from(EACH), st.sampled_from(kinds), max_size=3)),
        sources=draw(
            st.dictionaries(
                st.sampled_from(sorted(STEMS)), st.sampled_from(["nothing", *sorted(OF_SOURCE)]), max_size=2
            )
        ),
        heads=draw(st.dictionaries(st.sampled_from(EACH), st.sampled_from(sorted(HEADS)), max_size=2)),
        required=draw(st.sampled_from(["", "all", "eu"])),
        promote=draw(st.sampled_from([True, True, True, False])),
        home=draw(st.booleans()),
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    return Event(
        what=draw(st.sampled_from(sorted(EVENTS))),
        location=draw(st.sampled_from([f"{architecture} {at}" for architecture, at in EACH] + ["source"])),
        before=draw(st.sampled_from(["get", "getIamPolicy", "getFromFamily", "list", "patch"])),
        skip=draw(st.sampled_from([0, 0, 1])),
        times=draw(st.sampled_from([1, 1, 2])),
    )


@SWARM
@given(release=drawn(), happens=st.lists(events(), max_size=2))
def test_no_rule_is_broken(
    emulator: Running, tmp_path_factory: pytest.TempPathFactory, release: Release, happens: list[Event]
) -> None:
    SWARM.note()
    no_rule_is_broken(emulator, tmp_path_factory.mktemp("release"), release, happens)


@pytest.mark.exhaustive
@AT_LENGTH
@given(release=drawn(), happens=st.lists(events(), max_size=2))
def test_no_rule_is_broken_at_length(
    emulator: Running, tmp_path_factory: pytest.TempPathFactory, release: Release, happens: list[Event]
) -> None:
    AT_LENGTH.note()
    no_rule_is_broken(emulator, tmp_path_factory.mktemp("release"), release, happens)


def no_rule_is_broken(emulator: Running, folder: Path, release: Release, happens: list[Event]) -> None:
    if not happens:
        judged(emulator, folder, release)
        return
    done, case = Deployment(emulator, folder, release).merged(happens)
    note(done.log)
    assert oracle.broken(case) == []
