"""Looks an answer of the API up in the table of refusals, `trouble.table`, and returns the error that it means.

HTTP status alone never decides: 403 may mean "never" (a permission), "in a minute" (a rate) or "ask for more"
(a quota), and 412 is an organisation's policy on insert but a stale fingerprint on setLabels.
Pure.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from replicator.compute import permissions
from replicator.compute.errors import ENDPOINT_UNREACHABLE, TOKEN_SERVICE_SILENT
from replicator.compute.trouble import named
from replicator.compute.trouble.fault import INSERT as INSERT
from replicator.compute.trouble.fault import SET_LABELS as SET_LABELS
from replicator.compute.trouble.fault import SET_POLICY as SET_POLICY
from replicator.compute.trouble.fault import Fault as Fault
from replicator.compute.trouble.fault import Then as Then
from replicator.compute.trouble.table import TABLE as TABLE
from replicator.core import errors

if TYPE_CHECKING:
    from replicator.core.errors import ReplicaError
    from replicator.core.images import Problem


#: How a service would answer to a numeric id in place of a name: it is not known to take them.
_TAKES_NO_ID = frozenset({400, 404})


class Refusal(Exception):
    """A call that the API refused, or whose answer is missing or garbled."""

    def __init__(
        self,
        method: str,
        *,
        project: str = "",
        status: int | None = None,
        codes: tuple[str, ...] = (),
        message: str = "",
        details: tuple[str, ...] = (),
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.method = method
        """The name in the discovery document: `compute.images.insert`."""
        self.project = project
        """The project that the call was about; empty if there was no answer."""
        self.status = status
        """The HTTP status; None if there was no readable answer."""
        self.codes = codes
        """The reasons and error codes in the answer."""
        self.message = message
        self.details = details
        """What else the answer names, as `key=value`: a permission, a constraint, a service."""
        self.retry_after = retry_after
        """The seconds that Retry-After asks to wait; 0 if the answer has no such header."""
        self.member = ""
        """The identity that sent the call, as policies write it; empty if the credentials don't tell it."""
        self.doing = ""
        """What was being done, for people; "" until the call is given up."""

    @property
    def said(self) -> str:
        """All that the answer says, line by line."""
        return "\n".join((*self.codes, self.message, *self.details))

    @property
    def may_be_of_id(self) -> bool:
        """Whether it may say that the service takes no numeric id in place of a name, or that there is no such id."""
        return self.status in _TAKES_NO_ID

    @cached_property
    def fault(self) -> Fault:
        """The first row of the table that matches."""
        return _first(self)

    def told(self, doing: str) -> str:
        """For people: what was being done, and what came of it."""
        verb = {None: "got no usable answer", 404: "found nothing"}.get(self.status, "was refused")
        return f"{doing} {verb}: {self.message}"


class NoToken(Refusal):
    """A call that was not sent, because the sign-in before it got no usable answer."""

    def __init__(self, message: str) -> None:
        super().__init__("", message=message)

    @cached_property
    def fault(self) -> Fault:
        """The row by which the call is repeated, as if it had not been answered."""
        return _NO_TOKEN

    def told(self, doing: str) -> str:
        """For people: what was being done, and what came of it."""
        return f"{doing}: {self.message}"


class NoWay(Refusal):
    """A call that could not be sent, for a cause on this machine that no wait mends."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__("", message=message)
        self._remedy = remedy

    @cached_property
    def fault(self) -> Fault:
        """It is not repeated."""
        return Fault(error=errors.Unreachable, remedy=self._remedy, ends=ENDPOINT_UNREACHABLE)


class Failed(Refusal):
    """An operation that was accepted and ended in error.

    To repeat it takes a new request: a requestId whose operation failed returns the same failed operation for ever.
    """

    def __init__(self, method: str, project: str, problem: Problem) -> None:
        super().__init__(
            method,
            project=project,
            status=problem.http_status,
            codes=(problem.code, *problem.reasons),
            message=problem.message or problem.code,
            details=problem.details,
        )

    @property
    def may_be_of_id(self) -> bool:
        """The image was found, since the operation was accepted."""
        return False

    @cached_property
    def fault(self) -> Fault:
        """The row of the table that it belongs to, of those that are about operations."""
        return _first(self, of_operation=True)

    def told(self, doing: str) -> str:
        """For people: what was being done, and what came of it."""
        code = "" if self.codes[0] in self.message else f" ({self.codes[0]})"
        return f"{doing} failed: {self.message}{code}"


_NO_TOKEN = Fault(
    error=errors.Unreachable,
    then=Then.REPEAT,
    wait=1,
    longest_wait=30,
    remedy=TOKEN_SERVICE_SILENT.remedy,
    ends=TOKEN_SERVICE_SILENT,
)


def error_of(refusal: Refusal, *, doing: str) -> ReplicaError:
    """Return the failure of a call that is given up: what was being done, in the API's words, and the remedy.

    What to do comes from what the answer names; the permissions that the call needs are told where it names nothing.
    """
    fault = refusal.fault
    why = _filled(fault.why, refusal) if fault.why else None
    remedy = _filled(fault.remedy, refusal)
    if fault.error is errors.Forbidden and not fault.remedy and (refusal.status == 403 or isinstance(refusal, Failed)):
        remedy = permissions.remedy(refusal.method, refusal.said, project=refusal.project, member=refusal.member)
    told = refusal.told(refusal.doing or doing)
    return fault.error(told, remedy=remedy, why=why, of_setup=fault.of_setup)


def filled(remedy: str, project: str) -> str:
    """Return the remedy with the project filled into its commands, if the project is known."""
    return named.filled(remedy, "", project)


def _filled(text: str, refusal: Refusal) -> str:
    return named.filled(text, refusal.said, refusal.project)


def _first(refusal: Refusal, *, of_operation: bool = False) -> Fault:
    about = (refusal.method, refusal.status, refusal.codes, refusal.said)
    return next(fault for fault in TABLE if fault.matches(*about, of_operation=of_operation))
