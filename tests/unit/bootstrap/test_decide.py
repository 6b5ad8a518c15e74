from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
import yaml

from replicator.bootstrap import decide
from replicator.bootstrap.command import find, load
from testkit.outputs import read_outputs
from testkit.places import ROOT

MAIN = find("replicate")
assert MAIN
EMPTY = MAIN.outputs
YES, NO, WARNED = "replicate", "skip", "skip with a warning"
GIVEN = {name or "empty": name for name in ("", "auto", "true", "True", "TRUE", " true\n", "false", "False", "FALSE")}

#: event, ref → what comes of distribute empty or auto, true, false
TABLE = [
    ("push", "refs/tags/v1.0.0", (YES, YES, NO)),
    ("push", "refs/tags/v1/2", (NO, YES, NO)),
    ("push", "refs/tags/V1", (NO, YES, NO)),
    ("push", "refs/tags/boot-v1", (NO, YES, NO)),
    ("push", "refs/heads/main", (NO, YES, NO)),
    ("push", "refs/heads/v1", (NO, YES, NO)),
    ("workflow_dispatch", "refs/heads/main", (NO, YES, NO)),
    ("workflow_dispatch", "refs/tags/v1", (NO, YES, NO)),
    ("schedule", "refs/heads/main", (NO, YES, NO)),
    ("release", "refs/tags/v1", (NO, YES, NO)),
    ("repository_dispatch", "refs/heads/main", (NO, YES, NO)),
    ("pull_request", "refs/pull/7/merge", (NO, NO, NO)),
    ("pull_request", "refs/tags/v1", (NO, NO, NO)),
    ("pull_request_target", "refs/heads/main", (NO, WARNED, NO)),
    ("workflow_run", "refs/heads/main", (NO, WARNED, NO)),
    ("merge_group", "refs/heads/gh-readonly-queue/main/pr-1", (NO, WARNED, NO)),
    ("issue_comment", "refs/heads/main", (NO, WARNED, NO)),
    ("something_new", "refs/tags/v1", (NO, WARNED, NO)),
    ("", "refs/tags/v1", (NO, WARNED, NO)),
]


@pytest.mark.parametrize("distribute", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize(("event", "ref", "expected"), TABLE)
def test_table(event: str, ref: str, expected: tuple[str, str, str], distribute: str) -> None:
    found = decide.from_env({"GITHUB_EVENT_NAME": event, "GITHUB_REF": ref, "INPUT_DISTRIBUTE": distribute})
    column = {"": 0, "auto": 0, "true": 1, "false": 2}[distribute.strip().lower()]
    assert (f"{found.word} with a warning" if found.warn else found.word) == expected[column]
    assert found.reason


PUSH = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1"}
ON_GITHUB = {"GITHUB_SERVER_URL": "https://github.com"}
OTHER_TAG = "the tag w1 does not match tag_pattern (v*, boot-v*)"
NO_INDEX = "index is empty, so there is nothing to announce"
STEERED = ": such runs hold secrets while others may steer them; replicate from a tag push or a dispatch"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "the tag v1 matches tag_pattern"),
        ({"INPUT_TAG_PATTERN": "a*, b*"}, "the tag v1 does not match tag_pattern (a*, b*)"),
        ({"INPUT_TAG_PATTERN": "a*", "INPUT_DISTRIBUTE": "true"}, "distribute is true on push"),
        ({"GITHUB_REF": "refs/tags/v\x1b"}, "the tag v\\x1b matches tag_pattern"),
        ({"INPUT_DISTRIBUTE": "false"}, "distribute is false"),
        ({"GITHUB_REF": "refs/heads/main"}, "a push of a branch replicates only with distribute: true"),
        ({"GITHUB_EVENT_NAME": "schedule"}, "schedule replicates only with distribute: true"),
        ({"GITHUB_EVENT_NAME": "schedule", "INPUT_DISTRIBUTE": "true"}, "distribute is true on schedule"),
        ({"GITHUB_EVENT_NAME": "schedule", "GITHUB_SHA": "0"}, "schedule replicates only with distribute: true"),
        ({"GITHUB_SHA": "0000"}, "the push deleted refs/tags/v1"),
        ({"GITHUB_SHA": "0000", "GITHUB_REF": ""}, "the push deleted a ref"),
        ({"GITHUB_EVENT_NAME": "pull_request"}, "a pull request builds the source image only"),
        (
            {"GITHUB_EVENT_NAME": ""},
            "no event (GITHUB_EVENT_NAME is empty): outside a workflow use `gce-image-replicator replicate`",
        ),
        ({"GITHUB_EVENT_NAME": "new\x1b"}, "the event 'new\\\\x1b' is not trusted to replicate"),
        ({"GITHUB_EVENT_NAME": "new", "INPUT_DISTRIBUTE": "true"}, "the event 'new' is not trusted to replicate"),
        ({"GITHUB_EVENT_NAME": "workflow_run"}, "the event 'workflow_run' is not trusted to replicate"),
        *(
            (
                {"GITHUB_EVENT_NAME": name, "INPUT_DISTRIBUTE": "true"},
                f"the event '{name}' is not trusted to replicate{STEERED}",
            )
            for name in ("pull_request_target", "workflow_run", "issue_comment")
        ),
    ],
)
def test_reasons(said: dict[str, str], reason: str) -> None:
    assert decide.from_env({**PUSH, **said}).reason == reason


