"""Keeps Artifact Registry mirrors of other registries near the machines, and rewrites references to them."""
