"""Errors of archives of groups."""

from __future__ import annotations

from shared.errors import ArchiveError, Missing


class GroupGone(Missing):
    """A group was deleted while its archive was read: export what is there now."""

    code = "group_gone"

    def __init__(self) -> None:
        super().__init__("The group was deleted")


class NoGroupArchive(ArchiveError):
    """The archive is none of groups (GitLab's text)."""

    code = "no_group_archive"

    def __init__(self) -> None:
        super().__init__("The import file is incompatible")


class RootGroupInvalid(ArchiveError):
    """The attributes of the first group of the archive are missing or invalid, so that nothing is made."""

    code = "root_group_invalid"


class GroupArchiveTooLarge(ArchiveError):
    """The archive has more groups, attributes or records of groups than one import takes."""

    code = "group_archive_too_large"

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(f"over the limit of {limit} {what} of an archive of groups")
