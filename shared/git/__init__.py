"""Git bundles, read as streams of bytes."""
