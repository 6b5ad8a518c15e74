"""Serves the emulator on loopback: HTTP in, `App`, `control` or `batch`, HTTP out."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from http import HTTPStatus
from signal import Signals
from typing import TYPE_CHECKING

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from emulator.core import api_errors, batch, control
from emulator.core.messages import Incoming, Reply, refusal
from emulator.core.wire import Cut, Protocol, Wire

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import FrameType

    from starlette.types import Receive, Scope, Send

    from emulator.core.app import App

HOST = "127.0.0.1"
# Far above any request of this API; what keeps the emulator's memory small.
BODY_LIMIT = 10 * 2**20
SHUTDOWN_SECONDS = 1.0


class Front:
    """The ASGI application."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or end its connection."""
        request = Request(scope, receive)
        wire: Wire = scope["state"]["wire"]
        try:
            reply = await self._answer(request)
        except ClientDisconnect:
            return
        except Cut as cut:
            wire.cut(cut)
            return
        response = Response(reply.content, status_code=reply.status)
        response.headers["date"] = formatdate(self._app.clock.now(), usegmt=True)
        for name, value in reply.lines.items():
            response.headers[name] = value
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Reply:
        content = await _body(request)
        if content is None:
            code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            error = api_errors.ApiError(code=code, reason="uploadTooLarge", message="The request is too large.")
            error.headers = {"connection": "close"}
            return refusal(error)

        async def gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        path = request.scope["raw_path"].decode("latin-1")
        if path.startswith(control.PREFIX):
            return control.answer(self._app, request.method, path, content)
        if request.method == "POST" and path in self._app.batch_paths:
            return await batch.answer(self._app, request.headers, content, gone)
        query = request.scope["query_string"].decode("latin-1")
        incoming = Incoming(
            verb=request.method,
            raw_path=path,
            query_string=query,
            body=content,
            gone=gone,
            authorization=request.headers.get("authorization", ""),
        )
        return await self._app.exchange(incoming)


async def _body(request: Request) -> bytes | None:
    """The whole body; None if it is too large."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_LIMIT:
            return None
    return bytes(content)


class Server(uvicorn.Server):
    """uvicorn, which tells when it listens, and ends at once with requests still waiting."""

    def __init__(self, app: App, *, port: int, listening: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                Front(app),
                host=HOST,
                port=port,
                http=Protocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=600,
            )
        )
        self._listening = listening
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        self._listening(f"http://{HOST}:{port}")

    async def main_loop(self) -> None:
        """Wait for the end, without looking at the clock."""
        await self._stopping.wait()

    def stop(self) -> None:
        """End the server; from any thread or signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- uvicorn's signature
        """End on a signal, which is the ordinary way to end an emulator and so no failure."""
        if sig in {Signals.SIGINT, Signals.SIGTERM}:
            self.should_exit = True
            self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 -- uvicorn's signature
        """Close everything; requests that wait are broken off, since their clients are gone."""
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for listener in server.sockets:
                loop.remove_reader(listener)
        # A connection that was just accepted is known some turns later; a server closed before that loses its socket.
        for _ in range(4):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if tasks := list(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
        # Lets the loop close the aborted sockets.
        await asyncio.sleep(0)
