"""A verification from inputs to results: who signed the index → what it says, held against what exists.

Changes nothing. Of an index that somebody else wrote nothing is read, and no image is handed on unless all is right.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.commands.verify import report
from replicator.commands.verify import settings as verify_settings
from replicator.commands.verify.report import Verifying
from replicator.compute import lookup
from replicator.compute.connect import connected
from replicator.compute.errors import EndpointUnreachable
from replicator.compute.retry import Calls
from replicator.core import errors
from replicator.index import image_index
from replicator.inputs import files
from replicator.replicas import audit
from replicator.replicas import settings as settings_module
from replicator.replicas.survey import survey
from replicator.runtime.lifecycle import concluded, in_loop, listening
from replicator.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TextIO

    from replicator.commands.verify.settings import VerifyRequest, VerifySettings
    from replicator.index.image_index import Entry, Index, Served
    from replicator.runtime.lifecycle import Signals
    from replicator.runtime.verdict import Verdict


#: Minutes in which everything must be read: nothing here waits for copies.
_MINUTES = 10
#: The inputs that name files.
_FILES = ("index", "bundle", "attestation", "key", "trusted_root")


def run(
    given: Mapping[str, str],
    env: Mapping[str, str],
    stdout: TextIO,
    *,
    commands: bool,
    document: TextIO | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Verify, and report whatever happens. Returns the exit code: 0, 1, 4, or that of an error (5 of a signature's).

    The arguments are those of `replicator.run.run`.
    """
    this = Verifying(runner=Runner(env, stdout, commands=commands), env=env)

    def carry_out() -> Verdict:
        if given.get("index"):
            request = verify_settings.load(given, env)
            read = _read(this, request.settings)
            if not request.settings.offline_only:
                in_loop(_against_index(this, request, read, signals), loop_factory)
        else:
            verify_settings.refuse_without_index(given)
            in_loop(_against_settings(this, given, signals), loop_factory)
        return report.judge(this)

    with listening() as signals:
        return report.tell(this, concluded(this, signals, carry_out), document)


def act(given: Mapping[str, str], env: Mapping[str, str], stdout: TextIO, *, commands: bool) -> int:
    """As `run`, for verify/action.yml: an index is needed, and files lie in the workspace or in RUNNER_TEMP."""

    def place(name: str) -> str:
        try:
            return str(files.place(given[name], env))
        except files.Unfit as error:
            problems.append(errors.InputProblem(name, str(error)))
            return given[name]

    problems: list[errors.InputProblem] = []
    given = {name: text.strip() for name, text in given.items()}
    if not given["index"]:
        problems.append(errors.InputProblem("index", "is needed"))
    placed = {name: place(name) for name in _FILES if given[name]}
    if not problems:
        return run({**given, **placed}, env, stdout, commands=commands)
    this = Verifying(runner=Runner(env, stdout, commands=commands), env=env)

    def refuse() -> Verdict:
        raise errors.BadSettings(problems)

    with listening() as signals:
        return report.tell(this, concluded(this, signals, refuse), None)


def _read(this: Verifying, wanted: VerifySettings) -> Index:
    """The index from the very bytes that were signed, as it must be. Raises SignatureWrong, BadSettings and others."""
    path = Path(wanted.index)
    try:
        data = image_index.read_bytes(path)
        if wanted.signatures:
            # Who looks at no signature does not pay for its import.
            from replicator.index import verify_signature

            this.signed = verify_signature.verify(data, wanted.signatures, verify_signature.policy(wanted, this.env))
        read = image_index.parse(data, path)
    except image_index.BadIndex as error:
        raise errors.BadSettings([errors.InputProblem("index", str(error))]) from None
    this.digest = image_index.digest(data)
    this.sources = sorted({entry.source.uri for entry in read.images})
    this.image = pick(read, wanted)
    return read


def pick(read: Index, wanted: VerifySettings) -> Served | None:
    """The image for an architecture, a variant and a location; None where none is asked for. Raises BadSettings."""
    if not (wanted.architecture or wanted.variant or wanted.location):
        return None
    entry = _entry(read.images, wanted)
    there = _or(entry.locations)
    if not wanted.location:
        raise _wrong("location", f"is needed for an image: {there}")
    if wanted.location not in entry.locations:
        raise _wrong(
            "location", f"'{wanted.location}' is not served by {_named(entry)} of this index, which is in {there}"
        )
    return entry.locations[wanted.location]


def _entry(entries: Iterable[Entry], wanted: VerifySettings) -> Entry:
    """The one entry that is meant."""
    left = list(entries)
    for name in ("architecture", "variant"):
        there = sorted({getattr(entry, name) for entry in left})
        asked = getattr(wanted, name)
        if not asked and len(there) > 1 and "" not in there:
            raise _wrong(name, f"is needed: the index holds {_or(there)}")
        left = [entry for entry in left if getattr(entry, name) == asked or (not asked and len(there) == 1)]
        if not left:
            raise _wrong(name, f"'{asked}' is not in this index, which holds {_or(filter(None, there)) or 'none'}")
    if len(left) > 1:
        raise _wrong("index", f"holds {_named(left[0])} more than once")
    return left[0]


def _named(entry: Entry) -> str:
    return "/".join(filter(None, (entry.architecture, entry.variant)))


def _or(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _wrong(name: str, text: str) -> errors.BadSettings:
    return errors.BadSettings([errors.InputProblem(name, text)])


def _silent(_where: str, _text: str) -> None:
    """Waits of a verification are short, and its output may be read by a machine."""


async def _against_settings(this: Verifying, given: Mapping[str, str], signals: Signals) -> None:
    with signals.cancelling():
        request = settings_module.load(given, this.env)
        calls = await _calls(this, request.settings.compute_endpoint, anonymous=request.anonymous)
        source = await lookup.read_source(calls, request.source)
        plan = await survey(calls, request.settings, source)
    this.sources = [source.ref.uri]
    this.findings = [audit.of_step(plan, step) for step in plan.steps]


async def _against_index(this: Verifying, request: VerifyRequest, read: Index, signals: Signals) -> None:
    with signals.cancelling():
        calls = await _calls(this, request.settings.compute_endpoint, anonymous=request.anonymous)
        try:
            this.findings = await audit.check(calls, read)
            if this.image is None:
                # Whoever asks for one image does not care where there was to be another.
                this.findings += audit.lacking(read)
        except errors.Deadline as error:
            raise EndpointUnreachable(error.what) from error


async def _calls(this: Verifying, endpoint: str, *, anonymous: bool) -> Calls:
    compute = await connected(endpoint, this.env, anonymous=anonymous)
    deadline = asyncio.get_running_loop().time() + 60 * _MINUTES
    return Calls(compute, deadline=deadline, tell=_silent, within=f"the {_MINUTES} minutes of a verification")
