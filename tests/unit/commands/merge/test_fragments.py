"""The table of merges: every subset and mutation of fragments, for two and three architectures; and its bytes."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.commands.merge.fragments import ALL, Key, Merged, NotOne
from replicator.index import image_index
from testkit.fragments import EVERYWHERE, REVISION, Document, attempt, fragment, merged_bytes, read
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from replicator.index.image_index import BadIndex, Index

SCHEMA = json.loads((ROOT / "schemas" / "image-index.schema.json").read_text(encoding="utf-8"))
#: The third is one that Compute Engine does not have yet.
ARCHITECTURES = ("ARM64", "X86_64", "RISCV64")


@dataclass(frozen=True, kw_only=True)
class State:
    """What may have become of one build's fragment, and what a person must be told of it."""

    change: Callable[[Document], object] = lambda _: None
    text: str | None = None
    """Instead of the document."""
    files: int = 1
    says: tuple[str, ...] = ()
    """Problems, each naming THIS architecture, or its fragment."""
    known: bool = True
    """Whether it is one of the expected images."""
    serves: tuple[str, ...] = EVERYWHERE
    revision: str = "c1"
    """Of a document that can be read."""
    shares: str = ""
    """What it would share with others in this state."""


def entry(change: Callable[[dict[str, Any]], object]) -> Callable[[Document], object]:
    return lambda document: change(document["images"][0])


def only(*locations: str) -> State:
    def change(image: dict[str, Any]) -> None:
        image["locations"] = {at: image["locations"][at] for at in locations}

    return State(change=entry(change), serves=locations)


def move(**fields: str) -> Callable[[Document], object]:
    """Another image, or family, in eu."""
    return entry(lambda image: image["locations"]["eu"].update(fields))


GONE = "THIS is missing"
UNREADABLE: dict[str, Any] = {"says": (GONE, "'THIS.json' isn't an index of ours"), "known": False, "revision": ""}
STATES = {
    "right": State(),
    "missing": State(files=0, says=(GONE,), known=False, revision=""),
    "no bytes": State(text="", **UNREADABLE),
    "no JSON": State(text="<html>", **UNREADABLE),
    "another schema": State(change=lambda document: document.update(schema=2), **UNREADABLE),
    "no images": State(change=lambda document: document.update(images=[]), **UNREADABLE),
    "an unknown key": State(change=lambda document: document.update(made_at="now"), **UNREADABLE),
    "no id": State(change=move(id=""), **UNREADABLE),
    "twice": State(files=2, says=("THIS is held 2 times, by 'THIS.json' and 'THIS2.json'",)),
    "another architecture": State(
        change=entry(lambda image: image.update(architecture="OTHER")),
        says=(GONE, "'THIS.json' holds OTHER"),
        known=False,
    ),
    "no architecture": State(
        change=entry(lambda image: image.update(architecture="ARCHITECTURE_UNSPECIFIED")),
        says=(GONE, "'THIS.json' holds ARCHITECTURE_UNSPECIFIED.*image_architecture"),
        known=False,
    ),
    "another variant": State(
        change=entry(lambda image: image.update(variant="odd")), says=(GONE, "'THIS.json' holds THIS/odd"), known=False
    ),
    "no locations": State(
        change=entry(lambda image: image.update(locations={})), says=("THIS .*serves no location",), serves=()
    ),
    "another revision": State(
        change=entry(lambda image: image.update(revision={**REVISION, "commit": "c2"})), revision="c2"
    ),
    "no revision": State(change=entry(lambda image: image.update(revision=None)), revision="none"),
    "a common family": State(change=move(family="web-eu"), shares="the family web-eu in p1"),
    "a common image": State(
        change=move(name="web-eu", uri="projects/p1/global/images/web-eu"),
        shares="the image projects/p1/global/images/web-eu",
    ),
    "without asia": only("eu", "us"),
    "without eu": only("asia", "us"),
    "asia alone": only("asia"),
}
REQUIRED: tuple[tuple[str, ...], ...] = ((), ("eu",), (ALL,))


def fragments(architecture: str, state: State) -> dict[str, Index | BadIndex]:
    document = fragment(architecture)
    state.change(document)
    names = [f"{architecture}.json", f"{architecture}2.json"][: state.files]
    return {name: read(json.dumps(document) if state.text is None else state.text, name) for name in names}


