"""The files of an unpacked archive, and their addresses in an open snapshot."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from services.cli.errors import UsageError, utf8
from shared.archive.litter import (
    MAGIC_LENGTH,
    is_apple_double,
    is_folder_settings,
    may_be_litter,
    sibling_of,
)
from shared.gitlab.layout import PROJECT, USERS_FOLDERS, FileKind, kind_of, relation_of

_ADDRESSES = {
    FileKind.PROJECT: "project",
    FileKind.REPOSITORY: "repository",
    FileKind.WIKI: "wiki",
    FileKind.DESIGN: "design",
    FileKind.LFS_INDEX: "lfs",
}


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of an unpacked archive: its name in the archive, its path on disk and its size in bytes."""

    name: str
    path: Path
    size: int

    @property
    def address(self) -> str:
        """The address of the file, relative to the snapshot's."""
        return address_of(self.name)

    def sha256(self) -> str:
        """Read the file and return its SHA-256 in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def address_of(name: str) -> str:
    """Return the address of a file, relative to the snapshot's. A file of no special kind is in ``files``."""
    if relation := relation_of(name):
        return f"relations/{quote(relation, safe='')}"
    if address := _ADDRESSES.get(kind_of(name)):
        return address
    return f"files/{quote(name, safe='')}"


def tree_files(folder: Path) -> list[TreeFile]:
    """List the files of an unpacked archive, sorted by name. Raises UsageError if it is not an archive.

    The list has no files that imports ignore, such as those that macOS adds.
    """
    if not (folder / PROJECT).is_file():
        raise UsageError(f"{folder} is no unpacked archive: it has no {PROJECT}")
    return sorted(_walk(folder, ""), key=lambda file: file.name)


def _walk(folder: Path, above: str) -> Iterator[TreeFile]:
    with os.scandir(folder) as found:
        for each in found:
            name = f"{above}{each.name}"
            if name != utf8(name):
                raise UsageError(f"{each.path} has a name that is no UTF-8, as names in archives are")
            if each.is_dir(follow_symlinks=False):
                yield from _walk(Path(each.path), f"{name}/")
            elif each.is_file(follow_symlinks=False):
                if may_be_litter(name) and _is_litter(Path(each.path), name):
                    continue
                yield TreeFile(name, Path(each.path), each.stat().st_size)
            else:
                raise UsageError(f"{each.path} is neither a file nor a folder")


def _is_litter(path: Path, name: str) -> bool:
    """Tell whether macOS has added the file, as an import of the folder's archive would."""
    with path.open("rb") as file:
        begin = file.read(MAGIC_LENGTH)
    if is_folder_settings(name, begin):
        return not name.startswith(USERS_FOLDERS)
    folder = path.parents[name.count("/")]
    return is_apple_double(name, begin) and (folder / sibling_of(name)).exists()
