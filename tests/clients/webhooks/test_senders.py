"""Programs of others send to our receiver, by its socket: what they sign is taken once, and nothing else is."""

from __future__ import annotations

import hmac
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from replicator.commands.webhooks import event, secrets
from testkit.places import ROOT
from testkit.webhooks.sending import ask, salted
from testkit.webhooks.served import NEXT, SECRET, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent / "senders"
NODE = ROOT / "build" / "engines" / "judges"
GO_SECONDS = 300
WRONG = secrets.made(b"w" * 32)
#: What starts a sender, and the way in which it signs and sends.
SENDERS = {
    "curl and openssl": ("bash", "curl"),
    "wget and openssl": ("bash", "wget"),
    "bash and openssl": ("bash", "bash"),
    "Perl, HTTP::Tiny": ("perl", "tiny"),
    "Perl, a socket": ("perl", "socket"),
    "Python, urllib": ("python", "urllib"),
    "Python, chunks": ("python", "chunks"),
    "Python, standardwebhooks and requests": ("python", "requests"),
    "Python, svix and httpx": ("python", "httpx"),
    "Node, fetch": ("node", "fetch"),
    "Node, after 100 Continue": ("node", "http"),
    "Node, standardwebhooks": ("node", "standardwebhooks"),
    "Node, svix": ("node", "svix"),
    "Go, net/http": ("go", "net/http"),
    "Go, standard-webhooks": ("go", "standard-webhooks"),
    "Go, svix": ("go", "svix"),
    "Java, HttpClient": ("java", "client"),
    "Java, HttpURLConnection": ("java", "connection"),
}


@dataclass(frozen=True)
class Case:
    """One request: what is signed, and another signature than the program's own where one is given."""

    id: str
    time: int | str
    body: Path
    secret: str = SECRET
    signature: str = "-"

    def line(self) -> str:
        return f"{self.id}\t{self.time}\t{self.secret}\t{self.body}\t{self.signature}\n"


@dataclass
class Sender:
    """A program, and where it finds its libraries."""

    argv: list[str]
    cwd: Path = ROOT

    def __call__(self, url: str, *cases: Case) -> list[tuple[int, str]]:
        """Send one after the other. Returns each status, and the signature that was sent."""
        done = subprocess.run(
            [*self.argv, url],
            input="".join(case.line() for case in cases),
            cwd=self.cwd,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        told = [line.split("\t") for line in done.stdout.splitlines()]
        return [(int(status), signature) for status, signature in told]


def needs(*programs: str) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"{', '.join(missing)} is missing")


def on_shell(how: str, _folder: Path) -> Sender:
    needs("openssl", "base64", *({"curl", "wget"} & {how}))
    return Sender(["bash", str(HERE / "openssl.sh"), how])


def on_perl(how: str, _folder: Path) -> Sender:
    needs("perl")
    return Sender(["perl", str(HERE / "core.pl"), how])


def on_python(how: str, _folder: Path) -> Sender:
    return Sender([sys.executable, "-I", str(HERE / "python.py"), how])


def on_node(how: str, _folder: Path) -> Sender:
    needs("node")
    by_library = how not in {"fetch", "http"}
    if by_library and not NODE.exists():
        pytest.skip("libraries for Node are missing: `bash scripts/node.sh judges` installs them where Node is")
    program = (HERE / "node.mjs").read_text("utf-8")
    return Sender(["node", "--input-type=module", "--eval", program, how], NODE.resolve() if by_library else ROOT)


