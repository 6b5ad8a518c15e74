"""A runner for a real Gitea server that runs nothing: it takes tasks, writes the log it is told, and reports the end.

It speaks the server's own protocol (Connect, as JSON), so a run, its jobs and their logs are the server's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = "2026-01-02T03:04:05Z"


@dataclass
class Runner:
    """A registered runner."""

    url: str
    uuid: str
    token: str

    @classmethod
    def register(cls, url: str, token: str, name: str, labels: Sequence[str] = ("ubuntu-latest",)) -> Runner:
        """Register by a registration token."""
        asked = {"name": name, "token": token, "version": "test", "labels": list(labels)}
        runner = _call(url, "Register", asked, {})["runner"]
        made = cls(url, runner["uuid"], runner["token"])
        made._call("Declare", {"version": "test", "labels": list(labels)})
        return made

    def take(self) -> dict[str, Any] | None:
        """Take the next task, if one waits."""
        task: dict[str, Any] | None = self._call("FetchTask", {"tasksVersion": "0"}).get("task")
        return task

    def finish(self, task: dict[str, Any], log: Sequence[str], *, success: bool = True) -> None:
        """Write the whole log of a task, and end it."""
        rows = [{"time": NOW, "content": line} for line in log]
        self._call("UpdateLog", {"taskId": task["id"], "index": "0", "rows": rows, "noMore": True})
        result = "RESULT_SUCCESS" if success else "RESULT_FAILURE"
        state = {"id": task["id"], "result": result, "startedAt": NOW, "stoppedAt": NOW, "steps": []}
        self._call("UpdateTask", {"state": state})

    def _call(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        return _call(self.url, method, asked, {"x-runner-uuid": self.uuid, "x-runner-token": self.token})


def _call(url: str, method: str, asked: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    answer = requests.post(
        f"{url}/api/actions/runner.v1.RunnerService/{method}", json=asked, headers=headers, timeout=60
    )
    assert answer.status_code == 200, f"{method}: {answer.status_code} {answer.text}"
    told: dict[str, Any] = answer.json()
    return told
