"""Names of entries: which are safe, which cost their entry, and which were used before."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from shared.archive.errors import (
    AbsoluteName,
    ControlCharacterInName,
    FileAndDirectory,
    NameNotUtf8,
    NameTooLong,
    ParentInName,
    TooManyEntries,
)

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_NO_UTF8 = re.compile("[\ud800-\udfff]")
_ODD = ("//", "/./", "/../")


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRules:
    """What names mean in the archives that are read.

    A name that begins with a slash is taken without it, as GNU tar does, where its first component then is
    one of ``roots``; any other one aims at a place of a file system. Folder settings of macOS are kept below
    ``users_folders``, which end in ``/``.
    """

    roots: AbstractSet[str] = frozenset()
    users_folders: tuple[str, ...] = ()


def normalise_name(raw: bytes, limit: int, roots: AbstractSet[str] = frozenset()) -> str:
    """Give the name without ``.`` and empty components, "" for the root. A backslash has no meaning.

    Raises NameTooLong, AbsoluteName and ParentInName; then, for names that harm nobody, UnusableName.
    """
    if len(raw) > limit:
        raise NameTooLong(raw, limit=limit)
    name = raw.decode(errors="surrogateescape")
    plain = name.removeprefix("./").removesuffix("/")
    # A fast test first: a name may have a thousand components, and few have odd ones.
    enclosed = f"/{plain}/"
    if name.startswith("/") or any(odd in enclosed for odd in _ODD):
        plain = _plain(name, raw, roots)
    # A fast test first, again: control characters and surrogates are never printable, most names are.
    if not name.isprintable():
        _check_characters(name, raw)
    return plain


def _plain(name: str, raw: bytes, roots: AbstractSet[str]) -> str:
    components = [component for component in name.split("/") if component not in ("", ".")]
    if name.startswith("/") and components and components[0] not in roots:
        raise AbsoluteName(raw)
    if ".." in components:
        raise ParentInName(raw)
    return "/".join(components)


def _check_characters(name: str, raw: bytes) -> None:
    if _NO_UTF8.search(name):
        raise NameNotUtf8(raw)
    if _CONTROL.search(name):
        raise ControlCharacterInName(raw)


class NameSet:
    """The names that an archive has used.

    Keeps Python's 64-bit hash of each, about 100 bytes of memory, and at most ``limit`` of them. Two names
    with one hash pass for one, which costs nothing but a look for what is not there.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: set[int] = set()
        self._directories: set[int] = set()
        self._last_parent = ""

    def __contains__(self, name: str) -> bool:
        known = hash(name)
        return known in self._files or known in self._directories

    def claim_file(self, name: str) -> int:
        """Add the name of a file and the directories above it; give how many names are new.

        That is 0 where there was a file of that name. Raises FileAndDirectory and TooManyEntries.
        """
        parent, implied = name.rpartition("/")[0], 0
        if parent != self._last_parent:
            implied = self.claim_directory(parent)
            self._last_parent = parent
        known = hash(name)
        if known in self._files:
            return 0
        if known in self._directories:
            raise FileAndDirectory(name)
        self._add(known, name, to=self._files)
        return implied + 1

    def claim_directory(self, name: str) -> int:
        """Add a directory and those above it; give how many names are new. May be repeated.

        Raises FileAndDirectory and TooManyEntries.
        """
        new = 0
        while name:
            known = hash(name)
            if known in self._directories:
                break
            if known in self._files:
                raise FileAndDirectory(name)
            self._add(known, name, to=self._directories)
            name = name.rpartition("/")[0]
            new += 1
        return new

    def _add(self, known: int, name: str, *, to: set[int]) -> None:
        to.add(known)
        if len(self._files) + len(self._directories) > self._limit:
            raise TooManyEntries(name, limit=self._limit)
