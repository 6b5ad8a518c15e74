"""What `make bench` runs: whole commands against the emulator, as ratios within one run.

A module is a benchmark: its `measure()` yields figures, and raises Skipped where a tool is missing.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
