"""The command of a hook: run for what is published and nothing else, at least once, with little power and within limits."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from replicator.commands.webhooks import event
from replicator.commands.webhooks.receiver import hook_command, listening
from replicator.commands.webhooks.receiver.command_queue import CommandQueue, Ended
from replicator.commands.webhooks.receiver.hook_command import LARGEST_OUTPUT
from replicator.core.errors import BadSettings
from testkit.signing import world
from testkit.webhooks.inside import KEYLESS, Inside
from testkit.webhooks.sending import INDEX, announced, salted

RECORD = {"id": "pub_1", "version": "v1; $(touch /tmp/x)\n", "status": "published", "hook": "acme"}


def program(folder: Path, text: str) -> str:
    """A script that only its owner may change."""
    path = folder / "on-image"
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o700)
    return str(path)


def run(folder: Path, text: str, *words: str, seconds: float = 20, **more: Any) -> Ended:
    more = {"stopped": lambda: False, "grace": 0.2, **more}
    return hook_command.run([program(folder, text), *words], RECORD, INDEX, seconds=seconds, **more)


def inside(folder: Path, text: str) -> Inside:
    return Inside(folder, {"run": [program(folder, text), "--fleet", "a b"], "run_timeout_seconds": 20})


class TestOne:
    """By itself."""

    def test_what_it_gets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_PASSWORD", "hidden")
        ended = run(tmp_path, 'printf "%s|" "$@"; echo; env | sort; pwd; cat; stat -c %a . "$REPLICATOR_PUBLICATION_INDEX"; cat "$REPLICATOR_PUBLICATION_INDEX"; ls /proc/$$/fd | wc -l', "--fleet", "a b")  # fmt: skip
        assert (ended.status, ended.exit_code) == ("done", 0), ended
        words, *lines = ended.output.splitlines()
        assert words == "--fleet|a b|"
        names = {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("{")}
        own = {f"REPLICATOR_PUBLICATION_{name}" for name in ("ID", "VERSION", "STATUS", "INDEX")}
        assert names - {"PWD", "_", "OLDPWD", "SHLVL"} == {"PATH", "LANG", *own}
        assert "hidden" not in ended.output
        assert json.loads(next(line for line in lines if line.startswith('{"hook"'))) == RECORD
        assert lines.count("700") == 1
        assert lines.count("600") == 1
        assert INDEX.decode().strip() in ended.output

    def test_nothing_is_left(self, tmp_path: Path) -> None:
        folder = run(tmp_path, "pwd").output.strip()
        assert folder
        assert not Path(folder).exists()

    @pytest.mark.parametrize(
        ("text", "status", "code", "says"),
        [
            ("exit 3", "failed", 3, ""),
            ("kill -9 $$", "failed", -9, ""),
            ("echo out; echo err >&2", "done", 0, "out\nerr\n"),
            ("printf 'a\\000\\377b'", "done", 0, "a\ufffd\ufffdb"),
            ("exec >&- 2>&-; exit 4", "failed", 4, ""),
        ],
    )
    def test_how_it_ends(self, text: str, status: str, code: int, says: str, tmp_path: Path) -> None:
        ended = run(tmp_path, text)
        assert (ended.status, ended.exit_code, ended.output) == (status, code, says)

    def test_output_without_an_end_is_bounded(self, tmp_path: Path) -> None:
        ended = run(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' x; exit 5")
        assert (ended.exit_code, len(ended.output)) == (5, LARGEST_OUTPUT)
        ended = run(tmp_path, "yes", seconds=0.3)
        assert ended.status == "failed"
        assert ended.output.endswith("ended at its time limit")

    @pytest.mark.parametrize(
        "text", ["sleep 60", "trap '' TERM; while :; do sleep 0.05; done", "exec >&- 2>&-; sleep 60"]
    )
    def test_the_time_limit_ends_all_of_it(self, text: str, tmp_path: Path) -> None:
        began = time.monotonic()
        ended = run(tmp_path, f"echo $$ >{tmp_path}/pid; {text}", seconds=0.3)
        assert (ended.status, ended.exit_code) == ("failed", None)
        assert time.monotonic() - began < 20
        assert gone((tmp_path / "pid").read_text("utf-8"))

    def test_what_it_leaves_running_is_ended(self, tmp_path: Path) -> None:
        ended = run(tmp_path, f"sleep 60 & echo $! >{tmp_path}/pid; echo done")
        assert (ended.status, ended.output) == ("done", "done\n")
        assert gone((tmp_path / "pid").read_text("utf-8"))

    def test_the_receiver_ends_first(self, tmp_path: Path) -> None:
        ended = run(tmp_path, f"echo $$ >{tmp_path}/pid; sleep 60", stopped=(tmp_path / "pid").exists)
        assert ended.status == "waiting"
        assert gone((tmp_path / "pid").read_text("utf-8"))

    def test_a_program_that_is_none(self, tmp_path: Path) -> None:
        ended = hook_command.run([str(tmp_path / "none")], RECORD, INDEX, seconds=1, stopped=lambda: False)
        assert (ended.status, ended.exit_code) == ("failed", None)
        assert "No such file" in ended.output


def gone(pid: str) -> bool:
    """Whether a process ends within seconds; one that nobody has waited for counts as ended."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid.strip()}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


