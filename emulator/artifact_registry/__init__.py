"""Emulates of Artifact Registry, version 1, what manages repositories: no artifacts, and no pulls."""
