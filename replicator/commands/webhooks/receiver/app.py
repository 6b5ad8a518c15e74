"""Answers HTTP: authenticates a delivery over its raw bytes, stores it, and only then acknowledges it."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

from replicator.commands.webhooks import event, secrets, signature
from replicator.commands.webhooks.receiver import verification
from replicator.commands.webhooks.receiver.tables import Arrival, Conflict, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from replicator.commands.webhooks.receiver.store import Store
    from replicator.commands.webhooks.receiver.worker import Worker

#: Seconds that a body may take to arrive.
SLOWEST = 10.0


class _Refused(Exception):
    def __init__(self, status: int, reason: str, told: str = "", message: str = "") -> None:
        """Log and answer may differ: the log has another reason in `told`, and a sentence for people."""
        super().__init__(reason)
        self.status, self.reason, self.told, self.message = status, reason, told or reason, message


@dataclass(kw_only=True)
class Receiver:
    """What answers."""

    keys: Mapping[str, tuple[str, ...]]
    """Each hook's secrets; replaced as a whole when the configuration is read again."""
    store: Store
    worker: Worker
    log: Callable[..., None]
    now: Callable[[], float] = time.time
    slowest: float = SLOWEST

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/hooks/{hook}", self.hook, methods=["POST"]),
                Route("/healthz", self.health, methods=["GET"]),
            ]
        )

    async def health(self, _request: Request) -> JSONResponse:
        """Answer 200 if something can be stored, and what is stored is worked on."""
        ready = await run_in_threadpool(self.store.writable) and self.worker.alive and self.worker.commands.alive
        return JSONResponse({"status": "ok" if ready else "unavailable"}, 200 if ready else 503)

    async def hook(self, request: Request) -> JSONResponse:
        """Take one delivery."""
        began, name = self.now(), request.path_params["hook"]
        word, publication, headers, more = "error", "", {}, {}
        try:
            word, publication = await self._taken(name, request)
            status, reason, told = (202 if word == "queued" else 200), "", ""
            if word == "conflict":
                status, word, reason = 409, "error", "conflict: the version is published with other images"
        except _Refused as refused:
            status, reason, told = refused.status, refused.reason, refused.told
            more = {"message": refused.message} if refused.message else {}
        if status == 503:
            headers["Retry-After"] = "30"
        self.log(
            event="delivery",
            request=uuid.uuid4().hex[:12],
            hook=name if name in self.keys else "(unknown)",
            webhook_id=(request.headers.get(signature.ID) or "")[:100] if told not in _STRANGERS else "",
            status=status,
            word=word,
            reason=told,
            **more,
            publication=publication,
            ms=round(1000 * (self.now() - began)),
        )
        answer = {"status": word, "reason": reason, "publication_id": publication}
        return JSONResponse(answer, status, headers=headers)

    async def _taken(self, name: str, request: Request) -> tuple[str, str]:
        body = await self._body(request)
        keys = self.keys.get(name, ())
        only = {header: _only(request, header) for header in (signature.ID, signature.TIMESTAMP, signature.SIGNATURE)}
        proof = signature.Proof(only[signature.ID], only[signature.TIMESTAMP], only[signature.SIGNATURE])
        try:
            key = signature.check(proof, body, keys, self.now())
        except signature.Unauthenticated as error:
            known = (error.reason, str(error)) if keys else ("unknown_hook", "the configuration has no such hook")
            raise _Refused(401, "unauthenticated", *known) from None
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _Refused(415, "invalid_payload: send application/json")
        try:
            read = event.parse(body)
        except event.BadEvent as error:
            raise _Refused(422, f"invalid_payload: {error}") from None
        new = Arrival(
            hook=name,
            webhook_id=proof.id or "",
            fingerprint=secrets.fingerprint(key),
            digest=read.data.index.digest,
            repository=read.data.repository.url,
            version=read.data.version,
            body=body,
            now=self.now(),
            amends=lambda earlier: verification.may_amend(earlier, read),
        )
        try:
            taken = await run_in_threadpool(self.store.accept, new)
        except Conflict:
            raise _Refused(409, "conflict: this webhook-id is known with another index") from None
        except Unavailable as error:
            raise _Refused(503, "unavailable", f"unavailable: {error}") from None
        self.worker.called.set()
        return taken

    async def _body(self, request: Request) -> bytes:
        if int(_digits(request.headers.get("content-length", ""))) > event.LARGEST:
            raise _Refused(413, "too_large")
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.slowest):
                async for part in request.stream():
                    size += len(part)
                    if size > event.LARGEST:
                        raise _Refused(413, "too_large")
                    parts.append(part)
        except TimeoutError:
            raise _Refused(408, "too_slow") from None
        except ClientDisconnect:
            raise _Refused(400, "gone") from None
        return b"".join(parts)


_STRANGERS = frozenset(
    {"unknown_hook", "missing_header", "bad_signature", "malformed_signature", "malformed_id", "stale"}
    | {"too_large", "too_slow", "gone"}
)


def _only(request: Request, name: str) -> str | None:
    found = request.headers.getlist(name)
    return found[0] if len(found) == 1 else None


def _digits(text: str) -> str:
    return text if text.isascii() and text.isdigit() and len(text) < 20 else "0"
