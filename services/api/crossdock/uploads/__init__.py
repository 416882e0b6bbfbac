"""Uploads that go on after a cut, by two protocols, and those that go straight to the bucket."""
