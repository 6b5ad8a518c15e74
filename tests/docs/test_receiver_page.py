"""docs/receiver.md and receiver.service: their lines are run as they stand, but for places of this machine."""

from __future__ import annotations

import configparser
import http.client
import io
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from replicator.__main__ import main
from testkit.pages import page
from testkit.places import ROOT
from testkit.signing import world
from testkit.webhooks.inside import Inside
from testkit.webhooks.sending import salted
from testkit.webhooks.served import SECRET

UNIT = ROOT / "workflows-examples" / "receiver.service"
PAGE = page("receiver.md")
COMMANDS = [
    line.removeprefix("gce-image-replicator ")
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("gce-image-replicator ") and " serve " not in line
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The page's configuration, with this machine's places and a policy that needs no network."""
    (text,) = re.findall(r"```ya?ml\n(.*?)```", PAGE, re.DOTALL)
    document = yaml.safe_load(text)
    hook = document["hooks"]["acme"]
    document["state"] = str(tmp_path / "publications.sqlite3")
    hook["secrets"] = [str(tmp_path / Path(path).name) for path in hook["secrets"]]
    hook["policy"] = {"key": str(world.KEPT / "key.pub")}
    hook["run"][0] = shutil.which("true")
    Path(hook["secrets"][0]).write_text(SECRET, "utf-8")
    Path(hook["secrets"][0]).chmod(0o600)
    (tmp_path / "receiver.yaml").write_text(yaml.safe_dump(document), "utf-8")
    return tmp_path / "receiver.yaml"


def test_the_page_s_commands(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inside").mkdir()
    inside = Inside(tmp_path / "inside", state=yaml.safe_load(config.read_text("utf-8"))["state"])
    failed = inside.settled(salted(1))
    assert failed["status"] == "failed"
    inside.store.close()
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    seen = set()
    for line in COMMANDS:
        words = [word.replace("PUBLICATION", failed["id"]) for word in shlex.split(line.partition(" > ")[0])]
        words = [str(config) if word == "receiver.yaml" else word for word in words]
        stdout = io.StringIO()
        # Nothing has arrived by the new secret here, so the rotation is not finished.
        expected = 1 if "--finish" in words else 0
        assert main(words, {}, stdout) == expected, (line, stdout.getvalue())
        seen.add(" ".join(words[:2]))
    assert seen >= {"webhook secret", "webhook list", "webhook rotate", "publications show", "publications retry"}


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text("utf-8"))
    return parser["Service"]


def test_the_unit_s_line_starts_and_ends_it(config: Path, tmp_path: Path) -> None:
    service = unit()
    words = shlex.split(service["ExecStart"])
    assert words[0].endswith("/bin/gce-image-replicator")
    words = [str(config) if word.endswith("receiver.yaml") else word for word in words[1:]]
    words[words.index("--listen") + 1] = "127.0.0.1:0"
    ready = tmp_path / "ready"
    argv = [sys.executable, "-m", "replicator", *words, "--ready-file", str(ready)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log, cwd=ROOT) as process:
        for _ in range(600):
            if ready.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        connection = http.client.HTTPConnection(urlsplit(ready.read_text("utf-8")).netloc, timeout=30)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(float(service["TimeoutStopSec"])) in {0, -signal.SIGTERM}


def test_the_unit_is_sound(tmp_path: Path) -> None:
    """systemd's own check, with programs that are there; and what it says of the service's power."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing")
    text = UNIT.read_text("utf-8")
    (tmp_path / UNIT.name).write_text(
        text.replace("/opt/image-receiver/bin/gce-image-replicator", "/bin/true"), "utf-8"
    )
    argv = ["systemd-analyze", "--man=no", "verify", str(tmp_path / UNIT.name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []
    argv = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(tmp_path / UNIT.name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-400:]
    for name in ("DynamicUser", "StateDirectory", "LoadCredential", "ProtectSystem", "NoNewPrivileges", "MemoryMax"):
        assert unit()[name]
