"""Uploads that go on after a cut (tus): a row each, and a list of stored pieces."""
