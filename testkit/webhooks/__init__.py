"""What tests of webhooks share: a listener that notes what it gets, and a receiver as a process."""
