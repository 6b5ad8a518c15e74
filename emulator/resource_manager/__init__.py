"""Emulates of Resource Manager, version 3, what tells callers which permissions they have in a project."""
