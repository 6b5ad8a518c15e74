"""Checks that the tests notice when one place of the code that decides is wrong: `make mutation`.

Each mutant has one change in one place; the tests of its module must fail. Everything happens in copies of the tree,
one for each worker. A mutant is a fork of a process that has imported pytest and the big libraries, so it costs what
its tests cost. It fails if a survivor is not argued in tests/mutants.toml, or if fewer than 90 % of a module's mutants
are killed. `ONLY=plan` picks modules; `AT=step_for` picks places.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import textwrap
import time
import tomllib
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import cache_from_source
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
ARGUED = ROOT / "tests" / "mutants.toml"
COPIED = ("replicator", "emulator", "testkit", "tests", "scripts", "schemas", "docs", "locks",
          "workflows-examples", "action.yml", "launch.sh", "setup.sh", "pyproject.toml", "README.md",
          *(path.parent.name for path in ROOT.glob("*/action.yml")))  # fmt: skip
#: Percent of a module's mutants that must be killed.
LEAST = 90
WORKERS = 2
#: Seconds of CPU time for the tests of one mutant, and of wall time, since the machine may be busy.
MOST_WORK, LONGEST = 120, 900
#: Imported before the forks: only modules that neither are mutated nor import a mutated one.
LIBRARIES = ("google.cloud.compute_v1", "google.auth.transport.requests", "rich.live", "jsonschema", "tenacity",
             "uvicorn.protocols.http.h11_impl", "sigstore.models", "sigstore.verify", "emulator.testing")  # fmt: skip


@dataclass(frozen=True)
class Module:
    """A module with the tests that must notice, quickest first, and its parts if only some are mutated."""

    path: str
    """Below replicator/."""
    tests: tuple[str, ...]
    """Below tests/."""
    parts: tuple[str, ...] = ()
    called: str = ""
    """Another name than the file's, where there are two of it."""

    @property
    def name(self) -> str:
        """The name of the module in ONLY and tests/mutants.toml."""
        return self.called or self.path.rpartition("/")[2]


SUMMARY = ("unit/replicas/summary/test_page.py",)
REFUSALS = ("unit/compute/test_refusals.py", "unit/compute/test_named_causes.py")
MERGED = (
    "unit/commands/merge/test_confirm.py",
    "unit/commands/merge/test_fragments.py",
    "integration/commands/test_merge.py",
)
QUEUED = ("unit/replicas/test_copy_queue.py", "unit/commands/replicate/test_schedule.py")
SIGNED = (
    "integration/signing/test_verify.py",
    "integration/signing/test_signing.py",
    "integration/signing/test_merge.py",
)

