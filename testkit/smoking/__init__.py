"""Runs the smoke inside this process, against an emulator whose time jumps."""
