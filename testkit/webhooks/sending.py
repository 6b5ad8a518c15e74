"""Sends signed announcements to a receiver, and asks what became of them."""

from __future__ import annotations

import http.client
import io
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from replicator.__main__ import main
from replicator.commands.webhooks import event, signature
from replicator.index import image_index
from testkit.signing import world
from testkit.webhooks.served import SECRET, Served

INDEX = (world.KEPT / "index.json").read_bytes()


def announced(**more: Any) -> dict[str, Any]:
    """The event about the kept index, signed by the key."""
    files = {"index": "index.json", "bundle": "key.sigstore.json", "attestation": "key.intoto.sigstore.json"}
    read = image_index.parse(INDEX, Path("index.json"))
    data = {
        "schema": 1,
        "repository": {"server_url": "https://github.com", "name": "o/r"},
        "commit": "c" * 40,
        "version": "v1",
        "run": None,
        "release": None,
        "images": event.images(read),
        **{
            name: event.file(f"image-{name}", (world.KEPT / file).read_bytes(), inline=True, release_url="")
            for name, file in files.items()
        },
        **more,
    }
    return {"type": "image.published", "timestamp": "2026-11-28T19:45:00Z", "data": data}


def salted(number: int) -> dict[str, Any]:
    """An event about an index that nobody signed: it differs in one label."""
    document = json.loads(INDEX)
    document["images"][0]["locations"]["eu"]["labels"] = {"salt": str(number)}
    data = image_index.to_bytes(document)
    return announced(index=event.file("image-index.json", data, inline=True, release_url=""))


def send(
    served: Served, document: dict[str, Any] | bytes, *, secret: str = SECRET, hook: str = "acme", **headers: str
) -> tuple[int, dict[str, Any]]:
    body = document if isinstance(document, bytes) else event.to_bytes(document)
    delivery = event.delivery_id(document) if isinstance(document, dict) else "msg_x"
    given = {
        **signature.headers([secret], headers.pop("id", delivery), int(time.time()), body),
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=30)
    try:
        connection.request("POST", f"/hooks/{hook}", body, given)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def ask(served: Served, *argv: str) -> tuple[int, dict[str, Any]]:
    stdout = io.StringIO()
    code = main([*argv, "--config", str(served.config), "--json"], {}, stdout)
    return code, json.loads(stdout.getvalue())


def settled(served: Served, publication: str) -> dict[str, Any]:
    for _ in range(300):
        _, told = ask(served, "publications", "show", publication)
        (row,) = told["publications"]
        if row["status"] in {"published", "failed"}:
            return dict(row)
        time.sleep(0.05)
    raise AssertionError(f"{row}\n{served.log()}")
