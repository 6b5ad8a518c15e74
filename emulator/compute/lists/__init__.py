"""Filters, orders and pages lists, the same for every resource."""
