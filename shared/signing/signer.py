"""Signs by Ed25519 (RFC 8032, section 5.1): a signature is 64 bytes, and the same each time.

Public keys are told as PEM (SubjectPublicKeyInfo: RFC 8410, RFC 7468), which ``openssl pkey -pubin`` reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from shared.sealing.keys import parse_material
from shared.signing.errors import PublicKeyInvalid, SigningKeyInvalid

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----")


class Signer:
    """Signs with the first of its keys, and tells the public keys of all."""

    def __init__(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        self._first = keys[0]
        self.public_keys = b"".join(_pem(key) for key in keys)

    def sign(self, data: bytes) -> bytes:
        """Sign the data."""
        return self._first.sign(data)


def parse_signer(text: str) -> Signer | None:
    """Make the signer of keys of 32 random bytes in Base64, separated by commas or white space.

    Returns None where there is none. Raises SigningKeyInvalid.
    """
    keys = list(_parse_keys(text))
    return Signer(keys) if keys else None


def _parse_keys(text: str) -> Iterator[Ed25519PrivateKey]:
    for number, material in enumerate(parse_material(text), 1):
        if material is None:
            raise SigningKeyInvalid(number)
        yield Ed25519PrivateKey.from_private_bytes(material)


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def split_keys(public_keys: bytes) -> list[bytes]:
    """Give public keys one by one, each as its PEM."""
    return _PEM.findall(public_keys)


def has_signed(public_keys: bytes, data: bytes, signature: bytes) -> bool:
    """Tell whether one of the keys has signed the data. Raises PublicKeyInvalid."""
    return any(_verify(key, data, signature) for key in _load(public_keys))


def _load(pem: bytes) -> list[Ed25519PublicKey]:
    try:
        found = [load_pem_public_key(each) for each in split_keys(pem)]
    except ValueError:
        raise PublicKeyInvalid from None
    keys = [key for key in found if isinstance(key, Ed25519PublicKey)]
    if not keys:
        raise PublicKeyInvalid
    return keys


def _verify(key: Ed25519PublicKey, data: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True
