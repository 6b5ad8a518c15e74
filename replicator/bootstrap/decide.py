"""Decides from the event, `distribute` and `tag_pattern` whether the action runs or skips, and gives the reason.

Runs as a script before anything is installed, on the machine's own `python3`: standard library only, Python 3.8.
A skipped run ends here: it installs nothing, needs no credentials and contacts no service.
"""

from __future__ import annotations

import os
import sys

if not __package__:
    # Run as an isolated script (`-I`), which keeps out the caller's folder and PYTHONPATH, and our own parent as well.
    sys.path.insert(0, os.path.abspath(__file__).rsplit(os.sep, 3)[0])  # noqa: PTH100

from replicator.bootstrap import workflow_commands
from replicator.bootstrap.command import MAIN, find, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from replicator.bootstrap.command import Command


DEFAULT_TAG_PATTERN = "v*"
#: The inputs of every gated action, and of every set-up; the commands' settings don't have them.
INPUTS = ("distribute", "tag_pattern", "python")

_SWITCH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

#: No token is shorter; a pattern mostly is.
_LONG = 20

#: Events whose runs may replicate: on a matching tag, or because `distribute` is true.
_ON_REQUEST = frozenset({"push", "workflow_dispatch", "schedule", "release", "repository_dispatch"})


class Decision:
    """Replicate or skip, the reason as a clause, and whether to warn the caller about it or to notice it.

    `more` are outputs that a skip writes besides.
    """

    def __init__(
        self,
        replicate: bool,
        reason: str,
        warn: bool = False,
        notice: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.replicate = replicate
        self.reason = reason
        self.warn = warn
        self.notice = notice
        self.more = dict(more or {})

    @property
    def word(self) -> str:
        """The value of the output `decision`."""
        return "replicate" if self.replicate else "skip"


class WrongInput(Exception):
    """An invalid value of an input that this module reads; `problems` are (input, message) pairs."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join("{}: {}".format(*problem) for problem in problems))
        self.problems = problems


class Event:
    """The event that started the run, as the runner describes it."""

    def __init__(self, *, name: str, ref: str, is_tag: bool, deleted: bool) -> None:
        self.name = name
        self.ref = ref
        self.is_tag = is_tag
        self.deleted = deleted

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Event:
        """Read the event from the runner's variables and, for a push, from its payload."""
        name, ref = env.get("GITHUB_EVENT_NAME", ""), env.get("GITHUB_REF", "")
        # act and Gitea leave GITHUB_REF_TYPE empty on some events; the full ref, if given, always shows the type.
        if not ref and env.get("GITHUB_REF_TYPE") == "tag":
            ref = "refs/tags/" + env.get("GITHUB_REF_NAME", "")
        is_tag = ref.startswith("refs/tags/")
        deleted = name == "push" and (
            set(env.get("GITHUB_SHA", "")) == {"0"} or payload(env.get("GITHUB_EVENT_PATH", "")).get("deleted") is True
        )
        return cls(name=name, ref=ref, is_tag=is_tag, deleted=deleted)


def decide(event: Event, distribute: str, tag_pattern: str) -> Decision:
    """Decide by the event first, then by the ref.

    Raises WrongInput if `distribute` or `tag_pattern` has an invalid value.
    """
    wanted, patterns = _read_inputs(distribute, tag_pattern)
    name = event.name
    if name == "pull_request":
        return Decision(False, "a pull request builds the source image only")
    if name not in _ON_REQUEST:
        what = f"the event {workflow_commands.plain(name)!r} is not trusted to replicate" if name else "no event"
        return Decision(False, what + _hint(name, wanted), warn=wanted is True)
    if event.deleted:
        return Decision(False, "the push deleted {}".format(workflow_commands.plain(event.ref) or "a ref"))
    if wanted is False:
        return Decision(False, "distribute is false")
    if name == "push" and event.is_tag:
        tag = event.ref[len("refs/tags/") :]
        from replicator.bootstrap import filter_patterns  # no other skip needs it

        if tag and filter_patterns.matches([filter_patterns.Pattern(pattern) for pattern in patterns], tag):
            return Decision(True, f"the tag {workflow_commands.plain(tag)} matches tag_pattern")
        if wanted is None:
            listed = workflow_commands.plain(", ".join(patterns))
            reason = f"the tag {workflow_commands.plain(tag)} does not match tag_pattern ({listed})"
            return Decision(False, reason, notice=True)
    if wanted:
        return Decision(True, f"distribute is true on {name}")
    return Decision(False, f"{_called(event)} replicates only with distribute: true")


def main(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Run the first step of an action: print the decision and write it as outputs. Returns the exit code.

    The first argument is the action's verb; the default is the main action's. With `--failed REASON` after the verb,
    writes the outputs of a run whose set-up failed instead (`setup.sh` calls it that way).
    """
    verb = argv.pop(0) if argv and argv[0] != "--failed" else MAIN
    command = find(verb)
    if command is None:
        raise ValueError(f"{verb!r} isn't a command")
    if argv[:1] == ["--failed"]:
        write_failure(command, env, stdout, " ".join(argv[1:]), title="Set-up")
        from replicator.bootstrap import exit_codes  # a skip doesn't need it

        return exit_codes.SETUP
    try:
        decision = of_command(command, env)
    except WrongInput as error:
        return report_wrong_input(command, error, env, stdout)
    report(command, decision, env, stdout)
    return 0


def of_command(command: Command, env: Mapping[str, str]) -> Decision:
    """Return the decision for this run of a command's action, by its own gate if it has one. Raises WrongInput."""
    if command.gate.startswith("bootstrap."):
        return from_env(env)
    decision: Decision = load(command.gate)(env)
    return decision


def from_env(env: Mapping[str, str]) -> Decision:
    """Return the decision for this run. Raises WrongInput."""
    return decide(Event.from_env(env), env.get("INPUT_DISTRIBUTE", ""), env.get("INPUT_TAG_PATTERN", ""))


def report(command: Command, decision: Decision, env: Mapping[str, str], stdout: TextIO, commands: bool = True) -> None:
    """Print the decision and, if the run ends here, write every output of the command's action.

    `commands` says whether to write workflow commands for the runner, or plain text.
    """
    workflow_commands.write_line(
        stdout, "{}: {}.".format(command.doing if decision.replicate else "Skipped", decision.reason)
    )
    if decision.replicate:
        # The step that replicates writes the other outputs. A value written here would win where it leaves one empty.
        workflow_commands.write_outputs(env, {"decision": decision.word})
        return
    if decision.warn or decision.notice:
        level = "warning" if decision.warn else "notice"
        although = " although distribute is true" if decision.warn else ""
        message = f"Nothing was {command.done}{although}: {decision.reason}."
        annotation = workflow_commands.annotation(level, message, title="Skipped")
        workflow_commands.write_line(stdout, annotation if commands else f"{level}: {message}")
    workflow_commands.write_outputs(
        env, dict(command.outputs, decision=decision.word, reason=decision.reason, result="skipped", **decision.more)
    )


def report_wrong_input(command: Command, error: WrongInput, env: Mapping[str, str], stdout: TextIO) -> int:
    """Annotate each wrong input and write the outputs of a run that was refused. Returns the exit code."""
    from replicator.bootstrap import exit_codes  # a skip doesn't need it

    for name, message in error.problems:
        text = f"{name}: {message}"
        workflow_commands.write_line(stdout, workflow_commands.annotation("error", text, title=f"Input {name}"))
    reason = workflow_commands.plain(error)
    workflow_commands.write_outputs(env, dict(command.outputs, decision="skip", reason=reason, result="failed"))
    return exit_codes.BAD_SETTINGS


def write_failure(command: Command, env: Mapping[str, str], stdout: TextIO, reason: str, title: str) -> None:
    """Annotate the reason, and write the outputs of a run that failed before it began."""
    workflow_commands.write_line(stdout, workflow_commands.annotation("error", reason, title=title))
    outputs = dict(command.outputs, reason=workflow_commands.plain(reason), result=command.failed)
    workflow_commands.write_outputs(env, dict(outputs, decision="replicate") if command.gated else outputs)


def _read_inputs(distribute: str, tag_pattern: str) -> tuple[bool | None, list[str]]:
    given = distribute.strip()
    problems = []
    if given not in _SWITCH and given not in ("", "auto"):
        from replicator.bootstrap.quote import quoted  # only what is wrong is quoted

        problems.append(("distribute", f"{quoted(distribute)} is not one of true, false, auto or empty"))
    patterns = tag_pattern.replace(",", " ").split()
    if patterns and patterns != [DEFAULT_TAG_PATTERN]:
        problems += _wrong_patterns(tag_pattern, patterns)
    if problems:
        raise WrongInput([(name, workflow_commands.plain(text)) for name, text in problems])
    return _SWITCH.get(given), patterns or [DEFAULT_TAG_PATTERN]


def _wrong_patterns(given: str, patterns: list[str]) -> list[tuple[str, str]]:
    from replicator.bootstrap import filter_patterns

    wrong = []
    for pattern in sorted(set(patterns)):
        if patterns.count(pattern) > 1:
            wrong.append((pattern, "is given twice"))
        if pattern.lstrip("!").startswith("refs/"):
            wrong.append((pattern, "can match no tag: write the tag's name alone"))
        elif problem := filter_patterns.problem(pattern):
            wrong.append((pattern, problem))
    if not wrong and all(pattern.startswith("!") for pattern in patterns):
        wrong = [(given, "holds nothing but patterns with !: write first what they exclude from, for instance **")]
    if not wrong and max(map(len, patterns)) < _LONG:
        return []
    from replicator.bootstrap import quote  # brings `re`, which a skip mostly does without

    if quote.is_secret(given):
        # Its words alone may not look like what they are part of.
        wrong = [(given, "isn't a list of patterns")]
    return [("tag_pattern", f"{quote.quoted(text)} {problem}") for text, problem in wrong]


def _hint(name: str, wanted: bool | None) -> str:
    if not name:
        return " (GITHUB_EVENT_NAME is empty): outside a workflow use `gce-image-replicator replicate`"
    if wanted and name in ("pull_request_target", "workflow_run", "issue_comment"):
        return ": such runs hold secrets while others may steer them; replicate from a tag push or a dispatch"
    return ""


def _called(event: Event) -> str:
    return "a push of a branch" if event.name == "push" else event.name


def payload(path: str) -> dict[str, object]:
    """Return the payload of the event, as its file holds it; empty if the file can't be read."""
    import json  # most skips don't need it

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs the skip path a third of its time
            payload = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


if __name__ == "__main__":
    # A command's own gate imports this module, and its WrongInput must be this one.
    sys.modules["replicator.bootstrap.decide"] = sys.modules[__name__]
    sys.exit(main(sys.argv[1:], os.environ, sys.stdout))
