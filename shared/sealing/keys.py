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
    found = parse_material(text)
    if not found:
        raise SecretsKeyMissing
    return [_make_key(material, number) for number, material in enumerate(found, 1)]


def _make_key(material: bytes | None, number: int) -> SealingKey:
    if material is None:
        raise SecretsKeyInvalid(number)
    return SealingKey(material)


def parse_material(text: str) -> list[bytes | None]:
    """Parse the 32 bytes of each key; None for one that does not have this form."""
    return [_decode(word) for word in filter(None, _SEPARATOR.split(text))]


def _decode(word: str) -> bytes | None:
    try:
        material = b64decode(word, validate=True)
    except (binascii.Error, ValueError):  # whose text may quote the key
        return None
    return material if len(material) == KEY_BYTES else None
