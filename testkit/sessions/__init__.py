"""Sessions that change images, on a clock that jumps: what is asked and told, in order."""