def expected_problems(case: Mapping[str, State], required: tuple[str, ...]) -> Iterator[str]:
    """The table, read: what each state says, and what they say together."""
    for architecture, state in case.items():
        yield from (text.replace("THIS", architecture) for text in state.says)
    if len({state.revision for state in case.values() if state.revision}) > 1:
        yield "different revisions"
    for shared in sorted({state.shares for state in case.values() if state.shares}):
        holders = sorted(architecture for architecture, state in case.items() if state.shares == shared)
        if len(holders) > 1:
            yield rf"{'.* and '.join(holders) if len(holders) == 2 else '.*'.join(holders)}.* share {shared}"
    known = {architecture: state for architecture, state in case.items() if state.known}
    for location in EVERYWHERE if required == (ALL,) and known else [at for at in required if at != ALL]:
        lacking = sorted(name for name, state in known.items() if state.serves and location not in state.serves)
        if lacking:
            yield rf"{location} is required and not served by {'.*'.join(lacking)}"


def check(case: Mapping[str, State], required: tuple[str, ...], found: Mapping[str, Index | BadIndex]) -> None:
    """All of it as the table says, or nothing at all."""
    problems = list(expected_problems(case, required))
    common = set(EVERYWHERE).intersection(*(state.serves for state in case.values()))
    if not problems and not common:
        problems = ["no location is served by each of"]
    outcome = attempt(found, [Key(architecture) for architecture in case], required)
    if problems:
        assert isinstance(outcome, NotOne), problems
        unmatched = [text for text in problems if not any(re.search(text, said) for said in outcome.problems)]
        assert not unmatched, (unmatched, outcome.problems)
        assert len(outcome.problems) == len(problems), outcome.problems
        return
    assert isinstance(outcome, Merged), outcome
    assert [str(part.key) for part in outcome.parts] == sorted(case)
    for part in outcome.parts:
        assert set(part.entry.locations) == common
        assert part.entry.wanted_locations == list(EVERYWHERE)
    left_out = {item.location: [str(key) for key in item.lacking] for item in outcome.left_out}
    assert left_out == {
        at: sorted(name for name, state in case.items() if at not in state.serves)
        for at in EVERYWHERE
        if at not in common
    }


def document(architecture: str, change: Callable[[Document], object] = lambda _: None, **more: Any) -> str:
    made = fragment(architecture, **more)
    change(made)
    return json.dumps(made)


def of_revision(**fields: str) -> Callable[[Document], object]:
    return entry(lambda image: image.update(revision={**REVISION, **fields}))


ARM, X86 = document("ARM64"), document("X86_64")
#: One that nobody expects, and that is not everywhere.
ODD = document("RISCV64", variant="odd", locations=("us",))
NO_REVISION = document("ARM64", entry(lambda image: image.update(revision=None)))
C1, C2 = (f"commit {commit} of refs/tags/v1 in acme/images" for commit in ("c1", "c2"))
ONE_RUN = "take all of them from one run, with one `revision`"
OWN = "give each image its own families and names, for instance with the architecture in them"


