"""The pages about the Terraform module say what its files say."""

from __future__ import annotations

import re

from testkit.pages import page
from testkit.terraform import MODULE

README = (MODULE / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> dict[str, str]:
    """The blocks of the module's files by their name."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(MODULE.glob("*.tf")))
    return dict(re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}$', text, re.MULTILINE | re.DOTALL))


def test_the_tables_have_every_input_and_its_default_and_every_output() -> None:
    inputs = re.findall(r"^\| `(\w+)` \| .* \| (?:`(.*)`)? *\|$", README, re.MULTILINE)
    defaults = {
        name: re.findall(r"^  default += (.+)$", body, re.MULTILINE) for name, body in blocks("variable").items()
    }
    assert {name: [default] if default else [] for name, default in inputs} == defaults
    assert set(re.findall(r"^\| `(\w+)` \| [^|]* \|$", README, re.MULTILINE)) == set(blocks("output"))


def test_every_example_is_listed() -> None:
    listed = re.findall(r"^\| \[`(.+?)`\]\((.+?)\)", README, re.MULTILINE)
    assert {name for name, _ in listed} == {path.name for path in (MODULE / "examples").iterdir() if path.is_dir()}
    assert all((MODULE / path).is_file() for _, path in listed)


def test_links_of_the_readme_resolve() -> None:
    for path in re.findall(r"\]\(([^)#]+)", README):
        assert (MODULE / path).exists(), path


def test_both_pages_show_the_same_lines() -> None:
    shown = [re.findall(r"```hcl\n(.*?)```", text, re.DOTALL) for text in (README, page("terraform.md"))]
    assert shown[0] == shown[1] != []
