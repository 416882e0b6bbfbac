"""The files of a GitLab archive: one table of their names, used by all code that reads or writes them.

Source: GitLab 18.9, ``lib/gitlab/import_export`` (savers and restorers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property


class FileKind(Enum):
    """The kind of a file in an archive; ``OTHER`` is kept as it is, and has no meaning."""

    VERSION = "version"
    PROJECT = "project"
    RELATION = "relation"
    REPOSITORY = "repository"
    WIKI = "wiki"
    DESIGN = "design"
    SNIPPET = "snippet"
    LFS_INDEX = "lfs_index"
    LFS_OBJECT = "lfs_object"
    UPLOAD = "upload"
    AVATAR = "avatar"
    OTHER = "other"


@dataclass(frozen=True)
class FileType:
    """One row of the table; in ``template``, ``{name}`` is one part of a path, ``{path}`` one or more."""

    kind: FileKind
    template: str
    content: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the names of this type; the group is the part for the placeholder."""
        escaped = re.escape(self.template)
        return re.compile(escaped.replace(r"\{name\}", "([^/]+)").replace(r"\{path\}", "(.+)"), re.DOTALL)

    @property
    def folder(self) -> str:
        """The common beginning of all names of this type: a folder with its ``/``, or nothing."""
        return self.template[: self.template.rfind("/") + 1]


RELATION_SUFFIX = ".ndjson"
"""The end of the name of a relation's file."""

FILE_TYPES = (
    FileType(FileKind.VERSION, "VERSION", "the version of the format"),
    FileType(FileKind.PROJECT, "tree/project.json", "the project's own attributes, one JSON object"),
    FileType(
        FileKind.RELATION,
        f"tree/project/{{name}}{RELATION_SUFFIX}",
        "the records of a relation, one on a line",
    ),
    FileType(FileKind.REPOSITORY, "project.bundle", "the repository, a git bundle"),
    FileType(FileKind.WIKI, "project.wiki.bundle", "the repository of the wiki"),
    FileType(FileKind.DESIGN, "project.design.bundle", "the repository of the designs"),
    FileType(FileKind.SNIPPET, "snippets/{name}.bundle", "the repository of one snippet"),
    FileType(FileKind.LFS_INDEX, "lfs-objects.json", "the LFS objects, each with its repository types"),
    FileType(FileKind.LFS_OBJECT, "lfs-objects/{name}", "one LFS object, named by its SHA-256"),
    FileType(FileKind.UPLOAD, "uploads/{path}", "a file that is attached to a text"),
    FileType(FileKind.AVATAR, "avatar/{path}", "the picture of the project"),
)
"""Every file that has a meaning; the first type whose pattern matches a name counts."""

_TYPES = {each.kind: each for each in FILE_TYPES}

_ANY = re.compile("|".join(f"(?P<{each.kind.name}>{each.pattern.pattern})" for each in FILE_TYPES), re.DOTALL)
"""Matches the names of all types; the last group is the kind. An archive may have a million names."""

VERSION = _TYPES[FileKind.VERSION].template
PROJECT = _TYPES[FileKind.PROJECT].template
REPOSITORY = _TYPES[FileKind.REPOSITORY].template
WIKI = _TYPES[FileKind.WIKI].template
DESIGN = _TYPES[FileKind.DESIGN].template
LFS_INDEX = _TYPES[FileKind.LFS_INDEX].template

TREE = "tree"
"""The directory of the project's attributes and relations; every project archive has it."""

GROUPS = "tree/groups/"
"""The directory of the groups in the archive of a group, which is no project's."""

TOP_NAMES = frozenset(
    {"GITLAB_VERSION", "GITLAB_REVISION", *(each.template.partition("/")[0] for each in FILE_TYPES)}
)
"""The first components of all names that a GitLab writes into an archive."""

USERS_FOLDERS = tuple(_TYPES[kind].folder for kind in (FileKind.UPLOAD, FileKind.LFS_OBJECT, FileKind.AVATAR))
"""The folders of files whose names, or bytes, are those of users."""


def kind_of(name: str) -> FileKind:
    """Give the kind of the file with that name."""
    match = _ANY.fullmatch(name)
    return FileKind[match.lastgroup] if match and match.lastgroup else FileKind.OTHER


def file_name(kind: FileKind, part: str) -> str:
    """Give the name of a file of that kind, with ``part`` for the placeholder."""
    return re.sub(r"\{\w+\}", lambda _: part, _TYPES[kind].template)


def folder_of(kind: FileKind) -> str:
    """Give the folder, with its ``/``, of the files of that kind; nothing for the root."""
    return _TYPES[kind].folder


def relation_file(relation: str) -> str:
    """Give the name of a relation's file."""
    return file_name(FileKind.RELATION, relation)


def relation_of(name: str) -> str | None:
    """Give the relation that a file holds, known or unknown to GitLab; None for other files."""
    match = _TYPES[FileKind.RELATION].pattern.fullmatch(name)
    return match and match[1]


def oid_of(name: str) -> str:
    """Give the object id in the name of an LFS object."""
    return name.removeprefix(folder_of(FileKind.LFS_OBJECT))


def lfs_oid_of(name: str) -> str | None:
    """Give what an LFS object is called in its folder; None for other files."""
    match = _TYPES[FileKind.LFS_OBJECT].pattern.fullmatch(name)
    return match and match[1]
