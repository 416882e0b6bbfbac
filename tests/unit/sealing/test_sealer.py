from __future__ import annotations

from dataclasses import replace

import pytest

from shared.sealing.errors import SecretsKeyInvalid, SecretsKeyMissing, SecretUnreadable
from shared.sealing.keys import parse_keys
from shared.sealing.sealer import SealContext, Sealer, key_id_of
from tests.support.sealing import KEY, OTHER_KEY, sealer

SECRET = b"https://example.com/hunter2"
CONTEXT = SealContext("webhook.url", 7)


def test_a_secret_opens_in_its_context() -> None:
    sealed = sealer().seal(SECRET, CONTEXT)
    assert SECRET not in sealed
    assert len(sealed) == len(SECRET) + 33
    assert sealer().open(sealed, CONTEXT) == SECRET


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert sealer().seal(SECRET, CONTEXT) != sealer().seal(SECRET, CONTEXT)


@pytest.mark.parametrize(
    "moved", [replace(CONTEXT, purpose="job.upload"), replace(CONTEXT, project_id=8), SealContext("", None)]
)
def test_a_secret_that_was_moved_elsewhere_does_not_open(moved: SealContext) -> None:
    with pytest.raises(SecretUnreadable):
        sealer().open(sealer().seal(SECRET, CONTEXT), moved)


@pytest.mark.parametrize("at", [0, 1, 5, 17, 30, -1])
def test_a_changed_byte_anywhere_is_noticed(at: int) -> None:
    sealed = bytearray(sealer().seal(SECRET, CONTEXT))
    sealed[at] ^= 1
    with pytest.raises(SecretUnreadable):
        sealer().open(bytes(sealed), CONTEXT)


@pytest.mark.parametrize("length", range(0, 33, 3))
def test_what_is_too_short_does_not_open(length: int) -> None:
    with pytest.raises(SecretUnreadable):
        sealer().open(sealer().seal(b"", CONTEXT)[:length], CONTEXT)


def test_the_first_key_seals_and_all_open() -> None:
    old, new = sealer(KEY), sealer(OTHER_KEY, KEY)
    sealed = old.seal(SECRET, CONTEXT)
    assert new.open(sealed, CONTEXT) == SECRET
    renewed = new.renew(sealed, CONTEXT)
    assert [key_id_of(each) for each in (renewed, sealed)] == new.key_ids
    assert new.renew(renewed, CONTEXT) == renewed
    with pytest.raises(SecretUnreadable, match=new.key_ids[0]):
        old.open(renewed, CONTEXT)


def test_neither_an_error_nor_a_key_shows_what_is_secret() -> None:
    with pytest.raises(SecretUnreadable) as raised:
        sealer(OTHER_KEY).open(sealer().seal(SECRET, CONTEXT), CONTEXT)
    assert "hunter2" not in str(raised.value)
    (key,) = parse_keys(KEY)
    assert str(key.material) not in repr(key)


@pytest.mark.parametrize("text", [f"{KEY},{OTHER_KEY}", f"{KEY}\n{OTHER_KEY}\n", f" {KEY} , {OTHER_KEY}"])
def test_keys_are_separated_by_commas_or_lines(text: str) -> None:
    assert Sealer(parse_keys(text)).key_ids == sealer(KEY, OTHER_KEY).key_ids


@pytest.mark.parametrize("text", ["", " \n,"])
def test_no_key_at_all_says_how_to_make_one(text: str) -> None:
    with pytest.raises(SecretsKeyMissing, match="openssl rand -base64 32"):
        parse_keys(text)


@pytest.mark.parametrize("word", ["hunter2", "aHVudGVyMg==", KEY[:-4], f"{KEY}{KEY}", "hünter2"])
def test_what_is_no_key_is_named_by_its_number_and_not_quoted(word: str) -> None:
    with pytest.raises(SecretsKeyInvalid, match="key 2 of CROSSDOCK_SECRETS_KEY") as raised:
        parse_keys(f"{KEY},{word}")
    assert word not in str(raised.value)
