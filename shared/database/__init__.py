"""Postgres: the connection pool, the migrations and the functions."""
