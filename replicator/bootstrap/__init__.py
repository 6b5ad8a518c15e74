"""Runs before anything is installed: the decision whether to run, workflow commands, redaction, installation.

Uses the standard library only and runs on Python 3.8, because the machine's own `python3` runs it.
"""
