"""`image-index.json` and what proves it: the document, provenance, bundles, signing, verification of signatures."""
