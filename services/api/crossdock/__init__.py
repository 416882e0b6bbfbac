"""Crossdock's own API, for everything that GitLab's API does not have."""
