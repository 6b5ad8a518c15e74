"""Holds the part of Cloud Billing's discovery document that the emulator checks requests and answers against."""

from pathlib import Path

DOCUMENT = Path(__file__).with_name("cloudbilling.v1.json")
