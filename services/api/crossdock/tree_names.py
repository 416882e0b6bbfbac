"""Maps addresses to names of entries in an archive, and checks that archives may have the names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from shared.archive.names import normalise_name
from shared.errors import ArchiveError
from shared.gitlab.layout import FileKind, file_name, folder_of, kind_of
from shared.usecases.errors import EntryNameInvalid

TreeName = Callable[[Mapping[str, str], int], str]
"""Returns the entry's name for the parts of an address and the maximum bytes. Raises EntryNameInvalid."""

_OID = re.compile(r"[0-9a-f]{64}")


def make_constant(name: str) -> TreeName:
    """Make the function for an address that always means the same file."""
    return lambda _given, _limit: name


def relation(given: Mapping[str, str], limit: int) -> str:
    """Return the name of a relation's file."""
    return _check(file_name(FileKind.RELATION, _component(given, "relation")), limit)


def upload(given: Mapping[str, str], limit: int) -> str:
    """Return the name of an upload's file, which may be in a folder."""
    return _check(
        file_name(FileKind.UPLOAD, f"{_component(given, 'secret')}/{_relative(given, 'name')}"), limit
    )


def lfs_object(given: Mapping[str, str], limit: int) -> str:
    """Return the name of an LFS object's file."""
    if not _OID.fullmatch(given["oid"]):
        raise EntryNameInvalid("oid is not the SHA-256 of an LFS object: 64 hexadecimal digits in lower case")
    return _check(file_name(FileKind.LFS_OBJECT, given["oid"]), limit)


def snippet(given: Mapping[str, str], limit: int) -> str:
    """Return the name of the bundle of a snippet's repository."""
    name = folder_of(FileKind.SNIPPET) + _component(given, "name")
    if kind_of(name) is not FileKind.SNIPPET:
        raise EntryNameInvalid("name does not end in .bundle, as that of a snippet's repository does")
    return _check(name, limit)


def any_file(given: Mapping[str, str], limit: int) -> str:
    """Return the name of any file, which the address has in full."""
    return _check(_relative(given, "name"), limit)


def _component(given: Mapping[str, str], parameter: str) -> str:
    if "/" in given[parameter]:
        raise EntryNameInvalid(f"{parameter} has a slash in it")
    return _relative(given, parameter)


def _relative(given: Mapping[str, str], parameter: str) -> str:
    """Return the parameter. Raises EntryNameInvalid if it is absolute or not in its shortest form."""
    value = given[parameter]
    if value.startswith("/"):
        raise EntryNameInvalid(f"{parameter} is absolute")
    if any(part in ("", ".", "..") for part in value.split("/")):
        raise EntryNameInvalid(f"{parameter} has a part that is empty, '.' or '..'")
    return value


def _check(name: str, limit: int) -> str:
    try:
        return normalise_name(name.encode(), limit)
    except ArchiveError as error:
        raise EntryNameInvalid(str(error)) from None
