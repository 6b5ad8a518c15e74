"""The pages of docs/ are true: links, snippets, commands, what is shown to be printed, and the remedies of errors."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import yaml

from emulator.testing import running
from replicator import cli, cli_parser
from replicator.bootstrap.command import every
from replicator.compute import errors as compute_errors
from replicator.compute import refusals
from replicator.compute.errors import SOURCE_UNUSABLE
from replicator.compute.permissions import PERMISSIONS
from replicator.core import errors
from replicator.core.replicas import Held, Outcome, Result
from replicator.inputs import config_file
from replicator.replicas import settings
from replicator.replicas.settings import Settings
from testkit.action import Action
from testkit.harness.gcloud import gcloud_env
from testkit.harness.job import on_emulator
from testkit.pages import ACTION, FENCE, OURS, PAGES, anchors, check_use, docs, our_steps, program
from testkit.places import ROOT

if TYPE_CHECKING:
    from emulator.testing import Running
GENERATED = docs()
RUN_ERRORS: list[errors.Advice] = GENERATED.run_errors()
REPLICA_ERRORS: list[type[errors.ReplicaError]] = list(GENERATED.replica_errors())
ALL_ERRORS: list[errors.Advice | type[errors.ReplicaError]] = [*RUN_ERRORS, *REPLICA_ERRORS]


def snippets(language: str) -> list[Any]:
    """Every snippet of a language, each with its page's name."""
    return [
        pytest.param(re.sub(rf"^{match['blank']}", "", match["text"], flags=re.MULTILINE), id=f"{name}-{match.start()}")
        for name, text in PAGES.items()
        for match in FENCE.finditer(text)
        if match["language"] == language
    ]


def commands(text: str) -> list[str]:
    """The lines of shell, with those joined that are continued, without comments."""
    return [re.sub(r"(^|\s)# .*", "", line) for line in re.sub(r" *\\\n\s*", " ", text).splitlines()]


def words(command: str) -> list[str]:
    """A simple command's words, up to what ends it. What is quoted is one word."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    found = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        found.append(word)
    return found


def named(pattern: str, languages: tuple[str, ...] = ("sh", "yaml")) -> list[str]:
    """Every command in the snippets that begins with this pattern, from there on."""
    texts = [param.values[0] for language in languages for param in snippets(language)]
    found = [line[match.start() :] for text in texts for line in commands(text) if (match := re.search(pattern, line))]
    return sorted({command for command in found if command.strip()})


REPLICATOR = named(r"(?:(?<=^)|(?<=[\s($]))gce-image-replicator (?=[a-z])")
GCLOUD = named(r"(?:(?<=^)|(?<=[\s($]))gcloud (?=[a-z])")


@pytest.fixture(scope="session")
def gcloud_tree() -> dict[str, Any]:
    """gcloud's own table of its commands and options."""
    found = shutil.which("gcloud")
    if not found:
        pytest.skip("gcloud is missing")
    table = Path(found).resolve().parents[1] / "data" / "cli" / "gcloud_completions.py"
    if not table.exists():
        pytest.skip("this gcloud has no table of its commands (data/cli/gcloud_completions.py)")
    return dict(runpy.run_path(str(table))["STATIC_COMPLETION_CLI_TREE"])


def check_gcloud(tree: dict[str, Any], command: str) -> None:
    """Every word up to the first argument is a command of gcloud's, every option one of that command."""
    rest = words(command)[1:]
    flags = set(tree["flags"])
    while rest and rest[0] in tree["commands"]:
        tree = tree["commands"][rest.pop(0)]
        flags |= set(tree["flags"])
    assert not tree["commands"], f"gcloud has no such command: {command}"
    for option in (word.partition("=")[0] for word in rest if word.startswith("--")):
        assert option in flags or option.replace("--no-", "--") in flags, f"{option} in {command}"


