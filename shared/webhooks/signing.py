"""Signatures of webhooks: Standard Webhooks 1.0, symmetric."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence

SHORTEST_SECRET, LONGEST_SECRET = 24, 64
"""Bytes of a secret."""

_PREFIX = "whsec_"
_NEW_SECRET = 32


def new_secret() -> bytes:
    """Make a secret."""
    return secrets.token_bytes(_NEW_SECRET)


def write_secret(secret: bytes) -> str:
    """Write a secret in the form that users see."""
    return _PREFIX + b64encode(secret).decode()


def read_secret(text: str) -> bytes | None:
    """Read a secret as users write it, with ``whsec_`` or without; None where it is invalid."""
    try:
        secret = b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET else None


def signature_headers(
    body: bytes, *, message_id: str, timestamp: int, keys: Sequence[bytes]
) -> dict[str, str]:
    """Make the headers that sign ``body``, sent at ``timestamp`` (Unix time), with each of the keys."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signatures = (b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }
