"""What is moved from and to a peer, another GitLab or Crossdock: its rows, its waits and its bounds."""
