"""Postgres: the connection pool and the schema's numbered migrations."""
