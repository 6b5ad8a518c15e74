"""Speaks to forges: GitHub, and Forgejo and Gitea, which share an API."""
