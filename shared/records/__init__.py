"""Records of a relation at rest: read by page, found by what they hold."""
