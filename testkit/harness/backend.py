"""The emulator as a process of its own, as scripts outside the repository start it, and its HTTP interface."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

START_SECONDS = 30.0
MUTATING = frozenset({"insert", "patch", "setLabels", "setIamPolicy", "delete", "deprecate"})

# A proxy of this machine's has no business between us and ourselves.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Backend:
    """A running emulator."""

    url: str
    process: subprocess.Popen[bytes]

    def call(self, verb: str, path: str, body: object = None) -> Any:
        """One request; answers the JSON. Raises urllib's HTTPError where it is refused."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        request = urllib.request.Request(f"{self.url}{path}", data=data, headers=headers, method=verb)
        with _OPENER.open(request, timeout=60) as answer:
            return json.load(answer)

    def journal(self) -> list[dict[str, Any]]:
        """Every request so far."""
        return list(self.call("GET", "/_emulator/journal"))

    def changes(self) -> list[dict[str, Any]]:
        """Those that would change something."""
        return [entry for entry in self.journal() if entry["method"].rpartition(".")[2] in MUTATING]

    def images(self) -> dict[str, dict[str, Any]]:
        """All images by name."""
        return {image["name"]: image for image in self.call("GET", "/_emulator/state")["images"]}

    def finish(self, project: str, operation: dict[str, Any]) -> None:
        """Wait for an operation. Raises RuntimeError where it ended in error."""
        while operation["status"] != "DONE":
            path = f"/compute/v1/projects/{project}/global/operations/{operation['name']}/wait"
            operation = self.call("POST", path)
        if operation.get("error"):
            raise RuntimeError(json.dumps(operation["error"]))

    def build_image(self, project: str, name: str, family: str, labels: dict[str, str]) -> dict[str, Any]:
        """What a Packer build does: an image from a snapshot, then labels, then everybody's access. Returns it."""
        images = f"/compute/v1/projects/{project}/global/images"
        body = {
            "name": name,
            "family": family,
            "description": "The web server",
            "sourceSnapshot": f"projects/{project}/global/snapshots/packer-1",
            "storageLocations": ["us"],
            "guestOsFeatures": [{"type": "UEFI_COMPATIBLE"}, {"type": "GVNIC"}],
        }
        self.finish(project, self.call("POST", images, body))
        image = self.call("GET", f"{images}/{name}")
        fingerprint = image["labelFingerprint"]
        self.finish(
            project,
            self.call("POST", f"{images}/{name}/setLabels", {"labels": labels, "labelFingerprint": fingerprint}),
        )
        policy = self.call("GET", f"{images}/{name}/getIamPolicy")
        policy["bindings"] = [{"role": "roles/compute.imageUser", "members": ["allAuthenticatedUsers"]}]
        self.call("POST", f"{images}/{name}/setIamPolicy", {"policy": policy})
        answer: dict[str, Any] = self.call("GET", f"{images}/{name}")
        return answer


@contextmanager
def backend(
    folder: Path, *, copy_seconds: float = 5.0, clock: str = "real", scenario: Mapping[str, Any] | None = None
) -> Iterator[Backend]:
    """An emulator on a free port, until the block ends; `scenario` has the keys of a scenario's file."""
    ready, rules = folder / "emulator.url", folder / "scenario.yaml"
    ready.unlink(missing_ok=True)
    # JSON is YAML.
    rules.write_text(json.dumps(scenario or {}), "utf-8")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "emulator", "--port", "0", "--ready-file", str(ready), "--clock", clock),
            *("--copy-seconds", f"{copy_seconds:g}", "--scenario", str(rules)),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield Backend(_url(ready, process), process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _url(ready: Path, process: subprocess.Popen[bytes]) -> str:
    limit = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended with {process.returncode} before it listened")
        if time.monotonic() > limit:
            raise RuntimeError(f"the emulator did not listen within {START_SECONDS:.0f} s")
        time.sleep(0.02)
    return ready.read_text("utf-8").strip()
