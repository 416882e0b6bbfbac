"""Snapshots: the immutable content of a project, as an index in Postgres over bytes in object storage."""
