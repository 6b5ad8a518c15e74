"""Finds the verified image that is nearest to a zone, a region or a multi-region."""
