"""Worlds of releases drawn at random, what the specification says of them, and the commands run against them."""