def on_go(how: str, folder: Path) -> Sender:
    """Built with the libraries only where they are asked for, so that nothing is fetched for the other."""
    needs("go")
    program = folder / "sender"
    tags = [] if how == "net/http" else ["-tags", "libraries"]
    env = {name: os.environ[name] for name in ("HOME", "PATH", "GOPROXY", "GOMODCACHE", "GOCACHE") if name in os.environ}  # fmt: skip
    env |= {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}
    build = ["go", "build", *tags, "-o", str(program), "."]
    try:
        built = subprocess.run(build, cwd=HERE / "go", env=env, capture_output=True, text=True, timeout=GO_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the sender in Go was not fetched and built within {GO_SECONDS} seconds; once built, it is cached")
    if built.returncode and ".go:" not in built.stderr:
        pytest.skip(f"libraries for Go cannot be fetched: {built.stderr.strip()[-200:]}")
    assert built.returncode == 0, built.stderr
    return Sender([str(program), how])


def on_java(how: str, folder: Path) -> Sender:
    needs("javac", "java")
    subprocess.run(["javac", "-d", str(folder), str(HERE / "Sender.java")], check=True, capture_output=True, timeout=60)
    return Sender(["java", "-cp", str(folder), "Sender", how])


STARTED: dict[str, Callable[[str, Path], Sender]] = {
    "bash": on_shell,
    "perl": on_perl,
    "python": on_python,
    "node": on_node,
    "go": on_go,
    "java": on_java,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    receiver = Served(tmp_path_factory.mktemp("receiver")).start()
    yield receiver
    receiver.stop()
    assert [line for line in receiver.log().splitlines() if not line.startswith('{"at": ')] == []


def written(path: Path, document: dict[str, Any]) -> tuple[Path, str]:
    """The path of an event that isn't ASCII alone, and the digest that it announces."""
    document["data"]["version"] = "v1 — ä, 値, \U0001f600"
    path.write_bytes(event.to_bytes(document))
    return path, document["data"]["index"]["digest"]


def flipped(data: bytes, take: int) -> Iterator[bytes]:
    """One bit changed, in so many places, the last ones among them; of headers only what a header can hold."""
    found = []
    for bit in range(8 * len(data)) if len(data) < 200 else range(0, 8 * len(data), 997):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        if len(data) >= 200 or 0x21 <= changed[bit // 8] <= 0x7E:
            found.append(bytes(changed))
    yield from found[:: max(1, len(found) // take)]
    # Of a signature these are bits that a lenient decoder of Base64 doesn't look at.
    yield from found[-12:]


def spoiled(right: Case, folder: Path) -> Iterator[Case]:
    """A request with its right signature, and one bit changed in body, id, time or signature."""
    for number, body in enumerate(flipped(right.body.read_bytes(), 6)):
        path = folder / f"flipped-{number}"
        path.write_bytes(body)
        yield replace(right, body=path)
    yield from (replace(right, id=text.decode()) for text in flipped(right.id.encode(), 4))
    yield from (replace(right, time=text.decode()) for text in flipped(str(right.time).encode(), 4))
    yield from (replace(right, signature=text.decode()) for text in flipped(right.signature.encode(), 8))


@pytest.mark.parametrize("name", SENDERS)
def test_what_they_sign_is_taken_once(
    name: str, served: Served, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    program, how = SENDERS[name]
    send = STARTED[program](how, tmp_path)
    number, now, url = 1000 + [*SENDERS].index(name), int(time.time()), f"{served.url}/hooks/acme"
    small, digest = written(tmp_path / "small", salted(number))
    longer = salted(number + 500)
    longer["data"]["attestation"]["content"] = "ä" * 300_000
    large, other = written(tmp_path / "large", longer)
    first, second = Case(f"msg_{number}", now, small), Case(f"msg_{number}_large", now, large)

    taken = send(url, first, second, replace(first, id=f"msg_{number}_new"), first, replace(second, secret=NEXT))
    assert [status for status, _ in taken] == [202, 202, 200, 200, 200], served.log()[-2000:]
    assert taken[0] == (202, taken[3][1]), "the same is signed in the same way"
    strangers = [replace(first, secret=WRONG), replace(first, time=now - 301), replace(first, time=now + 3600)]
    wrong = [*strangers, *spoiled(replace(first, signature=taken[0][1]), tmp_path)]
    refused = send(url, *wrong)
    assert [(case, status) for case, (status, _) in zip(wrong, refused, strict=True) if status != 401] == []

    _, told = ask(served, "publications", "list")
    stored = Counter(row["digest"] for row in told["publications"])
    assert (stored[digest], stored[other]) == (1, 1)
    record_property("counted", ("deliveries by programs of others, taken or refused", len(taken) + len(refused)))


def recorded(served: Served, log: str) -> list[dict[str, Any]]:
    """What the receiver has logged since then."""
    return [json.loads(line) for line in served.log()[len(log) :].splitlines()]


FORGES = {
    "GitHub": {"X-GitHub-Event": "release", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
    "Gitea": {"X-Gitea-Event": "release", "X-GitHub-Delivery": "f6266f16-1bf3-46a5-9ea4-602e06ead473"},
    "Forgejo, without a secret": {"X-Forgejo-Event": "release", "X-Hub-Signature-256": "sha256="},
}


@pytest.mark.parametrize("forge", FORGES)
def test_what_forges_send_by_themselves_is_refused(forge: str, served: Served) -> None:
    """Even by our secret: their signature covers neither a time nor an id, so whoever has heard one could repeat it."""
    body, log = event.to_bytes(salted(1900)), served.log()
    made = hmac.digest(SECRET.encode(), body, "sha256").hex()
    headers = {"X-Hub-Signature-256": f"sha256={made}", "X-Gitea-Signature": made, **FORGES[forge]}
    answer = requests.post(f"{served.url}/hooks/acme", data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthenticated")
    (line,) = recorded(served, log)
    assert (line["status"], line["reason"]) == (401, "missing_header")
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256"):
        assert name in line["message"]


def test_what_githubs_own_library_signs_is_refused(served: Served, tmp_path: Path) -> None:
    send, log = on_node("@octokit/webhooks-methods", tmp_path), served.log()
    body, _ = written(tmp_path / "body", salted(1901))
    ((status, signature),) = send(f"{served.url}/hooks/acme", Case("msg_hub", int(time.time()), body))
    assert (status, signature) == (401, f"sha256={hmac.digest(SECRET.encode(), body.read_bytes(), 'sha256').hex()}")
    assert [line["reason"] for line in recorded(served, log)] == ["missing_header"]
