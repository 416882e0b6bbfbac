"""The files of a GitLab's archive of groups: the names that have a meaning."""

from __future__ import annotations

import re

from shared.gitlab.layout import GROUPS, RELATION_SUFFIX, TREE

INDEX = f"{GROUPS}_all{RELATION_SUFFIX}"
"""The ids of all groups, one on a line; parents come before their children."""

FOLDERS = (TREE, GROUPS.removesuffix("/"))
"""The directories above all files of groups."""

RELATIONS = ("milestones", "badges", "labels", "boards", "members")
"""The relations of which each group has a file, also an empty one."""

MEMBERS = "members"

VERSION_FILES = frozenset({"VERSION", "GITLAB_VERSION", "GITLAB_REVISION"})
"""What GitLab writes into archives of groups too, and does not read."""

_ID = r"(0|[1-9][0-9]{0,17})"
_DOCUMENT = re.compile(rf"{GROUPS}{_ID}\.json")
_RELATION = re.compile(rf"{GROUPS}{_ID}/([a-z_]{{1,63}}){re.escape(RELATION_SUFFIX)}")


def document_file(group_id: int) -> str:
    """Give the name of the file with the attributes of a group."""
    return f"{GROUPS}{group_id}.json"


def folder(group_id: int) -> str:
    """Give the directory of a group's relations."""
    return f"{GROUPS}{group_id}"


def relation_file(group_id: int, relation: str) -> str:
    """Give the name of the file of a group's relation."""
    return f"{GROUPS}{group_id}/{relation}{RELATION_SUFFIX}"


def document_of(name: str) -> int | None:
    """Give the id of the group whose attributes the file holds; None for other files."""
    match = _DOCUMENT.fullmatch(name)
    return match and int(match[1])


def relation_of(name: str) -> tuple[int, str] | None:
    """Give the id of the group and the relation that the file holds; None for other files."""
    match = _RELATION.fullmatch(name)
    return match and (int(match[1]), match[2])
