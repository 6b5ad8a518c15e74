"""Talks to Compute Engine: connection, sign-in, what refusals mean, retries, rate limits, look-up."""
