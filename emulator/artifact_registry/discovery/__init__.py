"""Holds the part of Artifact Registry's discovery document that the emulator checks requests and answers against."""

from pathlib import Path

DOCUMENT = Path(__file__).with_name("artifactregistry.v1.json")
