"""Webhooks between our receiver and what others wrote."""
