"""Reduces discovery documents of services, and compiles them into routes and checks."""
