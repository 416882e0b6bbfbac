"""An archive of any size, made as it is read: relations of many lines and blobs that cannot be compressed."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from isal import igzip

MIB = 1024 * 1024
_BLOCK = random.Random(7).randbytes(MIB)  # noqa: S311  # the same incompressible bytes every time
_TEXT = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. " * 12


def write_large(target: Path, *, relations: int, blobs: int, blob_size: int = 64) -> None:
    """Write an archive of ``relations`` MiB of lines and ``blobs`` blobs of ``blob_size`` MiB each."""
    with ExitStack() as files:
        file = files.enter_context(igzip.open(target, "wb", compresslevel=1))  # type: ignore[no-untyped-call]  # isal
        tar = files.enter_context(tarfile.open(fileobj=file, mode="w|", bufsize=MIB))
        tar.copybufsize = MIB  # type: ignore[attr-defined]  # bytes moved at a time, left out of the stubs
        _add(tar, "VERSION", [b"0.2.4"])
        _add(tar, "tree/project.json", [b'{"description":"large","visibility_level":0}'])
        for relation in ("issues", "merge_requests"):
            _add(tar, f"tree/project/{relation}.ndjson", list(_lines(relations * MIB // 2)))
        for number in range(blobs):
            _add_blob(tar, number, blob_size)


def _lines(size: int) -> Iterator[bytes]:
    written = number = 0
    while written < size:
        number += 1
        line = (
            f'{{"iid":{number},"title":"t{number}","source_branch":"a","target_branch":"b",'
            f'"description":"{number} {_TEXT}"}}\n'
        ).encode()
        written += len(line)
        yield line


def _add(tar: tarfile.TarFile, name: str, data: list[bytes]) -> None:
    info = tarfile.TarInfo(f"./{name}")
    info.size = sum(map(len, data))
    tar.addfile(info, io.BytesIO(b"".join(data)))


def _add_blob(tar: tarfile.TarFile, number: int, blob_size: int) -> None:
    blob = _Blob(number, blob_size)
    name = f"lfs-objects/{blob.sha256()}" if number % 2 else f"uploads/{number:032x}/{number}.bin"
    info = tarfile.TarInfo(f"./{name}")
    info.size = blob_size * MIB
    tar.addfile(info, blob)


class _Blob(io.RawIOBase):
    """``size`` MiB that no other number gives."""

    def __init__(self, number: int, size: int) -> None:
        super().__init__()
        self._blocks = (f"{number:08}-{n:08}".encode() + _BLOCK[17:] for n in range(size))
        self._number, self._size = number, size
        self._rest = b""

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for block in _Blob(self._number, self._size)._blocks:
            digest.update(block)
        return digest.hexdigest()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._rest = self._rest or next(self._blocks, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
