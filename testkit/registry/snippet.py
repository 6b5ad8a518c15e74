"""The snippet of docs/registry-mirrors.md for machines that boot."""

from __future__ import annotations

import re

from testkit.places import ROOT

PAGE = (ROOT / "docs" / "registry-mirrors.md").read_text(encoding="utf-8")


def block(language: str, holding: str = "") -> str:
    """The page's one block of a language that holds a text."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in text]
    return str(found)


BOOT = block("bash")
