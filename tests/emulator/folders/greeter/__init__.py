"""A service of one method, to try the emulator's door for services."""