MODULES = (
    Module("bootstrap/workflow_commands", ("unit/bootstrap/test_workflow_commands.py",)),
    Module("bootstrap/redact", ("unit/bootstrap/test_workflow_commands.py",)),
    Module("bootstrap/early", ("unit/bootstrap/test_workflow_commands.py",), ("stop_signals",)),
    Module("bootstrap/decide", ("unit/bootstrap/test_decide.py", "integration/test_decide_script.py")),
    Module("compute/refusals", REFUSALS),
    Module("compute/permissions", REFUSALS),
    *(Module(f"compute/trouble/{name}", REFUSALS) for name in ("fault", "table", "set_up", "named")),
    Module("compute/trouble/sign_in", ("unit/compute/test_sign_in_answers.py",)),
    Module("compute/trouble/connection", ("unit/compute/test_connection.py",)),
    Module("compute/trouble/environment", ("unit/compute/test_connection.py",)),
    Module("core/image_fields", ("unit/core/test_image_fields.py", "unit/core/test_compare.py")),
    Module("core/held_back", ("unit/core/test_held_back.py", "integration/commands/test_held_back.py")),
    Module("inputs/manifest_age", ("unit/inputs/test_manifest_age.py",)),
    Module("commands/replicate/preflight", ("unit/commands/replicate/test_preflight.py",)),
    Module("compute/services/resource_manager", ("unit/compute/services/test_resource_manager.py",)),
    Module("core/compare", ("unit/core/test_compare.py",)),
    Module("core/access", ("unit/core/test_access.py",)),
    Module("commands/replicate/stale", ("unit/commands/replicate/test_stale.py",)),
    Module("compute/lookup", ("unit/compute/test_lookup.py",)),
    Module("index/image_index", ("unit/index/test_image_index.py", "integration/commands/test_verify.py")),
    Module("index/verify_signature", ("unit/index/test_verify_signature.py", *SIGNED)),
    Module("index/seal", ("unit/index/test_seal.py", *SIGNED)),
    Module("runtime/markdown", SUMMARY, ("_MARKUP", "text", "code", "fence", "shortened", "cut")),
    Module("replicas/plan", ("unit/replicas/test_plan.py",)),
    Module("replicas/families", ("unit/replicas/test_families.py",)),
    Module("replicas/work", ("unit/replicas/test_work.py",)),
    Module("replicas/session", ("unit/replicas/test_session.py",)),
    Module("replicas/copy_queue", QUEUED),
    Module(
        "replicas/audit",
        (
            "unit/replicas/test_audit.py",
            "integration/commands/test_audit.py",
            "integration/commands/test_verify.py",
        ),
    ),
    Module("commands/replicate/repair", ("unit/commands/replicate/test_repair.py",)),
    Module(
        "commands/replicate/copy_image",
        ("unit/commands/replicate/test_copy_image.py", "unit/commands/replicate/test_copies_of_others.py"),
    ),
    Module("commands/replicate/execute", ("unit/commands/replicate/test_execute.py",)),
    Module("commands/merge/fragments", MERGED),
    Module("commands/merge/confirm", MERGED),
    Module(
        "replicas/summary/page",
        SUMMARY,
        ("_QUOTED", "_PAGES", "_COMMAND_LINE", "facts_line", "_with_code", "_trouble", "_todo", "_again", "_usage"),
    ),
    Module("replicas/summary/table", SUMMARY, ("_CONSOLE", "link", "_image"), called="summary_table"),
    Module(
        "replicas/snippets",
        ("unit/replicas/test_snippets.py", "clients/terraform/test_snippet.py"),
        ("_shell", "_quoted"),
    ),
    Module("commands/release/plan", ("unit/commands/release/test_plan.py",), called="release_plan"),
    Module("commands/release/gate", ("unit/commands/release/test_gate.py",), called="release_gate"),
    Module("commands/webhooks/signature", ("unit/commands/webhooks/test_signature.py",)),
    Module("commands/webhooks/event", ("unit/commands/webhooks/test_event.py",)),
    Module(
        "commands/webhooks/receiver/verification",
        ("unit/commands/webhooks/test_verification.py", "integration/webhooks/test_content.py"),
    ),
    Module("replicas/summary/charts", ("unit/replicas/summary/test_charts.py",)),
)


@dataclass(frozen=True)
class Mutant:
    """A module's text with one change: the place, the old code and the new."""

    module: Module
    line: int
    place: str
    old: str
    new: str
    text: str

    @property
    def title(self) -> str:
        """The title of the mutant in tests/mutants.toml, without a line number, so that it stays valid."""
        return f"{self.place}: {self.old} → {self.new}".lstrip(": ")


#: A mutant, whether its tests failed, and after how many seconds.
Trial = tuple[Mutant, bool, float]
Argued = set[tuple[str, str]]

SWAPS: dict[type[ast.AST], tuple[Any, ...]] = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt), ast.And: (ast.Or,), ast.Or: (ast.And,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,), ast.Break: (ast.Continue,), ast.Continue: (ast.Break,),
}  # fmt: skip
#: The parts of a regular expression that a mutant may leave out.
TOKENS = re.compile(r"\\.|\(\?[:=!<a-z]+|[A-Za-z]+|.", re.DOTALL)


