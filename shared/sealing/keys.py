"""Keys that seal secrets: 32 random bytes each."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode
from dataclasses import dataclass, field

from shared.sealing.errors import SecretsKeyInvalid, SecretsKeyMissing

KEY_BYTES = 32
ID_BYTES = 4

_SEPARATOR = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key for AES-256."""

    material: bytes = field(repr=False)

    @property
    def id(self) -> bytes:
        """The first bytes of the key's SHA-256, which tell keys apart and tell nothing of the key."""
        return hashlib.sha256(self.material).digest()[:ID_BYTES]


def parse_keys(text: str) -> list[SealingKey]:
    """Parse keys in Base64, separated by commas or white space.

    Raises SecretsKeyMissing where there is none, and SecretsKeyInvalid.
    """
    words = list(filter(None, _SEPARATOR.split(text)))
    if not words:
        raise SecretsKeyMissing
    return [_parse_key(word, number) for number, word in enumerate(words, 1)]


def _parse_key(word: str, number: int) -> SealingKey:
    try:
        material = b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        # Without its cause, whose text may quote the key.
        raise SecretsKeyInvalid(number) from None
    if len(material) != KEY_BYTES:
        raise SecretsKeyInvalid(number)
    return SealingKey(material)