@pytest.mark.parametrize(
    ("texts", "required", "problems"),
    [
        (
            {"a": "{", "x": X86},
            (),
            [
                ("'a' isn't an index of ours: the file: Invalid JSON: EOF while parsing an object at line 1 column 1; a "
                "fragment is the image-index.json that a build's run wrote, unchanged"),
                "ARM64 is missing, no fragment holds it: look at the build that makes it; its index belongs here too",
            ],
        ),
        (
            {"a": ARM, "r": ODD, "s": ODD, "x": X86},
            ("eu",),
            [
                f"'{name}' holds RISCV64/odd, but what is expected is ARM64 and X86_64; take it out of the folder, or "
                "add it to expect"
                for name in ("r", "s")
            ],
        ),
        (
            {"a": ARM, "r": document("ARCHITECTURE_UNSPECIFIED"), "x": X86},
            (),
            [
                ("'r' holds ARCHITECTURE_UNSPECIFIED, but what is expected is ARM64 and X86_64; its source does not say "
                "its architecture: build it with one (Packer: image_architecture)")
            ],
        ),
        (
            {"a": document("ARM64", locations=()), "x": X86},
            (),
            [
                "ARM64 ('a') serves no location: look at that build's run, which replicated nothing, and repeat it",
            ],
        ),
        (
            {"a": ARM, "b": ARM, "c": ARM, "x": X86},
            (),
            ["ARM64 is held 3 times, by 'a', 'b' and 'c': keep one, or tell the images apart by their variant"],
        ),
        (
            {"a": document("ARM64", lambda made: made.update(images=made["images"] * 2)), "x": X86},
            (),
            ["ARM64 is held 2 times, by 'a' and 'a': keep one, or tell the images apart by their variant"],
        ),
        (
            {"a": document("ARM64", of_revision(commit="c2")), "x": X86},
            (),
            [f"the fragments say different revisions (X86_64 ('x'): {C1}; ARM64 ('a'): {C2}): {ONE_RUN}"],
        ),
        (
            {"a": NO_REVISION, "x": X86},
            (),
            [f"the fragments say different revisions (X86_64 ('x'): {C1}; ARM64 ('a'): nothing): {ONE_RUN}"],
        ),
        (
            {"z": document("ARM64", move(family="web-eu")), "b": document("X86_64", move(family="web-eu"))},
            (),
            [f"ARM64 ('z') and X86_64 ('b') share the family web-eu in p1: {OWN}"],
        ),
        (
            {"a": document("ARM64", locations=("us",)), "x": document("X86_64", locations=("us", "asia"))},
            ("eu", "asia"),
            [
                "asia is required and not served by ARM64 ('a'): repeat that build's run, then merge again",
                "eu is required and not served by ARM64 ('a') and X86_64 ('x'): repeat that build's run, then merge again",
            ],
        ),
        (
            {"a": document("ARM64", locations=("us",)), "x": document("X86_64", locations=("asia",))},
            (),
            [
                "no location is served by each of ARM64 ('a') and X86_64 ('x'): replicate all of them to at least one",
            ],
        ),
    ],
    ids=["unreadable", "unexpected", "unspecified", "nowhere", "thrice", "twice in one", "another commit", "no commit", "a family",
         "required", "nothing in common"],
)  # fmt: skip
def test_what_people_are_told(texts: Mapping[str, str], required: tuple[str, ...], problems: list[str]) -> None:
    for order in (sorted(texts), sorted(texts, reverse=True)):
        outcome = attempt({name: read(texts[name], name) for name in order}, [Key("X86_64"), Key("ARM64")], required)
        assert isinstance(outcome, NotOne)
        assert outcome.problems == problems
        assert str(outcome) == "; ".join(problems)


@pytest.mark.parametrize("field", REVISION)
def test_a_revision_is_one_in_all_its_parts(field: str) -> None:
    texts = (document("ARM64", of_revision(**{field: "other"})), X86)
    outcome = attempt({str(number): read(text) for number, text in enumerate(texts)}, [Key("ARM64"), Key("X86_64")])
    assert isinstance(outcome, NotOne)
    assert len(outcome.problems) == 1
    assert "different revisions" in outcome.problems[0]


@pytest.mark.parametrize(
    ("fields", "shared"),
    [
        ({"family": "web"}, "the family web in p1"),
        ({"name": "web", "uri": "projects/p1/global/images/web"}, "the image projects/p1/global/images/web"),
    ],
)
def test_sources_share_nothing_either(fields: dict[str, str], shared: str) -> None:
    """A build that sets the family itself moves it for all."""
    change = entry(lambda image: image["source"].update(fields))
    found = {name: read(document(name, change)) for name in ("ARM64", "X86_64")}
    outcome = attempt(found, [*map(Key, found)])
    assert isinstance(outcome, NotOne)
    assert [shared in problem for problem in outcome.problems] == [True]


def without_families(image: dict[str, Any]) -> None:
    for place in (image["source"], *image["locations"].values()):
        place["family"] = None


def test_images_without_families_share_none() -> None:
    keys = [Key(architecture, variant) for architecture in ("ARM64", "X86_64") for variant in ("lts", "rolling")]
    found = {
        str(key): read(document(key.architecture, entry(without_families), variant=key.variant)) for key in keys
    }  # fmt: skip
    merged = attempt(found, keys)
    assert isinstance(merged, Merged)
    assert [part.key for part in merged.parts] == keys


def test_what_is_said_of_a_location_left_out() -> None:
    names = ["ARM64", "RISCV64", "X86_64"]
    found = {name: read(document(name, locations=("us",) if name != "X86_64" else EVERYWHERE)) for name in names}
    merged = attempt(found, [*map(Key, names)])
    assert isinstance(merged, Merged)
    assert [str(item) for item in merged.left_out] == [
        f"{location} is left out of the index, because no image of ARM64 and RISCV64 is there: repeat that build's "
        "replication, then merge again"
        for location in ("asia", "eu")
    ]


