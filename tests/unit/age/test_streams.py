"""Streams as age files: flat memory, whole or told, and readable by others."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrage import x25519

from shared.age.errors import EncryptedDamaged, IdentityInvalid, NotDecrypted, RecipientInvalid
from shared.age.keys import MOST, parse_identities, parse_recipients, split_recipients
from shared.age.streams import decrypt, encrypt
from tests.support.npm import install
from tests.support.prerequisites import program

OWN, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
FOR_OWN = parse_recipients([str(OWN.to_public())])
BY_OWN = parse_identities(str(OWN).encode())
MIB = 1024 * 1024

_DECRYPT = """
import { Decrypter } from "age-encryption";
import { readFileSync, writeFileSync } from "node:fs";
const [, , identity, source, target] = process.argv;
const decrypter = new Decrypter();
decrypter.addIdentity(identity);
writeFileSync(target, await decrypter.decrypt(readFileSync(source)));
"""


async def given_as(pieces: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        yield piece


async def whole(pieces: AsyncGenerator[bytes, None]) -> bytes:
    async with aclosing(pieces):
        return b"".join([piece async for piece in pieces])


async def encrypted(data: bytes) -> bytes:
    return await whole(encrypt(given_as([data]), FOR_OWN))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 15, 16, 8191, 65535, 65536, 65537, 300_000]), max_size=6),
    st.integers(1, 9),
)
async def test_any_stream_comes_out_as_it_went_in_however_it_is_cut(lengths: list[int], seed: int) -> None:
    pieces = [Random(seed).randbytes(length) for length in lengths]  # noqa: S311  # the same every time
    made = await whole(encrypt(given_as(pieces), FOR_OWN))
    cut = Random(seed).randrange(1, 70_000)  # noqa: S311
    again = [made[start : start + cut] for start in range(0, len(made), cut)]
    assert await whole(decrypt(given_as(again), BY_OWN)) == b"".join(pieces)


async def test_each_recipient_can_decrypt_and_nobody_else() -> None:
    keys = [str(OWN.to_public()), str(OTHER.to_public())]
    made = await whole(encrypt(given_as([b"x"]), parse_recipients(keys)))
    for identity in (OWN, OTHER):
        assert await whole(decrypt(given_as([made]), parse_identities(str(identity).encode()))) == b"x"
    stranger = parse_identities(str(x25519.Identity.generate()).encode())
    with pytest.raises(NotDecrypted, match="No matching keys"):
        await whole(decrypt(given_as([made]), stranger))


@pytest.mark.parametrize("data", [b"", b"no age file at all", b"age-encryption.org/v1\n"])
async def test_what_is_no_age_file_is_not_decrypted(data: bytes) -> None:
    with pytest.raises(NotDecrypted):
        await whole(decrypt(given_as([data] if data else []), BY_OWN))


@pytest.mark.parametrize("at", [-1, -70_000])
async def test_a_bit_that_was_changed_is_told(at: int) -> None:
    made = bytearray(await encrypted(bytes(200_000)))
    made[at] ^= 1
    with pytest.raises(EncryptedDamaged):
        await whole(decrypt(given_as([bytes(made)]), BY_OWN))


async def test_no_bit_of_a_file_can_be_changed_unseen() -> None:
    made = await encrypted(b"short")
    for at in range(len(made)):
        changed = made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :]
        with pytest.raises((EncryptedDamaged, NotDecrypted)):
            await whole(decrypt(given_as([changed]), BY_OWN))


async def test_a_header_whose_seal_is_broken_is_damaged_and_not_for_others() -> None:
    made = await encrypted(b"short")
    at = made.index(b"\n--- ") + 6
    changed = made[:at] + (b"A" if made[at : at + 1] != b"A" else b"B") + made[at + 1 :]
    with pytest.raises(EncryptedDamaged):
        await whole(decrypt(given_as([changed]), BY_OWN))


@pytest.mark.parametrize("missing", [1, 70_000, 65_552 + 3400])
async def test_a_file_that_was_cut_is_told(missing: int) -> None:
    made = await encrypted(bytes(200_000))
    with pytest.raises(EncryptedDamaged):
        await whole(decrypt(given_as([made[:-missing]]), BY_OWN))


async def test_an_error_of_the_source_comes_as_it_is() -> None:
    class SourceGone(Exception):
        pass

    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        raise SourceGone

    with pytest.raises(SourceGone):
        await whole(encrypt(breaking(), FOR_OWN))
    made = await encrypted(bytes(MIB))

    async def breaking_later() -> AsyncIterator[bytes]:
        yield made[: MIB // 2]
        raise SourceGone

    with pytest.raises(SourceGone):
        await whole(decrypt(breaking_later(), BY_OWN))


async def test_a_reader_that_stands_still_holds_the_source_up() -> None:
    given = [0, 0]

    async def endless(number: int) -> AsyncIterator[bytes]:
        while True:
            given[number] += 1
            yield bytes(256 * 1024)

    async with (
        aclosing(encrypt(endless(0), FOR_OWN)) as standing,
        aclosing(encrypt(endless(1), FOR_OWN)) as moving,
    ):
        assert await anext(standing)
        while given[1] < 200:  # by then the other one would have gone on, too
            assert await anext(moving)
        assert given[0] < 12


async def test_who_leaves_early_leaves_no_thread_behind() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(256 * 1024)

    for _ in range(3):
        async with aclosing(encrypt(endless(), FOR_OWN)) as pieces:
            assert await anext(pieces)
    waiting = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        waiting.set()
        await asyncio.Event().wait()
        yield b""

    task = asyncio.create_task(whole(encrypt(silent(), FOR_OWN)))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [each for each in threading.enumerate() if each.name.startswith("age")]


@pytest.mark.parametrize("size", [0, 100, 3 * MIB + 5])
async def test_the_program_age_decrypts_what_is_encrypted_here_and_the_other_way(
    size: int, tmp_path: Path
) -> None:
    age, data = program("age"), Random(size).randbytes(size)  # noqa: S311  # the same every time
    (tmp_path / "key").write_text(str(OWN))
    (tmp_path / "made.age").write_bytes(await encrypted(data))
    assert await _run(age, "-d", "-i", tmp_path / "key", tmp_path / "made.age") == data
    theirs = await _run(age, "-r", str(OWN.to_public()), given=data)
    assert await whole(decrypt(given_as([theirs]), BY_OWN)) == data


async def _run(*words: str | Path, given: bytes = b"") -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(given)
    assert process.returncode == 0
    return out


async def test_typage_decrypts_what_is_encrypted_here(tmp_path: Path) -> None:
    await asyncio.to_thread(install, ["age-encryption@0.3.1"], tmp_path)
    data = Random(1).randbytes(MIB + 5)  # noqa: S311  # the same every time
    (tmp_path / "made.age").write_bytes(await encrypted(data))
    (tmp_path / "decrypt.mjs").write_text(_DECRYPT)
    words = [program("node"), "decrypt.mjs", str(OWN), "made.age", "out"]
    await asyncio.to_thread(subprocess.run, words, cwd=tmp_path, check=True)
    assert (tmp_path / "out").read_bytes() == data


async def test_keys_of_ssh_are_recipients_and_identities(tmp_path: Path) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
    program("ssh-keygen")
    await asyncio.to_thread(subprocess.run, words, check=True)
    public = (tmp_path / "key.pub").read_text().strip()
    made = await whole(encrypt(given_as([b"x"]), parse_recipients([public])))
    identities = parse_identities((tmp_path / "key").read_bytes())
    assert await whole(decrypt(given_as([made]), identities)) == b"x"


@pytest.mark.parametrize("given", ["age1", "ssh-ed25519 AAAA", "a" * 500])
def test_what_is_no_recipient_is_named(given: str) -> None:
    with pytest.raises(RecipientInvalid, match="is no recipient") as refused:
        parse_recipients([given])
    assert len(str(refused.value)) < 200


def test_a_secret_key_that_is_given_as_a_recipient_is_not_repeated() -> None:
    with pytest.raises(RecipientInvalid, match="a secret key") as refused:
        parse_recipients([str(OWN)])
    assert str(OWN)[20:40] not in str(refused.value)


def test_there_are_at_most_100_recipients() -> None:
    with pytest.raises(RecipientInvalid, match="101 recipients"):
        parse_recipients([str(OWN.to_public())] * (MOST + 1))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"# none\n", "has no identity"),
        (b"# one\nKEY\nnone\n", "line 3 is no identity"),
        (b"\xff\xfe", "is no text"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n", "cannot be used"),
    ],
)
def test_what_is_no_identity_is_told_without_it(data: bytes, told: str) -> None:
    with pytest.raises(IdentityInvalid, match=told) as refused:
        parse_identities(data.replace(b"KEY\n", f"{OWN}\n".encode()))
    assert str(OWN) not in str(refused.value)


def test_comments_and_blank_lines_are_no_recipients() -> None:
    assert split_recipients("# ops\n\nage1x\n  age1y  \n") == ["age1x", "age1y"]
