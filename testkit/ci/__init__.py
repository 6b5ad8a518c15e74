"""Runs the files of ci-examples/ as their CI systems do, against an emulator that lets in only who signed in."""
