"""Blank disks of zones: what images are made of where somebody makes the disk first."""
