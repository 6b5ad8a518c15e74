"""Answers batches: several requests in one `multipart/mixed` envelope, each as if it had come alone.

Shape as recorded from gcloud 528: parts of `application/http` with `Content-ID: <UUID+N>`, lines ended by a bare
newline; answered by parts with `Content-ID: <response-UUID+N>`. google-api-python-client writes
`<UUID + N>`, and wants its spaces back.
"""

from __future__ import annotations

import email
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING
from uuid import uuid4

from emulator.core import api_errors
from emulator.core.messages import Incoming, Reply, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from emulator.core.app import App

PARTS_AT_MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Part:
    """One request of a batch."""

    content_id: str
    request: Incoming


async def answer(app: App, headers: Mapping[str, str], content: bytes, gone: Callable[[], Awaitable[None]]) -> Reply:
    """Answer a batch, its parts one after the other. Raises Cut if any part's connection is to end."""
    try:
        parts = _parts(headers, content, gone)
    except api_errors.ApiError as error:
        return refusal(error)
    boundary = f"batch_{uuid4().hex}"
    body = b""
    for part in parts:
        reply = await app.exchange(part.request)
        head = f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: {part.content_id}\r\n\r\n"
        body += head.encode() + reply.encoded() + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return Reply(status=200, content=body, media_type=f"multipart/mixed; boundary={boundary}")


def _parts(headers: Mapping[str, str], content: bytes, gone: Callable[[], Awaitable[None]]) -> list[Part]:
    content_type = headers.get("content-type", "")
    envelope = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode("latin-1") + content)
    inner = envelope.get_payload()
    if envelope.get_content_type() != "multipart/mixed" or not isinstance(inner, list) or not inner:
        raise api_errors.bad_request("The batch is no multipart/mixed message.", "badRequest")
    if len(inner) > PARTS_AT_MOST:
        raise api_errors.bad_request(f"The batch has more than {PARTS_AT_MOST} parts.", "badRequest")
    bearer = headers.get("authorization", "")
    return [_part(part, bearer, gone) for part in inner if isinstance(part, Message)]


def _part(part: Message, bearer: str, gone: Callable[[], Awaitable[None]]) -> Part:
    payload = part.get_payload(decode=True)
    if part.get_content_type() != "application/http" or not isinstance(payload, bytes):
        raise api_errors.bad_request("A part of the batch is not application/http.", "badRequest")
    head, _, body = payload.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, _, lines = head.decode("latin-1").partition("\n")
    words, own = first.split(), email.message_from_string(lines).get("Authorization")
    if len(words) < 2:
        raise api_errors.bad_request("A part of the batch has no request line.", "badRequest")
    path, _, query = words[1].partition("?")
    name = "".join(each for each in str(part.get("Content-ID", "")) if " " <= each < "\x7f").strip(" <>")
    request = Incoming(
        verb=words[0], raw_path=path, query_string=query, body=body, gone=gone, authorization=own or bearer
    )
    return Part(content_id=f"<response-{name}>", request=request)
