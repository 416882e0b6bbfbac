"""Secrets at rest: sealed before the database has them, by keys that the database does not have."""