def test_which_locations_are_required() -> None:
    found = {"ARM64": read(document("ARM64", locations=("us", "eu"))), "X86_64": read(X86)}
    merged = attempt(found, [*map(Key, found)])
    assert isinstance(merged, Merged)
    assert merged.required((ALL,)) == merged.required(("eu", ALL)) == {"us", "eu"}
    assert merged.required(("eu",)) == {"eu"}
    assert not merged.required(())


def test_variants_merge_alike_and_keep_their_own_locations() -> None:
    keys = [Key("X86_64", "lts"), Key("ARM64", "lts"), Key("X86_64", "rolling"), Key("ARM64", "rolling")]
    where = {keys[1]: ("us", "eu")}
    found = {
        str(key): read(json.dumps(fragment(key.architecture, key.variant, where.get(key, EVERYWHERE)))) for key in keys
    }
    merged = attempt(found, keys)
    assert isinstance(merged, Merged)
    assert [(str(part.key), sorted(part.entry.locations)) for part in merged.parts] == [
        ("ARM64/lts", ["eu", "us"]),
        ("ARM64/rolling", ["asia", "eu", "us"]),
        ("X86_64/lts", ["eu", "us"]),
        ("X86_64/rolling", ["asia", "eu", "us"]),
    ]
    assert [str(item.location) for item in merged.left_out] == ["asia"]


def test_a_fragment_may_hold_several_images() -> None:
    both = {**fragment("ARM64"), "images": [*fragment("X86_64")["images"], *fragment("ARM64")["images"]]}
    apart = {name: read(json.dumps(fragment(name))) for name in ("X86_64", "ARM64")}
    keys = [Key("X86_64"), Key("ARM64")]
    whole, parts = attempt({"one": read(json.dumps(both))}, keys), attempt(apart, keys)
    assert isinstance(whole, Merged)
    assert isinstance(parts, Merged)
    assert whole.document() == parts.document()


def test_a_fragment_that_holds_an_image_twice() -> None:
    twice = {**fragment("ARM64"), "images": fragment("ARM64")["images"] + fragment("ARM64", locations=["us"])["images"]}
    said = attempt({"one": read(json.dumps(twice))}, [Key("ARM64")])
    assert isinstance(said, NotOne)
    told = "ARM64 is held 2 times, by 'one' and 'one': keep one, or tell the images apart by their variant"
    assert said.problems == [told]


USUAL = merged_bytes(random.Random(0))


@settings(deadline=None)
@given(st.randoms(use_true_random=True))
def test_bytes_do_not_depend_on_the_order_of_anything(chance: random.Random) -> None:
    assert merged_bytes(chance) == USUAL


def test_bytes_are_an_index() -> None:
    jsonschema.validate(json.loads(USUAL), SCHEMA)
    assert image_index.parse(USUAL, Path("merged")).images


def test_fragments_are_left_as_they_are() -> None:
    found = {
        name: read(json.dumps(fragment(name, locations=at))) for name, at in (("ARM64", ["us"]), ("X86_64", EVERYWHERE))
    }
    before = copy.deepcopy(found)
    attempt(found, [Key("ARM64"), Key("X86_64")])
    assert found == before


def test_a_location_that_is_served_and_not_wanted_is_kept() -> None:
    documents = {name: fragment(name) for name in ("ARM64", "X86_64")}
    for document in documents.values():
        document["images"][0]["wanted_locations"] = ["eu"]
    merged = attempt({name: read(json.dumps(each)) for name, each in documents.items()}, [*map(Key, documents)])
    assert isinstance(merged, Merged)
    assert [sorted(part.entry.locations) for part in merged.parts] == [[*EVERYWHERE]] * 2


@pytest.mark.parametrize("required", REQUIRED, ids=lambda required: " ".join(required) or "none")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_combination(number: int, required: tuple[str, ...], record_property: Callable[..., None]) -> None:
    """No combination is sampled: each state of one fragment with each of every other."""
    architectures = ARCHITECTURES[:number]
    parsed = {(name, state): fragments(name, STATES[state]) for name in architectures for state in STATES}
    count = 0
    for names in itertools.product(STATES, repeat=number):
        found = {
            name: item
            for architecture, state in zip(architectures, names, strict=True)
            for name, item in parsed[architecture, state].items()
        }
        case = {name: STATES[state] for name, state in zip(architectures, names, strict=True)}
        try:
            check(case, required, found)
        except AssertionError as error:
            raise AssertionError(f"{dict(zip(architectures, names, strict=True))}: {error}") from error
        count += 1
    record_property("counted", ("merges", count))
