"""Helps tests of registry mirrors."""
