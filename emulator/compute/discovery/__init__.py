"""Holds the part of Compute's discovery document that the emulator checks requests and answers against."""

from pathlib import Path

DOCUMENT = Path(__file__).with_name("compute.v1.json")
