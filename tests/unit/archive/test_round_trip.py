from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.archive.events import TarEntryKind
from shared.archive.tar_header import MTIME_MAX
from shared.archive.writer import directory_header, end_of_archive, file_header, padding
from tests.support.archives import CUTS, Entry, read

COMPONENTS = st.text(
    st.one_of(
        st.sampled_from("abcXYZ019._- éß文件😀\\"),
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"),
    ),
    min_size=1,
    max_size=60,
).filter(lambda component: component not in {".", ".."})
NAMES = st.lists(COMPONENTS, min_size=1, max_size=5).map("/".join)


def parents(name: str) -> set[str]:
    parts = name.split("/")
    return {"/".join(parts[:length]) for length in range(1, len(parts))}


def clash_free(entries: list[Entry]) -> bool:
    """No file is a directory too, by its own entry or as a parent."""
    files = {entry.name for entry in entries if entry.kind is TarEntryKind.FILE}
    others = {entry.name for entry in entries if entry.kind is TarEntryKind.DIRECTORY}
    return not files & others.union(*(parents(entry.name) for entry in entries))


FILES = st.builds(
    Entry,
    name=NAMES,
    kind=st.just(TarEntryKind.FILE),
    mtime=st.integers(0, MTIME_MAX),
    data=st.binary(max_size=1500),
)
DIRECTORIES = st.builds(
    Entry,
    name=NAMES,
    kind=st.just(TarEntryKind.DIRECTORY),
    mtime=st.integers(0, MTIME_MAX),
    data=st.just(b""),
)
ENTRIES = st.lists(st.one_of(FILES, DIRECTORIES), max_size=6, unique_by=lambda entry: entry.name).filter(
    clash_free
)


def by_writer(entries: list[Entry]) -> bytes:
    tar = b"".join(_written(entry) for entry in entries)
    return tar + end_of_archive(len(tar))


def _written(entry: Entry) -> bytes:
    if entry.kind is TarEntryKind.DIRECTORY:
        return directory_header(entry.name, entry.mtime)
    size = len(entry.data)
    return file_header(entry.name, size=size, mtime=entry.mtime) + entry.data + padding(size)


def by_tarfile(entries: list[Entry], tar_format: int, dot: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format, encoding="utf-8") as tar:
        for entry in entries:
            member = tarfile.TarInfo(dot + entry.name)
            member.mtime = entry.mtime
            member.size = len(entry.data)
            if entry.kind is TarEntryKind.DIRECTORY:
                member.type = tarfile.DIRTYPE
            tar.addfile(member, io.BytesIO(entry.data))
    return out.getvalue()


def fits_ustar(name: str) -> bool:
    """Whether ustar's name and prefix can hold it, as a directory too."""
    try:
        tarfile.TarInfo(name + "/").tobuf(tarfile.USTAR_FORMAT, "utf-8")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("cut", CUTS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(entries=ENTRIES)
def test_the_reader_reads_what_the_writer_writes(cut: int, entries: list[Entry]) -> None:
    assert read(gzip.compress(by_writer(entries), 0), cut=cut) == entries


@pytest.mark.parametrize("dot", ["", "./"])
@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(entries=ENTRIES, cut=st.sampled_from(CUTS))
def test_the_reader_reads_what_tarfile_writes(
    tar_format: int, dot: str, entries: list[Entry], cut: int
) -> None:
    if tar_format == tarfile.USTAR_FORMAT:
        entries = [entry for entry in entries if fits_ustar(dot + entry.name)]
    assert read(gzip.compress(by_tarfile(entries, tar_format, dot), 0), cut=cut) == entries


@settings(max_examples=80, deadline=None, derandomize=True)
@given(entries=ENTRIES)
def test_tarfile_reads_what_the_writer_writes(entries: list[Entry]) -> None:
    with tarfile.open(fileobj=io.BytesIO(by_writer(entries)), encoding="utf-8") as tar:
        found = [(member.name, member.isdir(), member.mtime, member.size) for member in tar]
    assert found == [
        (f"./{entry.name}", entry.kind is TarEntryKind.DIRECTORY, entry.mtime, len(entry.data))
        for entry in entries
    ]
