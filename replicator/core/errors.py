"""Defines the exit codes, and what every failure has: what happened, why, what to do.

`ReplicatorError`s end the run: a row of `Advice` says which failure it is. `ReplicaError`s end one replica, and the
others go on: each class is one reason of the closed list that a replica's row shows.
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
    """The exit codes of every command; where several fit: a signal, DEFECT, SETUP, FAILED, DONE, in this order."""

    DONE = exit_codes.DONE
    FAILED = exit_codes.FAILED
    """A required replica failed, or what was verified is wrong."""
    BAD_SETTINGS = exit_codes.BAD_SETTINGS
    SETUP = exit_codes.SETUP
    """Credentials, permissions, the source or the network: nothing was made."""
    UNREACHABLE = exit_codes.UNREACHABLE
    """Of commands that change nothing: what they look at could not be read."""
    SIGNATURE_WRONG = exit_codes.SIGNATURE_WRONG
    DEFECT = exit_codes.DEFECT
    SIGINT = exit_codes.SIGINT
    SIGTERM = exit_codes.SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is always true of one failure that ends the run."""

    title: str
    """Stable words for people: the title of the annotation, and of the section in docs/errors.md."""
    meaning: str
    """What happened, whatever the case."""
    why: str = ""
    remedy: str = ""
    lines: str = ""
    """Lines to add to a workflow, or to type, that the remedy speaks of; empty where a sentence says it all."""
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
        """The three sentences that a person needs, in one paragraph."""
        return " ".join(part for part in (sentence(self.what), self.why, self.todo) if part)


class ReplicatorError(Failure):
    """A failure that ends the run before, or instead of, its replicas."""

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
        """What the process ends with."""
        return self.advice.exit_code


@dataclass(frozen=True, slots=True)
class InputProblem:
    """An input whose value can't be carried out: what is wrong, what is allowed, what to do."""

    input: str
    text: str
    file: str = ""
    """The file that the input names, where the problem lies in it, and the line, counted from 1."""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.file}, line {self.line}: " if self.line else ""
        return redact.redacted(f"{self.input}: {where}{self.text}")


BAD_SETTINGS = Advice(
    title="Bad settings",
    meaning="Inputs that can't be carried out; nothing was called or changed.",
    exit_code=ExitCode.BAD_SETTINGS,
)

INTERRUPTED = Advice(
    title="Interrupted",
    meaning="SIGINT or SIGTERM.",
    remedy="Copies that were under way go on in Compute Engine: run this again and it takes them over.",
    exit_code=ExitCode.SIGTERM,
)

UNFORESEEN = Advice(
    title="Defect of the replicator",
    meaning="A defect of this program.",
    remedy=f"This is a defect of the replicator. Please report it with the lines above: {REPORT_TO}",
    exit_code=ExitCode.DEFECT,
)


class BadSettings(ReplicatorError):
    """Inputs that can't be carried out; nothing was called or changed."""

    def __init__(self, problems: Sequence[InputProblem], *, advice: Advice = BAD_SETTINGS) -> None:
        super().__init__(advice, "; ".join(map(str, problems)))
        self.problems = problems
        """In the order of the inputs."""

    @property
    def headline(self) -> str:
        """What happened, without each problem."""
        count = len(self.problems)
        return f"{'An input is' if count == 1 else f'{count} inputs are'} wrong, so nothing was called or changed"


class Interrupted(ReplicatorError):
    """SIGINT or SIGTERM."""

    def __init__(self, name: str, exit_code: int) -> None:
        super().__init__(INTERRUPTED, f"The run was interrupted by {name}")
        self._exit_code = exit_code

    @property
    def exit_code(self) -> int:
        """128 and the signal's number."""
        return self._exit_code


class Unforeseen(ReplicatorError):
    """A defect of this program."""

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
    """Someone else's image stands under the replica's name."""

    reason = "conflict"
    why = "A name is not an identity: this image is not a copy of the source in this location, so it is left alone."
    remedy = "Remove that image if nobody needs it, or choose another name_template."