@pytest.mark.parametrize(
    ("said", "problems"),
    [
        (
            {"INPUT_DISTRIBUTE": "may\x1bbe"},
            [("distribute", "'may\\x1bbe' is not one of true, false, auto or empty")],
        ),
        ({"INPUT_TAG_PATTERN": "b,a\nb a\tc"}, [("tag_pattern", f"'{name}' is given twice") for name in "ab"]),
        (
            {"INPUT_TAG_PATTERN": "refs/tags/v* refs/heads/w* refs/x refs/tags/refs/y"},
            [
                ("tag_pattern", f"'{given}' can match no tag: write the tag's name alone")
                for given in ("refs/heads/w*", "refs/tags/refs/y", "refs/tags/v*", "refs/x")
            ],
        ),
        ({"INPUT_TAG_PATTERN": "v\x1b,v\x1b"}, [("tag_pattern", "'v\\x1b' is given twice")]),
        (
            {"INPUT_TAG_PATTERN": "!v* !w*"},
            [
                (
                    "tag_pattern",
                    "'!v* !w*' holds nothing but patterns with !: write first what they exclude from, for instance **",
                )
            ],
        ),
        ({"INPUT_TAG_PATTERN": "!v*,!v*"}, [("tag_pattern", "'!v*' is given twice")]),
        # A key that lies there by mistake is not shown, however short a key may be, nor in parts.
        (
            {"INPUT_TAG_PATTERN": "AKIAIOSFODNN7EXAMPLE"},
            [("tag_pattern", "what looks like a key or token (20 characters) isn't a list of patterns")],
        ),
        (
            {"INPUT_TAG_PATTERN": "v*,v* AKIAIOSFODNN7EXAMPLE"},
            [("tag_pattern", "what looks like a key or token (26 characters) isn't a list of patterns")],
        ),
    ],
)
def test_what_is_said_of_wrong_inputs(said: dict[str, str], problems: list[tuple[str, str]]) -> None:
    with pytest.raises(decide.WrongInput) as caught:
        decide.from_env({**PUSH, **said})
    assert caught.value.problems == problems
    assert str(caught.value) == "; ".join(f"{name}: {text}" for name, text in problems)


@pytest.mark.parametrize("pattern", ["", " \t\r\n,", ",v*,\r\n", "\tv*\t"])
def test_blanks_and_commas_around_patterns_say_nothing(pattern: str) -> None:
    assert decide.from_env({**PUSH, "INPUT_TAG_PATTERN": pattern}).replicate
    assert not decide.from_env({**PUSH, "GITHUB_REF": "refs/tags/w1", "INPUT_TAG_PATTERN": pattern}).replicate


