"""Tests of what puts files on a release."""
