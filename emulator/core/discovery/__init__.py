"""The reduced discovery documents of services, compiled into routes and checks."""