@pytest.mark.parametrize("value", ["yes", "1", "on", "tRUE", "'true'", "null", "AUTO", "::error::x"])
def test_wrong_distribute_is_an_error_on_every_event(value: str) -> None:
    for event, ref, _ in TABLE:
        with pytest.raises(decide.WrongInput) as caught:
            decide.from_env({"GITHUB_EVENT_NAME": event, "GITHUB_REF": ref, "INPUT_DISTRIBUTE": value})
        assert [name for name, _ in caught.value.problems] == ["distribute"]


@pytest.mark.parametrize(
    ("pattern", "tag", "matches"),
    [
        ("v*", "v1", True),
        ("v*, boot-v*", "boot-v2", True),
        ("v[0-9]*\nrelease-[0-9]?", "release-7", True),
        ("v* !v*-rc*", "v1", True),
        ("v*, !v*-rc*", "v1-rc1", False),
        ("v[0-9]*", "vnext", False),
        ("*", "a/b/c", False),
        ("**", "a/b/c", True),
        ("V*", "v1", False),
        ("1.*", "v1.0", False),
    ],
)
def test_tag_pattern(pattern: str, tag: str, matches: bool) -> None:
    env = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": f"refs/tags/{tag}", "INPUT_TAG_PATTERN": pattern}
    assert decide.from_env(env).replicate is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "v*,v*",
        "refs/tags/v*",
        "refs/heads/main",
        "v* !refs/tags/v1",
        "^v",
        "v* (w)",
        "v[0-9",
        "!v*",
        "!v*, !w*",
        "v* !",
    ],
)
@pytest.mark.parametrize("event", ["push", "pull_request", "schedule"])
def test_wrong_tag_pattern(pattern: str, event: str) -> None:
    with pytest.raises(decide.WrongInput) as caught:
        decide.from_env({"GITHUB_EVENT_NAME": event, "GITHUB_REF": "refs/tags/v1", "INPUT_TAG_PATTERN": pattern})
    assert [name for name, _ in caught.value.problems] == ["tag_pattern"]


def test_both_wrong_inputs_are_reported() -> None:
    with pytest.raises(decide.WrongInput) as caught:
        decide.from_env({"INPUT_DISTRIBUTE": "maybe", "INPUT_TAG_PATTERN": "a a"})
    assert [name for name, _ in caught.value.problems] == ["distribute", "tag_pattern"]


@pytest.mark.parametrize(
    ("payload", "sha", "skipped"),
    [
        ('{"deleted": true}', "1234", True),
        ('{"deleted": false}', "0" * 40, True),
        ('{"deleted": false}', "1234", False),
        ('{"deleted": "true"}', "1234", False),
        ("[1]", "1234", False),
        ("no json", "1234", False),
        ("[" * 100_000, "1234", False),
        (None, "1234", False),
        ('{"other": true}', "", False),
        ('{"deleted": true}', "", True),
    ],
)
def test_deleted_ref(tmp_path: Path, payload: str | None, sha: str, skipped: bool) -> None:
    path = tmp_path / "event.json"
    if payload is not None:
        path.write_text(payload)
    env = {
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/tags/v1",
        "GITHUB_SHA": sha,
        "GITHUB_EVENT_PATH": str(path),
        "INPUT_DISTRIBUTE": "true",
    }
    assert decide.from_env(env).replicate is not skipped


def test_ref_type_serves_where_the_ref_is_missing() -> None:
    env = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}
    assert decide.from_env(env).reason == "the tag v1 matches tag_pattern"
    assert not decide.from_env({**env, "GITHUB_REF_TYPE": "branch"}).replicate
    assert not decide.from_env({**env, "GITHUB_REF": "refs/heads/v1"}).replicate
    nameless = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF_TYPE": "tag", "INPUT_TAG_PATTERN": "**"}
    assert not decide.from_env(nameless).replicate


def test_nothing_is_known_outside_a_runner() -> None:
    assert decide.from_env({}).reason.startswith("no event (GITHUB_EVENT_NAME is empty)")


