"""A Compute Engine image API on loopback: for demonstrations, tests and rehearsals, never for production."""
