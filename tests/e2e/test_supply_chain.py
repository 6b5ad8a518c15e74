"""What the action installs: the files that its lock names by their hashes, as wheels, and nothing else."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.e2e import stand_in
from tests.e2e.conftest import check
from tests.e2e.harness import ROOT, Job, tag_push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.harness import Action


@dataclass(frozen=True)
class Offer:
    """What an index answers when it is asked for the package: files by name, or something else."""

    files: dict[str, bytes]
    hashes: bool | str = False
    """Whether a link says the file's hash, as most indexes do; or what it says instead."""
    status: tuple[int, str] = (200, "OK")

    def fragment(self, file: str) -> str:
        """What stands behind a file's address."""
        digest = hashlib.sha256(self.files[file]).hexdigest() if self.hashes is True else self.hashes
        return f"#sha256={digest}" if digest else ""


@contextmanager
def index(offer: Offer) -> Iterator[str]:
    """A package index (PEP 503) on loopback; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            links = "".join(f'<a href="/files/{file}{offer.fragment(file)}">{file}</a>\n' for file in offer.files)
            body = offer.files.get(name) or f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            self.send_response(*offer.status)
            self.send_header("Content-Type", "application/octet-stream" if name else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sdist(witness: Path) -> bytes:
    """A source distribution whose build would leave a trace."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        texts = {
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {stand_in.NAME}\nVersion: 1.0\n",
            "setup.py": f"open({str(witness)!r}, 'w').close()\nfrom setuptools import setup\nsetup()\n",
        }
        for name, text in texts.items():
            member = tarfile.TarInfo(f"{stand_in.NAME}-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def offers(folder: Path, wheel: Path) -> dict[str, tuple[Offer, str]]:
    """Name → what the index offers, and a part of what is said about it; nothing where the set-up works."""
    name, data = wheel.name, wheel.read_bytes()
    other = stand_in.make_wheel(folder / "other", note="another hand was here").read_bytes()
    newer = stand_in.make_wheel(folder / "newer", "1.1")
    higher_build = name.replace("-py3", "-9-py3")
    archive = {f"{stand_in.NAME}-1.0.tar.gz": sdist(folder / "built")}
    swapped, missing = "not the one which the action's lock names", "could not be installed"
    many = {higher_build: other, newer.name: newer.read_bytes(), name: data, **archive}
    return {
        "the right wheel": (Offer({name: data}), ""),
        "the right wheel among others": (Offer(many, hashes=True), ""),
        "the right wheel among others, and no hashes in the links": (Offer(many), swapped),
        "another file under the name": (Offer({name: other}), swapped),
        "a changed byte": (Offer({name: data[:-1] + bytes([data[-1] ^ 1])}), swapped),
        "another build of the version": (Offer({higher_build: other}), swapped),
        "a hash in the link that is not the file's": (Offer({name: other}, hashes="0" * 64), swapped),
        "a newer version only": (Offer({newer.name: newer.read_bytes()}), missing),
        "a source distribution only": (Offer(archive), missing),
        "nothing": (Offer({}), missing),
        "words that are commands": (Offer({}, status=(403, "no ##[add-mask]x ::set-env name=A::b")), missing),
    }


OFFERS = [
    "the right wheel",
    "the right wheel among others",
    "the right wheel among others, and no hashes in the links",
    "another file under the name",
    "a changed byte",
    "another build of the version",
    "a hash in the link that is not the file's",
    "a newer version only",
    "a source distribution only",
    "nothing",
    "words that are commands",
]


@pytest.mark.parametrize("name", OFFERS)
def test_an_index_offers(
    name: str, action: Action, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("counted", "offers of a package index")
    wheel = stand_in.make_wheel(tmp_path / "wheels")
    known = offers(tmp_path, wheel)
    assert list(known) == OFFERS
    offer, says = known[name]
    used = stand_in.make_action(action.path, tmp_path / "action", wheel)
    with index(offer) as url:
        job = Job(folder=tmp_path / "job", env={"PIP_INDEX_URL": url, "PIP_RETRIES": "0", "no_proxy": "*"})
        run = job.run(used, tag_push("v1"))
    check(run)
    assert not (tmp_path / "built").exists()
    installed = [path.name for path in job.temp.glob("replicator-*/lib/*/site-packages/replicator_stand_in*")]
    if not says:
        # Without a source to replicate it goes no further than the inputs.
        assert (run.ran, run.exit_code) == (["decide", "setup", "replicate"], 2), run.log
        assert sorted(installed) == ["replicator_stand_in-1.0.dist-info", "replicator_stand_in.pth"]
        return
    assert (run.ran, run.exit_code) == (["decide", "setup"], 3), run.log
    (error,) = run.annotations
    assert (error.level, error.title) == ("error", "Set-up")
    assert says in error.message
    assert installed == []


@pytest.mark.parametrize("text", [(ROOT / f"requirements{name}.txt").read_text("utf-8") for name in ("", "-sign")])
class TestTheLocks:
    def test_every_package_is_pinned_by_version_and_hash(self, text: str) -> None:
        logical = re.sub(r"\\\n", " ", re.sub(r"(?m)^ *#.*$", "", text)).split("\n")
        lines = [line.strip() for line in logical if line.strip()]
        assert len(lines) > 20
        for line in lines:
            assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+", line), line

    def test_it_says_nothing_of_where_packages_come_from(self, text: str) -> None:
        assert not re.search(r"--(extra-)?index-url|--find-links|://", text)


def test_nothing_is_nested() -> None:
    """The policy of a caller who pins every action by its commit reaches through an action to those that it uses."""
    assert not re.search(r"(?m)^\s*-?\s*uses:", (ROOT / "action.yml").read_text("utf-8"))
