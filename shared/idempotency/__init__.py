"""Idempotency keys: requests that may be repeated and take effect once, and their kept answers."""
