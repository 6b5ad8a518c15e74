"""The job summary of a set of replicas."""
