"""Destinations: where a user has archives sent, and the credentials for that."""
