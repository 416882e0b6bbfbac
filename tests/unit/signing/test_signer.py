from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.signing.errors import PublicKeyInvalid, SigningKeyInvalid
from shared.signing.signer import Signer, has_signed, parse_signer
from tests.support.sealing import KEY, OTHER_KEY

DATA = b'{"content":"..."}\n'
_PUBLIC = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signer(*keys: str) -> Signer:
    made = parse_signer("\n".join(keys or (KEY,)))
    assert made is not None
    return made


def test_a_signature_is_that_of_rfc_8032() -> None:
    """Section 7.1, test 2."""
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert signer(b64encode(secret).decode()).sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


@pytest.mark.parametrize("changed", ["data", "signature", "key"])
def test_whatever_is_changed_is_not_signed(changed: str) -> None:
    ours = signer()
    signature = ours.sign(DATA)
    keys = signer(OTHER_KEY).public_keys if changed == "key" else ours.public_keys
    data = DATA + b" " if changed == "data" else DATA
    given = bytes([signature[0] ^ 1]) + signature[1:] if changed == "signature" else signature
    assert has_signed(ours.public_keys, DATA, signature)
    assert not has_signed(keys, data, given)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), bytes(1000)])
def test_what_is_no_signature_has_signed_nothing(signature: bytes) -> None:
    assert not has_signed(signer().public_keys, DATA, signature)


def test_the_first_key_signs_and_what_earlier_ones_signed_is_still_verified() -> None:
    old, new = signer(KEY), signer(OTHER_KEY, KEY)
    assert has_signed(new.public_keys, DATA, old.sign(DATA))
    assert new.sign(DATA) == signer(OTHER_KEY).sign(DATA)
    assert new.public_keys == signer(OTHER_KEY).public_keys + old.public_keys


def test_openssl_verifies(tmp_path: Path) -> None:
    for name, data in (("key.pem", signer().public_keys), ("data", DATA), ("sig", signer().sign(DATA))):
        (tmp_path / name).write_bytes(data)
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in data -sigfile sig"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", ["", " \n", ","])
def test_without_a_key_there_is_no_signer(text: str) -> None:
    assert parse_signer(text) is None


@pytest.mark.parametrize("key", ["hunter2", b64encode(bytes(31)).decode(), "no base64!"])
def test_a_key_that_is_none_is_named_by_its_number_and_not_shown(key: str) -> None:
    with pytest.raises(SigningKeyInvalid, match="key 2 of CROSSDOCK_SIGNING_KEY") as raised:
        parse_signer(f"{KEY},{key.replace(' ', '')}")
    assert key not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        X25519PrivateKey.generate().public_key().public_bytes(*_PUBLIC),
        b"-----BEGIN PUBLIC KEY-----\n" * 1000,
    ],
    ids=["nothing", "broken", "another kind", "never ends"],
)
def test_what_is_no_public_key_is_refused(pem: bytes) -> None:
    with pytest.raises(PublicKeyInvalid):
        has_signed(pem, DATA, bytes(64))


def test_keys_may_have_text_around_them() -> None:
    key = Ed25519PrivateKey.generate()
    pem = b"# of ours\n" + key.public_key().public_bytes(*_PUBLIC) + b"\n"
    assert has_signed(pem, DATA, key.sign(DATA))
