"""What Crossdock knows of git: the bundle, as a stream of bytes."""
