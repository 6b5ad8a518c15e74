"""Holds the scripts that make and the workflows call."""
