"""Calls services of Google that have no client library here."""
