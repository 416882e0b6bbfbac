from __future__ import annotations

import io
import tarfile

import pytest

from shared.archive.errors import (
    AbsoluteName,
    Device,
    EmptyArchive,
    HardLink,
    NamedPipe,
    NotGzip,
    NotTar,
    ParentInName,
    SymbolicLink,
    Truncated,
)
from shared.archive.events import EntryKind
from shared.archive.names import is_litter
from shared.errors import ArchiveError
from tests.support.archives import CUTS, Entry, fixture, fixtures, read

REFUSED: dict[str, tuple[type[ArchiveError], str]] = {
    "hostile/01_symlink_relation_to_etc_passwd.tar.gz": (SymbolicLink, "tree/project/issues.ndjson"),
    "hostile/02_symlink_project_json.tar.gz": (SymbolicLink, "tree/project.json"),
    "hostile/03_symlink_VERSION.tar.gz": (SymbolicLink, "VERSION"),
    "hostile/05_hardlink_inside.tar.gz": (HardLink, "tree/project/issues.ndjson"),
    "hostile/07_fifo_relation.tar.gz": (NamedPipe, "tree/project/issues.ndjson"),
    "hostile/08_char_device.tar.gz": (Device, "tree/project/issues.ndjson"),
    "hostile/09_dotdot_member.tar.gz": (ParentInName, "../evil.txt"),
    "hostile/11_absolute_member.tar.gz": (AbsoluteName, "/tmp/evil_abs.txt"),  # noqa: S108 -- a name in the archive
    "hostile/51_truncated_gzip.tar.gz": (Truncated, "tree/project/project_members.ndjson"),
    "hostile/53_not_gzip.tar.gz": (NotGzip, "not a gzip file"),
    "hostile/54_empty_file.tar.gz": (EmptyArchive, "empty"),
    "hostile/55_gzip_of_text.tar.gz": (NotTar, "not a tar archive"),
    "hostile/gitlab_symlink_export.tar.gz": (SymbolicLink, "uploads/link.gitignore"),
}
ACCEPTED = [path for path in fixtures("*/*.tar.gz") if path not in REFUSED]
FEEDS = 20_000


def by_tarfile(archive: bytes) -> list[Entry]:
    """What Python's tarfile reads, less the root and what macOS left."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = [(member, member.name.removeprefix("./")) for member in tar if member.name != "."]
        return [
            Entry(
                name=name,
                kind=EntryKind.DIRECTORY if member.isdir() else EntryKind.FILE,
                mtime=int(member.mtime),
                data=b"" if member.isdir() else _data(tar, member),
            )
            for member, name in members
            if not is_litter(name)
        ]


def _data(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("path", REFUSED)
def test_hostile_and_broken_archives_are_refused_by_name(path: str, cut: int) -> None:
    error, text = REFUSED[path]
    with pytest.raises(ArchiveError) as caught:
        read(fixture(path), cut=cut)
    assert type(caught.value) is error
    assert text in str(caught.value)


@pytest.mark.parametrize("path", ACCEPTED)
def test_other_archives_are_read_as_tarfile_reads_them(path: str) -> None:
    archive = fixture(path)
    expected = by_tarfile(archive)
    for cut in CUTS:
        if len(archive) // cut < FEEDS:
            assert read(archive, cut=cut) == expected


def test_names_are_the_same_with_and_without_dot_slash() -> None:
    dotted = read(fixture("trees/complex.tar.gz"))
    plain = read(fixture("trees/complex_without_dot_slash.tar.gz"))
    assert {(found.name, found.data) for found in dotted} == {(found.name, found.data) for found in plain}
