"""Worlds of releases, drawn at random or built, what the specification says of them, and commands run against them."""
