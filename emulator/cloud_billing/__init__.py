"""Emulates the Cloud Billing Catalog: the public list of SKUs and their prices."""
