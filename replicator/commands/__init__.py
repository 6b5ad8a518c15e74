"""Holds one folder for each capability; no command imports another."""
