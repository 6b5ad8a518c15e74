"""Support for tests of `resolve`: indexes, a server of files, the run."""
