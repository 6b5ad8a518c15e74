"""The door to Compute Engine: connection, sign-in, what refusals mean, retries, rate, look-up."""
