"""Takes a request through the emulator, step by step."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from emulator.core import api_errors, guard
from emulator.core.faults.actions import (
    DelayFault,
    HangFault,
    OperationFault,
    PartialFault,
    StaleFault,
    cut_short,
    injected,
    trimmed,
)
from emulator.core.faults.in_force import Faults
from emulator.core.journal import Journal
from emulator.core.messages import MALFORMED, Reply, parsed, refusal, reply_json
from emulator.core.service import Call
from emulator.core.wire import Cut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from emulator.core.clock import Clock
    from emulator.core.discovery.document import Route
    from emulator.core.faults.actions import Action, Fault
    from emulator.core.journal import Entry
    from emulator.core.messages import Incoming
    from emulator.core.scenario import Principal, Scenario
    from emulator.core.service import Answer, Service

# Parameters every method of the API has and the emulator cannot honour.
UNANSWERABLE = ("fields", "callback", "uploadType", "upload_protocol")

log = logging.getLogger("emulator")


class Freed(Exception):
    """A wait was broken off, by a reset, the end of the emulator, or the client's leaving."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a request leads: the service that has the method, and the route to it."""

    service: Service[Any]
    route: Route

    def able(self, action: Action) -> bool:
        """Whether a request can meet a fault: some are for operations, some for reads of what has changed."""
        if isinstance(action, OperationFault):
            return self.service.starts_operation(self.route.method)
        if isinstance(action, PartialFault):
            return self.service.api.is_list(self.route.method)
        return not isinstance(action, StaleFault) or self.service.can_be_stale(self.route)


