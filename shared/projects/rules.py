"""Rules for a project's path, name and description, with GitLab's messages.

Rules and texts: GitLab's documentation of reserved names, and ``lib/gitlab/path_regex.rb`` in words.
"""

from __future__ import annotations

import re
import unicodedata

from shared.errors import CrossdockError, Fault

LONGEST = 255
LONGEST_DESCRIPTION = 2000
_PATH = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_RESERVED_ENDINGS = (".git", ".atom")
_RESERVED = frozenset(
    (
        "-", "badges", "blame", "blob", "builds", "commits", "create", "create_dir", "edit",
        "environments/folders", "files", "find_file", "gitlab-lfs/objects", "info/lfs/objects", "new",
        "preview", "raw", "refs", "tree", "update", "wikis",
    )
)  # fmt: skip
_NAME_SIGNS = frozenset("_.+-\u200d\ufe0f\u20e3 ")
_NAME_CATEGORIES = ("L", "Mn", "Mc", "Nd", "So", "Sk", "Pd")
_FIRST_CATEGORIES = ("L", "Nd", "So")
_ILLEGAL_PATH = (
    "Project namespace path can only include non-accented letters, digits, '_', '-' and '.'. "
    "It must not start with '-', '_', or '.', nor end with '-', '_', '.', '.git', or '.atom'."
)
_ILLEGAL_NAME = (
    "Name can contain only letters, digits, emoji, '_', '.', '+', dashes, or spaces. "
    "It must start with a letter, digit, emoji, or '_'."
)


class NameRefused(CrossdockError):
    """The value is not allowed as the project's ``field``, mostly its path or name; the text is GitLab's."""

    code = "name_refused"
    fault = Fault.CLIENT

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def check_path(path: str) -> str:
    """Give ``path`` back, or raise NameRefused with the first thing that is wrong with it."""
    if not path.strip():
        raise NameRefused("path", "Path can't be blank")
    if len(path) > LONGEST:
        raise NameRefused("path", f"Path is too long (maximum is {LONGEST} characters)")
    if path.lower() in _RESERVED:
        raise NameRefused("path", f"Path {path} is a reserved name")
    if not _PATH.fullmatch(path) or path.lower().endswith(_RESERVED_ENDINGS):
        raise NameRefused("path", _ILLEGAL_PATH)
    return path


def check_name(name: str) -> str:
    """Give ``name`` without leading blanks, or raise NameRefused with the first thing wrong with it."""
    name = name.lstrip()
    if not name:
        raise NameRefused("name", "Name can't be blank")
    if len(name) > LONGEST:
        raise NameRefused("name", f"Name is too long (maximum is {LONGEST} characters)")
    if not _is_first(name[0]) or not all(_is_allowed(sign) for sign in name):
        raise NameRefused("name", _ILLEGAL_NAME)
    return name


def check_description(description: str) -> str:
    """Give ``description`` back, or raise NameRefused where it is too long."""
    if len(description) > LONGEST_DESCRIPTION:
        text = f"Description is too long (maximum is {LONGEST_DESCRIPTION} characters)"
        raise NameRefused("description", text)
    return description


def _is_first(sign: str) -> bool:
    return sign == "_" or unicodedata.category(sign).startswith(_FIRST_CATEGORIES)


def _is_allowed(sign: str) -> bool:
    return sign in _NAME_SIGNS or unicodedata.category(sign).startswith(_NAME_CATEGORIES)


def path_of_name(name: str) -> str:
    """Derive a path from a name, for a project that is created without a path."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain.lower()))
