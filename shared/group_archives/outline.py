"""The groups of an archive, by its index and the attributes of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from shared.errors import ArchiveError
from shared.gitlab import nesting
from shared.gitlab.group_layout import document_file
from shared.gitlab.json_document import InvalidDocument
from shared.gitlab.visibility import Visibility
from shared.group_archives.errors import GroupArchiveTooLarge, NoGroupArchive, RootGroupInvalid
from shared.group_archives.left_out import LeftOut
from shared.group_archives.reading import LIMITS, Outline

MOST_GROUPS = 1000
"""Each group takes locks of the database until the transaction of its import ends, and those are bounded."""

_LEVELS = {level.value: level for level in Visibility}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinedGroup:
    """A group of an archive; ``document`` are all of its attributes, as they are in the archive."""

    id: int
    parent_id: int | None
    path: str
    name: str
    description: str
    visibility: Visibility
    document: bytes


class _Taken(msgspec.Struct, frozen=True):
    id: int
    path: str
    name: str
    parent_id: int | None = None
    description: str | None = None
    visibility_level: int | None = None


def outlined_groups(outline: Outline, left_out: LeftOut) -> list[OutlinedGroup]:
    """Give the groups in the order of the index; the first is the root, and the others go on without some.

    Raises NoGroupArchive, GroupArchiveTooLarge for more than 1,000 groups, and RootGroupInvalid.
    """
    ids = list(dict.fromkeys(_ids(outline.index or b"", left_out)))
    if not ids:
        raise NoGroupArchive
    try:
        groups = [_group(outline, ids[0])]
    except ArchiveError as error:
        raise RootGroupInvalid(str(error)) from None
    for number in ids[1:]:
        try:
            groups.append(_group(outline, number))
        except ArchiveError as error:
            left_out.add(f"group {number}", str(error))
    for number in outline.documents.keys() - set(ids):
        left_out.add(document_file(number), "the index does not name this group")
    return groups


def _ids(index: bytes, left_out: LeftOut) -> Iterator[int]:
    count = 0
    for number, line in enumerate(index.splitlines(), 1):
        if not line.strip():
            continue
        count += 1
        if count > MOST_GROUPS:
            raise GroupArchiveTooLarge(MOST_GROUPS, "groups")
        try:
            yield msgspec.json.decode(line, type=int)
        except msgspec.MsgspecError as error:
            left_out.add(f"line {number} of the index", str(error))


def _group(outline: Outline, number: int) -> OutlinedGroup:
    name, document = document_file(number), outline.documents.get(number)
    if document is None:
        raise InvalidDocument(name, "the file is missing")
    if nesting.depth_over(document, LIMITS.depth):
        raise InvalidDocument(name, f"nesting is over the limit {LIMITS.depth}")
    try:
        taken = msgspec.json.decode(document, type=_Taken)
        document.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidDocument(name, str(error)) from error
    if "\0" in (taken.description or ""):
        raise InvalidDocument(name, "the description has NUL, which the database does not take")
    if taken.id != number:
        raise InvalidDocument(name, f"Invalid group_id for {number}")
    return OutlinedGroup(
        id=number,
        parent_id=taken.parent_id,
        path=taken.path,
        name=taken.name,
        description=taken.description or "",
        visibility=_LEVELS.get(taken.visibility_level or 0, Visibility.PRIVATE),
        document=document,
    )
