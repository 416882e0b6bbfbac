from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.manifest.errors import ManifestInvalid
from shared.manifest.format import ManifestFile, encode_files, encode_head, manifest_digest
from shared.manifest.reader import LONGEST_LINE, ManifestReader

EMPTY = hashlib.sha256(b"").hexdigest()
VERSION = ManifestFile(name="VERSION", sha256="ab" * 32, size=5)


def named(name: str, **more: int) -> ManifestFile:
    return ManifestFile(name=name, sha256=EMPTY, size=0, **more)


def written(files: Sequence[ManifestFile], documents: Sequence[ManifestFile] = (VERSION,)) -> bytes:
    lines = encode_files(sorted(files, key=lambda each: each.name.encode()))
    return encode_head(hashlib.sha256(lines).digest(), documents) + lines


def read(data: bytes, *, cut: int = 7, most: int = 100) -> ManifestReader:
    reader = ManifestReader(most=most)
    for start in range(0, len(data), cut):
        reader.feed(data[start : start + cut])
    reader.close()
    return reader


def test_a_manifest_has_this_form() -> None:
    relation = named("tree/project/issues.ndjson", lines=3)
    content = "f6dd34dc1ffda2d999767cdc2a18616d2611caaa7624e00ad28d64ca4b780100"
    assert written([relation], [named("tree/project.json"), VERSION]).decode() == (
        f'{{"content":"{content}","documents":['
        f'{{"name":"VERSION","sha256":"{VERSION.sha256}","size":5}},'
        f'{{"name":"tree/project.json","sha256":"{EMPTY}","size":0}}],"version":1}}\n'
        f'{{"lines":3,"name":"tree/project/issues.ndjson","sha256":"{EMPTY}","size":0}}\n'
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
FILES = st.lists(
    st.builds(
        ManifestFile,
        name=TEXTS,
        sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
        size=st.integers(0, 2**53 - 1),
        lines=st.none() | st.integers(0, 2**53 - 1),
    ),
    unique_by=lambda each: each.name,
)


@given(FILES)
def test_lines_are_canonical_json(files: list[ManifestFile]) -> None:
    lines = encode_files(files).decode().split("\n")
    assert lines.pop() == ""
    for line, file in zip(lines, files, strict=True):
        members = {"lines": file.lines, "name": file.name, "sha256": file.sha256, "size": file.size}
        known = {name: value for name, value in members.items() if value is not None}
        assert line == json.dumps(known, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@given(FILES, st.integers(1, 200), st.randoms())
def test_what_is_written_is_read_at_any_cut_and_the_order_of_the_files_changes_nothing(
    files: list[ManifestFile], cut: int, random: Random
) -> None:
    files = [each for each in files if each.name not in ("", VERSION.name)]
    data = written(files)
    random.shuffle(files)
    assert written(files) == data
    found = read(data, cut=cut)
    assert found.files == {each.name: each for each in [VERSION, *files]}
    assert found.digest == manifest_digest(data[: data.index(b"\n") + 1])


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.data())
def test_no_byte_of_a_manifest_is_changed_unseen(names: list[str], data: st.DataObject) -> None:
    before = written([named(name) for name in names])
    at = data.draw(st.integers(0, len(before) - 1))
    changed = bytearray(before)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(changed))
    except ManifestInvalid:
        return
    assert found.digest != read(before).digest


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ends in the middle"),
        (b"{}\n", "none of a manifest"),
        (b"\xff\n", "none of a manifest"),
        (b"[" * LONGEST_LINE + b"[", "over 65536 bytes"),
        (b"[" * LONGEST_LINE + b"[\n", "over 65536 bytes"),
        (written([named("a")])[:-1], "ends in the middle"),
        (written([named("a"), named("b")])[: -len(encode_files([named("b")]))], "not those that its first"),
        (written([]) + encode_files([named("a")]), "not those that its first"),
        (written([], [VERSION, VERSION]), "VERSION is in the manifest twice"),
        (written([VERSION]), "VERSION is in the manifest twice"),
        (written([named("a"), named("a")]), "a is not in the order"),
        (written([named(f"{n}") for n in range(100)]), "over 100 files"),
        (re.sub(rb'"version":1', b'"version":2', written([])), "has the form 2, not 1"),
    ],
    ids=range(13),
)
def test_what_is_no_manifest_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ManifestInvalid, match=reason):
        read(data, cut=100_000)


def test_names_that_are_not_in_the_order_of_their_bytes_are_refused() -> None:
    lines = encode_files([named("\ufb01"), named("\U0001f600")])  # as UTF-16 they are the other way round
    read(encode_head(hashlib.sha256(lines).digest(), []) + lines)
    lines = encode_files([named("b"), named("a")])
    with pytest.raises(ManifestInvalid, match="a is not in the order of names"):
        read(encode_head(hashlib.sha256(lines).digest(), []) + lines)
