"""`python -m emulator` as a process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from testkit.places import ROOT


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "emulator", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_on_a_signal_though_requests_wait(tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    with start("--port", "0", "--ready-file", str(ready), "--copy-seconds", "600") as process:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        url = ready.read_text("utf-8")
        assert list(tmp_path.iterdir()) == [ready]
        root = f"{url}/compute/v1/projects/p1/global"
        body = b'[{"action": {"kind": "hang"}}]'
        request = urllib.request.Request(f"{url}/_emulator/faults", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as waiting:
            waiting.sendall(f"GET {root}/images HTTP/1.1\r\nHost: x\r\n\r\n".replace(url, "").encode())
            time.sleep(0.05)
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--clock", "sundial"], "--clock"),
        (["--scenario", "/no/x.yaml"], "cannot be read"),
        (["--copy-seconds", "-1"], "--copy-seconds"),
        (["--copy-seconds", "inf"], "--copy-seconds"),
        (["--port", "x"], "--port"),
        (["--ready-file", "/nowhere/at/all"], "--ready-file"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    from emulator.__main__ import main

    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err
