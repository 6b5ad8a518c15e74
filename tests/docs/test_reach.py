"""What others find us by: Marketplace, SchemaStore, editors, pre-commit."""

from __future__ import annotations

import io
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from replicator import cli
from replicator.commands.schema.settings import SCHEMAS
from testkit.pages import FENCE, PAGES
from testkit.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ACTIONS = {path.parent.name: path for path in [ROOT / "action.yml", *sorted(ROOT.glob("*/action.yml"))]}
#: Kinds of files that people write, and a key that only such a file has.
KINDS = {
    "replicate-config": "locations",
    "registry-config": "mirrors",
    "retention-rules": "routine_days",
    "webhook-config": "hooks",
    "prices": "image_storage_gib_month",
}
FIRST = re.compile(r"# yaml-language-server: \$schema=(https://\S+/schemas/([\w-]+)\.schema\.json)\n")


def schema(name: str) -> Any:
    return json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8"))


def kind(text: str) -> str:
    """Which kind of file a snippet is; empty if none."""
    found = yaml.safe_load(text)
    keys = set(found) if isinstance(found, dict) else set()
    return next((name for name in ("registry-config", *KINDS) if KINDS[name] in keys), "")


def examples() -> list[Any]:
    """Every file of these kinds that is shown, with where it is shown."""
    shown = [
        (name, re.sub(rf"^{match['blank']}", "", match["text"], flags=re.MULTILINE))
        for name, page in PAGES.items()
        for match in FENCE.finditer(page)
        if match["language"] in {"yaml", "yml"}
    ]
    shown += [(path.name, path.read_text("utf-8")) for path in (ROOT / "workflows-examples").glob("*.y*ml")]
    return [pytest.param(kind(text), text, id=f"{where}-{kind(text)}") for where, text in shown if kind(text)]


class TestMarketplace:
    @pytest.mark.parametrize("action", ACTIONS)
    def test_each_action_has_a_name_and_a_badge_of_its_own(self, action: str) -> None:
        """GitHub's schema, which `make lint` checks, knows the icons and colours that there are."""
        read = {name: yaml.safe_load(path.read_text("utf-8")) for name, path in ACTIONS.items()}
        own = read.pop(action)
        assert set(own["branding"]) == {"icon", "color"}
        others = [(other["name"], other["branding"]["icon"]) for other in read.values()]
        assert own["name"] not in {name for name, _ in others}
        assert own["branding"]["icon"] not in {icon for _, icon in others}

    def test_pages_say_what_is_listed(self) -> None:
        assert "lists the action at the root of a repository only" in " ".join(PAGES["releasing.md"].split())


class TestSchemas:
    def test_every_kind_is_shown(self) -> None:
        assert {param.values[0] for param in examples()} == set(KINDS)

    @pytest.mark.parametrize(("name", "text"), examples())
    def test_examples_lead_editors_to_their_schema(self, name: str, text: str) -> None:
        first = FIRST.match(text)
        assert first
        assert first[2] == name
        assert first[1] == schema(name)["$id"]
        Draft202012Validator(schema(name)).validate(yaml.safe_load(text))

    def test_the_catalogue_has_every_file_that_people_name(self) -> None:
        entries = json.loads((ROOT / "schemas" / "catalog-entry.json").read_text("utf-8"))
        assert [set(entry) for entry in entries] == [{"name", "description", "fileMatch", "url"}] * len(entries)
        # Prices and index are written by commands.
        written = {"prices", "image-index", "event"}
        kinds = {name.removesuffix(".schema.json") for name in SCHEMAS.values()} - written
        urls = [schema(name)["$id"] for name in sorted(kinds)]
        assert sorted(entry["url"] for entry in entries) == sorted(urls)
        names = [name for entry in entries for name in entry["fileMatch"]]
        assert len(set(names)) == len(names)
        # No name that others use, too.
        assert all(name.startswith("gce-image-replicator") for name in names)


class TestPreCommit:
    [HOOK] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))

    def run(self, *paths: Path) -> int:
        """As pre-commit does: the entry, then the files."""
        program, *words = shlex.split(self.HOOK["entry"])
        assert program == "gce-image-replicator"
        self.said = io.StringIO()
        return cli.main([*words, *map(str, paths)], {}, self.said)

    def test_right_files_pass_in_silence(self, tmp_path: Path) -> None:
        for name in ("a.yaml", "with a blank.yaml"):
            (tmp_path / name).write_text("locations:\n  us:\n  eu: {required: true}\n", "utf-8")
        assert self.run(*sorted(tmp_path.iterdir())) == 0
        assert self.said.getvalue() == ""

    def test_wrong_ones_are_told_with_file_and_line(self, tmp_path: Path) -> None:
        right, wrong = tmp_path / "a.yaml", tmp_path / "b.yaml"
        right.write_text("locations: {us: }\n", "utf-8")
        wrong.write_text("locations:\n  us:\n  mars: {}\n  eu: {requird: true}\n", "utf-8")
        assert self.run(right, wrong, tmp_path / "c.yaml") == 2
        told = self.said.getvalue().splitlines()
        assert [line.partition(": ")[2].partition(": ")[0] for line in told] == [
            f"{wrong}:3", f"{wrong}:4", f"{tmp_path}/c.yaml:1",
        ]  # fmt: skip
        assert "requird" in told[1]

    def test_which_files(self) -> None:
        pattern = re.compile(self.HOOK["files"])
        assert all(pattern.search(name) for name in ("gce-image-replicator.yaml", ".github/gce-image-replicator.yml"))
        assert not any(pattern.search(name) for name in ("my-gce-image-replicator.yaml", "replicate.yaml.bak"))

    def test_the_page_shows_it(self) -> None:
        assert f"- id: {self.HOOK['id']}" in PAGES["choices.md"]

    def test_others_are_left_to_validators(self, tmp_path: Path) -> None:
        said = []
        for words in (["schema", "registry", str(tmp_path)], ["schema", "confg", "x"]):
            out = io.StringIO()
            assert cli.main(words, {}, out) == 2
            said.append(out.getvalue())
        assert "only files of the kind config are checked here" in said[0]
        assert "Did you mean config?" in said[1]
