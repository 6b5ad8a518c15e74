"""Generates what the GitLab component takes: an input for each of `replicate`'s, its variable, and its option."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from replicator.replicas.settings import Settings
from scripts.action_inputs import default

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PATH = "ci-examples/gitlab/templates/replicate.yml"
#: On GitLab the commit is known always, so the index may as well name it.
_USUAL = {"revision": "auto"}
_PART = r"(?<=# BEGIN {0}, which make docs writes\n).*?(?=^ *# END {0}$)"


def filled(text: str) -> str:
    """Return the component with its generated parts filled in. Raises ValueError if it has no place for them."""
    fields = Settings.model_fields
    made = {
        "inputs": "".join(_input(name, field) for name, field in fields.items()),
        "variables": "".join(f'    INPUT_{name.upper()}: "$[[ inputs.{name} ]]"\n' for name in fields),
        "command": "      gce-image-replicator replicate --output image-index.json --dotenv image.env \\\n"
        + " \\\n".join(f'        --{name.replace("_", "-")}="$INPUT_{name.upper()}"' for name in fields)
        + "\n",
    }
    for part, lines in made.items():
        pattern = re.compile(_PART.format(part), re.MULTILINE | re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"{PATH} has no place for its {part}")
        text = pattern.sub(lambda _, lines=lines: lines, text)  # type: ignore[misc]
    return text


def _input(name: str, field: FieldInfo) -> str:
    words = " ".join((field.description or "").split())
    lines = textwrap.wrap(words, 108, break_long_words=False, break_on_hyphens=False)
    described = "".join(f"        {line}\n" for line in lines)
    return f'    {name}:\n      description: >-\n{described}      default: "{_USUAL.get(name) or default(field)}"\n'
