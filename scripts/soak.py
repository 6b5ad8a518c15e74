"""Runs the swarms, seed after seed, until the time is over or a rule is broken: `make soak`.

`make soak MINUTES=60`, or `make soak SEED=7 EXAMPLES=40` to repeat what a seed did.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SWARMS = (
    *(f"tests/exhaustive/test_{name}.py" for name in ("swarm", "tree_swarm", "pairs")),
    "tests/exhaustive/test_release_worlds.py::test_no_rule_is_broken",
    "tests/exhaustive/lifecycle/test_swarm.py",
    "tests/exhaustive/lifecycle/test_list.py::test_the_oracle_agrees_in_any_world",
)


def main() -> int:
    """Run the swarms. Returns 1 if a rule was broken."""
    parser = argparse.ArgumentParser(description="Run the swarm of faults at length.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="run this seed once")
    parser.add_argument("--examples", type=int, default=100, help="trials of each swarm with each seed")
    asked = parser.parse_args()
    began, trials = time.monotonic(), 0
    while True:
        seed = secrets.randbelow(10**9) if asked.seed is None else asked.seed
        if not _swarm(seed, asked.examples):
            print(f"broken; to see it again: make soak SEED={seed} EXAMPLES={asked.examples}")
            return 1
        trials += asked.examples * len(SWARMS)
        minutes = (time.monotonic() - began) / 60
        print(f"seed {seed}: held; {trials} trials in {minutes:.1f} minutes", flush=True)
        if asked.seed is not None or minutes >= asked.minutes:
            return 0


def _swarm(seed: int, examples: int) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--no-summary", "-n", "auto", *SWARMS]
    env = {**os.environ, "SWARM_SEED": str(seed), "SWARM_EXAMPLES": str(examples)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
