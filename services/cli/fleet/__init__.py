"""Commands on many projects: which they are, and one process that moves them all."""
