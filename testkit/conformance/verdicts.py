"""What must become of a fault: a verdict for every guard and class, and the exceptions with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from testkit.conformance.calls import CALLS, Guard, Stage
from testkit.conformance.faults import FAULTS, Class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testkit.conformance.calls import Call
    from testkit.conformance.faults import Fault


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What the run does about a fault, and how it ends where the fault stays for ever."""

    text: str
    """For people."""
    bears: int = 10**6
    """How often in a row the fault may come, and the run still ends as if nothing had happened."""
    for_ever: str = ""
    """The reason of the row where it is never over; empty: the fault's own, or none where it `harmless`."""
    same_request: bool = True
    """Whether a repetition carries the same requestId."""
    elsewhere: bool = False
    """Whether a repetition asks for a copy of another image, without the wait that the fault asks for."""
    harmless: bool = False
    """Whether the run ends well even where the fault is never over."""
    tries: tuple[int, int] = (1, 1)
    """How often the call is made, at least and at most, where the fault is never over; (0, 0): as the waits say."""


class Verdict(Enum):
    """The ways to treat a fault."""

    REPEATED = Treatment(
        text="the same request again after 1, 2, 4 … 30 s, for 10 min (before the plan: 1 min)",
        for_ever="unreachable",
        tries=(18, 30),
    )
    WAITED_OUT = Treatment(
        text="the same request again after the wait that the answer or its reason asks for, until the deadline",
        for_ever="deadline",
        tries=(0, 0),
    )
    RENEWED = Treatment(
        text="a new token, and the same request at once, once", bears=1, for_ever="forbidden", tries=(2, 2)
    )
    GIVEN_UP = Treatment(text="given up at once", bears=0)
    READ_AGAIN = Treatment(
        text="read again, and the request computed anew from that; given up after five times",
        for_ever="drift",
        tries=(5, 5),
    )
    READ_AGAIN_AFTER = Treatment(
        text="read again, and a new request computed from that; given up after five times",
        for_ever="drift",
        same_request=False,
        tries=(5, 5),
    )
    LOOKED_AT = Treatment(text="the image of that name is looked at, and decides", bears=0)
    ASKED_ANEW = Treatment(
        text="a new request, with a new requestId, after the wait that the reason asks for, until the deadline",
        for_ever="deadline",
        same_request=False,
        tries=(0, 0),
    )
    ASKED_SOME_TIMES = Treatment(
        text="a new request, with a new requestId, after 5, 10, 20 and 40 s, then given up",
        bears=4,
        same_request=False,
        tries=(5, 5),
    )
    COPIED_ELSEWHERE = Treatment(
        text="a new request, of a verified replica; where there is none, after ten minutes, until the deadline",
        for_ever="deadline",
        same_request=False,
        elsewhere=True,
        tries=(5, 16),
    )
    AWAITED = Treatment(text="waited for until the deadline", bears=0, for_ever="deadline")
    TOLD_BY_THE_IMAGE = Treatment(text="the image is read, and tells the rest", harmless=True)
    READ_UNTIL_SEEN = Treatment(
        text="read again after 1, 2, 4 and 8 s until it shows what was done, then given up", tries=(5, 5)
    )
    COPIED_THEN = Treatment(
        text="read again after 1, 2, 4 and 8 s, then a copy is asked for; where one is there after all, the same again",
        tries=(10, 10),
    )
    ASKED_BY_NAME = Treatment(
        text="the image is looked at, and where it is there it is asked for by its name",
        harmless=True,
        same_request=False,
    )
    WATCHED = Treatment(text="read again every 5 to 30 s, until the deadline", for_ever="deadline", tries=(100, 800))
    DONE_WITHOUT = Treatment(text="the run goes on without an answer", harmless=True)


#: How often each fault comes; None: for ever.
OFTEN: Mapping[str, int | None] = {"once": 1, "twice": 2, "for ever": None}
#: Waits are lengthened by up to this factor.
JITTER = 1.1
#: Seconds that one image's trouble may hold up the plan.
EXAMINATION = 180.0