class Unproven(ReplicaError):
    """An image under the replica's name whose parent is gone."""

    reason = "unproven"
    why = "Without its parent nobody can tell whether it holds this source."
    remedy = "Look at it; if it can go, delete it and run this again, or choose another name_template."


class Drift(ReplicaError):
    """A replica that differs from what is wanted and can't be repaired."""

    reason = "drift"
    remedy = "Delete the image and run this again to make it anew."


class ImageFailed(ReplicaError):
    """A copy that Compute Engine marked FAILED."""

    reason = "image_failed"
    why = "Compute Engine could not make this copy, and its name stays taken."
    remedy = "Remove it and run this again, or set replace_failed: true."


class OperationFailed(ReplicaError):
    """Compute Engine refused or could not do what was asked, for a reason that has no word of its own here."""

    reason = "operation_failed"
    remedy = "Read the message of Compute Engine; then run this again."


class OrgPolicy(ReplicaError):
    """An organisation's policy forbids the copy."""

    reason = "org_policy"
    why = "Waiting does not help."
    remedy = (
        "Look which policy it is. Where it is about locations, take the location out of `locations`; else ask an "
        "administrator of the organisation for an exception."
    )


class AccessBlocked(ReplicaError):
    """An organisation's policy forbids the access asked for."""

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
    remedy = "Grant it the permission that is named; the README's section on IAM roles shows how."


class ApiDisabled(ReplicaError):
    """The Compute Engine API is off in the project."""

    reason = "api_disabled"
    of_setup = True
    remedy = "Run `gcloud services enable compute.googleapis.com --project PROJECT` and wait a few minutes."


class ProjectNotFound(ReplicaError):
    """There is no such project, or it is not to be seen."""

    reason = "project_not_found"
    of_setup = True
    remedy = "Check project_id and replica_project, and that this step's identity may see the project."


class Quota(ReplicaError):
    """A quota that does not refill by itself is used up."""

    reason = "quota"
    remedy = "Delete images that nobody needs, or ask for more quota; then run this again."


class Rate(ReplicaError):
    """Too many requests a minute; repeated while there is time."""

    reason = "rate"
    remedy = "Run this again later, or raise timeout_minutes."


class SourceRate(ReplicaError):
    """Too many copies of one image; verified replicas are copied instead, and it is repeated while there is time."""

    reason = "source_rate"
    why = "An image may be copied about six times an hour."
    remedy = "Run this again in an hour: it goes on where it stopped. Or raise timeout_minutes."


class SourceChanged(ReplicaError):
    """The source was deleted or replaced while the run went on."""

    reason = "source_changed"
    why = "Another image stands under the source's name now, or none."
    remedy = "Run this again with the source that is meant; delete the replica if it holds the wrong image."


class NotReady(ReplicaError):
    """The source, or something that it needs, is not ready; repeated while there is time."""

    reason = "not_ready"
    remedy = "Run this again when the source is READY, or raise timeout_minutes."


class Unreachable(ReplicaError):
    """The API could not be reached or did not answer in its own words; repeated while there is time."""

    reason = "unreachable"
    remedy = "Check the network and the input compute_endpoint; then run this again."


class Deadline(ReplicaError):
    """timeout_minutes passed."""

    reason = "deadline"
    interrupts = True
    remedy = "Run this again: it takes over what was begun. Or raise timeout_minutes."


class Signalled(ReplicaError):
    """SIGINT or SIGTERM reached the run."""

    reason = "signal"
    interrupts = True
    remedy = INTERRUPTED.remedy


class Internal(ReplicaError):
    """A defect of this program met one replica."""

    reason = "internal"
    remedy = f"This is a defect of the replicator. Please report it with the log: {REPORT_TO}"


def language(lines: str) -> str:
    """What the lines to add of a failure are written in: `sh` or `yaml`."""
    return "sh" if lines.startswith(("gcloud ", "openssl ", "pip ")) else "yaml"


def because(doing: str, said: str, why: str) -> str:
    """For people: what the API said to what was being done, and what that means."""
    return f"{sentence(f'{doing}: {said}')} {why}".strip()


def sentence(text: str) -> str:
    """The text with what ends a sentence."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