class TestPages:
    @pytest.mark.parametrize("name", PAGES)
    def test_links_resolve(self, name: str) -> None:
        links = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", PAGES[name]))
        assert links
        for target in links:
            if target.startswith("https://"):
                continue
            path, _, anchor = target.partition("#")
            linked = (ROOT / "docs" / path).resolve() if path else ROOT / "docs" / name
            assert linked.exists(), target
            assert linked.is_relative_to(ROOT), target
            assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), target

    def test_the_index_has_every_page(self) -> None:
        linked = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGES["README.md"]))
        assert linked == set(PAGES) - {"README.md"}

    @pytest.mark.parametrize("name", PAGES)
    def test_a_page_is_read_at_one_sitting(self, name: str) -> None:
        assert PAGES[name].count("\n") < 250

    def test_the_readme_leads_here(self) -> None:
        linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", (ROOT / "README.md").read_text(encoding="utf-8")))
        assert {"README.md", "permissions.md", "errors.md", "after-a-failure.md", "pruning.md"} <= linked

    @pytest.mark.parametrize("name", PAGES)
    def test_nothing_of_a_machine(self, name: str) -> None:
        # Only these pages are about registries and package indexes.
        registries = "" if name == "registry-mirrors.md" else r"|ghcr|docker\.io"
        indexes = "" if name == "releasing.md" else "|pypi"
        assert not re.search(rf"/(work|tmp|root|home)/|127\.0\.0\.1:\d{indexes}{registries}", PAGES[name])

    @pytest.mark.parametrize(
        "name",
        [
            "quick-start-action",
            "quick-start-command-line",
            "permissions",
            "locations-and-families",
            "lifecycle",
            "pruning",
            "reliability",
            "facts-and-guesses",
        ],
    )
    def test_says_what_was_not_tried(self, name: str) -> None:
        assert "real cloud" in PAGES[f"{name}.md"]

    @pytest.mark.parametrize("word", [*Outcome, *Result, *Held], ids=str)
    def test_after_a_failure_knows_every_word(self, word: str) -> None:
        assert f"`{word}`" in PAGES["after-a-failure.md"]

    @pytest.mark.parametrize("error", REPLICA_ERRORS, ids=lambda error: error.reason)
    def test_after_a_failure_leads_to_every_reason(self, error: type[errors.ReplicaError]) -> None:
        assert f"(errors-of-a-replica.md#{error.reason})" in PAGES["after-a-failure.md"]


class TestYaml:
    @pytest.mark.parametrize("text", snippets("yaml"))
    def test_parses_and_uses_the_action_as_it_is(self, text: str) -> None:
        found = yaml.safe_load(text)
        assert found
        check_use(text)
        outputs = re.findall(r"steps\.replicate\.outputs\.(\w+)", text)
        assert set(outputs) <= set(ACTION["outputs"])
        if isinstance(found, dict) and "locations" in found:
            config_file.parse(text)

    def test_whole_workflows_are_valid(self, tmp_path: Path) -> None:
        whole = {param.id: str(param.values[0]) for param in snippets("yaml") if "\njobs:\n" in str(param.values[0])}
        assert len(whole) > 2
        for name, text in whole.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
            for node in re.findall(r"^ +run: (.+(?:\n {10,}.+)*)", text, re.MULTILINE):
                assert "${{" not in node, name
        fit_the_schema(tmp_path)

    def test_the_migration_ends_with_us(self) -> None:
        before, after = (str(param.values[0]) for param in snippets("yaml") if "packer build" in str(param.values[0]))
        assert (before.count("packer build"), after.count("packer build")) == (3, 1)
        assert not our_steps(before)
        assert our_steps(after)


