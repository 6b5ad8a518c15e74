"""The receiver's configuration: the page's is taken, and the schema for editors says what the program says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from replicator.commands.webhooks.receiver import config
from replicator.core.errors import BadSettings
from testkit.pages import page
from testkit.places import ROOT

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "schemas" / "webhook-config.schema.json").read_text("utf-8")),
)
(PAGE,) = (text for text in re.findall(r"```ya?ml\n(.*?)```", page("receiver.md"), re.DOTALL) if "hooks:\n" in text)
KEYLESS = {"certificate_identity_regexp": "x", "certificate_oidc_issuer": "y"}


def taken(path: Path, document: Any) -> bool:
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        config.load(str(path))
    except BadSettings:
        return False
    return True


def test_the_page_s_is_taken(tmp_path: Path) -> None:
    SCHEMA.validate(yaml.safe_load(PAGE))
    assert taken(tmp_path / "receiver.yaml", yaml.safe_load(PAGE))


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({"policy": {"key": "key.pub"}}, True),
        ({"policy": {}}, False),
        ({"policy": {"certificate_oidc_issuer": "y"}}, False),
        ({"policy": {**KEYLESS, "key": "key.pub"}}, False),
        ({"secrets": []}, False),
        ({"secrets": ["a", "b", "c"]}, False),
        ({"images": "maybe"}, False),
        ({"repository": "acme/images"}, False),
        ({"atestation": "required"}, False),
    ],
)
def test_the_schema_says_what_the_program_says(tmp_path: Path, change: dict[str, Any], right: bool) -> None:
    document = yaml.safe_load(PAGE)
    document["hooks"]["acme"] |= change
    assert (taken(tmp_path / "receiver.yaml", document), SCHEMA.is_valid(document)) == (right, right)
