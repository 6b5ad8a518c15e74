"""Speaks plain HTTP to an emulator."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.core.clock import DrivenClock
    from emulator.testing import Running


EPOCH = 1_795_000_000.0

ROOT = "/compute/v1/projects/p1/global"


@dataclass(frozen=True)
class Response:
    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def reason(self) -> str:
        return str(self.json["error"]["errors"][0]["reason"])

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


class Client:
    """A plain HTTP client, which repeats nothing by itself."""

    def __init__(self, emulator: Running, clock: DrivenClock | None = None) -> None:
        self.emulator = emulator
        self.address = urlsplit(emulator.url).netloc
        self._clock = clock
        self.headers: dict[str, str] = {}

    def send(self, verb: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Response:
        """`body` is sent as it is if it is bytes, else as JSON."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(verb, path, content, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            return Response(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def get(self, path: str, **query: object) -> Response:
        return self.send("GET", ROOT + path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, body: object = None, **query: object) -> Response:
        return self.send("POST", ROOT + path + (f"?{urlencode(query)}" if query else ""), body)

    def patch(self, path: str, body: object) -> Response:
        return self.send("PATCH", ROOT + path, body)

    def delete(self, path: str) -> Response:
        return self.send("DELETE", ROOT + path)

    def insert(self, name: str, source: str = "web", **body: object) -> Response:
        """A copy, or with `source=""` whatever the body says."""
        reference = {"sourceImage": f"projects/p1/global/images/{source}"} if source else {}
        return self.post("/images", {"name": name, **reference, **body})

    def wait(self, operation: Response) -> Any:
        """The finished operation, by long polls; a clock that stands still is moved on first."""
        assert operation.status == 200, operation.content
        self.advance(1000.0)
        answer = self.post(f"/operations/{operation.json['name']}/wait")
        assert answer.json["status"] == "DONE"
        return answer.json

    def advance(self, seconds: float) -> None:
        if self._clock is not None:
            clock = self._clock
            self.emulator.run(lambda: clock.advance(seconds))
