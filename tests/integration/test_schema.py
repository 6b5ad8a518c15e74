"""`schema`: prints a schema and nothing else, or says which there are."""

from __future__ import annotations

import io
import json

import pytest
from jsonschema import Draft202012Validator

from replicator.__main__ import main
from replicator.commands.schema.settings import SCHEMAS
from testkit.places import ROOT


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_schema_with_its_address(name: str, more: list[str]) -> None:
    stdout = io.StringIO()
    assert main(["schema", name, *more], {}, stdout) == 0
    schema = json.loads(stdout.getvalue())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/gce-image-replicator/v1/schemas/{SCHEMAS[name]}")


def test_every_installed_schema_can_be_printed() -> None:
    assert sorted(SCHEMAS.values()) == sorted(path.name for path in (ROOT / "replicator" / "schemas").iterdir())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "error: Which file? Write one of index, config, prices, registry, retention, event, webhook"),
        (["confg"], "error: 'confg' isn't a file with a schema. Did you mean config?"),
        (["index", "a.json"], "error: only files of the kind config are checked here"),
    ],
)
def test_what_there_is(argv: list[str], said: str) -> None:
    stdout = io.StringIO()
    assert main(["schema", *argv], {}, stdout) == 2
    assert stdout.getvalue().startswith(said)
