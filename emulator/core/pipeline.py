"""The way of a request through the emulator, in order."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from emulator.compute import forms, images, limits, operations, policies
from emulator.compute.state import Change, State
from emulator.core import api_errors
from emulator.core.clock import Clock, DrivenClock, RealClock
from emulator.core.discovery.document import Api, Method, Route
from emulator.core.faults import (
    Action,
    BodyFault,
    DelayFault,
    DropFault,
    Fault,
    Faults,
    HangFault,
    HttpFault,
    OperationFault,
    StaleFault,
)
from emulator.core.journal import Entry, Journal
from emulator.core.scenario import BadScenario, Scenario
from emulator.core.service import Answer, Call, Timing
from emulator.core.wire import Cut, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

HANDLERS = {**images.HANDLERS, **operations.HANDLERS, **policies.HANDLERS}
LISTED = {
    "compute.images.list": "Image",
    "compute.globalOperations.list": "Operation",
    "compute.globalOperations.aggregatedList": "Operation",
}
# Parameters every method of the API has and the emulator cannot honour.
UNANSWERABLE = ("fields", "callback", "uploadType", "upload_protocol")
DEEPEST = 100
WAIT = "compute.globalOperations.wait"
# Methods that are POSTs and change nothing.
READING = (WAIT, "compute.images.testIamPermissions")
FARTHEST = 315_360_000

MALFORMED = object()

# Compiled once a process: nothing changes it, and tests start many emulators.
compiled_api = functools.cache(Api)

log = logging.getLogger("emulator")


class Freed(Exception):
    """A wait was broken off, by a reset, the end of the emulator, or the client's leaving."""


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """A request as it came in: on its own, or as a part of a batch. `gone` returns once the client has left."""

    verb: str
    raw_path: str
    query_string: str
    body: bytes
    gone: Callable[[], Awaitable[None]]
    authorization: str = ""


