"""Uploads that go on after a cut: a row each, and a list of stored pieces."""
