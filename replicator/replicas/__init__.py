"""Serves commands that deal with a set of replicas: settings, plan, copy queue, families, audit, results, summary."""
