"""Generates the archive of a small project as GitLab 18 writes it. Only its bundle differs between runs.

The archive is written with ``tarfile``, so that the demonstration does not read what Crossdock itself wrote.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from isal import igzip

from services.cli.demo.project import ISSUES, relations

_MTIME = 1_767_225_600
_DIRECTORY, _FILE = 0o700, 0o644
_UPLOADS = 12
LFS_MIB = 3
_MIB = 1024 * 1024
_LARGEST_OBJECT = 32
_GIT = ("git", "-c", "user.name=Demo", "-c", "user.email=demo@example.org", "-c", "commit.gpgsign=false")

Json = Mapping[str, object]


def write_archive(target: Path, folder: Path, *, issues: int = ISSUES, mib: int = LFS_MIB) -> None:
    """Write the archive to ``target``, with LFS objects of ``mib`` MiB in all, which do not compress.

    ``folder`` must be empty. Without git there is no repository. Memory: one relation, or one object of 32
    MiB at most.
    """
    random_ = random.Random(20)  # noqa: S311  # the same archive every time
    with (
        igzip.open(target, "wb") as packed,  # type: ignore[no-untyped-call]  # isal has no types for it
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        _directories(archive, ("", "tree/", "tree/project/", "uploads/", "lfs-objects/", "snippets/"))
        for name, data in _files(random_, folder, issues, mib):
            _add(archive, name, data)


def _files(random_: random.Random, folder: Path, issues: int, mib: int) -> Iterator[tuple[str, bytes]]:
    yield "VERSION", b"0.2.4"
    yield "GITLAB_VERSION", b"18.9.0"
    yield "GITLAB_REVISION", b"0123456789a"
    yield "tree/project.json", _line({"description": "Made by crossdock demo", "visibility_level": 0})
    pictures = [f"uploads/{random_.randbytes(16).hex()}/picture-{number}.png" for number in range(_UPLOADS)]
    for relation, records in relations(random_, issues=issues, pictures=pictures):
        yield f"tree/project/{relation}.ndjson", b"".join(_line(record) + b"\n" for record in records)
    yield "tree/project/project_feature.ndjson", _line({"issues_access_level": 20, "wiki_access_level": 20})
    yield "tree/project/auto_devops.ndjson", b"null"
    for picture in pictures:
        yield picture, random_.randbytes(random_.randrange(1, 200_000))
    oids = []
    for begin in range(0, mib, _LARGEST_OBJECT):
        large = random_.randbytes(min(mib - begin, _LARGEST_OBJECT) * _MIB)
        oids.append(hashlib.sha256(large).hexdigest())
        yield f"lfs-objects/{oids[-1]}", large
    yield "lfs-objects.json", _line({oid: [0] for oid in oids})
    if shutil.which("git"):
        yield "project.bundle", _bundle(folder)


def _line(record: Json) -> bytes:
    """Encode JSON as Rails does, which escapes these five characters."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def _bundle(folder: Path) -> bytes:
    """Make a git bundle of a repository with one commit."""

    def git(*arguments: str) -> None:
        subprocess.run([*_GIT, *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603  # our words

    git("init", "--quiet", "--initial-branch=main")
    (folder / "README.md").write_text("# Demo\n\nA project to move around.\n")
    git("add", "README.md")
    git("commit", "--quiet", "--message=Begin")
    git("bundle", "create", "--quiet", "project.bundle", "--all")
    return (folder / "project.bundle").read_bytes()


def _directories(archive: tarfile.TarFile, names: Iterable[str]) -> None:
    for name in names:
        entry = _entry(f"./{name}", _DIRECTORY)
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = _entry(f"./{name}", _FILE)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime, entry.uname, entry.gname = mode, _MTIME, "git", "git"
    return entry
