"""Replicates one public Compute Engine image to every storage location asked for."""

__version__ = "0.1.0"
