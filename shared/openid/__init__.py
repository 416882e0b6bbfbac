"""Signing in by OpenID Connect: ``id_token`` checks what a provider says of a user."""
