"""Replicates one image: copies, verifies, repairs and promotes the replicas of a plan."""
