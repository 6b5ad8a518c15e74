"""Defines the base of all failures (what happened, why, what to do), and the failures of one replica.

A `ReplicatorError` ends the run; its row of `Advice` says which failure it is. A `ReplicaError` ends one replica while
the others go on; each class is one reason of the closed list that a replica's row shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from replicator.bootstrap import exit_codes, redact

if TYPE_CHECKING:
    from collections.abc import Sequence


REPORT_TO = "https://github.com/gce-image-replicator/gce-image-replicator/issues"


class ExitCode(IntEnum):
    """The exit codes of all commands. If several fit, the first of: a signal, DEFECT, SETUP, FAILED, DONE."""

    DONE = exit_codes.DONE
    FAILED = exit_codes.FAILED
    """A required replica failed, or verification found something wrong."""
    BAD_SETTINGS = exit_codes.BAD_SETTINGS
    SETUP = exit_codes.SETUP
    """Credentials, permissions, the source or the network prevented the run: nothing was made."""
    UNREACHABLE = exit_codes.UNREACHABLE
    """A read-only command could not read what it had to check."""
    SIGNATURE_WRONG = exit_codes.SIGNATURE_WRONG
    DEFECT = exit_codes.DEFECT
    SIGINT = exit_codes.SIGINT
    SIGTERM = exit_codes.SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The texts and the exit code of one kind of failure that ends the run."""

    title: str
    """The title of the annotation, and of the section in docs/errors.md: words that stay the same."""
    meaning: str
    """What happened, in general."""
    why: str = ""
    remedy: str = ""
    lines: str = ""
    """The lines that the remedy says to add to a workflow or to type; empty if it names none."""
    exit_code: ExitCode = ExitCode.SETUP


class Failure(Exception):
    """What happened, why, and what to do about it."""

    why: str
    remedy: str
    lines: str

    def __init__(self, what: str, *, remedy: str = "", lines: str | None = None) -> None:
        super().__init__(what)
        self.what = redact.redacted(what)
        self.todo = remedy or self.remedy
        self.to_add = self.lines if lines is None else lines

    @property
    def message(self) -> str:
        """What happened, why, and what to do, as one paragraph."""
        return " ".join(part for part in (sentence(self.what), self.why, self.todo) if part)


class ReplicatorError(Failure):
    """A failure that ends the whole run."""

    def __init__(self, advice: Advice, what: str, *, remedy: str = "", lines: str | None = None) -> None:
        self.advice = advice
        self.why, self.remedy, self.lines = advice.why, advice.remedy, advice.lines
        super().__init__(what, remedy=remedy, lines=lines)

    @property
    def title(self) -> str:
        """The failure in a few words that stay the same."""
        return self.advice.title

    @property
    def exit_code(self) -> int:
        """The exit code of the process."""
        return self.advice.exit_code


@dataclass(frozen=True, slots=True)
class InputProblem:
    """A problem with the value of an input: what is wrong, what is allowed, what to do."""

    input: str
    text: str
    file: str = ""
    """The file that the input names, if the problem is in that file."""
    line: int = 0
    """The line in that file, counted from 1; 0 if there is none."""

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}: " if self.line else ""
        return redact.redacted(f"{self.input}: {where}{self.text}")


BAD_SETTINGS = Advice(
    title="Bad settings",
    meaning="Inputs are invalid; nothing was called or changed.",
    exit_code=ExitCode.BAD_SETTINGS,
)

INTERRUPTED = Advice(
    title="Interrupted",
    meaning="SIGINT or SIGTERM ended the run.",
    remedy="Run this again: it takes over what was begun.",
    exit_code=ExitCode.SIGTERM,
)

UNFORESEEN = Advice(
    title="Defect of the replicator",
    meaning="A defect of this program ended the run.",
    remedy=f"This is a defect of the replicator. Please report it with the lines above: {REPORT_TO}",
    exit_code=ExitCode.DEFECT,
)


class BadSettings(ReplicatorError):
    """Inputs are invalid; nothing was called or changed."""

    def __init__(self, problems: Sequence[InputProblem], *, advice: Advice = BAD_SETTINGS) -> None:
        super().__init__(advice, "; ".join(map(str, problems)))
        self.problems = problems
        """The problems, in the order of the inputs."""

    @property
    def headline(self) -> str:
        """What happened, without the single problems."""
        count = len(self.problems)
        return f"{'An input is' if count == 1 else f'{count} inputs are'} wrong, so nothing was called or changed"


class Interrupted(ReplicatorError):
    """SIGINT or SIGTERM ended the run."""

    def __init__(self, name: str, exit_code: int, *, before: str = "") -> None:
        super().__init__(INTERRUPTED, f"The run was interrupted by {name}{before and f' before {before}'}")
        self._name, self._exit_code = name, exit_code

    def before(self, what: str) -> Interrupted:
        """Return the same, saying what had not happened yet."""
        return Interrupted(self._name, self._exit_code, before=what)

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number."""
        return self._exit_code


class Unforeseen(ReplicatorError):
    """A defect of this program ended the run."""

    def __init__(self, what: str) -> None:
        super().__init__(UNFORESEEN, what)


class ReplicaError(Failure):
    """A failure that ends one replica."""

    why = ""
    remedy = ""
    lines = ""
    reason: ClassVar[str]
    interrupts: ClassVar[bool] = False
    """Whether the replica may yet come to be by itself: outcome `interrupted` instead of `failed`."""
    of_setup: bool = False
    """Whether, where it meets every replica, the set-up is at fault and the run exits with 3."""

    def __init__(
        self,
        what: str,
        *,
        remedy: str = "",
        lines: str | None = None,
        why: str | None = None,
        of_setup: bool | None = None,
    ) -> None:
        super().__init__(what, remedy=remedy, lines=lines)
        if why is not None:
            self.why = why
        if of_setup is not None:
            self.of_setup = of_setup


class Conflict(ReplicaError):
    """Another image already has the replica's name."""

    reason = "conflict"
    why = "The name alone proves nothing: this image isn't a copy of the source in this location, so it is left alone."
    remedy = "Remove that image if nobody needs it, or choose another name_template."


