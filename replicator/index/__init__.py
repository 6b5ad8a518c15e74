"""Builds, signs and verifies `image-index.json`: the document, provenance, bundles, signatures."""
