from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replicator.core import names

RFC1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
image_names = st.from_regex(RFC1035, fullmatch=True)
locations = st.sampled_from(["us", "eu", "asia", "northamerica-northeast1", "us-central1", "me-west1"])
templates = st.sampled_from(
    ["{name}-{location}", "{location}-{name}", "x-{name}", "{name}", "{name}-copy-{location}-z"]
)


@given(template=templates, name=image_names, location=locations)
def test_always_a_valid_name(template: str, name: str, location: str) -> None:
    made = names.make(template, name, location=location)
    assert RFC1035.fullmatch(made)
    suffix = template.partition("{name}")[2].format(location=location)
    assert made.endswith(suffix)
    if len(template.format(name=name, location=location)) <= 63:
        assert made == template.format(name=name, location=location)


@given(first=image_names, second=image_names, location=locations, other=locations)
def test_two_names_never_meet(first: str, second: str, location: str, other: str) -> None:
    template = "{name}-{location}"
    assume((first, location) != (second, other))
    assume(f"{first}-{location}" != f"{second}-{other}")
    assert names.make(template, first, location=location) != names.make(template, second, location=other)


@given(stem=st.text("ab-", min_size=0, max_size=20))
def test_long_names_that_differ_at_their_end(stem: str) -> None:
    first, second = (f"a{'b' * 50}{stem}{end}" for end in ("0", "1"))
    made = {names.make("{name}-northamerica-northeast1", name[:63]) for name in (first, second)}
    assert len(made) == len({first[:63], second[:63]})


@pytest.mark.parametrize(
    ("template", "stem", "expected"),
    [
        ("{name}-{location}", "a" * 60, "a" * 60 + "-eu"),
        ("{name}-{location}", "a" * 61, "a" * 53 + "-14d78f-eu"),
        ("{name}-{location}", "a" * 50 + "-" * 10 + "b", "a" * 50 + "-32aa97-eu"),
        ("{family}-{location}", "web", "web-eu"),
    ],
)
def test_examples(template: str, stem: str, expected: str) -> None:
    made = names.make(template, stem, location="eu")
    assert re.sub("[0-9a-f]{6}-eu$", "#-eu", made) == re.sub("[0-9a-f]{6}-eu$", "#-eu", expected)
    assert len(made) <= 63


@pytest.mark.parametrize("template", ["{name}_{location}", "A{name}", "-{name}", "{name}-", "x" * 64 + "{name}", ""])
def test_what_can_be_no_name(template: str) -> None:
    with pytest.raises(names.BadTemplate, match="makes"):
        names.make(template, "web", location="eu")


@pytest.mark.parametrize(
    "template", ["{project}", "{name", "name}", "{}", "{0}", "{name!r}", "{name:>9}", "{name.__class__}", "{name[0]}"]
)
def test_bad_placeholders(template: str) -> None:
    with pytest.raises(names.BadTemplate, match="placeholders are"):
        names.check(template, frozenset({"name", "location"}))
