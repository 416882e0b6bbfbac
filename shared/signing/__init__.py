"""Signatures that others verify, by Ed25519 (RFC 8032)."""