class TestCommands:
    @pytest.mark.parametrize("text", snippets("sh"))
    def test_shell_is_sound(self, text: str) -> None:
        subprocess.run([program("bash"), "-n"], input=text, text=True, check=True, timeout=60)

    @pytest.mark.parametrize("command", REPLICATOR)
    def test_replicator_commands_parse(self, command: str) -> None:
        found, given = cli.find(words(command)[1:])
        assert found
        options = cli_parser.of_command(found).parse_args(given)
        values = {name: value for name, value in vars(options).items() if name in Settings.model_fields and value}
        assert set(values) <= set(ACTION["inputs"])

    def test_every_subcommand_is_shown(self) -> None:
        shown = {found.verb for command in REPLICATOR if (found := cli.find(words(command)[1:])[0])}
        assert shown == {command.verb for command in every()}

    @pytest.mark.parametrize("command", GCLOUD)
    def test_gcloud_commands_exist(self, gcloud_tree: dict[str, Any], command: str) -> None:
        check_gcloud(gcloud_tree, command)

    @pytest.mark.parametrize("command", ["gcloud compute image delete x", "gcloud compute images delete x --now"])
    def test_wrong_ones_are_noticed(self, gcloud_tree: dict[str, Any], command: str) -> None:
        with pytest.raises(AssertionError):
            check_gcloud(gcloud_tree, command)

    def test_the_role_holds_what_the_code_uses(self) -> None:
        used = set(re.findall(r"compute\.\w+\.\w+", " ".join(PERMISSIONS.values())))
        used -= {"compute.images.deprecate", "compute.instanceTemplates.list"}  # the publisher retires nothing
        (role,) = re.findall(r"roles create imageReplicator .*\n.*--permissions=(\S+)", PAGES["permissions.md"])
        assert set(role.split(",")) == used - {"compute.images.delete"}
        source, replica = re.findall(
            r"roles create imageReplicator(?:Source|Replica) .*\n.*--permissions=(\S+)", PAGES["permissions.md"]
        )
        assert set(source.split(",")) | set(replica.split(",")) == used - {"compute.images.delete"}

    @pytest.mark.parametrize(
        ("role", "cases"),
        [
            ("imageLister", ("`list`", "`retain`", "`retain --in-use off`")),
            ("imageRollback", ("`rollback`",)),
            ("imageRetirer", ("`retain --apply`",)),
        ],
    )
    def test_the_roles_for_releases_hold_what_was_measured(self, role: str, cases: tuple[str, ...]) -> None:
        measured = json.loads((ROOT / "docs" / "permissions.json").read_text("utf-8"))
        needed = {name for case in cases for names in measured[case].values() for name in names}
        (held,) = re.findall(rf"roles create {role} .*\n.*--permissions=(\S+)", PAGES["permissions.md"])
        assert set(held.split(",")) == needed

    def test_the_sign_in_is_restricted_to_the_repository(self) -> None:
        assert "--attribute-condition=\"assertion.repository_id == '$REPOSITORY_ID'" in PAGES["permissions.md"]
        assert "attribute.repository_id/$REPOSITORY_ID" in PAGES["permissions.md"]


def comparable(line: str) -> str:
    """Without what differs between runs: numbers, operations, widths."""
    return " ".join(re.sub(r"\d+(?:\.\d+)?", "N", re.sub(r"operation-[\w-]+", "OPERATION", line)).split())


