"""Lists the releases of families, as Compute Engine itself knows them."""
