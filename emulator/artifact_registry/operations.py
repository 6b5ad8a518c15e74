"""Starts and shows operations: google.longrunning's, done when their time has come, with an error or a response."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from emulator.artifact_registry import forms
from emulator.artifact_registry.state import Operation
from emulator.core import api_errors
from emulator.core.service import Answer, Handler

if TYPE_CHECKING:
    from emulator.artifact_registry.call import Call

TYPE = "type.googleapis.com/google.devtools.artifactregistry.v1"
#: Codes of google.rpc by name, for faults.
CODES = {
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}


def failure(code: str, message: str) -> dict[str, Any]:
    """A google.rpc.Status."""
    return {"code": CODES.get(code, 13), "message": message}


def start(call: Call, kind: str, target: str) -> Operation:
    """A new operation, which ends as the call's fault says, if there is one."""
    fault = call.fault
    failed = None
    if fault is not None and fault.code:
        failed = failure(fault.code, fault.message or f"The {kind} failed: {fault.code}.")
    stuck = fault is not None and fault.state == "stuck"
    return Operation(
        name=f"{target.rpartition('/repositories/')[0]}/operations/{call.state.new_name()}",
        kind=kind,
        target=target,
        ends=math.inf if stuck else call.now + call.rules.repository_seconds,
        failure=failed,
        gone=fault is not None and fault.state == "gone",
    )


def render(operation: Operation, call: Call, *, polled: bool) -> dict[str, Any]:
    """The API's form; the answer that announces an operation is never a done one."""
    shown: dict[str, Any] = {"name": operation.name, "metadata": {"@type": f"{TYPE}.OperationMetadata"}}
    if not polled or call.now < operation.ends:
        return shown
    shown["done"] = True
    if operation.failure:
        return {**shown, "error": dict(operation.failure)}
    if operation.kind == "delete":
        return {**shown, "response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}
    made = call.state.find(operation.target, call.now)
    return {**shown, "response": {"@type": f"{TYPE}.Repository", **(forms.repository(made) if made else {})}}


def get(call: Call) -> Answer:
    """operations.get."""
    name = f"projects/{call.project}/locations/{call.parameters['location']}/operations/{call.parameters['operation']}"
    found = call.state.operations.get(name)
    if found is None or found.gone:
        raise api_errors.not_found(name)
    return Answer(body=render(found, call, polled=True))


HANDLERS: dict[str, Handler[Call]] = {"artifactregistry.operations.get": get}
