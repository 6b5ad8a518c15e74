"""Serves every command while it runs: the life of a run, signals, the runner's log and outputs, verdict, Markdown."""
