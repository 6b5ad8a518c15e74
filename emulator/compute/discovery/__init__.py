"""The part of Compute's discovery document that the emulator checks requests and answers against."""
