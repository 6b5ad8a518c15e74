"""What every service of the emulator needs: the way of a request, time, faults, the journal; it knows no service."""
