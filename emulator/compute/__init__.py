"""Emulates Compute Engine, version 1: images, their families and policies, and global operations."""
