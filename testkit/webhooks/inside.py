"""A receiver in this process: deliveries go straight to its application, and its work is done when a test says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from replicator.commands.webhooks import event, signature
from replicator.commands.webhooks.receiver import config
from replicator.commands.webhooks.receiver.app import Receiver
from replicator.commands.webhooks.receiver.store import Store
from replicator.commands.webhooks.receiver.worker import Commander, Worker
from testkit.signing import world
from testkit.webhooks.served import SECRET

if TYPE_CHECKING:
    from collections.abc import MutableMapping

NOW = 1_795_000_000.0
KEY = {"key": str(world.KEPT / "key.pub")}
KEYLESS = {"certificate_identity_regexp": world.POLICY, "certificate_oidc_issuer": world.ISSUER}


@dataclass
class Inside:
    """Its folder, its clock, what it logged, and its parts, which `restart` makes anew."""

    folder: Path
    hook: Mapping[str, Any] = field(default_factory=dict)
    """What its one hook has beside, or in place of, the usual."""
    more: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    now: float = NOW
    logged: list[dict[str, Any]] = field(default_factory=list)
    opened: Store | None = None

    def __post_init__(self) -> None:
        (self.folder / "secret").write_text(SECRET, "utf-8")
        (self.folder / "secret").chmod(0o600)
        usual = {
            "secrets": [str(self.folder / "secret")],
            "repository": "https://github.com/o/r",
            "policy": KEY,
            "images": "trust",
        }
        state = self.state or str(self.folder / "state.sqlite3")
        document = {"state": state, "hooks": {"acme": {**usual, **self.hook}}, **self.more}
        (self.folder / "receiver.yaml").write_text(yaml.safe_dump(document), "utf-8")
        self.config = config.load(str(self.folder / "receiver.yaml"))
        self.restart()

    def restart(self) -> None:
        """Begin as after a kill: what was in memory is gone."""
        if self.opened:
            self.opened.close()
        self.store = self.opened = Store(self.config.state)
        self.store.release()
        common: dict[str, Any] = {"config": self.config, "store": self.store, "now": lambda: self.now, "log": self._log}
        self.commands = Commander(**common)
        self.worker = Worker(**common, env=self.env, commands=self.commands)
        self.receiver = Receiver(
            keys=self.config.keys(), store=self.store, worker=self.worker, now=lambda: self.now, log=self._log
        )

    def _log(self, **values: Any) -> None:
        self.logged.append(values)

    def send(
        self, document: dict[str, Any] | bytes, *, name: str = "", hook: str = "acme", secret: str = SECRET
    ) -> tuple[int, dict[str, Any]]:
        """Deliver, signed by the time of its clock; return the status and the answer."""
        body = document if isinstance(document, bytes) else event.to_bytes(document)
        webhook_id = name or (event.delivery_id(document) if isinstance(document, dict) else "msg_x")
        signed = signature.headers([secret], webhook_id, int(self.now), body)
        return self.post(f"/hooks/{hook}", body, {**signed, "content-type": "application/json"})

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        """Send a request to the application."""
        sent: list[MutableMapping[str, Any]] = []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.receiver.app()(scope, receive, send))
        return sent[0]["status"], json.loads(b"".join(part.get("body", b"") for part in sent[1:]) or b"{}")

    def work(self) -> None:
        """Verify and run all that is due."""
        while self.worker.one() or self.commands.one():
            pass

    def row(self, publication: str) -> dict[str, Any]:
        """One publication, with what happened to it."""
        (row,) = (row for row in self.store.publications() if row["id"] == publication)
        return {**row, "events": [(each["status"], each["reason"]) for each in self.store.events(publication)]}

    def settled(self, document: dict[str, Any], **more: str) -> dict[str, Any]:
        """Deliver, work, and return what became of it."""
        status, answer = self.send(document, **more)
        assert status in {200, 202, 409}, answer
        self.work()
        return self.row(answer["publication_id"])
