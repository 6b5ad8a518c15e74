"""Puts files and the record of a build on the release of a tag, on GitHub, Forgejo or Gitea, and checks releases."""
