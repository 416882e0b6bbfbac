"""Names of entries: which are safe, which are skipped, and which were used before."""

from __future__ import annotations

import re

from shared.archive.errors import (
    AbsoluteName,
    ControlCharacterInName,
    DuplicateName,
    FileAndDirectory,
    NameNotUtf8,
    NameTooLong,
    ParentInName,
    TooManyEntries,
)

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_ODD = ("//", "/./", "/../")
_RESOURCE_FORKS = "__MACOSX"


def normalise_name(raw: bytes, limit: int) -> str:
    """Give the name without ``.`` and empty components, "" for the root. A backslash has no meaning.

    Raises NameTooLong, NameNotUtf8, ControlCharacterInName, AbsoluteName and ParentInName.
    """
    if len(raw) > limit:
        raise NameTooLong(raw, limit=limit)
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise NameNotUtf8(raw) from None
    # A fast test first: control characters are never printable, and few names need the slower search.
    if not name.isprintable() and _CONTROL.search(name):
        raise ControlCharacterInName(raw)
    if name.startswith("/"):
        raise AbsoluteName(raw)
    plain = name.removeprefix("./").removesuffix("/")
    # A fast test first, again: a name may have a thousand components, and few have odd ones.
    enclosed = f"/{plain}/"
    if not any(odd in enclosed for odd in _ODD):
        return plain
    components = [component for component in name.split("/") if component not in ("", ".")]
    if ".." in components:
        raise ParentInName(raw)
    return "/".join(components)


def is_litter(name: str) -> bool:
    """Tell whether macOS has added the entry: AppleDouble files, folder settings, resource forks."""
    last = name.rpartition("/")[2]
    return last.startswith("._") or last == ".DS_Store" or name.partition("/")[0] == _RESOURCE_FORKS


class NameSet:
    """The names that an archive has used.

    Keeps Python's 64-bit hash of each, about 100 bytes of memory, and at most ``limit`` of them. Two names
    with one hash would refuse a good archive; with 5 million names the odds are below one in a million.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: set[int] = set()
        self._directories: set[int] = set()
        self._last_parent = ""

    def claim_file(self, name: str) -> int:
        """Add the name of a file and the directories above it; give how many names are new.

        Raises DuplicateName, FileAndDirectory and TooManyEntries.
        """
        parent, implied = name.rpartition("/")[0], 0
        if parent != self._last_parent:
            implied = self.claim_directory(parent)
            self._last_parent = parent
        known = hash(name)
        if known in self._files:
            raise DuplicateName(name)
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
