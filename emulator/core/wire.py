"""Closes and resets connections, and cuts answers short, beneath HTTP."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from emulator.core.messages import Reply


class Cut(Exception):
    """The connection is to end now, by `close` or `reset`; with a reply, after half of it."""

    def __init__(self, how: str, reply: Reply | None = None) -> None:
        super().__init__(how)
        self.how, self.reply = how, reply


class Wire:
    """A handle on one connection."""

    def __init__(self, protocol: H11Protocol) -> None:
        self._protocol = protocol

    def cut(self, cut: Cut) -> None:
        """End the connection. The application must then return without sending anything."""
        transport = self._protocol.transport
        if self._protocol.cycle is not None:
            # Keeps uvicorn from answering 500 in the name of an application that sent nothing.
            self._protocol.cycle.disconnected = True
        if cut.reply is not None:
            whole = cut.reply.encoded()
            transport.write(whole[: len(whole) - (len(cut.reply.content) + 1) // 2])
        if cut.how == "reset":
            connection = transport.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a `Wire` in every request's `state`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "wire": Wire(self)}, _loop)