def others(node: Any) -> Iterator[ast.AST]:  # noqa: C901 - a table
    """Yield what could replace a node."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            yield from (ast.Compare(node.left, [swap()], node.comparators) for swap in SWAPS[type(op)])
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(SWAPS[type(op)][0](), values)
        case ast.BinOp(op=op) if type(op) in SWAPS and not isinstance(node.left, ast.JoinedStr):
            yield from (ast.BinOp(node.left, swap(), node.right) for swap in SWAPS[type(op)])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=str(value)):
            yield ast.Constant("" if value else "mutant")
        case ast.If(test=test) if not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
            yield ast.If(ast.UnaryOp(ast.Not(), test), node.body, node.orelse)
        case ast.Return(value=ast.AST() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Break() | ast.Continue():
            yield from (swap() for swap in SWAPS[type(node)])
        case ast.Expr() | ast.Raise() | ast.AugAssign():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def looser(pattern: str) -> Iterator[tuple[str, str, ast.AST]]:
    """Yield a regular expression without one of its parts: the part with its surroundings, and what is left."""
    tokens = {pattern[: token.start()] + pattern[token.end() :]: token for token in TOKENS.finditer(pattern)}
    for token in tokens.values():
        before, after = pattern[: token.start()], pattern[token.end() :]
        with suppress(re.error), warnings.catch_warnings(action="ignore"):
            re.compile(before + after)
            yield (
                f"…{before[-12:]}{token[0]}{after[:12]}…",
                f"…{before[-12:]}{after[:12]}…",
                ast.Constant(before + after),
            )


def shorter(node: ast.AST) -> Iterator[tuple[str, str, ast.AST]]:
    """Yield a node without one of its elements, or with a table's row moved: old text, new text, and the node."""
    lists = {ast.BoolOp: "values", ast.Tuple: "elts", ast.List: "elts", ast.Set: "elts", ast.Dict: "values",
             ast.Call: "keywords", ast.comprehension: "ifs"}  # fmt: skip
    items = lists.get(type(node))
    if items is None or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    elements = getattr(node, items)
    for number, element in enumerate(elements):
        without = copy.copy(node)
        setattr(without, items, elements[:number] + elements[number + 1 :])
        key = ""
        if isinstance(node, ast.Dict):
            key = f"{ast.unparse(node.keys[number] or element)}: "
            without.keys = node.keys[:number] + node.keys[number + 1 :]  # type: ignore[attr-defined]
        yield key + ast.unparse(element), "nothing", without
    if isinstance(node, ast.Tuple) and len(elements) > 2 and all(isinstance(row, ast.Call) for row in elements):
        *rows, last = elements
        for number, row in enumerate(rows[:-1]):
            moved = [*rows[:number], *rows[number + 1 :], row, last]
            title = textwrap.shorten(ast.unparse(row), 80, placeholder=" …")
            yield title, "the same row, last but one", ast.Tuple(moved, ast.Load())


def mutants(module: Module) -> Iterator[Mutant]:
    """Yield all mutants of a module; the first is the unchanged module, which must pass its tests.

    Raises LookupError if the module has no such part any more.
    """
    tree = ast.parse((ROOT / "replicator" / f"{module.path}.py").read_text(encoding="utf-8"))
    know_scopes(tree)
    yield Mutant(module, 0, "", "", "", ast.unparse(tree))
    seen: Counter[tuple[str, str, str]] = Counter()
    spots = [*places(tree, "")]
    if gone := {*module.parts}.difference(place.partition(".")[0] for *_, place in spots):
        raise LookupError(f"{module.name} has no {', '.join(sorted(gone))}: correct MODULES")
    for parent, name, index, place in spots:
        if module.parts and place.partition(".")[0] not in module.parts:
            continue
        node = getattr(parent, name) if index is None else getattr(parent, name)[index]
        # Another element of a set, another key: no worse than none, which `shorter` makes.
        known = isinstance(parent, ast.Set) or name == "keys"
        found = () if known else others(node)
        changed = [(brief(node), brief(other), other) for other in found]
        patterns = looser(node.value) if is_pattern(parent, node) else ()
        pairs = () if known else paired(parent, name, node)
        for old, new, other in [*changed, *shorter(node), *patterns, *pairs]:
            seen[place, old, new] += 1
            again = f" ({seen[place, old, new]})" if seen[place, old, new] > 1 else ""
            put(parent, name, index, other)
            text = ast.unparse(ast.fix_missing_locations(tree))
            text += f"\n{SECOND_TIME}" * ("second_time()" in new)
            yield Mutant(module, node_line(node, parent), place, old, new + again, text)
            put(parent, name, index, node)


#: Where a condition can be made narrower or wider, and for which half of all pairs: what a function calls a thing, and
#: what is then true of one of two.
HALVES = {
    "source": "source.architecture == 'ARM64'",
    "plan": "plan.source.architecture == 'ARM64'",
    "session": "session.plan.source.architecture == 'ARM64'",
    "replica": "replica.location == 'asia'",
    "work": "work.replica.location == 'asia'",
    "part": "part.key.architecture == 'ARM64'",
    "entry": "entry.architecture == 'ARM64'",
}
#: Names for ids, and what was observed for what is wanted.
ALIKE = {"id": "ref", "source_image_id": "source_image"}
OBSERVED = {("replica", "image"), ("image", "replica"), ("wanted", "found"), ("served", "image"), ("said", "source")}
TOLD = {"labels", "description", "family", "ref", "id", "storage_locations", "location"}


