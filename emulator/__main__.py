"""`python -m emulator`: run the emulator until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from pathlib import Path

from emulator.app import App
from emulator.calls import Timing
from emulator.server import Server


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m emulator", description=__doc__, allow_abbrev=False)
    options.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: a free one (default)")
    options.add_argument("--ready-file", type=Path, help="file that receives the base URL, once it listens")
    options.add_argument(
        "--copy-seconds", type=_seconds, default=Timing.copy, help="how long a copy of an image takes (default: 5)"
    )
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

    async def serve() -> None:
        app = App(timing=Timing.around(options.copy_seconds))
        await Server(app, port=options.port, listening=listening).serve()

    asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