class App:
    """State, faults and journal, and the pipeline over them. Raises BadScenario."""

    def __init__(
        self,
        *,
        copy_seconds: float = Timing.copy,
        wait_seconds: float = Timing.wait,
        clock: Clock | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        self.scenario = scenario or Scenario()
        self.timing = Timing.around(copy_seconds, wait=wait_seconds, said=self.scenario.copy_seconds)
        self.clock: Clock = clock or RealClock()
        self.api = compiled_api()
        seed, switches = self.scenario.seed, self.scenario.switches
        self._first_id = None if seed is None else 10**18 + seed * 10**12
        first_id = self._first_id or int(self.clock.now()) * 10**9
        self.state = State(first_id=first_id, pending_heads=switches.pending_heads_family)
        self._ignored = frozenset(
            kind
            for kind, answer in (("unknown", switches.unknown_fields), ("read-only", switches.read_only_fields))
            if answer == "ignore"
        )
        self.faults = Faults(lambda: self.api.methods)
        self.journal = Journal(self.clock)
        self._fields = {method: self.api.fields(schema) for method, schema in LISTED.items()}
        self._freed = asyncio.Event()
        self._set_up()

    def _set_up(self) -> None:
        """The scenario's images and faults. Raises BadScenario."""
        place = "images"
        try:
            for index, spec in enumerate(self.scenario.images):
                place = f"images.{index}"
                images.place(self.state, spec, self.clock.now())
            place = "faults"
            self.faults.set([dict(fault) for fault in self.scenario.faults])
        except api_errors.ApiError as error:
            raise BadScenario(f"{place}: {error.message}") from None
        except ValueError as error:
            raise BadScenario(f"{place}: {error}") from None

    async def exchange(self, request: Incoming) -> Reply:
        """Answer one request. Raises Cut where the connection is to end instead."""
        route = self.api.route(request.verb, request.raw_path)
        body = _json(request.body)
        entry = self._opened(request, route, body)
        fault = self.faults.choose(
            entry.method, entry.target, _readable(body), able=functools.partial(self._able, route)
        )
        action = fault.action if fault else None
        entry.fault = fault.id if fault else None
        try:
            if isinstance(action, DelayFault):
                await self._pause(self.clock.now() + action.seconds, request)
            if isinstance(action, HangFault):
                await self._pause(math.inf, request)
            reply = _injected(action, "before") or await self._performed(request, route, body, entry, fault)
            reply = _injected(action, "after") or reply
            _cut_short(action, reply)
        except (Freed, Cut) as cut:
            entry.dropped = True
            if not isinstance(cut, Cut):
                raise Cut("close") from None
            entry.status = cut.reply.status if cut.reply else None
            raise
        self.journal.close(entry, reply.status, reply.reason)
        return reply

    async def _performed(
        self, request: Incoming, route: Route | None, body: object, entry: Entry, fault: Fault | None
    ) -> Reply:
        try:
            route = _emulated(request, route, entry)
            principal = limits.authenticated(self.scenario, request.authorization)
            entry.principal = principal.name if principal else None
            call = replace(self._unchecked(request, route, body, fault), principal=principal)
            if self.scenario.switches.first_check == "permission":
                limits.check_permissions(call, entry.target)
            call = self._checked(call, request, route, body)
            limits.check_permissions(call, entry.target)
            self._meter(call, route.method)
            answer = self._repeated(call, route.method)
            if answer is None:
                handled = HANDLERS[route.method.id](call)
                answer = await handled if inspect.isawaitable(handled) else handled
            self._commit(answer, entry, fault)
            return self._own(route.method, answer, call)
        except api_errors.ApiError as error:
            self._spared(entry, fault)
            return refusal(error)
        except (Freed, Cut):
            raise
        except Exception:
            log.exception("the emulator failed on %s %s", request.verb, request.raw_path)
            return refusal(api_errors.ApiError(code=500, reason="internalError", message="The emulator has a defect."))

    def _unchecked(self, request: Incoming, route: Route, body: object, fault: Fault | None) -> Call:
        """The request as it came, without its query."""
        return Call(
            method=route.method.id,
            project=route.parameters["project"],
            parameters=route.parameters,
            query={},
            body=body if isinstance(body, dict) else {},
            now=self.clock.now(),
            clock=self.clock,
            state=(fault and isinstance(fault.action, StaleFault) and self._earlier(route)) or self.state,
            scenario=self.scenario,
            timing=self.timing,
            fields=self._fields.get(route.method.id, frozenset()),
            pause=lambda moment: self._pause(moment, request),
            fault=fault.action if fault and isinstance(fault.action, OperationFault) else None,
        )

    def _checked(self, call: Call, request: Incoming, route: Route, body: object) -> Call:
        """The request against the discovery document. Raises ApiError 400, or 501 for what cannot be answered."""
        method = route.method
        query = self.api.check_parameters(route, request.query_string)
        for name in UNANSWERABLE:
            if query.get(name):
                raise api_errors.not_implemented(f"parameter '{name}'")
        if query.get("alt", "json").split(";")[0] != "json":
            raise api_errors.not_implemented(f"alt={query['alt']}")
        if "requestId" in query:
            forms.check_request_id(query["requestId"])
        if method.request:
            if body is MALFORMED:
                raise api_errors.bad_request("Parse Error", "parseError")
            body = self.api.check_body(method, body, self._ignored)
        return replace(call, query=query, body=body if isinstance(body, dict) else {})

    def _able(self, route: Route | None, action: Action) -> bool:
        """Whether a request can meet a fault: some are for operations, some for reads of what has changed."""
        if isinstance(action, OperationFault):
            return route is not None and starts_operations(route.method)
        return not isinstance(action, StaleFault) or (route is not None and self._earlier(route) is not None)

    def _earlier(self, route: Route) -> State | None:
        """What a stale read sees; None for what is no read of images, or of images that never changed."""
        method, parameters = route.method, route.parameters
        if method.verb != "GET" or not method.id.startswith(("compute.images.", "compute.imageFamilyViews.")):
            return None
        name = parameters.get("image") or parameters.get("resource") or ""
        return self.state.earlier(parameters["project"], name=name, family=parameters.get("family", ""))

    def _meter(self, call: Call, method: Method) -> None:
        """Count a request against its project's quota per minute. Raises ApiError 403."""
        if method.id == WAIT and self.scenario.switches.wait_quota == "free":
            return
        reads = method.verb == "GET" or method.id in READING
        meter = "reads_per_minute" if reads else "mutations_per_minute"
        limits.check_rate(self.scenario.quotas, self.state, call.project, meter, call.now)
        self.state.commit(Change(metered=(call.project, meter, int(call.now // 60))))

    def _repeated(self, call: Call, method: Method) -> Answer | None:
        """The first answer's operation, for a request id that was seen before (also if that operation failed)."""
        if not call.request_id or not starts_operations(method):
            return None
        operation = self.state.repeated(call.project, call.request_id)
        if operation and self.scenario.switches.failed_request_id == "new" and operation.failed(call.now):
            return None
        return None if operation is None else Answer(body=operations.render(operation, call.now))

    def _commit(self, answer: Answer, entry: Entry, fault: Fault | None) -> None:
        if answer.change is None:
            self._spared(entry, fault)
        else:
            self.state.commit(answer.change)
            entry.committed = True

    @staticmethod
    def _spared(entry: Entry, fault: Fault | None) -> None:
        """Take back the firing of an operation's fault where no operation was started."""
        if fault and isinstance(fault.action, OperationFault):
            fault.fired -= 1
            entry.fault = None

    def _own(self, method: Method, answer: Answer, call: Call) -> Reply:
        """The answer, checked like a client's request."""
        if answer.body is None:
            return Reply(status=204, content=b"")
        if problems := self.api.check_answer(method, answer.body):
            raise RuntimeError(f"answer of {method.id} against the discovery document: {problems}")
        return reply_json(answer.body, indent=2 if call.query.get("prettyPrint") else None)

    def _opened(self, request: Incoming, route: Route | None, body: object) -> Entry:
        parameters = route.parameters if route else {}
        target = route.target if route else ""
        name = body.get("name") if isinstance(body, dict) else None
        if route and route.method.id == "compute.images.insert" and isinstance(name, str):
            target = f"{target}/{name}"
        return self.journal.open(
            method=route.method.id if route else "",
            project=parameters.get("project", ""),
            target=target,
            query=dict(parse_qsl(request.query_string, keep_blank_values=True)),
            body=_readable(body),
            size=len(request.body),
        )

    async def _pause(self, moment: float, request: Incoming) -> None:
        """Wait until a moment. Raises Freed when the wait is broken off."""
        if moment <= self.clock.now():
            return
        waits: list[Awaitable[Any]] = [self.clock.sleep_until(moment), self._freed.wait(), request.gone()]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[0].done():
                raise Freed
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def free(self) -> None:
        """Break off every wait; the connections of those who wait are closed."""
        self._freed.set()
        self._freed = asyncio.Event()

    def reset(self) -> None:
        """Back to the scenario: its images and faults, no operations, no journal, and nobody waiting."""
        self.free()
        self.state.clear(self._first_id)
        self.journal.clear()
        self._set_up()

    def move(self, seconds: float) -> None:
        """Move a driven clock on. Raises ValueError."""
        clock = self._driven()
        if not 0 <= seconds <= FARTHEST:
            raise ValueError(f"a clock goes on by 0 to {FARTHEST} seconds")
        clock.advance(seconds)

    def move_to_next(self) -> float | None:
        """Move a driven clock to the next thing that happens by itself, if any. Raises ValueError."""
        clock, moment = self._driven(), self.next_moment()
        if moment is not None:
            clock.move_to(moment)
        return moment

    def next_moment(self) -> float | None:
        """When an operation ends, an image settles or a wait is over next; None if nothing is under way."""
        now = self.clock.now()
        moments = [operation.ends for operation in self.state.operations(None)]
        moments += [image.settles for image in self.state.images(None, now)]
        moments += self.clock.awaited() if isinstance(self.clock, DrivenClock) else []
        return min((moment for moment in moments if now < moment < math.inf), default=None)

    def show_clock(self) -> dict[str, Any]:
        """The kind of clock, its time, when something happens next by itself, and how many requests wait for that."""
        kind, now, awaited = "real", self.clock.now(), list[float]()
        if isinstance(self.clock, DrivenClock):
            kind, awaited = "driven", self.clock.awaited()
        waiting = sum(moment > now for moment in awaited)
        return {"clock": kind, "now": now, "next": self.next_moment(), "waiting": waiting}

    def _driven(self) -> DrivenClock:
        if not isinstance(self.clock, DrivenClock):
            raise ValueError("the clock is real; start the emulator with --clock driven")  # noqa: TRY004 -- no wrong type
        return self.clock

    def show_state(self) -> dict[str, Any]:
        """All images with project and policy, PENDING ones too, and all operations; oldest first."""
        now = self.clock.now()
        shown = sorted(self.state.images(None, now), key=lambda image: image.created)
        return {
            "images": [
                {**images.render(image, now), "project": image.project, "policy": policies.render(image.policy, 3)}
                for image in shown
            ],
            "operations": [operations.render(operation, now) for operation in self.state.operations(None)],
        }


def _emulated(request: Incoming, route: Route | None, entry: Entry) -> Route:
    """The route, if it leads to something. Raises ApiError 404 or 501."""
    if route is None:
        raise api_errors.no_such_method(request.verb, request.raw_path)
    if not route.method.emulated:
        entry.unsupported = True
        raise api_errors.not_implemented(route.method.id)
    return route


def starts_operations(method: Method) -> bool:
    """Whether a method changes something through an operation."""
    return method.response == "Operation" and ".globalOperations." not in method.id


def reply_json(body: object, *, status: int = 200, indent: int | None = None) -> Reply:
    """An answer in JSON, with nothing but ASCII in it, so that any text from a client can be given back."""
    separators = None if indent else (",", ":")
    return Reply(status=status, content=json.dumps(body, indent=indent, separators=separators).encode())


def refusal(error: api_errors.ApiError) -> Reply:
    """An error's answer."""
    reply = reply_json(error.body(), status=error.code)
    return Reply(status=reply.status, content=reply.content, headers=error.headers, reason=error.reason)


def _injected(action: object, when: str) -> Reply | None:
    """What a fault puts in the answer's place at this point. Raises Cut where it ends the connection."""
    if isinstance(action, DropFault) and action.when == when:
        raise Cut(action.how)
    if isinstance(action, BodyFault) and action.when == when:
        return Reply(status=action.status, content=action.text.encode(), media_type="text/html; charset=UTF-8")
    if isinstance(action, HttpFault) and action.when == when:
        message = action.message or api_errors.DEFAULT_MESSAGES.get(action.reason, action.reason)
        return refusal(
            api_errors.ApiError(
                code=action.code,
                reason=action.reason,
                message=message,
                details=action.details,
                headers=action.headers,
            )
        )
    return None


def _cut_short(action: object, reply: Reply) -> None:
    """Raises Cut for a fault that breaks the connection during the answer."""
    if isinstance(action, DropFault) and action.when == "during":
        raise Cut(action.how, reply)


def _json(content: bytes) -> object:
    """The JSON value of a body; None for an empty one, `MALFORMED` for what is no JSON or nested too deep."""
    if not content:
        return None
    try:
        value: object = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return MALFORMED
    return MALFORMED if _too_deep(value) else value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _too_deep(value: object) -> bool:
    level: Iterable[object] = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        if not inner:
            return False
        level = inner
    return True


def _readable(body: object) -> object:
    return None if body is MALFORMED else body
