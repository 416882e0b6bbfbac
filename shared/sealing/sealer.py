"""Seals secrets by AES-256-GCM (NIST SP 800-38D).

A sealed secret has 33 bytes more than the secret: a format byte, the id of its key, a random nonce, and the
tag at its end. It opens only in the context in which it was sealed, so that a text that is moved to another
row or column is of no use.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.sealing.errors import SecretUnreadable
from shared.sealing.keys import ID_BYTES, SealingKey

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_TEXT = len(_FORMAT) + ID_BYTES + _NONCE_BYTES


@dataclass(frozen=True, slots=True)
class SealContext:
    """The purpose of a secret, and the project or the user that owns it; neither is all projects together."""

    purpose: str
    project_id: int | None
    user_id: int | None = None

    @property
    def associated_data(self) -> bytes:
        """The bytes that the seal covers beside the secret, known before its row has an id."""
        return f"{self.purpose}|{self._owner}".encode()

    @property
    def _owner(self) -> str:
        if self.user_id is not None:
            return f"user {self.user_id}"
        return "all projects" if self.project_id is None else f"project {self.project_id}"


def key_id_of(sealed: bytes) -> str:
    """Return the id of the key that sealed this, in hexadecimal."""
    return sealed[len(_FORMAT) : len(_FORMAT) + ID_BYTES].hex()


class Sealer:
    """Seals with the first of the keys, and opens with each of them."""

    def __init__(self, keys: Sequence[SealingKey]) -> None:
        self._ciphers = {key.id: AESGCM(key.material) for key in keys}
        self._first = keys[0].id
        self.key_ids = [key.id.hex() for key in keys]

    def seal(self, secret: bytes, context: SealContext) -> bytes:
        """Seal a secret. Each call gives other bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        text = self._ciphers[self._first].encrypt(nonce, secret, context.associated_data)
        return _FORMAT + self._first + nonce + text

    def open(self, sealed: bytes, context: SealContext) -> bytes:
        """Open a secret that was sealed in this context. Raises SecretUnreadable."""
        cipher = self._ciphers.get(bytes.fromhex(key_id_of(sealed)))
        if cipher is None or not sealed.startswith(_FORMAT):
            raise SecretUnreadable(key_id_of(sealed))
        nonce, text = sealed[_TEXT - _NONCE_BYTES : _TEXT], sealed[_TEXT:]
        try:
            return cipher.decrypt(nonce, text, context.associated_data)
        except (InvalidTag, ValueError):
            raise SecretUnreadable(key_id_of(sealed)) from None

    def renew(self, sealed: bytes, context: SealContext) -> bytes:
        """Seal a secret with the first key, unless it is already. Raises SecretUnreadable."""
        if key_id_of(sealed) == self._first.hex():
            return sealed
        return self.seal(self.open(sealed, context), context)
