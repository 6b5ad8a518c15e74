"""Announces an index by a signed webhook, and receives such announcements: verified before they are recorded."""
