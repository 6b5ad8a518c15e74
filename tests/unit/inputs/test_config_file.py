from __future__ import annotations

import io
import os
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replicator.commands.replicate.run import run
from replicator.core.errors import BadSettings
from replicator.inputs import config_file
from replicator.replicas import settings
from testkit.places import ROOT

EXAMPLE = ROOT / "workflows-examples" / "gce-image-replicator.yaml"
KEY = "projects/k/locations/europe/keyRings/r/cryptoKeys/web"


def test_the_example() -> None:
    read = config_file.read(str(EXAMPLE), {})
    assert list(read.locations) == ["us", "eu", "asia-northeast1"]
    assert read.place("eu").required
    assert read.place("asia-northeast1").labels == {"tier": "edge"}
    assert read.place("us") == read.place("mars") == config_file.Place()
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), config_file.schema())


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "locations:\n  eu:\n    requird: true\n",
            [(3, "unknown key 'locations.eu.requird'; did you mean 'required'?")],
        ),
        (
            "location:\n  eu:\n",
            [(1, "'locations' is missing"), (1, "unknown key 'location'; did you mean 'locations'?")],
        ),
        ("locations:\n  eu: {}\n  us:\n  eu:\n", [(4, "'eu' is given twice, first in line 2")]),
        (
            "locations:\n  eu:\n    required: yes please\n",
            [(3, "locations.eu.required: must be true or false, found 'yes please'")],
        ),
        (
            "locations:\n  eu: 7\n",
            [(2, "locations.eu: must be a mapping of keys to values, found 7")],
        ),
        ("locations: [eu]\n", [(1, "locations: must be a mapping of keys to values, found a list")]),
        ("locations:\n", [(1, "locations: must be a mapping of keys to values, found None")]),
        ("", [(0, "'locations' is missing")]),
        ("locations:\n  EU:\n", [(2, "locations.EU: 'EU' isn't a storage location: write 'eu'")]),
        (
            "locations:\n  eu:\n    name: '{nam}'\n    kms_key: web\n",
            [
                (3, "locations.eu.name: '{nam}' holds {nam}; placeholders are {location} and {name}"),
                (
                    4,
                    (
                        "locations.eu.kms_key: 'web' isn't a valid Cloud KMS key; write "
                        "projects/P/locations/L/keyRings/R/cryptoKeys/K (no version)"
                    ),
                ),
            ],
        ),
        (
            "locations:\n  eu:\n    labels:\n      A: b\n",
            [
                (
                    3,
                    "locations.eu.labels: 'A' isn't a valid label key: a lower case letter, then at most 62 lower case letters, digits, _ and -",
                )
            ],
        ),
        (
            "locations:\n  eu: {labels: {a: 1}}\n",
            [(2, "locations.eu.labels.a: must be a text, found 1")],
        ),
        ("locations: &x\n  eu:\n", [(1, "holds an anchor or alias; write the value out")]),
        ("a: *x\n", [(1, "holds an anchor or alias; write the value out")]),
        ("locations: [\n", [(2, "isn't valid YAML: expected the node content, but found '<stream end>'")]),
        ("? [a]\n: b\n", [(1, "'locations' is missing"), (1, "a key must be a word")]),
        ("- " * 50 + "x", [(1, "is nested too deeply")]),
        ("a: \x00", [(0, None)]),
        ("locations: {eu: {labels: {a: !!python/object:os.system x}}}", None),
        ("locations: {eu: !!bool x}", [(1, "holds the tag tag:yaml.org,2002:bool; write the plain value")]),
        ("locations: {eu: {required: yes}}", [(1, "locations.eu.required: 'yes' is not one of true, false")]),
        (
            "locations: {eu: {name: 2026-99-99}}\n",
            [
                (1, "locations.eu.name: month must be in 1..12"),
                (1, "locations.eu.name: must be a text, found None"),
            ],
        ),
        ("a: 1\n---\nb: 2\n", None),
    ],
)
def test_problems(text: str, problems: list[tuple[int, str | None]] | None) -> None:
    with pytest.raises(config_file.BadConfig) as caught:
        config_file.parse(text)
    if problems is not None:
        found = caught.value.problems
        assert [(line, said if problems[0][1] else None) for line, said in found] == problems


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        config_file.parse(text)
    except config_file.BadConfig as error:
        assert error.problems  # noqa: PT017


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"#" * (2**20 + 1))
    for name, says in (
        ("missing", "can't be read"),
        ("fifo", "isn't a regular file"),
        (".", "isn't a regular file"),
        ("latin", "not UTF-8"),
        ("huge", "at most 131072 are read"),
    ):
        with pytest.raises(config_file.BadConfig, match=says):
            config_file.read(str(tmp_path / name), {})


def test_a_bomb_is_refused_at_once() -> None:
    levels = "\n".join(f"l{number}: &l{number} [*l{number - 1}, *l{number - 1}]" for number in range(1, 40))
    with pytest.raises(config_file.BadConfig, match="anchor or alias"):
        config_file.parse(f"l0: &l0 [x]\n{levels}\n")


class TestInARun:
    def load(self, folder: Path, text: str, **given: str) -> settings.Settings:
        (folder / "c.yaml").write_text(text)
        source = {"source_image": "projects/p1/global/images/web-1", "config": "c.yaml"}
        return settings.load({**source, **given}, {"GITHUB_WORKSPACE": str(folder)}).settings

    def test_it_says_the_locations(self, tmp_path: Path) -> None:
        loaded = self.load(tmp_path, "locations:\n  eu: {required: true}\n  us:\n", locations="us, eu, asia")
        assert loaded.locations == ("eu", "us")
        assert [loaded.wanted(location).required for location in loaded.locations] == [True, False]
        with pytest.raises(BadSettings, match="can't be combined with config"):
            self.load(tmp_path, "locations:\n  eu:\n", locations="eu")

    def test_it_beats_the_inputs(self, tmp_path: Path) -> None:
        text = "locations:\n  eu: {name: 'x-{name}', labels: {a: c}}\n  us:\n"
        loaded = self.load(tmp_path, text, labels="a=b,d=e", name_template="{name}-r-{location}")
        assert loaded.wanted("eu").name == "x-{name}"
        assert loaded.wanted("eu").labels == {"a": "c", "d": "e"}
        assert loaded.wanted("us").name == "{name}-r-{location}"

    def test_two_locations_with_one_name(self, tmp_path: Path) -> None:
        text = "locations:\n  eu: {name: x}\n  us: {name: x}\n"
        with pytest.raises(BadSettings, match="gives eu and us the same name"):
            self.load(tmp_path, text)
        assert self.load(tmp_path, text.replace("{name: x}", "{name: x, project: acme}", 1))

    def test_problems_are_shown_on_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "c.yaml").write_text("locations:\n  eu:\n    requird: true\n  nam4:\n")
        stdout = io.StringIO()
        given = {"source_image": "projects/p1/global/images/web-1", "config": "c.yaml", "access": "x"}
        assert run(given, {"GITHUB_WORKSPACE": str(tmp_path)}, stdout, commands=True) == 2
        assert "::error file=c.yaml,line=3,title=Input config::config: c.yaml, line 3: unknown key" in stdout.getvalue()
        assert "nam4" in stdout.getvalue()
        assert "::error title=Input access::" in stdout.getvalue()
