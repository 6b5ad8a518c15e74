"""What people read agrees with what the action does: tables, snippets, links, the example workflow."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from replicator.compute.permissions import PERMISSIONS
from replicator.core import errors
from replicator.core.replicas import Held, Outcome, Result
from testkit.pages import ACTION, OURS, README, anchors, check_use, docs, nodes, our_steps, page, program
from testkit.places import ROOT

PROSE = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
EXAMPLES = sorted((ROOT / "workflows-examples").glob("*.yml"))
REASONS = [error.reason for error in vars(errors).values() if hasattr(error, "reason")]
REFERENCE = page("reference.md")


def snippets(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_is_short() -> None:
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("action", OURS.values(), ids=OURS)
def test_descriptions_fit_the_marketplace(action: dict[str, Any]) -> None:
    """GitHub's Marketplace takes fewer than 125 characters."""
    assert len(action["description"].strip()) < 125


#: What only the commands need that retire releases, or put families back.
OF_LIFECYCLE = {"compute.images.deprecate", "compute.instanceTemplates.list"}


class TestTables:
    def test_are_fresh(self) -> None:
        checked = subprocess.run(
            [sys.executable, "-I", ROOT / "scripts" / "docs.py", "--check"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr

    @pytest.mark.exhaustive
    @pytest.mark.parametrize(
        ("was", "becomes"),
        [("Only for a test.", "Something else."), ("<!-- END outputs -->", "")],
        ids=["stale", "without its mark"],
    )
    def test_staleness_is_noticed_and_repaired(self, tmp_path: Path, was: str, becomes: str) -> None:
        action = (ROOT / "action.yml").read_text(encoding="utf-8")
        changed = action.replace("The URI of the image in `us`, if it is verified.", "Only for a test.")
        assert changed != action
        (tmp_path / "action.yml").write_text(changed, encoding="utf-8")
        (tmp_path / "README.md").write_text(README, encoding="utf-8")
        for path in ROOT.glob("*/action.yml"):
            (tmp_path / path.parent.name).mkdir()
            shutil.copy(path, tmp_path / path.parent.name)
        shutil.copytree(ROOT / "docs", tmp_path / "docs")
        (tmp_path / "schemas").mkdir()
        (tmp_path / "schemas" / "replicate-config.schema.json").write_text("{}", encoding="utf-8")
        assert docs().main(["--check"], io.StringIO(), tmp_path) == 1
        assert docs().main([], io.StringIO(), tmp_path) == 0
        assert docs().main(["--check"], io.StringIO(), tmp_path) == 0
        path = tmp_path / "docs" / "reference.md"
        written = path.read_text(encoding="utf-8")
        assert "Only for a test." in written
        path.write_text(written.replace(was, becomes), encoding="utf-8")
        said = io.StringIO()
        assert docs().main(["--check"], said, tmp_path) == 1
        assert "docs/reference.md" in said.getvalue()

    @pytest.mark.parametrize("name", [*ACTION["inputs"], *ACTION["outputs"]])
    def test_every_input_and_output_is_there(self, name: str) -> None:
        assert f"| `{name}` |" in REFERENCE

    def test_the_readme_names_the_everyday_ones(self) -> None:
        named = re.findall(r"^\| (\w+) \| ", README, re.MULTILINE)
        assert len([name for name in named if name in ACTION["inputs"]]) == 8
        assert len([name for name in named if name in ACTION["outputs"]]) == 4

    @pytest.mark.parametrize("reason", REASONS)
    def test_every_reason_is_there(self, reason: str) -> None:
        assert f"\n### `{reason}`\n" in page("errors-of-a-replica.md")

    @pytest.mark.parametrize("held", list(Held))
    def test_every_reason_for_no_family_is_there(self, held: Held) -> None:
        assert f"| `{held}` |" in page("after-a-failure.md")

    @pytest.mark.parametrize("word", [*(str(word) for word in Outcome), *(str(word) for word in Result)])
    def test_every_outcome_and_result_is_there(self, word: str) -> None:
        assert f"| `{word}` |" in REFERENCE

    @pytest.mark.parametrize(
        "permission", sorted(set(re.findall(r"compute\.\w+\.\w+", " ".join(PERMISSIONS.values()))) - OF_LIFECYCLE)
    )
    def test_every_permission_is_there_and_in_the_role(self, permission: str) -> None:
        assert f"| `{permission}` |" in page("every-permission.md")
        role = re.search(r"--permissions=(\S+)", README)
        assert role
        assert permission in role[1].split(",")

    @pytest.mark.parametrize("permission", sorted(OF_LIFECYCLE))
    def test_who_publishes_may_not_deprecate(self, permission: str) -> None:
        assert all(permission not in role.split(",") for role in re.findall(r"--permissions=(\S+)", README))


class TestSnippets:
    @pytest.mark.parametrize("text", [*snippets("yaml"), *snippets("yaml", page("choices.md"))])
    def test_yaml_uses_the_action_as_it_is(self, text: str) -> None:
        yaml.safe_load(text)
        check_use(text)

    def test_the_action_is_shown_in_use(self) -> None:
        steps = [step for text in snippets("yaml") for step in our_steps(text)]
        assert any("@v1" in step["uses"] for step in steps)
        assert any(re.search("@[0-9a-f]{40}$", step["uses"]) for step in steps)

    def test_usage_is_a_valid_workflow(self, tmp_path: Path) -> None:
        whole = [text for text in snippets("yaml") if text.startswith("name:")]
        assert len(whole) == 1
        path = tmp_path / "usage.yml"
        path.write_text(whole[0], encoding="utf-8")
        subprocess.run(
            [program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", path], check=True, timeout=60
        )
        subprocess.run([program("zizmor"), "--offline", "--quiet", path], check=True, timeout=60)
        subprocess.run([program("actionlint"), "-no-color", path], check=True, timeout=60)

    def test_the_index_is_one(self) -> None:
        schema = json.loads((ROOT / "schemas" / "image-index.schema.json").read_text(encoding="utf-8"))
        (example,) = [text for text in snippets("json", page("image-index.md")) if '"schema"' in text]
        jsonschema.validate(json.loads(example), schema)
        assert example == json.dumps(json.loads(example), indent=2, sort_keys=True) + "\n"

    @pytest.mark.parametrize("text", snippets("sh"))
    def test_shell_lines_are_sound(self, text: str) -> None:
        subprocess.run([program("bash"), "-n"], input=text, text=True, check=True, timeout=60)

    def test_commands_are_the_command_lines(self) -> None:
        from replicator import cli
        from replicator.bootstrap import command

        named = set(re.findall(r"^gce-image-replicator (\w+) ", page("quick-start-command-line.md"), re.MULTILINE))
        assert {"plan", "replicate", "verify", "decide"} <= named <= {item.verb for item in command.every()}
        for verb in named:
            assert cli.main([verb, "--help"], {}, io.StringIO()) == 0


class TestLinks:
    @pytest.mark.parametrize("file", PROSE)
    def test_resolve(self, file: str) -> None:
        text = (ROOT / file).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("https://"):
                continue
            path, _, anchor = target.partition("#")
            linked = ROOT / path if path else ROOT / file
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), target

    @pytest.mark.parametrize(
        ("page", "heading"),
        [
            ("README.md", "IAM roles"),
            ("README.md", "Versions"),
            ("docs/facts-and-guesses.md", "Sources"),
        ],
    )
    def test_what_the_code_refers_to_is_there(self, page: str, heading: str) -> None:
        assert f"\n## {heading}\n" in (ROOT / page).read_text(encoding="utf-8")

    def test_every_package_is_in_the_guide(self) -> None:
        guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        packages = {path.parent.name for path in (ROOT / "replicator").glob("*/__init__.py")}
        assert len(packages) >= 8
        assert {package for package in packages if f"\n    {package}/ " not in guide} == set()

    def test_every_target_is_one_of_make(self) -> None:
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        for file in PROSE:
            named = re.findall(
                r"^make ([a-z-]+)|`make ([a-z-]+)", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE
            )
            assert {first or second for first, second in named} <= targets


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
class TestExamples:
    def test_use_the_action_as_it_is(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert our_steps(text)
        check_use(text)

    def test_scripts_get_nothing_by_interpolation(self, path: Path) -> None:
        runs = [node["run"] for node in nodes(yaml.safe_load(path.read_text(encoding="utf-8"))) if "run" in node]
        assert runs or path.name == "retention.yml"
        assert [run for run in runs if "${{" in run or "|| true" in run] == []

    def test_everything_ends_by_itself(self, path: Path) -> None:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"]
            assert [step for step in job["steps"] if "timeout-minutes" not in step] == []

    def test_others_are_pinned_to_commits(self, path: Path) -> None:
        uses = re.findall(r"uses: (\S+)(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        for used, comment in uses:
            if used.partition("@")[0] not in OURS:
                assert re.search("@[0-9a-f]{40}$", used), used
                assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), used

    def test_actionlint(self, path: Path) -> None:
        subprocess.run([program("actionlint"), "-ignore", 'specifying action "https://', path], check=True, timeout=60)


def test_zizmor_finds_nothing_in_the_examples() -> None:
    subprocess.run([program("zizmor"), "--offline", "--quiet", "--persona=pedantic", *EXAMPLES], check=True, timeout=60)


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_examples_fit_the_schema(schema: str) -> None:
    subprocess.run([program("check-jsonschema"), "--builtin-schema", schema, *EXAMPLES], check=True, timeout=60)


def test_badges_are_of_workflows_that_exist() -> None:
    """GitHub draws a badge once its workflow has run."""
    badges = re.findall(r"\[!\[\w+\]\((\S+)/badge\.svg\)\]\((\S+)\)", README)
    assert badges
    for picture, page_of_runs in badges:
        address, _, workflow = picture.rpartition("/")
        assert picture == page_of_runs
        assert address == "https://github.com/gce-image-replicator/gce-image-replicator/actions/workflows"
        assert (ROOT / ".github" / "workflows" / workflow).is_file()
