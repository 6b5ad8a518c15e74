"""Verifies what exists against a signed index, or against settings."""
