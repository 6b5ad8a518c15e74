"""What a plan costs: the estimate, its words for people and machines, and the limit."""