class TestAfterPublication:
    def test_once_for_what_is_published(self, tmp_path: Path) -> None:
        receiver = inside(tmp_path, f"echo $REPLICATOR_PUBLICATION_ID >>{tmp_path}/runs; echo hello")
        row = receiver.settled(announced())
        assert (row["status"], row["command"], row["command_exit_code"], row["command_output"]) == (
            "published",
            "done",
            0,
            "hello\n",
        )
        assert row["events"] == [("queued", ""), ("published", ""), ("command", "done")]
        assert receiver.settled({**announced(), "timestamp": "2026-12-01T00:00:00Z"})["command"] == "done"
        assert receiver.settled(salted(1))["command"] == ""
        assert (tmp_path / "runs").read_text("utf-8") == f"{row['id']}\n"

    def test_its_failure_changes_no_status_and_can_be_repeated(self, tmp_path: Path) -> None:
        receiver = inside(tmp_path, f"[ -e {tmp_path}/healed ]")
        row = receiver.settled(announced())
        assert (row["status"], row["command"], row["command_exit_code"]) == ("published", "failed", 1)
        queue = CommandQueue(receiver.store)
        (tmp_path / "healed").touch()
        assert not receiver.store.retry(row["id"], receiver.now)
        assert queue.retry(row["id"], receiver.now)
        receiver.work()
        assert receiver.row(row["id"])["command"] == "done"
        assert not queue.retry(row["id"], receiver.now)

    def test_it_is_run_again_where_the_receiver_was_killed(self, tmp_path: Path) -> None:
        receiver = inside(tmp_path, f"echo x >>{tmp_path}/runs")
        _, answer = receiver.send(announced())
        while receiver.worker.one():
            pass
        queue = CommandQueue(receiver.store)
        taken = queue.take(receiver.now, lambda _hook: 100.0)
        assert taken
        assert queue.take(receiver.now + 99, lambda _hook: 100.0) is None
        receiver.restart()
        receiver.work()
        assert receiver.row(answer["publication_id"])["command"] == "done"
        # The one that was killed can't say anything any more.
        queue.settle(taken, Ended(status="failed"), receiver.now)
        assert receiver.row(answer["publication_id"])["command"] == "done"

    def test_the_receiver_stops_while_it_runs(self, tmp_path: Path) -> None:
        receiver = inside(tmp_path, "sleep 60")
        _, answer = receiver.send(announced())
        receiver.worker.one()
        receiver.commands.stopped = True
        receiver.commands.one()
        assert receiver.row(answer["publication_id"])["command"] == "waiting"

    def test_a_hook_that_has_none_any_more(self, tmp_path: Path) -> None:
        receiver = inside(tmp_path, "true")
        _, answer = receiver.send(announced())
        receiver.worker.one()
        receiver.commands.config = Inside(tmp_path).config
        receiver.commands.one()
        row = receiver.row(answer["publication_id"])
        assert (row["command"], row["command_output"]) == ("failed", "the hook has no command any more")


@pytest.mark.parametrize(
    ("argv", "mode", "says"),
    [
        (["on-image"], 0o700, "isn't a whole path"),
        (["{folder}/none"], 0o700, "can't be run (No such file or directory)"),
        (["{folder}"], 0o700, "isn't a program"),
        (["{folder}/on-image"], 0o600, "isn't a program"),
        (["{folder}/on-image"], 0o720, "chmod go-w"),
        (["{folder}/on-image"], 0o702, "chmod go-w"),
    ],
)
def test_a_command_that_is_refused_at_the_start(argv: list[str], mode: int, says: str, tmp_path: Path) -> None:
    program(tmp_path, "true")
    (tmp_path / "on-image").chmod(mode)
    given = [word.replace("{folder}", str(tmp_path)) for word in argv]
    with pytest.raises(BadSettings) as caught:
        Inside(tmp_path, {"run": given})
    assert says in str(caught.value.what)
    assert "hooks.acme.run" in str(caught.value.what)


class TestHousekeeping:
    def test_deliveries_are_forgotten_after_90_days(self, tmp_path: Path) -> None:
        receiver = Inside(tmp_path)
        row = receiver.settled(announced())
        for days, left in ((89, 1), (2, 0)):
            receiver.now += days * 86400
            receiver.worker.look_after()
            assert len(receiver.store.received()) == left
        assert receiver.row(row["id"]) == row
        # What is known is known by its digest.
        assert receiver.send(announced())[0] == 200

    def test_a_clock_that_is_behind_is_told(self, tmp_path: Path) -> None:
        receiver = Inside(tmp_path, {"policy": KEYLESS, "trusted_root": str(world.KEPT / "trusted_root.json")})
        receiver.now = 1_600_000_000.0
        made = {
            part: event.file(part, (world.KEPT / f"ours.{kind}").read_bytes(), inline=True, release_url="")
            for part, kind in (("bundle", "sigstore.json"), ("attestation", "intoto.sigstore.json"))
        }
        assert receiver.settled(announced(**made))["status"] == "published"
        assert [entry["event"] for entry in receiver.logged].count("clock") == 1
        assert receiver.store.latest_signature() > "2026"

    def test_health(self, tmp_path: Path) -> None:
        receiver = Inside(tmp_path)
        assert receiver.post("/healthz", b"", {}, "GET")[0] == 503
        receiver.worker.alive = receiver.commands.alive = True
        assert receiver.post("/healthz", b"", {}, "GET") == (200, {"status": "ok"})
        receiver.store.close()
        (tmp_path / "state.sqlite3").unlink()
        (tmp_path / "state.sqlite3").mkdir()
        assert receiver.post("/healthz", b"", {}, "GET")[0] == 503


def test_the_socket_in_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = listening._unix(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(OSError, match="another receiver listens"):
        listening._unix(str(path))
    first.close()
    listening._unix(str(path)).close()
    with pytest.raises(BadSettings, match="whole path"):
        listening._unix("socket")
