"""Defines the product's words and rules: images, replicas, errors, access, comparison, names, locations.

Pure: no clock, no network, no environment, no files.
"""
