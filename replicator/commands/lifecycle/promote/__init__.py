"""Makes a release the default, everywhere or nowhere."""
