"""Merges the indexes of several builds into one release."""
