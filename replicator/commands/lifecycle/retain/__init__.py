"""Retires old releases with notice, and deletes them once their notice is over."""
