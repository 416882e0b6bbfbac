from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.manifest.errors import ManifestInvalid
from shared.manifest.format import BEGIN, BETWEEN, END, ManifestFile, encode_files, signed_text
from shared.manifest.reader import LONGEST_FILE, ManifestReader

EMPTY = hashlib.sha256(b"").hexdigest()


def named(name: str, **more: int) -> ManifestFile:
    return ManifestFile(name=name, sha256=EMPTY, size=0, **more)


def written(files: Sequence[ManifestFile]) -> bytes:
    return BEGIN + encode_files(files) + END


def read(data: bytes, *, cut: int = 7, most: int = 100) -> ManifestReader:
    reader = ManifestReader(most=most)
    for start in range(0, len(data), cut):
        reader.feed(data[start : start + cut])
    reader.close()
    return reader


def test_a_manifest_has_this_form() -> None:
    assert written([named("VERSION"), named("tree/project/issues.ndjson", lines=3)]).decode() == (
        f'{{"files":[{{"name":"VERSION","sha256":"{EMPTY}","size":0}},'
        f'{{"lines":3,"name":"tree/project/issues.ndjson","sha256":"{EMPTY}","size":0}}],"version":1}}'
    )


def test_the_digest_is_signed_as_64_digits_and_a_newline() -> None:
    assert signed_text(hashlib.sha256(b"").digest()) == EMPTY.encode() + b"\n"


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text('{}[],":\\lnames')
FILES = st.lists(
    st.builds(
        ManifestFile,
        name=TEXTS,
        sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
        size=st.integers(0, 2**53 - 1),
        lines=st.none() | st.integers(0, 2**53 - 1),
    ),
    unique_by=lambda each: each.name,
).map(lambda files: sorted(files, key=lambda each: each.name.encode()))


@given(FILES)
def test_a_manifest_is_canonical_json(files: list[ManifestFile]) -> None:
    members = [
        {"name": each.name, "sha256": each.sha256, "size": each.size}
        | ({} if each.lines is None else {"lines": each.lines})
        for each in files
    ]
    canonical = json.dumps(
        {"files": members, "version": 1}, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    assert written(files).decode() == canonical


@given(FILES, st.integers(1, 200))
@example([named("},{"), named('},{"name":"'), named("},{l")], 1)
def test_what_is_written_is_read_at_any_cut(files: list[ManifestFile], cut: int) -> None:
    data = written(files)
    found = read(data, cut=cut)
    assert list(found.files.values()) == files
    assert found.digest == hashlib.sha256(data).digest()


@given(st.lists(st.sampled_from("abcdefgh"), unique=True).map(sorted), st.data())
def test_a_manifest_with_another_byte_is_refused_or_has_other_files(
    names: list[str], data: st.DataObject
) -> None:
    files = [named(name) for name in names]
    changed = bytearray(written(files))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(changed))
    except ManifestInvalid:
        return
    assert list(found.files.values()) != files
    assert written(list(found.files.values())) == changed


ONE = encode_files([named("a", lines=1)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "does not end in"),
        (END, "does not begin with"),
        (BEGIN, "does not end in"),
        (BEGIN + ONE, "does not end in"),
        (b" " + written([named("a")]), "does not begin with"),
        (written([named("a")]) + b"\n", "does not end in"),
        (written([named("a")]).replace(b'"version":1', b'"version":2'), "does not end in"),
        (BEGIN + ONE + BETWEEN + END, "should be a file"),
        (BEGIN + ONE + BETWEEN + written([]), "should be a file"),
        (BEGIN + b"{}" + END, "should be a file"),
        (BEGIN + ONE.replace(b'"a"', b'"\xff"') + END, "should be a file"),
        (BEGIN + ONE.replace(b'"a"', b'"\\u0061"') + END, "a is not in canonical JSON"),
        (BEGIN + ONE.replace(b"1,", b"1, ") + END, "a is not in canonical JSON"),
        (BEGIN + ONE.replace(b"1,", b"null,") + END, "a is not in canonical JSON"),
        (BEGIN + ONE.replace(b"1,", b'1,"more":1,') + END, "a is not in canonical JSON"),
        (BEGIN + b"[" * LONGEST_FILE, "over 65536 bytes"),
        (written([named("x" * LONGEST_FILE)]), "over 65536 bytes"),
        (written([named("x" * LONGEST_FILE), named("y")]), "over 65536 bytes"),
        (written([named("a"), named("a")]), "a is not in the order"),
        (written([named("b"), named("a")]), "a is not in the order"),
        (written([named(f"{n:03}") for n in range(101)]), "over 100 files"),
    ],
    ids=range(21),
)
def test_what_is_no_manifest_is_refused(data: bytes, reason: str) -> None:
    for cut in (999, 1_000_000):
        with pytest.raises(ManifestInvalid, match=reason):
            read(data, cut=cut)


def test_an_element_without_end_is_read_no_further_than_its_bound() -> None:
    reader = ManifestReader(most=100)
    reader.feed(b"[" * LONGEST_FILE)
    with pytest.raises(ManifestInvalid, match="over 65536 bytes"):
        reader.feed(b"[")


def test_names_are_in_the_order_of_their_bytes() -> None:
    read(written([named("\ufb01"), named("\U0001f600")]))  # as UTF-16 they are the other way round
