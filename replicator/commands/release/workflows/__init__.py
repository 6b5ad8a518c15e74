"""Starts workflows on a forge, and shows what became of their runs."""