class Pipeline:
    """The services, with faults before and after them, and a journal of everything."""

    def __init__(self, services: Sequence[Service[Any]], *, scenario: Scenario, clock: Clock) -> None:
        self.services, self.scenario, self.clock = tuple(services), scenario, clock
        self.faults = Faults(frozenset(method for service in services for method in service.api.methods))
        self.journal = Journal(clock)
        self.meters = guard.Meters()
        self.batch_paths = frozenset(service.api.batch_path for service in services)
        self._freed = asyncio.Event()
        switches = scenario.switches
        self._ignored = frozenset(
            kind
            for kind, answer in (("unknown", switches.unknown_fields), ("read-only", switches.read_only_fields))
            if answer == "ignore"
        )

    async def exchange(self, request: Incoming) -> Reply:
        """Answer one request. Raises Cut where the connection is to end instead."""
        found, body = self._found(request), parsed(request.body)
        entry = self._opened(request, found, body)
        able = found.able if found else _able_nowhere
        fault = self.faults.choose(entry.method, entry.target, _readable(body), able=able)
        action = fault.action if fault else None
        entry.fault = fault.id if fault else None
        try:
            if isinstance(action, DelayFault):
                await self._pause(self.clock.now() + action.seconds, request)
            if isinstance(action, HangFault):
                await self._pause(math.inf, request)
            reply = injected(action, "before") or await self._performed(request, found, body, entry, fault)
            reply = trimmed(action, injected(action, "after") or reply)
            cut_short(action, reply)
        except (Freed, Cut) as cut:
            entry.dropped = True
            if not isinstance(cut, Cut):
                raise Cut("close") from None
            entry.status = cut.reply.status if cut.reply else None
            raise
        self.journal.close(entry, reply.status, reply.reason)
        return reply

    def _found(self, request: Incoming) -> Found | None:
        for service in self.services:
            if route := service.api.route(request.verb, request.raw_path):
                return Found(service=service, route=route)
        return None

    async def _performed(
        self, request: Incoming, found: Found | None, body: object, entry: Entry, fault: Fault | None
    ) -> Reply:
        try:
            service, route = _emulated(request, found, entry)
            principal = guard.authenticated(self.scenario, request.authorization)
            entry.principal = principal.name if principal else None
            stale = fault is not None and isinstance(fault.action, StaleFault)
            call = service.call(self._unchecked(request, route, body, fault, principal), stale=stale)
            if self.scenario.switches.first_check == "permission":
                guard.check_permissions(principal, service.needs(call, entry.target))
            call = self._checked(call, request, service, route, body)
            guard.check_permissions(principal, service.needs(call, entry.target))
            if meter := service.meter(call, route.method):
                self.meters.count(meter, call.project, self.scenario.quotas, call.now)
            answer = service.repeated(call, route.method)
            if answer is None:
                handled = service.handlers[route.method.id](call)
                answer = await handled if inspect.isawaitable(handled) else handled
            _commit(service, answer, entry, fault)
            return _own(service, route, answer, call)
        except api_errors.ApiError as error:
            _spared(entry, fault)
            return refusal(error)
        except (Freed, Cut):
            raise
        except Exception:
            log.exception("the emulator failed on %s %s", request.verb, request.raw_path)
            return refusal(api_errors.ApiError(code=500, reason="internalError", message="The emulator has a defect."))

    def _unchecked(
        self, request: Incoming, route: Route, body: object, fault: Fault | None, principal: Principal | None
    ) -> Call:
        """The request as it came, without its query."""
        return Call(
            method=route.method.id,
            project=route.project,
            parameters=route.parameters,
            query={},
            body=body if isinstance(body, dict) else {},
            now=self.clock.now(),
            clock=self.clock,
            scenario=self.scenario,
            pause=lambda moment: self._pause(moment, request),
            fault=fault.action if fault and isinstance(fault.action, OperationFault) else None,
            principal=principal,
        )

    def _checked(self, call: Call, request: Incoming, service: Service[Any], route: Route, body: object) -> Call:
        """The request against the discovery document. Raises ApiError 400, or 501 for what cannot be answered."""
        method = route.method
        query = service.api.check_parameters(route, request.query_string)
        for name in UNANSWERABLE:
            if query.get(name):
                raise api_errors.not_implemented(f"parameter '{name}'")
        if query.get("alt", "json").split(";")[0] != "json":
            raise api_errors.not_implemented(f"alt={query['alt']}")
        service.check_query(query)
        if method.request:
            if body is MALFORMED:
                raise api_errors.bad_request("Parse Error", "parseError")
            body = service.api.check_body(method, body, self._ignored)
        return replace(call, query=query, body=body if isinstance(body, dict) else {})

    def _opened(self, request: Incoming, found: Found | None, body: object) -> Entry:
        return self.journal.open(
            method=found.route.method.id if found else "",
            project=found.route.project if found else "",
            target=found.service.target(found.route, body) if found else "",
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


def _able_nowhere(action: Action) -> bool:
    """Whether a request that leads nowhere can meet a fault."""
    return not isinstance(action, OperationFault | StaleFault | PartialFault)


def _emulated(request: Incoming, found: Found | None, entry: Entry) -> tuple[Service[Any], Route]:
    """The service and the route, if they lead to something. Raises ApiError 404 or 501."""
    if found is None:
        raise api_errors.no_such_method(request.verb, request.raw_path)
    if not found.route.method.emulated:
        entry.unsupported = True
        raise api_errors.not_implemented(found.route.method.id)
    return found.service, found.route


def _commit(service: Service[Any], answer: Answer, entry: Entry, fault: Fault | None) -> None:
    if answer.change is None:
        _spared(entry, fault)
    else:
        service.commit(answer.change)
        entry.committed = True


def _spared(entry: Entry, fault: Fault | None) -> None:
    """Take back the firing of an operation's fault where no operation was started."""
    if fault and isinstance(fault.action, OperationFault):
        fault.fired -= 1
        entry.fault = None


def _own(service: Service[Any], route: Route, answer: Answer, call: Call) -> Reply:
    """The answer, checked like a client's request."""
    if answer.body is None:
        return Reply(status=204, content=b"")
    if problems := service.api.check_answer(route.method, answer.body):
        raise RuntimeError(f"answer of {route.method.id} against the discovery document: {problems}")
    return reply_json(answer.body, indent=2 if call.query.get("prettyPrint") else None)


def _readable(body: object) -> object:
    return None if body is MALFORMED else body
