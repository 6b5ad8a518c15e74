"""Holds what every service of the emulator needs: the way of a request, time, faults, the journal. Knows no service."""
