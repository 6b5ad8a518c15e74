"""Starts, shows and forgets operations, and answers `globalOperations`, `regionOperations` and `zoneOperations`.

The shapes are those recorded from the service: a first answer is RUNNING with progress 0, one of setLabels DONE at
once with `endTime`; a failed one has progress 100, `error.errors`, `httpErrorStatusCode` and `httpErrorMessage`.
Finished operations are kept until a reset (the service keeps them for an hour at least).
"""

from __future__ import annotations

import math
from http.client import responses
from typing import TYPE_CHECKING, Any

from emulator.compute.lists import pages
from emulator.compute.references import link
from emulator.compute.state import Change, Failure, Operation, fingerprint
from emulator.core import api_errors
from emulator.core.clock import timestamp
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.compute.call import Call


def rate_exceeded(source: str) -> str:
    """The sentence for a source that was copied too often; recorded for snapshots and machine images."""
    named = f" '{source}'" if source else ""
    return f"Operation rate exceeded for resource{named}. Too frequent operations from the source resource."


# The field of an operation that names its place, by the first part of its scope.
FIELDS = {"regions": "region", "zones": "zone"}
# Messages of errors that faults name without a text.
MESSAGES = {
    "RESOURCE_OPERATION_RATE_EXCEEDED": rate_exceeded(""),
    "QUOTA_EXCEEDED": "Quota 'IMAGES' exceeded.",
}


def start(
    call: Call,
    kind: str,
    target: str,
    target_id: str,
    seconds: float,
    source_id: str = "",
    *,
    scope: str = "global",
    warnings: tuple[Mapping[str, Any], ...] = (),
) -> Operation:
    """A new operation that ends after some seconds, or as the call's fault says."""
    fault = call.fault
    stuck = fault is not None and fault.state == "stuck"
    failure = None
    if fault is not None and fault.code:
        message = fault.message or MESSAGES.get(fault.code, "The operation failed.")
        failure = Failure(code=fault.code, message=message, http_status=fault.http_status)
        seconds = seconds or call.timing.other
    identifier = call.state.new_id()
    suffix = fingerprint(identifier).encode().hex()[:16]
    return Operation(
        project=call.project,
        id=identifier,
        name=f"operation-{int(call.now * 1000)}-{suffix[:8]}-{suffix[8:]}",
        type=kind,
        target=target,
        target_id=target_id,
        inserted=call.now,
        ends=math.inf if stuck else call.now + seconds,
        client_operation_id=call.request_id,
        source_id=source_id,
        scope=scope,
        warnings=warnings,
        user=call.principal.name if call.principal else "anonymous@example.com",
        failure=failure,
        gone=fault is not None and fault.state == "gone",
    )


def announced(operation: Operation, call: Call, change: Change) -> Answer:
    """The first answer about an operation, and what it changes."""
    first = call.scenario.switches.first_answers
    return Answer(body=render(operation, call.now, polls=0, first=first), change=change)


def applies(call: Call) -> bool:
    """Whether an existing image changes: not if the operation gets stuck or fails, save with `ready`."""
    fault = call.fault
    return fault is None or fault.state == "gone" or (bool(fault.code) and fault.leaves == "ready")


def status(operation: Operation, now: float, polls: int, first: str = "running") -> str:
    """PENDING, RUNNING or DONE; `polls` counts the looks at it after the answer that announced it."""
    instant = operation.ends == operation.inserted and operation.type == "setLabels"
    if instant or (polls and now >= operation.ends):
        return "DONE"
    return "PENDING" if not polls and operation.type == "insert" and first == "mixed" else "RUNNING"


