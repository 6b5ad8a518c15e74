"""Emulates Compute Engine's image API on loopback, for demonstrations, tests and rehearsals, never for production."""
