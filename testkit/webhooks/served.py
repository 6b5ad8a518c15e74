"""Runs the webhook receiver as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from replicator.commands.webhooks import secrets
from testkit.places import ROOT
from testkit.signing import world

SECRET, NEXT = secrets.made(b"s" * 32), secrets.made(b"t" * 32)


@dataclass
class Served:
    """A receiver's process, its configuration and address."""

    folder: Path
    state: str = ""
    key: str = str(world.KEPT / "key.pub")
    more: str = ""
    """What the hook has besides, as lines of YAML."""
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    def __post_init__(self) -> None:
        for name, secret in (("secret", SECRET), ("secret.new", NEXT)):
            path = self.folder / name
            path.write_text(secret, "utf-8")
            path.chmod(0o600)
        self.config = self.folder / "receiver.yaml"
        self.config.write_text(
            f"state: {self.state or self.folder / 'state.sqlite3'}\n"
            "hooks:\n"
            "  acme:\n"
            f"    secrets: ['{self.folder / 'secret'}', '{self.folder / 'secret.new'}']\n"
            "    repository: https://github.com/o/r\n"
            f"    policy: {{key: '{self.key}'}}\n"
            f"    images: trust\n{self.more}",
            "utf-8",
        )

    def start(self) -> Served:
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "replicator", "webhook", "serve", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*argv, "--ready-file", str(ready)], stdout=log, stderr=log, cwd=ROOT)
        for _ in range(400):
            if ready.exists() or self.process.poll() is not None:
                break
            time.sleep(0.05)
        if not ready.exists():
            self.stop()
        assert ready.exists(), self.log()
        self.url = ready.read_text("utf-8")
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")
