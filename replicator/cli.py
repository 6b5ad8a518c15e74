"""The command line: the same run as the action's, not gated by the event; options are named as the inputs."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING, Any

from replicator import __version__
from replicator.bootstrap import decide, workflow_commands
from replicator.commands.merge.settings import MergeSettings
from replicator.commands.verify.settings import VerifySettings
from replicator.replicas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn, TextIO

    from pydantic.fields import FieldInfo

_COMMANDS = {
    "replicate": "make what is asked for, and say what exists where",
    "plan": "say what `replicate` would do, and change nothing",
    "merge": "make one index of those of several architectures, verify all of it, then move the families",
    "verify": "hold what exists against an index, or against a source and settings, and change nothing",
    "decide": "say whether the action would replicate in this environment, and why",
}

#: Settings that say how something is made, where nothing is.
_MEANINGLESS = {
    "plan": {"dry_run"},
    "verify": {
        "dry_run",
        "promote",
        "replace_failed",
        "copies_per_source",
        "timeout_minutes",
        "revision",
        "sign",
    },
}
_SOURCE = "projects/PROJECT/global/images/web-v1"
_POLICY = (
    r"--certificate-identity-regexp 'https://github\.com/OWNER/REPO/\.github/workflows/release\.yml@.*' "
    "--certificate-oidc-issuer https://token.actions.githubusercontent.com"
)
_EXAMPLES = {
    "replicate": (
        f"replicate --source-image {_SOURCE}",
        f"replicate --source-image {_SOURCE} --locations us,eu,asia-east1 --required-locations us,eu",
        "replicate --packer-manifest packer-manifest.json --access public",
        f"replicate --source-image {_SOURCE} --json | jq .images",
    ),
    "plan": (
        f"plan --source-image {_SOURCE}",
        "plan --source-image projects/PROJECT/global/images/family/web --json | jq '.plan[].action'",
    ),
    "merge": ("merge --fragments fragments --expect X86_64,ARM64 --required-locations all",),
    "verify": (
        "verify --index image-index.json",
        f"verify --index image-index.json --bundle image-index.json.sigstore.json {_POLICY}",
        f"verify --source-image {_SOURCE} --json",
    ),
    "decide": ("decide --distribute true",),
}

#: What decides about an event, and is no setting.
_GATE = {
    "distribute": "true, false, or auto: replicate on a push of a tag that matches --tag-pattern. Default: auto.",
    "tag_pattern": "One or several patterns for the tags whose push replicates; * matches / too. Default: v*.",
}
_OF_AN_INDEX = "an index instead"
#: Options stand under these headings in the help.
_GROUPS = {
    "which image": ("source_image", "packer_manifest", "project_id"),
    _OF_AN_INDEX: ("index", "architecture", "variant", "location", "offline_only"),
    "who signed the index": (
        "bundle",
        "attestation",
        "certificate_identity_regexp",
        "certificate_oidc_issuer",
        "key",
        "trusted_root",
    ),
    "what is merged": ("fragments", "expect"),
    "where": ("locations", "required_locations", "config", "replica_project", "home_copy"),
    "what it is called": ("name_template", "family_template", "labels"),
    "what may be done": ("access", "promote", "replace_failed", "sign", "dry_run"),
    "how long it may take": ("copies_per_source", "timeout_minutes"),
}
_METAVARS = {
    "source_image": "IMAGE",
    "index": "FILE",
    "bundle": "FILE",
    "attestation": "FILE",
    "certificate_identity_regexp": "REGEXP",
    "certificate_oidc_issuer": "URL",
    "key": "FILE",
    "trusted_root": "FILE",
    "architecture": "ARCHITECTURE",
    "location": "LOCATION",
    "fragments": "FOLDER",
    "expect": "ARCHITECTURES",
    "packer_manifest": "FILE",
    "project_id": "PROJECT",
    "locations": "LOCATIONS",
    "required_locations": "LOCATIONS",
    "config": "FILE",
    "replica_project": "TEMPLATE",
    "name_template": "TEMPLATE",
    "family_template": "TEMPLATE",
    "home_copy": "auto|true",
    "labels": "KEY=VALUE,...",
    "access": "source|public|private",
    "sign": "off|keyless|key",
    "copies_per_source": "COPIES",
    "timeout_minutes": "MINUTES",
    "compute_endpoint": "URL",
}
_EPILOG = """{examples}

