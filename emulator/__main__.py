"""`python -m emulator`: run the emulator until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from pathlib import Path

from emulator import assembly
from emulator.core.clock import DrivenClock, RealClock
from emulator.core.scenario import BadScenario
from emulator.core.server import Server
from emulator.core.service import Setting
from emulator.scenario import load, read


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m emulator", description=__doc__, allow_abbrev=False)
    options.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: a free one (default)")
    options.add_argument("--ready-file", type=Path, help="file that receives the base URL, once it listens")
    options.add_argument(
        "--copy-seconds",
        type=_seconds,
        default=Setting.copy_seconds,
        help="how long a copy of an image takes (default: 5)",
    )
    options.add_argument(
        "--clock",
        choices=("real", "driven"),
        default="real",
        help="whose time it is: the machine's, or yours, moved on over /_emulator/clock",
    )
    options.add_argument("--scenario", type=Path, help="YAML file with images, principals, quotas, faults, and more")
    return options


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value


def main(argv: list[str]) -> int:
    """Run until a signal; 0, or argparse's 2 for a wrong command line, or 3 where the port is taken."""
    commands = parser()
    options = commands.parse_args(argv)
    ready: Path | None = options.ready_file
    if ready is not None and not ready.parent.is_dir():
        commands.error(f"--ready-file: {ready.parent} is no folder")

    def listening(url: str) -> None:
        if ready is None:
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
        else:
            # Renamed into place, so that whoever waits for the file never reads half of it.
            partial = ready.with_name(f"{ready.name}.partial")
            partial.write_text(url, "utf-8")
            partial.replace(ready)

    try:
        scenario = load(options.scenario) if options.scenario else read({})
        clock = DrivenClock() if options.clock == "driven" else RealClock()
        app = assembly.start(Setting(scenario=scenario, clock=clock, copy_seconds=options.copy_seconds))
    except BadScenario as error:
        commands.error(f"--scenario {options.scenario}: {error}")

    async def serve() -> None:
        await Server(app, port=options.port, listening=listening).serve()

    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
