"""Turns text from users into typed values: field types, the config file, source references, files read safely."""