`replicator COMMAND --help` explains a command's options; they are named as the inputs of the action.
Credentials: Application Default Credentials (`gcloud auth application-default login`).
Exit codes: 0 complete, partial, planned or skipped; 1 a required location failed, what was to be merged makes no
release, or verify found something wrong; 2 wrong arguments; 3 credentials, source or set-up; 4 verify could not read
something; 5 the signature of an index is wrong; 70 a defect; 130 or 143 a signal.
"""


def main(argv: list[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Run the command that the arguments name. Returns the exit code; 2 for arguments that make no sense."""
    # Whoever asked for JSON reads nothing else from stdout.
    people = sys.stderr if "--json" in argv else stdout
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(people):
            options = vars(_parser().parse_args(argv))
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 2
    command, as_json = options.pop("command"), options.pop("json", False)
    if command == "decide":
        given = {f"INPUT_{name.upper()}": value for name, value in options.items() if value}
        return decide.main([], {**env, **given}, stdout)
    from replicator.commands.merge import run as merging
    from replicator.commands.replicate import run as run_module
    from replicator.commands.verify import run as verifying

    if command == "plan":
        options["dry_run"] = "true"
    carry_out = {"merge": merging.run, "verify": verifying.run}.get(command, run_module.run)
    return carry_out(
        {name: value or "" for name, value in options.items()},
        env,
        people,
        commands=env.get("GITHUB_ACTIONS") == "true",
        document=stdout if as_json else None,
    )


class _Parser(argparse.ArgumentParser):
    """Quotes wrong arguments harmlessly."""

    def error(self, message: str) -> NoReturn:
        super().error(workflow_commands.plain(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="replicator",
        description="Makes one Compute Engine image available in every storage location asked for.",
        epilog=_EPILOG.format(examples=_examples(*(lines[0] for lines in _EXAMPLES.values()))),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"replicator {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            usage=f"replicator {name} [OPTIONS]",
            epilog=_examples(*_EXAMPLES[name]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == "decide":
            for option, help_text in _GATE.items():
                command.add_argument(_option(option), default="", metavar="TEXT", help=help_text)
            continue
        command.add_argument("--json", action="store_true", help="Print one JSON document to stdout and nothing else.")
        fields = (MergeSettings if name == "merge" else Settings).model_fields
        if name == "verify":
            fields = {**fields, **VerifySettings.model_fields}
        left_out = _MEANINGLESS.get(name, ())
        _add_settings(command, {field: info for field, info in fields.items() if field not in left_out})
    return parser


def _add_settings(command: argparse.ArgumentParser, left: dict[str, FieldInfo]) -> None:
    """An option for each setting, in groups that say what it is about."""
    for title, names in {**_GROUPS, "others": tuple(left)}.items():
        if title == _OF_AN_INDEX and "index" not in left:
            # What chooses among an index's images describes the image elsewhere.
            continue
        group = command.add_argument_group(title)
        for name in names:
            if name in left:
                field = left.pop(name)
                usual = None if field.is_required() else field.get_default(call_default_factory=True)
                text = " ".join((field.description or "").split()) + _default(usual)
                metavar = _METAVARS.get(name, "true|false" if isinstance(field.default, bool) else "TEXT")
                # One that is off by default is switched on by its name alone.
                alone: dict[str, Any] = {"nargs": "?", "const": "true"} if field.default is False else {}
                group.add_argument(
                    _option(name), dest=name, default="", metavar=metavar, help=text.replace("%", "%%"), **alone
                )


def _default(value: Any) -> str:
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, tuple):
        text = ",".join(value)
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value or "")
    return f" Default: {text}." if text else ""


def _examples(*lines: str) -> str:
    return "\n".join(["examples:", *(f"  replicator {line}" for line in lines)])


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")
