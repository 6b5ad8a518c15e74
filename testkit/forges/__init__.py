"""A GitHub for tests, and a front with faults for any forge."""
