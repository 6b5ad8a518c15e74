"""Answers the emulator's own interface under `/_emulator/`: never journalled, never faulty."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from emulator.core import api_errors
from emulator.core.messages import refusal, reply_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.core.app import App
    from emulator.core.messages import Reply

PREFIX = "/_emulator/"


def answer(app: App, verb: str, path: str, content: bytes) -> Reply:
    """Answer a request of the control interface."""
    try:
        return reply_json(_handler(verb, path)(app, content))
    except api_errors.ApiError as error:
        return refusal(error)


def _handler(verb: str, path: str) -> Callable[[App, bytes], Any]:
    verbs = {route[0]: handler for route, handler in ROUTES.items() if route[1] == path}
    if not verbs:
        raise api_errors.no_such_method(verb, path)
    if verb not in verbs:
        text = f"{path} takes {', '.join(sorted(verbs))} only."
        raise api_errors.ApiError(code=405, reason="methodNotAllowed", message=text)
    return verbs[verb]


def _journal(app: App, _content: bytes) -> Any:
    return app.journal.show()


def _faults(app: App, _content: bytes) -> Any:
    return app.faults.show()


def _set_faults(app: App, content: bytes) -> Any:
    try:
        app.faults.set(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise api_errors.bad_request(str(error)) from None
    return app.faults.show()


def _clock(app: App, _content: bytes) -> Any:
    return app.show_clock()


def _move_clock(app: App, content: bytes) -> Any:
    try:
        match json.loads(content):
            case {"advance": int() | float() as seconds, **rest} if not rest and not isinstance(seconds, bool):
                app.move(seconds)
            case {"to": "next", **rest} if not rest:
                app.move_to_next()
            case _:
                raise api_errors.bad_request('{"advance": seconds} or {"to": "next"} is expected')
    except (ValueError, RecursionError) as error:
        raise api_errors.bad_request(str(error)) from None
    return app.show_clock()


def _state(app: App, _content: bytes) -> Any:
    return app.show_state()


def _reset(app: App, _content: bytes) -> Any:
    app.reset()
    return {}


ROUTES: dict[tuple[str, str], Callable[[App, bytes], Any]] = {
    ("GET", f"{PREFIX}journal"): _journal,
    ("GET", f"{PREFIX}faults"): _faults,
    ("POST", f"{PREFIX}faults"): _set_faults,
    ("GET", f"{PREFIX}state"): _state,
    ("GET", f"{PREFIX}clock"): _clock,
    ("POST", f"{PREFIX}clock"): _move_clock,
    ("POST", f"{PREFIX}reset"): _reset,
}
