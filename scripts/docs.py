"""Generates from the code: inputs of each action.yml, tables of docs/, docs/errors.md, schemas, what is near.

So the documents can't drift from what the action does. A generated table is between `<!-- BEGIN name -->` and
`<!-- END name -->`. --check compares and writes nothing.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
import sys
import textwrap
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from replicator.bootstrap.command import declared, every, load
from replicator.compute import errors as compute_errors
from replicator.compute import refusals
from replicator.compute.permissions import PERMISSIONS, ROLES
from replicator.compute.refusals import Then
from replicator.core import errors
from replicator.index import errors as index_errors
from replicator.inputs import config_file, price_list
from scripts import gitlab_component, terraform_orders
from scripts.action_inputs import filled
from scripts.smoke import report as smoke_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TextIO

    from replicator.bootstrap.command import Command

ROOT = Path(__file__).resolve().parent.parent


def inputs(action: dict[str, Any]) -> str:
    """Return the table of inputs: name, description, default."""
    return _table(
        ["Input", "Description", "Default"],
        (
            [f"`{name}`", given["description"], f"`{given['default']}`" if given.get("default") else "empty"]
            for name, given in action["inputs"].items()
        ),
    )


def outputs(action: dict[str, Any]) -> str:
    """Return the table of outputs: name, description."""
    return _table(
        ["Output", "Description"],
        ([f"`{name}`", given["description"]] for name, given in action["outputs"].items()),
    )


def replica_errors() -> Iterator[type[errors.ReplicaError]]:
    """Yield the failures that end one replica, in the order of the code."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.ReplicaError) and value is not errors.ReplicaError:
            yield value


#: The modules that hold the failures that end a run, in the order of the page; those of capabilities are found.
OWNERS = (
    errors,
    compute_errors,
    index_errors,
    *(
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for path in sorted((ROOT / "replicator" / "commands").rglob("errors.py"))
    ),
)


#: The measured cases of the main action that are columns of their own, and their headings.
OF_REPLICATE = {
    "a first run": "`replicate`",
    "a rerun with nothing to do": "the same again",
    "`dry_run: true` or `plan`": "`plan`",
}


def _columns(measured: Mapping[str, Any]) -> dict[str, str]:
    """Case → heading, of the cases that are commands: the first one of each verb, and what `--apply` needs."""
    verbs = sorted((command.verb for command in every()), key=len, reverse=True)
    columns: dict[str, str] = {}
    for case in measured:
        said = case.strip("`")
        verb = next((verb for verb in verbs if f"{said} ".startswith(f"{verb} ")), "")
        if case in OF_REPLICATE:
            columns[case] = OF_REPLICATE[case]
        elif said.endswith(" --apply"):
            columns[case] = case
        elif verb and f"`{verb}`" not in columns.values():
            columns[case] = f"`{verb}`"
    return columns


def permissions(_action: dict[str, Any]) -> str:
    """Return the table of permissions, as the tests measured them: a column for each command, and what changes it."""
    measured = _measured()
    columns = _columns(measured)
    return _table(
        ["Permission", "Project", "A role that has it", *columns.values(), "Options"],
        (
            [
                f"`{name}`",
                {"source": "source's", "replicas": "replicas'"}[where],
                f"`{role}`",
                *("✓" if name in measured[case][where] else "" for case in columns),
                _options(measured, where, name),
            ]
            for where in ("source", "replicas")
            for name, role in sorted(ROLES.items())
            if any(name in row[where] for row in measured.values())
        ),
    )


def _options(measured: dict[str, dict[str, list[str]]], where: str, name: str) -> str:
    """Return the cases, beside the commands, that differ from their command in a permission."""
    columns = _columns(measured)
    others = [case for case in measured if case not in columns]
    differing = [
        case for case in others if (name in measured[case][where]) != (name in measured[_of(case, columns)][where])
    ]
    parts = {
        word: [case for case in differing if (name in measured[case][where]) == (word == "for")]
        for word in ("for", "not for")
    }
    return "; ".join(f"{word} {', '.join(cases)}" for word, cases in parts.items() if cases)


def _of(case: str, columns: Mapping[str, str]) -> str:
    """The command that a case is an option of: the one that its name begins with, else `replicate`."""
    return next((command for command in columns if case.startswith(f"{command[:-1]} --")), "a first run")


