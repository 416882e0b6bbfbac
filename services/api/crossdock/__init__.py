"""The API of Crossdock's own: what GitLab has no word for."""