class TestWhatIsShown:
    @pytest.mark.exhaustive
    def test_the_quick_start_runs_as_it_stands(self, tmp_path: Path) -> None:
        page = PAGES["quick-start-command-line.md"]
        parts = re.findall(r"^<!-- tested -->\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        assert len(parts) == 7
        if not shutil.which("curl"):
            pytest.skip("curl is missing")
        python = shlex.quote(sys.executable)
        ours_here = f'gce-image-replicator() {{ {python} -m replicator "$@"; }}\n'
        script = ours_here + "".join(parts).replace(".venv/bin/python", python)
        ours = ("GITHUB_", "RUNNER_", "INPUT_", "CLOUDSDK_", "GOOGLE_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        done = subprocess.run(
            [program("bash"), "-euo", "pipefail"],
            input=script,
            env={**env, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed = {comparable(line) for line in done.stdout.splitlines()}
        for text in re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            assert {comparable(line) for line in text.splitlines()} <= printed | {""}
        assert list(tmp_path.iterdir()) == []

    def test_the_partial_run_went_so(self, tmp_path: Path) -> None:
        project, image = "acme-images", "projects/acme-images/global/images/web-v1"
        with running(copy_seconds=0.3) as emulator:
            emulator.add_image(project=project, name="web-v1", family="web", labels={"team": "infra"})
            emulator.add_image(project=project, name="web-v1-asia", family="experiments", location="asia")
            first = command_line(emulator, tmp_path, "replicate", image)
            emulator.delete_image(project, "web-v1-asia")
            second = command_line(emulator, tmp_path, "replicate", image)
        printed = " ".join(comparable(line) for line in (first + second).splitlines())
        shown = re.findall(r"^```text\n(.*?)^```$", PAGES["after-a-failure.md"], re.MULTILINE | re.DOTALL)
        assert len(shown) == 3
        for line in (shown[0] + shown[2]).splitlines():
            assert comparable(line) in printed


def command_line(emulator: Running, folder: Path, command: str, image: str) -> str:
    """What the command line prints, run against an emulator."""
    env = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{emulator.url}/",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "RUNNER_TEMP": str(folder),
    }
    said = io.StringIO()
    cli.main([command, "--source-image", image], env, said)
    return said.getvalue()


#: The pages on errors, and all that they say.
ERROR_PAGES = sorted(name for name in PAGES if re.fullmatch(r"errors(-of-[\w-]+)?\.md", name))
ERRORS = "\n".join(PAGES[name] for name in ERROR_PAGES)


class TestErrors:
    def test_the_page_is_the_generated_one(self) -> None:
        assert GENERATED.error_pages() == {name: PAGES[name] for name in ERROR_PAGES}, "run `make docs`"

    def test_every_failure_has_its_section(self) -> None:
        nodes = [
            node
            for path in sorted((ROOT / "replicator").rglob("*.py"))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        ]
        rows = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Advice")]
        titles = [ast.literal_eval(word.value) for node in rows for word in node.keywords if word.arg == "title"]
        assert sorted(titles) == sorted(row.title for row in RUN_ERRORS)
        assert len(titles) == len(rows) == len(set(titles))
        classes = {
            node.name
            for node in nodes
            if isinstance(node, ast.ClassDef)
            and {"ReplicaError", "errors.ReplicaError"} & set(map(ast.unparse, node.bases))
        }
        assert classes == {error.__name__ for error in REPLICA_ERRORS}
        headings = re.findall(r"^### (.+)$", ERRORS, re.MULTILINE)
        assert sorted(headings) == sorted(GENERATED.title(error) for error in ALL_ERRORS)

    def test_each_title_is_found_at_the_top(self) -> None:
        contents = PAGES["errors.md"]
        linked = re.findall(r"\[([^\]]+)\]\((errors[\w-]*\.md)?#([\w-]+)\)", contents)
        assert sorted(title for title, _, _ in linked) == sorted(GENERATED.title(error) for error in ALL_ERRORS)
        assert [each for _, page, each in linked if each not in anchors(PAGES[page or "errors.md"])] == []

    @pytest.mark.parametrize("error", ALL_ERRORS, ids=GENERATED.title)
    def test_every_section_says_what_and_what_to_do(self, error: errors.Advice | type[errors.ReplicaError]) -> None:
        title = re.escape(GENERATED.title(error))
        (section,) = re.findall(rf"^### {title}\n(.*?)(?=^##|\Z)", ERRORS, re.MULTILINE | re.DOTALL)
        for heading in ("What happened", "What to do", "Exit code"):
            assert f"**{heading}" in section
        assert isinstance(error, errors.Advice) or "**Repeated" in section
        assert error.remedy in section

    def test_every_row_of_the_table_is_there(self) -> None:
        for fault in refusals.TABLE:
            for code in fault.codes:
                assert f"`{code}`" in ERRORS
            for status in fault.statuses - {None}:
                assert re.search(rf"\b{status}\b", ERRORS)
            if fault.wait:
                assert GENERATED._time(fault.wait) in ERRORS

    @pytest.mark.parametrize("command", sorted(set(re.findall(r"`(gcloud [^`]+)`", ERRORS))))
    def test_every_command_exists(self, gcloud_tree: dict[str, Any], command: str) -> None:
        check_gcloud(gcloud_tree, command)

    def test_every_input_that_a_remedy_names_exists(self) -> None:
        texts = [error.remedy for error in ALL_ERRORS]
        found = set(re.findall(r"\b[a-z]+_[a-z_]+\b", " ".join(texts)))
        assert found
        of_auth = {"service_account", "credentials_json"}
        of_actions = {name for action in OURS.values() for name in action["inputs"]}
        assert found <= {*of_actions, *config_file.Place.model_fields, *of_auth}


def fit_the_schema(folder: Path) -> None:
    """All workflows of a folder at once: a process takes half a second to start."""
    paths = map(str, folder.glob("*.yml"))
    command = [program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *paths]
    subprocess.run(command, check=True, timeout=60)


class TestYamlOfRemedies:
    """What remedies say to write, each in a workflow of its own, against GitHub's schema."""

    STEP: ClassVar[dict[str, Any]] = {"uses": "gce-image-replicator/gce-image-replicator@v1"}

    def valid(self, folder: Path, *jobs: dict[str, Any]) -> None:
        for number, job in enumerate(jobs):
            workflow = {"on": "push", "jobs": {"image": {"runs-on": "ubuntu-24.04", **job}}}
            (folder / f"{number}.yml").write_text(yaml.safe_dump(workflow), "utf-8")
        fit_the_schema(folder)

    def test_inputs_in_sentences(self, tmp_path: Path) -> None:
        texts = " ".join(f"{error.remedy} " for error in ALL_ERRORS)
        inputs = {name: value for name, value in re.findall(r"\b([a-z_]+): (\w+)", texts) if name in ACTION["inputs"]}
        assert inputs == {"access": "private", "replace_failed": "true", "sign": "key"}
        self.valid(tmp_path, {"steps": [{**self.STEP, "with": inputs}]})
        settings.load({"source_image": "projects/p1/global/images/web-1", **inputs}, {})

    def test_lines_to_add(self, tmp_path: Path) -> None:
        added = sorted({error.lines for error in RUN_ERRORS if errors.language(error.lines) == "yaml"} - {""})
        assert len(added) >= 5
        jobs: list[dict[str, Any]] = []
        for lines in added:
            found = yaml.safe_load(lines)
            if isinstance(found, list):
                jobs.append({"steps": found})
            elif "workload_identity_provider" in found:
                jobs.append({"steps": [{**yaml.safe_load(compute_errors.AUTH)[0], "with": found}]})
            else:
                jobs.append({**found, "steps": [self.STEP]})
        self.valid(tmp_path, *jobs)


class TestRemedies:
    """A remedy that is a command: pasted as it stands, it helps."""

    @pytest.fixture
    def gcloud_env(self, emulator: Running, tmp_path: Path) -> dict[str, str]:
        if not shutil.which("gcloud"):
            pytest.skip("gcloud is missing")
        return gcloud_env(tmp_path, **on_emulator(emulator.url))

    @pytest.fixture
    def paste(self, gcloud_env: dict[str, str]) -> Any:
        def paste_from(message: str) -> None:
            found = re.search(r"gcloud compute images (?:[\w.=-]+(?: |\b))+", message)
            assert found, message
            done = subprocess.run(
                found[0], shell=True, env=gcloud_env, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, f"{found[0]}\n{done.stderr}"

        return paste_from

    @pytest.mark.exhaustive
    @pytest.mark.parametrize(
        ("reason", "existing"),
        [
            ("image_failed", {"status": "FAILED"}),
            ("drift", {"disk_size_gb": 50}),
            ("drift", {"deprecated": {"state": "OBSOLETE"}}),
        ],
        ids=["failed", "other content", "obsolete"],
    )
    def test_of_a_replica(
        self, action: Action, source: dict[str, Any], paste: Any, reason: str, existing: dict[str, Any]
    ) -> None:
        action.emulator.add_image(
            **{
                "project": "p1",
                "name": "web-1-eu",
                "location": "eu",
                "source_image": "projects/p1/global/images/web-1",
                "source_image_id": source["id"],
                "disk_size_gb": 20,
                "guest_os_features": ["UEFI_COMPATIBLE", "GVNIC"],
                "licenses": source["licenses"],
                **existing,
            }
        )
        first = action()
        assert first.replicas["eu"]["reason"] == reason
        paste(first.replicas["eu"]["message"])
        second = action()
        assert second.result == "complete", second.log

    def test_of_a_source(self, emulator: Running, tmp_path: Path, paste: Any) -> None:
        emulator.add_image(project="p1", name="web-2", family="web", deprecated={"state": "OBSOLETE"})
        action = Action(emulator, tmp_path)
        first = action(source_image="projects/p1/global/images/web-2")
        assert first.exit_code == SOURCE_UNUSABLE.exit_code
        paste(first.outputs["reason"])
        assert action(source_image="projects/p1/global/images/web-2").result == "complete"
