"""The demonstration: an archive goes in and comes out, and both are compared."""
