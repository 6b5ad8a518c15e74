"""The client's side of the wire: what happens to a request before it is sent."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from emulator.compute.discovery import DOCUMENT
from emulator.core.discovery.document import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

#: Seconds after which an impatient client gives a request up.
IMPATIENT = 0.05

_TROUBLES = {
    "refused": "Failed to establish a new connection: [Errno 111] Connection refused",
    "unresolved": "Failed to resolve 'compute.googleapis.com' ([Errno -2] Name or service not known)",
}


class Wire:
    """Lets something happen to some requests: to those that `is_for` picks by method, target and body."""

    def __init__(self, is_for: Callable[[str, str, str], bool], *, skip: int = 0, times: int | None = 1) -> None:
        self.met = 0
        """How many requests met it."""
        self._is_for, self._skip, self._times = is_for, skip, times

    def meets(self, request: requests.PreparedRequest) -> bool:
        """Whether it happens to this request."""
        route = compiled(DOCUMENT).route(request.method or "", request.path_url.partition("?")[0])
        if route is None or not self._is_for(route.method.id, _target(route.target, request), _body(request)):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._times is not None and self.met >= self._times:
            return False
        self.met += 1
        return True


def _body(request: requests.PreparedRequest) -> str:
    body = json.loads(request.body) if request.body else None
    return "" if body is None else json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _target(target: str, request: requests.PreparedRequest) -> str:
    """As the emulator's journal has it: of an insert with the name that stands in the body."""
    return f"{target}/{json.loads(request.body)['name']}" if request.body and target.endswith("/images") else target


@contextmanager
def happening(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, what: str = "", *, event: Callable[[], object] | None = None
) -> Iterator[Wire]:
    """Within it, requests that meet the wire are `refused`, `unresolved` or `impatient`, or an event comes first."""
    send = HTTPAdapter.send

    def sending(self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **named: Any) -> requests.Response:
        if wire.meets(request):
            if what in _TROUBLES:
                raise requests.exceptions.ConnectionError(_TROUBLES[what], request=request)
            if what == "impatient":
                named["timeout"] = IMPATIENT
            if event:
                event()
        return send(self, request, *args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(HTTPAdapter, "send", sending)
        yield wire
