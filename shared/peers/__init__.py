"""A client of a peer, which is another GitLab or Crossdock: its projects, exports and imports."""