def paired(parent: ast.AST, name: str, node: Any) -> Iterator[tuple[str, str, ast.AST]]:
    """A node that is wrong for one of two only: one half of the pairs, every second time, by name, as observed."""
    scope: set[str] = getattr(node, "scope", set())
    is_condition = name in {"test", "ifs"} or (name == "value" and isinstance(parent, ast.Return))
    if is_condition and isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Call | ast.Attribute | ast.Name):
        old = ast.unparse(node)
        halves = [half for known, half in HALVES.items() if known in scope][:2]
        narrower = [] if isinstance(node, ast.Call) and name == "value" else halves
        for new in (
            *(f"({old}) and not {half}" for half in narrower),
            *(f"({old}) or {half}" for half in narrower),
            *([f"({old}) ^ second_time()"] if narrower else []),
        ):
            yield old, new, ast.parse(new, mode="eval").body
    if isinstance(node, ast.Compare):
        other = _Renamed().visit(copy.deepcopy(node))
        if ast.unparse(other) != ast.unparse(node):
            yield ast.unparse(node), ast.unparse(other), other
    match node:
        case ast.Attribute(value=ast.Name(id=held), attr=attr) if attr in TOLD:
            for one, another in OBSERVED:
                if held == one and another in scope:
                    swapped = ast.Attribute(ast.Name(another, ast.Load()), attr, node.ctx)
                    yield ast.unparse(node), ast.unparse(swapped), swapped


class _Renamed(ast.NodeTransformer):
    """Names in place of ids, on both sides."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        return ast.Attribute(node.value, ALIKE.get(node.attr, node.attr), node.ctx)


def know_scopes(tree: ast.AST) -> None:
    """Tell each node within a function which parameters there are."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            names = {each.arg for each in (*function.args.args, *function.args.kwonlyargs)}
            for node in ast.walk(function):
                node.scope = getattr(node, "scope", set()) | names  # type: ignore[attr-defined]


#: What a mutant of every second time calls: whether its place is reached for the second, the fourth … time.
SECOND_TIME = "import itertools as _times\nsecond_time = lambda turns=_times.cycle([False, True]): next(turns)\n"


def put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    """Put a node into its parent's field."""
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def is_pattern(parent: ast.AST, node: Any) -> bool:
    """Return whether a node is a regular expression."""
    match parent:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="re")), args=[first, *_]):
            return first is node and isinstance(first, ast.Constant)
        case ast.keyword(arg="words"):
            return isinstance(node, ast.Constant)
    return False


def node_line(node: ast.AST, parent: ast.AST) -> int:
    """Return the line of a node; a comprehension has none itself."""
    return int(getattr(node, "lineno", getattr(parent, "lineno", 0)))


def brief(node: ast.AST) -> str:
    """Return a node as one line; for a compound statement, its head."""
    return ast.unparse(node).partition("\n")[0]


def places(node: ast.AST, place: str) -> Iterator[tuple[ast.AST, str, int | None, str]]:
    """Yield the nodes to change, with their function or name, without types and docstrings."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "ctx", "op", "ops", "format_spec"}:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or is_left_alone(child):
                continue
            inner = named(child, place)
            yield node, name, index, inner
            yield from places(child, inner)


def is_left_alone(node: ast.AST) -> bool:
    """Return whether a node is an import, a docstring or code for type checkers only."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Assign(targets=[ast.Name(id="TYPE_CHECKING")]):
            return True
    return False


def named(node: ast.AST, place: str) -> str:
    """Return the place that a node defines, else the one that it is in."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return f"{place}.{name}".lstrip(".")
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return place or name
    return place


def start(folder: str) -> None:
    """Set up a new worker: make its copy of the tree, and change to it."""
    tree = Path(folder, str(os.getpid()))
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    os.chdir(tree)


def trial(mutant: Mutant) -> Trial:
    """Return whether a mutant's tests fail, and after how many seconds, in a separate process, which may hang."""
    file = Path("replicator", f"{mutant.module.path}.py")
    kept = file.read_text(encoding="utf-8")
    write(file, mutant.text)
    began = time.monotonic()
    child = os.fork()
    if not child:
        run_tests(mutant)
    _, status = os.waitpid(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    write(file, kept)
    if status and not mutant.line:
        print(Path("log").read_text(encoding="utf-8"))
    return mutant, status != 0, time.monotonic() - began


def write(file: Path, text: str) -> None:
    """Write a module and delete its bytecode, since two mutants may have the same size and time of change."""
    Path(cache_from_source(str(file))).unlink(missing_ok=True)
    file.write_text(text, encoding="utf-8")


def run_tests(mutant: Mutant) -> None:
    """Run the tests in the fork until one fails, then exit."""
    code: int = pytest.ExitCode.INTERNAL_ERROR
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_WORK, MOST_WORK))
        signal.alarm(LONGEST)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.path.insert(0, str(Path.cwd()))
        settings.register_profile("mutants", database=None, derandomize=True, deadline=None)
        settings.load_profile("mutants")
        # Rewriting the asserts of plugins that were imported already is of no use here.
        ignored = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        # Rules are tried with one set of the emulator's answers, not with both.
        # What noticed the mutant before comes first: neighbours are mostly noticed by the same test.
        options = ["-x", "-q", "--all", "--failed-first", "-k", "not turned", *ignored]
        code = pytest.main([*options, *(f"tests/{test}" for test in mutant.module.tests)])
    finally:
        sys.stdout.flush()
        os._exit(code)


