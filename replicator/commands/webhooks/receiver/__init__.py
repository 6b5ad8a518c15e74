"""Receives announcements: authenticates, verifies, records, and runs the command that is configured."""
