"""Says whether the action would replicate in this environment, and why."""