def calls(_action: dict[str, Any]) -> str:
    """Return the table of calls: which permissions each needs, by Compute Engine's reference of the method."""
    return _table(["Call", "What it needs"], ([f"`{method}`", needed] for method, needed in PERMISSIONS.items()))


def _measured() -> dict[str, dict[str, list[str]]]:
    measured: dict[str, dict[str, list[str]]] = json.loads(_read(ROOT / "docs" / "permissions.json"))
    return measured


def registry_permissions(_action: dict[str, Any]) -> str:
    """Return the table of Artifact Registry's permissions, as the tests measured them for `registry`."""
    measured: dict[str, list[str]] = json.loads(_read(ROOT / "docs" / "registry-permissions.json"))
    used = sorted({name for names in measured.values() for name in names})
    return _table(
        ["", *(f"`{name.rpartition('.')[2]}`" for name in used)],
        ([case, *("✓" if name in names else "" for name in used)] for case, names in measured.items()),
    )


def conformance(_action: dict[str, Any]) -> str:
    """Return the tables of testkit/conformance: how every fault at every call is handled."""
    sys.path.insert(0, str(ROOT))
    try:
        from scripts.conformance import tables
    finally:
        sys.path.remove(str(ROOT))
    return tables(_table)


def actions() -> dict[str, Command]:
    """Map the path of each action.yml to its command."""
    return {
        (Path(command.action) / "action.yml").as_posix(): command for command in every() if command.action is not None
    }


#: What stands between the marks of that name.
TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "permissions": permissions,
    "calls": calls,
    "inputs": inputs,
    "outputs": outputs,
    "conformance": conformance,
    "registry_permissions": registry_permissions,
}
#: `<!-- BEGIN inputs -->` is about action.yml, `<!-- BEGIN inputs of merge/action.yml -->` about that one.
_MARK = re.compile(r"<!-- (BEGIN|END) (\w+)(?: of (\S+))? -->")


def pages(root: Path) -> list[str]:
    """The pages that hold generated tables: those with a mark."""
    found = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return [path.relative_to(root).as_posix() for path in found if _MARK.search(_read(path))]