def render(operation: Operation, now: float, polls: int = 1, first: str = "running") -> dict[str, Any]:
    """The API's form."""
    state = status(operation, now, polls, first)
    shown: dict[str, Any] = {
        "kind": "compute#operation",
        "id": operation.id,
        "name": operation.name,
        "operationType": operation.type,
        "targetLink": link(operation.target),
        "targetId": operation.target_id,
        "status": state,
        "user": operation.user,
        "progress": 100 if state == "DONE" else progress(operation, now),
        "insertTime": timestamp(operation.inserted),
        "selfLink": link(f"projects/{operation.project}/{operation.scope}/operations/{operation.name}"),
    }
    kind = operation.scope.partition("/")[0]
    if kind in FIELDS:
        shown[FIELDS[kind]] = link(f"projects/{operation.project}/{operation.scope}")
    if operation.warnings:
        shown["warnings"] = [dict(warning) for warning in operation.warnings]
    if state != "PENDING":
        shown["startTime"] = timestamp(operation.inserted)
    if operation.client_operation_id:
        shown["clientOperationId"] = operation.client_operation_id
    if state == "DONE":
        shown["endTime"] = timestamp(operation.ends)
        shown |= _failed(operation.failure)
    return shown


def progress(operation: Operation, now: float) -> int:
    """0 to 99, by the time gone."""
    if math.isinf(operation.ends) or operation.ends <= operation.inserted:
        return 0
    return max(0, min(99, int(100 * (now - operation.inserted) / (operation.ends - operation.inserted))))


def _failed(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    shown: dict[str, Any] = {"error": {"errors": [{"code": failure.code, "message": failure.message}]}}
    if failure.http_status is not None:
        phrase = responses.get(failure.http_status, "Error").upper()
        shown |= {"httpErrorStatusCode": failure.http_status, "httpErrorMessage": phrase}
    return shown


def _found(call: Call) -> Operation:
    name, scope = call.parameters["operation"], _scope(call)
    operation = call.state.operation(call.project, name)
    if operation is None or operation.scope != scope:
        raise api_errors.not_found(f"projects/{call.project}/{scope}/operations/{name}")
    return operation


def _scope(call: Call) -> str:
    """Where a request looks for operations: `global`, `regions/R` or `zones/Z`."""
    return next(
        (f"{kind}/{call.parameters[name]}" for kind, name in FIELDS.items() if name in call.parameters), "global"
    )


def get(call: Call) -> Answer:
    """globalOperations.get, and those of regions and zones."""
    return Answer(body=render(_found(call), call.now))


async def wait(call: Call) -> Answer:
    """globalOperations.wait, and those of regions and zones: when the operation ends, or after the longest wait."""
    operation = _found(call)
    await call.pause(min(operation.ends, call.now + call.timing.wait))
    return Answer(body=render(operation, call.clock.now()))


def delete(call: Call) -> Answer:
    """globalOperations.delete: forgets the record; what it did or does goes on."""
    return Answer(body=None, change=Change(forgotten=_found(call)))


def _page(call: Call, *scopes: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    own = (each for each in call.state.operations(call.project) if not scopes or each.scope in scopes)
    return pages.page(call, "Operation", [render(each, call.now) for each in own], created="insertTime")


def listed(call: Call) -> Answer:
    """globalOperations.list."""
    path = f"projects/{call.project}/global/operations"
    items, rest = _page(call, "global")
    body: dict[str, Any] = {"kind": "compute#operationList", "id": path, "selfLink": link(path)}
    return Answer(body=body | ({"items": items} if items else {}) | rest)


def aggregated(call: Call) -> Answer:
    """globalOperations.aggregatedList: those of the global scope, and of the regions and zones that have some."""
    path = f"projects/{call.project}/aggregated/operations"
    items, rest = _page(call)
    warning = {"code": "NO_RESULTS_ON_PAGE", "message": "No results."}
    scopes = {}
    for scope in sorted({"global", *(each.scope for each in call.state.operations(call.project))}):
        there = [each for each in items if f"/{scope}/operations/" in each["selfLink"]]
        scopes[scope] = {"operations": there} if there else {"warning": warning}
    body = {"kind": "compute#operationAggregatedList", "id": path, "selfLink": link(path)}
    return Answer(body={**body, "items": scopes, **rest})


HANDLERS: dict[str, Handler[Call]] = {
    "compute.globalOperations.get": get,
    "compute.globalOperations.wait": wait,
    "compute.globalOperations.delete": delete,
    "compute.globalOperations.list": listed,
    "compute.globalOperations.aggregatedList": aggregated,
    "compute.regionOperations.get": get,
    "compute.regionOperations.wait": wait,
    "compute.zoneOperations.get": get,
    "compute.zoneOperations.wait": wait,
}