_V = Verdict
_EVERYWHERE = tuple(Guard)


def _row(*verdicts: Verdict) -> Mapping[Guard, Verdict]:
    return dict(zip(_EVERYWHERE, verdicts * (len(_EVERYWHERE) // len(verdicts)), strict=True))


#: Guards in this order: nothing needed, read back, requestId, labelFingerprint, etag.
GRID: Mapping[Class, Mapping[Guard, Verdict]] = {
    Class.LOST: _row(_V.REPEATED),
    Class.AMBIGUOUS: _row(_V.REPEATED),
    Class.GARBLED: _row(_V.REPEATED),
    Class.CREDENTIALS: _row(_V.RENEWED),
    Class.THROTTLED: _row(_V.WAITED_OUT),
    Class.PERMANENT: _row(_V.GIVEN_UP),
    Class.GONE: _row(_V.GIVEN_UP, _V.READ_UNTIL_SEEN, _V.GIVEN_UP, _V.GIVEN_UP, _V.GIVEN_UP),
    Class.CONTENDED: _row(_V.GIVEN_UP, _V.GIVEN_UP, _V.GIVEN_UP, _V.READ_AGAIN, _V.READ_AGAIN),
    Class.OPERATION_THROTTLED: _row(_V.ASKED_ANEW),
    Class.OPERATION_FAILED: _row(_V.GIVEN_UP),
    Class.OPERATION_TROUBLED: _row(_V.ASKED_SOME_TIMES),
    Class.OPERATION_CONTENDED: _row(_V.GIVEN_UP, _V.GIVEN_UP, _V.GIVEN_UP, _V.READ_AGAIN_AFTER, _V.READ_AGAIN_AFTER),
    Class.OPERATION_STUCK: _row(_V.AWAITED),
    Class.OPERATION_GONE: _row(_V.TOLD_BY_THE_IMAGE),
    Class.STALE: _row(_V.GIVEN_UP, _V.READ_UNTIL_SEEN, _V.GIVEN_UP, _V.GIVEN_UP, _V.GIVEN_UP),
}


@dataclass(frozen=True, kw_only=True)
class Exceptional:
    """A cell that the grid does not speak for."""

    verdict: Verdict
    why: str
    reason: str = ""
    """Of the row, where it is another than the fault's own."""


#: By call and fault; a fault of `*` is any that is not named.
EXCEPTIONS: Mapping[tuple[str, str], Exceptional] = {
    ("ask for the copy", "404"): Exceptional(
        verdict=_V.GIVEN_UP, reason="source_changed", why="what an insert does not find is its source"
    ),
    ("ask for the copy", "409"): Exceptional(
        verdict=_V.LOOKED_AT, reason="operation_failed", why="the name is taken; here nothing is found under it"
    ),
    ("ask for the copy", "409 aborted"): Exceptional(
        verdict=_V.LOOKED_AT, reason="operation_failed", why="the name may be taken; here nothing is found under it"
    ),
    ("ask for the copy", "then it exists already"): Exceptional(
        verdict=_V.LOOKED_AT, reason="operation_failed", why="the name is taken; here nothing is found under it"
    ),
    ("ask for the copy", "then a condition"): Exceptional(
        verdict=_V.GIVEN_UP, reason="org_policy", why="an insert has no precondition but an organisation's policy"
    ),
    ("ask for the copy", "then the source's rate"): Exceptional(
        verdict=_V.COPIED_ELSEWHERE, why="each image has a rate of its own"
    ),
    ("ask for the copy", "412"): Exceptional(
        verdict=_V.GIVEN_UP, reason="org_policy", why="an insert has no precondition but an organisation's policy"
    ),
    ("open the copy", "400 failedPrecondition"): Exceptional(
        verdict=_V.GIVEN_UP, reason="access_blocked", why="it is about who may be given access, not about a place"
    ),
    ("open the copy", "412 with a custom constraint"): Exceptional(
        verdict=_V.GIVEN_UP, reason="access_blocked", why="it is about who may be given access, not about a place"
    ),
    ("open the copy", "412 with a constraint"): Exceptional(
        verdict=_V.GIVEN_UP, reason="access_blocked", why="it is about who may be given access, not about a place"
    ),
    **{
        ("read what a replica was copied from", fault): Exceptional(
            verdict=_V.GIVEN_UP, reason="unproven", why="a parent that is gone leaves the replica without proof"
        )
        for fault in ("404", "404 of the project", "stale")
    },
    **{
        ("read the head again", fault): Exceptional(
            verdict=_V.TOLD_BY_THE_IMAGE, why="then the image itself is read: it says whether it carries the family"
        )
        for fault in ("404", "404 of the project", "stale")
    },
    **{
        ("look at a copy under way", fault): Exceptional(
            verdict=_V.COPIED_THEN, why="what somebody else began may have come to nothing"
        )
        for fault in ("404", "404 of the project")
    },
    **{
        ("read a failed copy", fault): Exceptional(
            verdict=_V.COPIED_THEN, why="somebody else may have removed what failed"
        )
        for fault in ("404", "404 of the project", "stale")
    },
    **{
        ("remove a failed copy", fault): Exceptional(
            verdict=_V.ASKED_BY_NAME, why="the service may take no ids here, which nobody has confirmed"
        )
        for fault in ("404", "404 of the project", "400 invalid", "400 failedPrecondition")
    },
    ("look at a copy under way", "stale"): Exceptional(
        verdict=_V.WATCHED, why="for all that can be seen it is still being made"
    ),
    ("read what was repaired", "stale"): Exceptional(
        verdict=_V.READ_UNTIL_SEEN, reason="drift", why="the image is there and lacks what was done to it"
    ),
    ("read what was promoted", "stale"): Exceptional(
        verdict=_V.READ_UNTIL_SEEN, reason="drift", why="the image is there and lacks its family"
    ),
    **{
        ("look up what exists", fault): Exceptional(
            verdict=_V.DONE_WITHOUT, why="this is how nothing is listed; whatever has the name, the insert will meet it"
        )
        for fault in ("an empty object", "a list")
    },
    **{
        (call, fault): Exceptional(verdict=_V.TOLD_BY_THE_IMAGE, why="operations are kept for a while only")
        for call in ("wait for the copy", "wait for the promotion")
        for fault in ("404", "404 of the project")
    },
    **{
        ("read the family's head", fault): Exceptional(verdict=_V.DONE_WITHOUT, why="so far the family has no head")
        for fault in ("404", "404 of the project", "stale")
    },
    ("read the head's source", "*"): Exceptional(
        verdict=_V.DONE_WITHOUT, why="the head's own age counts for its source's, as where that is gone"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A fault at a call, and what must become of it."""

    call: Call
    fault: Fault

    def __str__(self) -> str:
        return f"{self.call.name}: {self.fault.name}"

    @property
    def exception(self) -> Exceptional | None:
        """What speaks for it instead of the grid."""
        return EXCEPTIONS.get((self.call.name, self.fault.name)) or EXCEPTIONS.get((self.call.name, "*"))

    @property
    def treatment(self) -> Treatment:
        """What must be done."""
        verdict = self.exception.verdict if self.exception else GRID[self.fault.kind][self.call.guard]
        return verdict.value

    @property
    def bears(self) -> int:
        """How often in a row the fault may come here."""
        hurried = self.call.stage is Stage.EXAMINATION and self.fault.waits
        return (
            min(self.treatment.bears, int(EXAMINATION / JITTER / self.fault.waits)) if hurried else self.treatment.bears
        )

    def reason(self, times: int | None) -> str:
        """What the row says where the fault comes so often (None: for ever); empty where it must end well."""
        treatment = self.treatment
        if treatment.harmless or (times is not None and times <= self.bears):
            return ""
        if self.exception and self.exception.reason:
            return self.exception.reason
        if self.call.stage is Stage.EXAMINATION and self.fault.kind is Class.THROTTLED:
            return self.fault.reason
        return treatment.for_ever or self.fault.reason


CELLS = tuple(Cell(call=call, fault=fault) for call in CALLS for fault in FAULTS if fault.concerns(call))
