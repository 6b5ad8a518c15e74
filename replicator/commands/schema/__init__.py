"""Prints the JSON Schemas of the files that this program reads and writes."""
