"""Tries the product, and what it takes for granted, on the real cloud: `make smoke PROJECT=…`.

A blank disk becomes an image, the product replicates that, and probes ask what nobody could confirm so far. Everything
is named `girs-RUN-…`, carries a label, and is deleted in the end. No part of the product: it starts that as people do.
"""
