"""The reader refuses what is hostile or broken, by its name, and reads the rest as Python's tarfile does."""

from __future__ import annotations

import io
import tarfile

import pytest

from shared.archive.events import TarEntryKind
from shared.archive.litter import is_apple_double
from shared.errors import ArchiveError
from tests.support.archives import CUTS, Entry, read
from tests.support.samples.table import SAMPLES, packed

REFUSED = [name for name, sample in SAMPLES.items() if sample.reader]
READ = [name for name, sample in SAMPLES.items() if not sample.reader]
FEEDS = 20_000


def by_tarfile(archive: bytes) -> list[Entry]:
    """What Python's tarfile reads, less the root and what macOS left."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = [(member, member.name.removeprefix("./")) for member in tar if member.name != "."]
        found = [
            Entry(
                name=name,
                kind=TarEntryKind.DIRECTORY if member.isdir() else TarEntryKind.FILE,
                mtime=int(member.mtime),
                data=b"" if member.isdir() else _data(tar, member),
            )
            for member, name in members
        ]
    return [each for each in found if not is_apple_double(each.name, each.data)]


def _data(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", REFUSED)
def test_hostile_and_broken_archives_are_refused_by_name(name: str, cut: int) -> None:
    with pytest.raises(ArchiveError) as caught:
        read(packed(name), cut=cut)
    assert type(caught.value) is SAMPLES[name].reader
    assert SAMPLES[name].error in str(caught.value)


@pytest.mark.parametrize("name", READ)
def test_other_archives_are_read_as_tarfile_reads_them(name: str) -> None:
    archive = packed(name)
    expected = by_tarfile(archive)
    for cut in CUTS:
        if len(archive) // cut < FEEDS:
            assert read(archive, cut=cut) == expected


def test_names_are_the_same_with_and_without_dot_slash() -> None:
    dotted = {
        (found.name, found.data)
        for found in read(packed("every_relation"))
        if found.kind is TarEntryKind.FILE
    }
    plain = {(found.name, found.data) for found in read(packed("every_relation_without_dot_slash"))}
    assert dotted == plain
