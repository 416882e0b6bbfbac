"""Signing in by OpenID Connect: ``provider`` asks, ``id_token`` checks what is said of a user."""
