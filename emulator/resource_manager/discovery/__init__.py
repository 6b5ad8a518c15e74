"""Holds the part of Resource Manager's discovery document that the emulator checks requests and answers against."""

from pathlib import Path

DOCUMENT = Path(__file__).with_name("cloudresourcemanager.v3.json")
