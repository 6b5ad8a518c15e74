"""What `make bench` runs: whole commands against the emulator, as ratios within one run."""
