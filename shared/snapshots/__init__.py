"""Snapshots: the immutable content of a project as an index in Postgres over runs in object storage."""
