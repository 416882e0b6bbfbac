"""Errors of keys for signatures. No message contains a key."""

from __future__ import annotations

from shared.errors import CrossdockError, Fault


class SigningKeyInvalid(CrossdockError):
    """A key for signatures does not have the form of one; ``number`` counts from 1."""

    code = "signing_key_invalid"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"key {number} of CROSSDOCK_SIGNING_KEY is not 32 bytes in Base64. "
            "Make one with: openssl rand -base64 32"
        )
        self.number = number


class PublicKeyInvalid(CrossdockError):
    """What was given as public keys has none for Ed25519, or one that is broken."""

    code = "public_key_invalid"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("there is no public key for Ed25519 in it (PEM, as openssl pkey -pubout writes)")