def load_argued() -> Argued:
    """Return module and title of each argued survivor."""
    groups = tomllib.loads(ARGUED.read_text(encoding="utf-8")).get("argued", [])
    return {(group["module"], title) for group in groups for title in group["mutants"] if group["because"]}


@dataclass
class Score:
    """The results of a module's mutants."""

    module: Module
    broken: bool = False
    """Whether the tests fail without a change."""
    left: list[Mutant] = field(default_factory=list)
    new: list[Mutant] = field(default_factory=list)
    """Survivors that are not argued."""
    tried: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """Percentage of mutants that were killed."""
        return 100 * (1 - len(self.left) / max(self.tried, 1))

    def take(self, mutant: Mutant, killed: bool, seconds: float, argued: Argued) -> None:
        """Count a mutant; a survivor that is not argued is shown at once."""
        if not mutant.line:
            self.broken = killed
            return
        self.tried += 1
        self.seconds += seconds
        if killed:
            return
        self.left.append(mutant)
        if (self.module.name, mutant.title) not in argued:
            self.new.append(mutant)
            where = f"replicator/{self.module.path}.py:{mutant.line} {mutant.place}"
            print(f"survived: {where}\n  - {mutant.old}\n  + {mutant.new}", flush=True)

    def wrong(self, argued: Argued, *, whole: bool) -> Iterator[str]:
        """Return what is wrong, as sentences; some can be told only if the whole module was mutated."""
        if self.broken:
            yield f"{self.module.name}: its tests fail without any change."
        if self.new:
            yield f"{self.module.name}: {len(self.new)} survivors that are not argued."
        if whole and self.share < LEAST:
            yield f"{self.module.name}: {self.share:.1f} % killed, less than {LEAST} %."
        left = {mutant.title for mutant in self.left}
        for title in (title for name, title in argued if whole and name == self.module.name and title not in left):
            yield f"{self.module.name}: argued in tests/mutants.toml, but not a survivor: {title}"

    def row(self) -> str:
        """Return its line of the table."""
        counts = (self.tried, self.tried - len(self.left), len(self.left) - len(self.new), len(self.new))
        return f"{self.module.name:<18}" + "".join(f"{count:>10}" for count in counts) + f"{self.share:>9.1f} %"


def main() -> int:
    """Run the mutants. Returns 1 if a survivor is not argued, or too many survive."""
    parser = argparse.ArgumentParser(description="Change the code in one place at a time; the tests must notice.")
    parser.add_argument("--only", default="", help="modules, separated by commas; all by default")
    parser.add_argument("--at", default="", help="only places that begin with this")
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    for name in LIBRARIES:
        import_module(name)
    # The garbage collections that pytest makes in every fork then skip all objects that exist now.
    gc.freeze()
    argued = load_argued()
    scores = []
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(WORKERS, get_context("fork"), start, (folder,)) as pool,
    ):
        for module in MODULES:
            if asked.only and module.name not in asked.only.split(","):
                continue
            score = Score(module)
            todo = [mutant for mutant in mutants(module) if not mutant.line or mutant.place.startswith(asked.at)]
            for number, done in enumerate(pool.map(trial, todo), 1):
                score.take(*done, argued)
                if sys.stdout.isatty():
                    print(f"{module.name}: {number} of {len(todo)}\033[K", end="\r", flush=True)
            print(f"{score.module.name}: {score.tried} mutants in {score.seconds / WORKERS:.0f} s", flush=True)
            scores.append(score)
    columns = ("mutants", "killed", "argued", "survived", "killed")
    print(f"\n{'module':<18}" + "".join(f"{word:>10}" for word in columns))
    print(*(score.row() for score in scores), sep="\n")
    wrong = [sentence for score in scores for sentence in score.wrong(argued, whole=not asked.at)]
    print(*wrong, sep="\n", end="\n" * bool(wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
