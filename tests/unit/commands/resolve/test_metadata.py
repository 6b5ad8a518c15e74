"""The region of this machine, as a metadata server on loopback tells it; anything else that answers is refused."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.resolve import metadata
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ZONE, REGION = "/computeMetadata/v1/instance/zone", "/computeMetadata/v1/instance/region"
GOOGLES = "projects/123/zones/europe-west4-b"


@contextmanager
def serving(
    answers: Mapping[str, tuple[int, str]], *, flavor: str = "Google", slow: float = 0.0
) -> Iterator[tuple[dict[str, str], list[str]]]:
    """A server on loopback, the variable that leads to it, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            assert self.headers["Metadata-Flavor"] == "Google"
            time.sleep(slow)
            status, text = answers.get(self.path, (404, "not found"))
            self.send_response(status)
            if flavor:
                self.send_header("Metadata-Flavor", flavor)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None: ...

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                # The client gave up.
                return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            # A proxy must not be asked.
            env = {"GCE_METADATA_HOST": f"127.0.0.1:{server.server_port}", "http_proxy": "http://127.0.0.1:9"}
            yield env, asked
        finally:
            server.shutdown()
            thread.join()


def test_a_virtual_machine_has_a_zone() -> None:
    with serving({ZONE: (200, f"{GOOGLES}\n")}) as (env, asked):
        assert metadata.region(env) == "europe-west4"
    assert asked == [ZONE]


def test_cloud_run_has_a_region_only() -> None:
    with serving({REGION: (200, "projects/123/regions/me-west1")}) as (env, asked):
        assert metadata.region(env) == "me-west1"
    assert asked == [ZONE, REGION]


@pytest.mark.parametrize("flavor", ["", "google", "Amazon"])
def test_whatever_answers_without_the_header_is_not_believed(flavor: str) -> None:
    with (
        serving({ZONE: (200, GOOGLES)}, flavor=flavor) as (env, asked),
        pytest.raises(ReplicatorError, match="isn't Google's metadata server") as caught,
    ):
        metadata.region(env)
    assert caught.value.exit_code == 2
    assert asked == [ZONE]


@pytest.mark.parametrize(
    "text",
    ["", "europe-west4-b", "projects/1/zones/EUROPE", "projects/1/zones/us", "projects/1/zones/$(id)-a1", "\xff"],
)
def test_an_answer_of_another_form_is_refused(text: str) -> None:
    with serving({ZONE: (200, text)}) as (env, _), pytest.raises(ReplicatorError, match="was of no help"):
        metadata.region(env)


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (404, 2)])
def test_it_is_asked_three_times_and_a_404_is_an_answer(status: int, tries: int) -> None:
    answers = {ZONE: (status, "")} if status == 503 else {}
    with serving(answers) as (env, asked), pytest.raises(ReplicatorError, match=f"answered {status}") as caught:
        metadata.region(env)
    assert len(asked) == tries
    assert "Give --zone, --region or --location." in caught.value.message


def test_a_slow_one_and_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_SECONDS", 0.03)
    with serving({ZONE: (200, GOOGLES)}, slow=0.06) as (env, _), pytest.raises(ReplicatorError, match="TimeoutError"):
        metadata.region(env)
    with pytest.raises(ReplicatorError, match="ConnectionRefusedError"):
        metadata.region(env)
