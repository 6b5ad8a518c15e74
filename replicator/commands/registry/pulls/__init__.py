"""Asks mirrors for images, as those who pull do: `registry check --pull`."""
