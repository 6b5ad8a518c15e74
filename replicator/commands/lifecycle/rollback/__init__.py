"""Puts families back to an older release, by marking the newer one DEPRECATED."""
