"""Names the folders that tests and scripts read from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "testkit" / "data"