@pytest.mark.parametrize(
    ("said", "replicates"),
    [
        pytest.param({"GITHUB_REF": "refs/tags/v1", "GITHUB_REF_TYPE": ""}, True, id="tag without a type"),
        pytest.param({"GITHUB_REF": "refs/heads/v1", "GITHUB_REF_TYPE": ""}, False, id="branch without a type"),
        pytest.param({"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"}, False, id="act"),
        pytest.param({"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/head"}, False, id="Gitea"),
        pytest.param({"GITHUB_EVENT_NAME": "", "GITHUB_REF": "refs/tags/v1"}, False, id="Forgejo's and Gitea's exec"),
        pytest.param({"GITHUB_REF": "refs/tags/v1", "RUNNER_OS": "linux", "RUNNER_ARCH": "amd64"}, True, id="names"),
    ],
)
def test_what_other_runners_than_githubs_say(said: dict[str, str], replicates: bool) -> None:
    env = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF_NAME": said["GITHUB_REF"].split("/", 2)[2], **said}
    assert decide.from_env(env).replicate is replicates


class TestMain:
    def run(self, tmp_path: Path, argv: list[str] | None = None, **env: str) -> tuple[int, str, dict[str, str]]:
        stdout = io.StringIO()
        code = decide.main(argv or [], {"GITHUB_OUTPUT": str(tmp_path / "o"), **env}, stdout)
        return code, stdout.getvalue(), read_outputs(tmp_path / "o")

    def test_skip_writes_every_output(self, tmp_path: Path) -> None:
        code, log, outputs = self.run(tmp_path, GITHUB_EVENT_NAME="pull_request")
        assert code == 0
        assert outputs == {
            **EMPTY,
            "decision": "skip",
            "result": "skipped",
            "reason": "a pull request builds the source image only",
        }
        assert json.loads(outputs["images"]) == {}
        assert log == "Skipped: a pull request builds the source image only.\n"

    def test_replicate_leaves_the_rest_to_the_step_that_does_it(self, tmp_path: Path) -> None:
        _, _, outputs = self.run(tmp_path, GITHUB_EVENT_NAME="push", GITHUB_REF="refs/tags/v1")
        assert outputs == {"decision": "replicate"}

    def test_warning(self, tmp_path: Path) -> None:
        _, log, outputs = self.run(tmp_path, GITHUB_EVENT_NAME="workflow_run", INPUT_DISTRIBUTE="true")
        reason = f"the event 'workflow_run' is not trusted to replicate{STEERED}"
        assert log.splitlines() == [
            f"Skipped: {reason}.",
            f"::warning title=Skipped::Nothing was replicated although distribute is true: {reason}.",
        ]
        assert outputs == {**EMPTY, "decision": "skip", "result": "skipped", "reason": reason}

    def test_a_tag_that_matches_nothing_is_noticed(self, tmp_path: Path) -> None:
        """A release was meant, mostly: a skip that nobody sees is found out weeks later."""
        _, log, outputs = self.run(tmp_path, [], **{**PUSH, "GITHUB_REF": "refs/tags/release-1"})
        reason = "the tag release-1 does not match tag_pattern (v*)"
        assert log.splitlines() == [
            f"Skipped: {reason}.",
            f"::notice title=Skipped::Nothing was replicated: {reason}.",
        ]
        assert outputs["reason"] == reason

    def test_other_skips_are_not_noticed(self, tmp_path: Path) -> None:
        for env in ({**PUSH, "INPUT_DISTRIBUTE": "false"}, {"GITHUB_EVENT_NAME": "schedule"}):
            assert "::" not in self.run(tmp_path, [], **env)[1]

    def test_replicating_is_said(self, tmp_path: Path) -> None:
        code, log, _ = self.run(tmp_path, [], **PUSH)
        assert (code, log) == (0, "Replicating: the tag v1 matches tag_pattern.\n")

    def test_wrong_input(self, tmp_path: Path) -> None:
        code, log, outputs = self.run(tmp_path, INPUT_DISTRIBUTE="%0A::error::x ##[group]")
        assert code == 2
        text = "distribute: '%0A::error::x # #[group]' is not one of true, false, auto or empty"
        assert log == f"::error title=Input distribute::{text.replace('%', '%25')}\n"
        assert outputs == {**EMPTY, "decision": "skip", "result": "failed", "reason": text}

    @pytest.mark.parametrize(
        ("argv", "env", "log", "outputs"),
        [
            (["merge"], PUSH, "Replicating: the tag v1 matches tag_pattern.", {"decision": "replicate"}),
            (
                ["notify", "more"],
                {**ON_GITHUB, **PUSH, "INPUT_WEBHOOK_URL": "https://x.example"},
                f"Skipped: {NO_INDEX}.\n::notice title=Skipped::Nothing was announced: {NO_INDEX}.",
                {"decision": "skip", "result": "skipped"},
            ),
            (
                ["release"],
                {**ON_GITHUB, "GITHUB_EVENT_NAME": "pull_request"},
                "Skipped: a pull request builds the source image only.",
                {"decision": "skip", "result": "skipped", "skipped_reason": "event"},
            ),
            (
                ["release"],
                {**ON_GITHUB, **PUSH, "INPUT_SKIP_SERVER_URLS": "https://github.com"},
                "Skipped: the server https://github.com is in skip_server_urls.",
                {"decision": "skip", "skipped_reason": "server"},
            ),
            (
                ["release"],
                {**ON_GITHUB, **PUSH, "GITHUB_REF": "refs/tags/w1"},
                f"Skipped: {OTHER_TAG}.\n::notice title=Skipped::Nothing was released: {OTHER_TAG}.",
                {"decision": "skip", "skipped_reason": "tag"},
            ),
            (["verify", "--failed", "No."], {}, "::error title=Set-up::No.", {"reason": "No.", "result": "error"}),
        ],
        ids=["merge", "notify", "release of a pull request", "release elsewhere", "release of another tag", "verify"],
    )
    def test_other_actions(
        self, tmp_path: Path, argv: list[str], env: dict[str, str], log: str, outputs: dict[str, str]
    ) -> None:
        """Each has words, outputs and, where it needs one, a gate of its own."""
        _, said, found = self.run(tmp_path, argv, **env)
        assert said == f"{log}\n"
        assert found.items() >= outputs.items()
        assert ("decision" in found) is ("decision" in outputs)

    def test_an_action_that_is_not_known_is_a_defect(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"^'nonsense' isn't a command$"):
            self.run(tmp_path, ["nonsense"])

    def test_a_skip_on_the_command_line_is_told_in_plain_words(self, tmp_path: Path) -> None:
        assert MAIN
        decision, stdout = decide.Decision(False, "no event", warn=True), io.StringIO()
        decide.report(MAIN, decision, {}, stdout, commands=False)
        told = "Nothing was replicated although distribute is true: no event."
        assert stdout.getvalue() == f"Skipped: no event.\nwarning: {told}\n"

    def test_failed_set_up(self, tmp_path: Path) -> None:
        code, log, outputs = self.run(tmp_path, ["--failed", "No", "ve\x1bnv."])
        assert code == 3
        assert log == "::error title=Set-up::No ve\\x1bnv.\n"
        expected = {"decision": "replicate", "result": "failed", "reason": "No ve\\x1bnv."}
        assert outputs == {**EMPTY, **expected}


@pytest.mark.parametrize(
    "module",
    [
        "__init__.py",
        *(
            f"bootstrap/{name}"
            for name in (
                "__init__.py",
                "command.py",
                "decide.py",
                "early.py",
                "filter_patterns.py",
                "quote.py",
                "redact.py",
                "workflow_commands.py",
            )
        ),
    ],
)
def test_syntax_of_python_3_8(module: str) -> None:
    ast.parse((ROOT / "replicator" / module).read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("verb", ["replicate", "merge"])
def test_what_a_gated_action_takes_besides_its_settings(verb: str) -> None:
    command = find(verb)
    assert command
    assert command.action
    action = yaml.safe_load((ROOT / command.action / "action.yml").read_text(encoding="utf-8"))
    assert set(action["inputs"]) - set(load(command.settings).model_fields) == set(decide.INPUTS)
