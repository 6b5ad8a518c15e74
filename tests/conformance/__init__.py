"""Every fault at every call: what must become of it, as a table; and one checker that holds each cell against it."""
