"""Signs and sends from Python: python.py urllib|chunks|requests|httpx URL; see openssl.sh for what it reads.

The first two need nothing but Python, the others sign by a library: requests by standardwebhooks, httpx by svix.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import importlib
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def signed(by: str, secret: str, delivery: str, time: str, body: bytes) -> str:
    library = {"requests": "standardwebhooks", "httpx": "svix"}.get(by)
    if library:
        webhook = importlib.import_module(library).Webhook(secret)
        return str(webhook.sign(delivery, datetime.fromtimestamp(int(time), UTC), body.decode()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{delivery}.{time}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def by_urllib(url: str, headers: dict[str, str], body: bytes) -> int:
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def by_chunks(url: str, headers: dict[str, str], body: bytes) -> int:
    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), 777):
            yield body[at : at + 777]

    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("POST", parts.path, pieces(), headers, encode_chunked=True)
    return connection.getresponse().status


def by_requests(url: str, headers: dict[str, str], body: bytes) -> int:
    return int(importlib.import_module("requests").post(url, data=body, headers=headers, timeout=30).status_code)


def by_httpx(url: str, headers: dict[str, str], body: bytes) -> int:
    return int(importlib.import_module("httpx").post(url, content=body, headers=headers, timeout=30).status_code)


def main(by: str, url: str) -> None:
    sends = {"urllib": by_urllib, "chunks": by_chunks, "requests": by_requests, "httpx": by_httpx}[by]
    for line in sys.stdin:
        delivery, time, secret, path, given = line.rstrip("\n").split("\t")
        body = Path(path).read_bytes()
        signature = signed(by, secret, delivery, time, body) if given == "-" else given
        proof = {"webhook-id": delivery, "webhook-timestamp": time, "webhook-signature": signature}
        status = sends(url, {**proof, "content-type": "application/json"}, body)
        sys.stdout.write(f"{status}\t{signature}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