class Unproven(ReplicaError):
    """An image has the replica's name, and its parent is gone."""

    reason = "unproven"
    why = "Without its parent nobody can tell whether it is a copy of this source."
    remedy = "Look at it. If it isn't needed, delete it and run this again; else choose another name_template."


class Drift(ReplicaError):
    """A replica differs from what is wanted and can't be repaired."""

    reason = "drift"
    remedy = "Delete the image and run this again, which makes a new one."


class ImageFailed(ReplicaError):
    """Compute Engine marked a copy FAILED."""

    reason = "image_failed"
    why = "Compute Engine could not make this copy, and its name stays taken."
    remedy = "Remove it and run this again, or set replace_failed: true."


class OperationFailed(ReplicaError):
    """Compute Engine refused or could not do what was asked, for a reason that isn't listed here."""

    reason = "operation_failed"
    remedy = "Correct what the message of Compute Engine names; then run this again."


class OrgPolicy(ReplicaError):
    """An organisation's policy forbids the copy."""

    reason = "org_policy"
    why = "Waiting does not help."
    remedy = (
        "Look which policy it is. Where it is about locations, take the location out of `locations`; else ask an "
        "administrator of the organisation for an exception."
    )


class AccessBlocked(ReplicaError):
    """An organisation's policy forbids the requested access."""

    reason = "access_blocked"
    of_setup = True
    why = "Domain-restricted sharing (constraints/iam.allowedPolicyMemberDomains) forbids these members."
    remedy = (
        "Set access: private, or ask for an exception to that constraint for the project (public images "
        "need allAuthenticatedUsers)."
    )


class Forbidden(ReplicaError):
    """The identity of this step lacks a permission."""

    reason = "forbidden"
    of_setup = True
    remedy = "Grant it the named permission; the README's section on IAM roles shows how."


class ApiDisabled(ReplicaError):
    """The Compute Engine API is off in the project."""

    reason = "api_disabled"
    of_setup = True
    remedy = "Run `gcloud services enable compute.googleapis.com --project PROJECT` and wait a few minutes."


class ProjectNotFound(ReplicaError):
    """The project doesn't exist, or this step's identity may not see it."""

    reason = "project_not_found"
    of_setup = True
    remedy = "Check project_id and replica_project, and that this step's identity may see the project."


class Quota(ReplicaError):
    """A quota that does not refill by itself is used up."""

    reason = "quota"
    remedy = "Delete images that nobody needs, or ask for more quota; then run this again."


class Rate(ReplicaError):
    """Too many requests were sent in a minute; they are repeated while there is time."""

    reason = "rate"
    remedy = "Run this again later, or raise timeout_minutes."


class SourceRate(ReplicaError):
    """One image was copied too often; verified replicas are copied instead, or it is tried again while time is left."""

    reason = "source_rate"
    why = "An image may be copied about six times an hour."
    remedy = "Run this again in an hour: it goes on where it stopped. Or raise timeout_minutes."


class SourceChanged(ReplicaError):
    """The source was deleted or replaced during the run."""

    reason = "source_changed"
    why = "The source's name now belongs to another image, or to none."
    remedy = "Run this again with the right source; delete the replica if it is a copy of the wrong image."


class NotReady(ReplicaError):
    """The source, or something that it needs, is not ready; the call is repeated while there is time."""

    reason = "not_ready"
    remedy = "Run this again when the source is READY, or raise timeout_minutes."


class Unreachable(ReplicaError):
    """The API could not be reached, or its answer was garbled; the call is repeated while there is time."""

    reason = "unreachable"
    remedy = "Check the network and the input compute_endpoint; then run this again."


class Deadline(ReplicaError):
    """timeout_minutes passed before the replica was ready."""

    reason = "deadline"
    interrupts = True
    remedy = "Run this again: it takes over what was begun. Or raise timeout_minutes."


class Signalled(ReplicaError):
    """SIGINT or SIGTERM ended the run."""

    reason = "signal"
    interrupts = True
    remedy = "Copies that were under way go on in Compute Engine: run this again and it takes them over."


class Internal(ReplicaError):
    """A defect of this program ended one replica."""

    reason = "internal"
    remedy = f"This is a defect of the replicator. Please report it with the log: {REPORT_TO}"


def language(lines: str) -> str:
    """Return the language of a failure's lines to add: `sh` or `yaml`."""
    return "sh" if lines.startswith(("gcloud ", "openssl ", "pip ")) else "yaml"


def because(doing: str, said: str, why: str) -> str:
    """Return, for people, what was being done, the API's answer to it, and why."""
    return f"{sentence(f'{doing}: {said}')} {why}".strip()


def sentence(text: str) -> str:
    """Return the text with a full stop, if it has no end of a sentence yet."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