def fill(page: str, root: Path, made: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a page with every table filled in, from the actions in `made`, else from those on disk.

    Raises ValueError where a mark has no partner, or names no table.
    """
    text = _read(root / page)
    marks = list(_MARK.finditer(text))
    parts, end = [], 0
    for begin, close in zip(marks[::2], marks[1::2], strict=False):
        kind, name, described = begin.groups()
        if (kind, *close.groups()) != ("BEGIN", "END", name, described) or name not in TABLES:
            raise ValueError(f"{page}: {begin[0]} needs its END next, and one of the tables {', '.join(TABLES)}")
        file = described or "action.yml"
        action = yaml.safe_load(made.get(file) or _read(root / file))
        parts += [text[end : begin.end()], f"\n{TABLES[name](action)}\n"]
        end = close.start()
    if len(marks) % 2:
        raise ValueError(f"{page}: {marks[-1][0]} is alone")
    return "".join([*parts, text[end:]])


def main(argv: list[str], stdout: TextIO, root: Path = ROOT) -> int:
    """Write the pages; with `--check` only compare them. Returns the exit code."""
    if argv not in ([], ["--check"]):
        stdout.write("usage: docs.py [--check]\n")
        return 2
    try:
        made = {file: filled(command, _read(root / file)) for file, command in actions().items()}
        wanted = {
            **made,
            **{page: fill(page, root, made) for page in pages(root)},
            **_schemas(root),
            "schemas/smoke-report.schema.json": json.dumps(smoke_report.schema(), indent=2) + "\n",
            **{f"docs/{name}": text for name, text in error_pages().items()},
            gitlab_component.PATH: gitlab_component.filled(_read(ROOT / gitlab_component.PATH)),
            "terraform/orders.json": terraform_orders.text(),
        }
    except ValueError as error:
        stdout.write(f"{error}\n")
        return 1
    stale = [name for name, text in wanted.items() if _read(root / name) != text]
    for name in stale:
        if argv:
            stdout.write(f"{name} is stale: it differs from action.yml or the code. Run `make docs`.\n")
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(wanted[name], encoding="utf-8")
            stdout.write(f"{name}: written again\n")
    return 1 if stale and argv else 0


def _schemas(root: Path) -> dict[str, str]:
    """Return the schemas by path: in `schemas/`, whose address editors use, and in the package, which prints them."""
    made = {
        "replicate-config.schema.json": json.dumps(config_file.schema(), indent=2) + "\n",
        "prices.schema.json": json.dumps(price_list.schema(), indent=2) + "\n",
        **{
            f"{name}.schema.json": json.dumps(load(schema)(), indent=2) + "\n"
            for schemas in declared("SCHEMAS")
            for name, schema in schemas.items()
        },
        # Written by hand.
        "image-index.schema.json": _read(root / "schemas" / "image-index.schema.json"),
    }
    return {f"{folder}/{name}": text for folder in ("schemas", "replicator/schemas") for name, text in made.items()}


def error_pages() -> dict[str, str]:
    """Return the pages on errors by name: for each failure what happened, why, what to do, whether it is repeated."""
    pages = {
        "errors.md": [
            _ERRORS_HEAD,
            _RUNS_HEAD,
            _contents(),
        ],
        _OF_A_REPLICA: [
            _PART_HEAD.format(title=_PAGES[_OF_A_REPLICA]),
            _REPLICAS_HEAD,
            *(_section(error, _effect(error), _answers(error)) for error in replica_errors()),
        ],
    }
    for heading, rows in _grouped().items():
        for name in dict.fromkeys(map(page_of, rows)):
            parts = pages.setdefault(name, [_PART_HEAD.format(title=_PAGES[name])])
            parts += _group(heading, [row for row in rows if page_of(row) == name])
    return {name: "\n\n".join(parts) + "\n" for name, parts in pages.items()}


def page_of(row: errors.Advice) -> str:
    """Return the page that explains a failure that ends the run: one that a reader takes in."""
    owner = _owner(row)
    if owner == "replicator.compute.errors":
        return _ALL if row in _OF_ALL else "errors-of-the-sign-in.md"
    return _PAGE_OF.get(owner, _ALL if owner == "replicator.core.errors" else "errors-of-commands.md")


def _owner(row: errors.Advice) -> str:
    return next(owner.__name__ for owner in OWNERS if row in vars(owner).values())


def _contents() -> str:
    """Return the table by which the section of a title is found: a row for each part."""
    rows = [[heading, _linked({row.title: page_of(row) for row in group})] for heading, group in _grouped().items()]
    reasons = _linked({title(error): _OF_A_REPLICA for error in replica_errors()})
    return _table(["Of", "Title of the annotation"], [*rows, ["one replica", reasons]])


def _linked(titles: Mapping[str, str]) -> str:
    anchors = ((each, titles[each], re.sub(r"[^\w -]", "", each).lower().replace(" ", "-")) for each in sorted(titles))
    return ", ".join(f"[{each}]({page}#{anchor})" for each, page, anchor in anchors)


def _grouped() -> dict[str, list[errors.Advice]]:
    """Map the heading of each part to its failures, in the order of the code."""
    groups: dict[str, list[errors.Advice]] = {}
    for row in run_errors():
        owner = _owner(row)
        command = re.match(r"replicator\.commands\.(\w+)", owner)
        groups.setdefault(_PARTS.get(owner) or f"`{command[1] if command else owner}`", []).append(row)
    return groups


def _group(heading: str, rows: Iterable[errors.Advice]) -> Iterator[str]:
    yield f"## Of {heading}"
    for row in rows:
        yield _section(row, _exit_code(row), *(_inputs_said() if row is errors.BAD_SETTINGS else ()))


_ALL = "errors-of-every-command.md"
_OF_A_REPLICA = "errors-of-a-replica.md"
#: The failures of the door to Compute Engine that are not about the sign-in.
_OF_ALL = (
    compute_errors.SOURCE_MISSING,
    compute_errors.SOURCE_UNREADABLE,
    compute_errors.SOURCE_UNUSABLE,
    compute_errors.ENDPOINT_UNREACHABLE,
)
#: The owners whose failures fill a page.
_PAGE_OF = {
    "replicator.index.errors": "errors-of-signatures.md",
    **dict.fromkeys(
        ("replicator.commands.release.errors", "replicator.commands.release.workflows.errors"), "errors-of-releases.md"
    ),
}
_PAGES = {
    _OF_A_REPLICA: "Errors of a replica",
    _ALL: "Errors of every command",
    "errors-of-the-sign-in.md": "Errors of the sign-in",
    "errors-of-signatures.md": "Errors of the index and its signature",
    "errors-of-releases.md": "Errors of releases and of workflows' runs",
    "errors-of-commands.md": "Errors of single commands",
}
_PART_HEAD = """# {title}

<!-- Generated by `make docs` from the errors in replicator/. Change those, not this. -->

A part of [Every error](errors.md), which explains the words."""


#: The parts of the page that are not of one command alone.
_PARTS = {
    "replicator.core.errors": "every command",
    "replicator.compute.errors": "the sign-in and Compute Engine",
    "replicator.index.errors": "the index and its signature",
    "replicator.commands.lifecycle.errors": "`list`, `rollback`, `promote` and `retain`",
}


def run_errors() -> list[errors.Advice]:
    """Yield the failures that end the run, in the order of the code."""
    rows = [value for owner in OWNERS for value in vars(owner).values() if isinstance(value, errors.Advice)]
    # A module may have imported a row of another.
    return list(dict.fromkeys(rows))


_ERRORS_HEAD = """# Every error

<!-- Generated by `make docs` from the errors and the table of refusals in replicator/. Change those, not this. -->

Each message says what happened, why, and what to do. This page and those that it leads to list all. `…` is any
value. [After a failure](after-a-failure.md) says how to go on; the codes are explained in the
[reference](reference.md#outcomes-results-exit-codes). [Every permission](every-permission.md) names the calls behind
`forbidden`.

"While there is time" means: until `timeout_minutes` have passed. How long a call may stay unanswered, and when the
last try is made: [When things go wrong](reliability.md#what-is-repeated-and-for-how-long). Codes count before the HTTP
status: 403 with `rateLimitExceeded` is `rate`, not `forbidden`. An operation that ended in error is repeated by a new
request.

What Compute Engine answers was taken from its documentation, its discovery document and public reports. It was tried
against an emulator, never against the real cloud."""


_RUNS_HEAD = """## Errors that end the run

The run ends with the exit code given, and nothing more is made. Each heading is the title of the annotation; each wrong
input has its own annotation, titled with the input (`Input locations`)."""


_REPLICAS_HEAD = """## Reasons of a replica

One replica ends with this reason; the others go on. The reason is in its row of the output `replicas`. Reasons why a
verified replica has no family aren't errors:
see [After a failure](after-a-failure.md#verified-but-without-its-family)."""


def title(error: errors.Advice | type[errors.ReplicaError]) -> str:
    """Return the heading of a failure's section."""
    return error.title if isinstance(error, errors.Advice) else f"`{error.reason}`"


def _section(error: errors.Advice | type[errors.ReplicaError], *facts: str) -> str:
    meaning = error.meaning if isinstance(error, errors.Advice) else _first_paragraph(error)
    told = [f"- **What happened:** {meaning}"]
    if error.why:
        told.append(f"- **Why:** {error.why}")
    told.append(f"- **What to do:** {error.remedy or 'The message says it.'}")
    if error.lines:
        told[-1] += f"\n\n  ```{errors.language(error.lines)}\n{textwrap.indent(error.lines, '  ')}\n  ```\n"
    told += facts
    cases = _cases(error)
    if cases:
        told.append("- **In these cases the message is more exact:**")
        told += [f"  - {what} → {todo}" if todo else f"  - {what}" for what, todo in cases]
    return "\n".join([f"### {title(error)}", "", *told])


def _exit_code(row: errors.Advice) -> str:
    code = "130 after SIGINT, 143 after SIGTERM" if row is errors.INTERRUPTED else f"{row.exit_code}"
    return f"- **Exit code:** {code}"


def _effect(error: type[errors.ReplicaError]) -> str:
    outcome = "interrupted" if error.interrupts else "failed"
    effect = f"- **Outcome:** `{outcome}`. **Exit code of the run:** 1 if the location is required, else 0"
    if error.of_setup:
        return f"{effect}, but 3 where it meets every replica"
    marked = any(fault.of_setup for fault in refusals.TABLE if fault.error is error)
    return effect + (f', but 3 where it meets every replica with an answer marked "{_SET_UP}"' if marked else "")


_SET_UP = "set-up"
#: How many of the words by which an answer is known are listed.
_MOST_WORDS = 12


def _answers(error: type[errors.ReplicaError]) -> str:
    rows = [fault for fault in refusals.TABLE if fault.error is error]
    if not rows:
        return "- **Repeated:** no; it isn't an answer of Compute Engine: the run itself finds it."
    if len(rows) == 1:
        return f"- **Repeated:** {_then(rows[0])}\n- **Compute Engine's answer:** {_signal(rows[0])}"
    told = (f"  - {_signal(row)}: {_then(row)}{_exactly(row)}" for row in rows)
    return "\n".join(["- **Repeated**, by Compute Engine's answer:", *told])


def _exactly(fault: refusals.Fault) -> str:
    """What such an answer means and what to do, where that is more exact than the error."""
    marked = f" ({_SET_UP})" if fault.of_setup and not fault.error.of_setup else ""
    told = " ".join(filter(None, [fault.why, fault.remedy]))
    return f"{marked} → {told}" if told else marked


def _then(fault: refusals.Fault) -> str:
    if fault.then is Then.LOOK:
        return "no; the image of that name is read, and adopted if it is a copy of the source"
    if fault.then is Then.GIVE_UP:
        return "no"
    again = "the same request" if fault.then is Then.REPEAT else "read again, then a new request"
    if fault.of_operation:
        again = "a new request"
    if fault.longest_wait > fault.wait:
        most = f"; {fault.tries} requests in all" if fault.tries else ""
        longest = _time(fault.longest_wait)
        return f"{again} after {_time(fault.wait)}, then twice as long each time, {longest} at most{most}"
    return f"{again} every {_time(fault.wait)} while there is time"


def _time(seconds: float) -> str:
    number, unit = (seconds / 60, "minute") if seconds >= 120 else (seconds, "second")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _signal(fault: refusals.Fault) -> str:
    parts = []
    if None in fault.statuses:
        parts.append("no usable answer")
    numbers = sorted(status for status in fault.statuses if status is not None)
    if numbers:
        parts.append(f"HTTP {_either(map(str, numbers))}")
    if fault.codes:
        parts.append(_either(f"`{code}`" for code in sorted(fault.codes)))
    if fault.says or fault.words:
        shown = [f"`{each}`" for each in fault.says[:_MOST_WORDS]]
        matching = [f"a message that matches `{fault.words}`"] * bool(fault.words)
        more = [f"{len(fault.says) - _MOST_WORDS} others like them"] * (len(fault.says) > _MOST_WORDS)
        parts.append("the words " * bool(shown) + _either([*shown, *more, *matching]))
    what = (" or " if None in fault.statuses else " with ").join(parts) or "anything else"
    where = f" to {_either(f'`{method}`' for method in sorted(fault.methods))}" if fault.methods else ""
    return what + where + (", of an operation" if fault.of_operation else "")


def _either(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _cases(error: errors.Advice | type[errors.ReplicaError]) -> list[tuple[str, str]]:
    """Return message and remedy wherever the code makes this error with its own remedy."""
    found, wanted = [], _name(error)
    for _, node in _calls():
        args = node.args
        # A row is the first argument of the call; a class is the thing called.
        if isinstance(error, errors.Advice):
            about, args = args[0] if args else None, args[1:]
        else:
            about = node.func
        if args and about and _last(about) == wanted:
            todo = next((_text(word.value) for word in node.keywords if word.arg == "remedy"), "")
            what = _text(args[0])
            if todo.strip("… ") and what.strip("… "):
                found.append((what, todo))
    return found


def _name(error: errors.Advice | type[errors.ReplicaError]) -> str:
    """Return the name by which the code refers to it."""
    if not isinstance(error, errors.Advice):
        return error.__name__
    return next(name for owner in OWNERS for name, value in vars(owner).items() if value is error)


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@functools.cache
def _calls() -> list[tuple[str, ast.Call]]:
    """Yield every call in the code, with its module."""
    return [
        (path.stem, node)
        for path in sorted((ROOT / "replicator").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def _inputs_said() -> Iterator[str]:
    """Return every message about a wrong input in the code."""
    yield "- **The message** names the input, then says, for example:"
    said: dict[str, None] = {}
    for module, node in _calls():
        if module in _OF_INPUTS and _last(node.func) in _PROBLEMS:
            said.update((text, None) for text in map(_text, node.args[-1:]) if len(re.findall("[a-z]", text)) > 15)
    yield from (f"  - {text}" for text in said)


_OF_INPUTS = {"settings", "fields", "source_reference", "config_file", "files", "names", "validation", "plan"}
_PROBLEMS = {"ValueError", "InputProblem", "BadSource", "BadTemplate", "Unfit"}


def _text(node: ast.expr) -> str:
    """Return a text of the code as it reads, with `…` for values that are filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return "…"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _first_paragraph(error: type) -> str:
    return " ".join((error.__doc__ or "").split("\n\n")[0].split())


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or " "


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))
