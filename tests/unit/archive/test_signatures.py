"""What is given by mistake is named as what it is, with what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

import pytest

from shared.archive.errors import NotGzip, NotTar
from tests.support.archives import entry, packed, read

TAR = entry(b"VERSION", b"0.2.4") + bytes(1024)


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("VERSION", "0.2.4")
    return made.getvalue()


MISTAKEN = [
    (zipped(), "a zip file: unpack it"),
    (lzma.compress(TAR), "compressed by xz: compress"),
    (bz2.compress(TAR), "compressed by bzip2: compress"),
    (b"\x28\xb5\x2f\xfd\x04\x00", "compressed by zstd: compress"),
    (TAR, "a tar archive that is not compressed: compress it by gzip"),
    (b"\n<!DOCTYPE html><title>Sign in</title>", "an HTML or XML page"),
    (b"<?xml version='1.0'?><Error/>", "an HTML or XML page"),
    (b'{"message":"401 Unauthorized"}', "a JSON document, such as the answer of a server"),
    (b"# v2 git bundle\n", "a git bundle"),
]


@pytest.mark.parametrize(("data", "named"), MISTAKEN, ids=[named for _, named in MISTAKEN])
def test_what_is_no_gzip_file_is_named(data: bytes, named: str) -> None:
    with pytest.raises(NotGzip, match=f"^not a gzip file, but {named}"):
        read(data)


@pytest.mark.parametrize("data", [b"x", b"no archive at all", bytes(600)], ids=["one byte", "words", "zeros"])
def test_what_is_not_known_is_not_named(data: bytes) -> None:
    with pytest.raises(NotGzip, match=r"^not a gzip file$"):
        read(data)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: packed(TAR), "gzip in gzip: decompress it once"),
        (zipped, "a zip file"),
        (lambda: b'{"title":"a relation alone"}\n', "a JSON document"),
        (lambda: b'{"title":"a relation alone"}\n' * 99, "a JSON document"),
    ],
    ids=["gzip in gzip", "zip", "a line", "lines"],
)
def test_what_is_no_tar_in_gzip_is_named(make: Callable[[], bytes], named: str) -> None:
    with pytest.raises(NotTar, match=f"^not a tar archive, but {named}"):
        read(gzip.compress(make()))
