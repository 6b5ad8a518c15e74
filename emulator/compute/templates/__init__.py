"""Instance templates, global and regional: which images they name, and no more."""
