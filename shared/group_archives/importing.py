"""Makes the groups of an archive, in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing

from shared.accounts.errors import NamespaceGone, NamespacePathTaken, VisibilityRefused
from shared.accounts.limits import TooManyGroups, refuse_more_groups
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, Namespace
from shared.accounts.namespaces import create_group
from shared.archive.limits import MIB
from shared.database.pool import Connection
from shared.gitlab.visibility import Visibility
from shared.group_archives import store
from shared.group_archives.left_out import LeftOut
from shared.group_archives.outline import OutlinedGroup
from shared.group_archives.reading import RelationLine, relation_events
from shared.group_archives.store import KeptLine
from shared.projects.rules import NameRefused, check_description, check_name, check_path
from shared.restore.archive_events import Readable

DEEPEST = 20
"""The most groups above a group, as in GitLab."""

LONGEST_PATH = 2000
"""Bytes of a full path: an index of Postgres takes 2704 in a key."""

_AT_ONCE = MIB
"""Bytes of lines that are written by one statement, at least, and a line more at most."""

_MOST_AT_ONCE = 1000


class GroupMaker:
    """Makes groups that the user owns, up to the ``limit`` of groups of one owner."""

    def __init__(self, db: Connection, user_id: int, *, limit: int) -> None:
        self._db = db
        self._user_id = user_id
        self._limit = limit

    async def make(self, group: OutlinedGroup, *, above: Namespace | None) -> Namespace:
        """Make a group at most as visible as the one above, and keep its attributes.

        Raises NameRefused, NamespacePathTaken, NamespaceGone, VisibilityRefused and TooManyGroups.
        """
        path, name = check_path(group.path), check_name(group.name)
        _require_place(path, above)
        await refuse_more_groups(self._db, self._user_id, limit=self._limit)
        made = await create_group(
            self._db,
            path,
            name=name,
            parent=above,
            description=check_description(group.description),
            visibility=_visibility(group, above),
        )
        await add_member(self._db, self._user_id, namespace_id=made.id, level=AccessLevel.OWNER)
        await store.keep_document(self._db, made.id, group.document)
        return made

    async def make_below(
        self, root: Namespace, groups: Sequence[OutlinedGroup], left_out: LeftOut
    ) -> dict[int, Namespace]:
        """Make the groups below the root, which is the first of ``groups``; give all by their former ids.

        A group that is refused is left out with all that is below it, and the others go on.
        """
        made = {groups[0].id: root}
        for group in groups[1:]:
            above = None if group.parent_id is None else made.get(group.parent_id)
            if above is None:
                left_out.add(f"group {group.id}", "Parent group not found")
                continue
            try:
                async with self._db.transaction():
                    made[group.id] = await self.make(group, above=above)
            except (
                NameRefused,
                NamespacePathTaken,
                NamespaceGone,
                VisibilityRefused,
                TooManyGroups,
            ) as error:
                left_out.add(f"group {group.id}", str(error))
        return made


def _visibility(group: OutlinedGroup, above: Namespace | None) -> Visibility:
    return group.visibility if above is None else min(group.visibility, above.visibility)


def _require_place(path: str, above: Namespace | None) -> None:
    """Raise NameRefused where the group would be too deep, or its full path too long."""
    if above is None:
        return
    if above.full_path.count("/") + 1 > DEEPEST:
        raise NameRefused("parent_id", f"has more than {DEEPEST} groups above it")
    if len(above.full_path) + 1 + len(path) > LONGEST_PATH:
        raise NameRefused("path", f"Full path is too long (maximum is {LONGEST_PATH} characters)")


async def keep_relations(
    db: Connection, source: Readable, made: Mapping[int, Namespace], left_out: LeftOut
) -> None:
    """Keep the relations of the groups that were made. Raises ArchiveError.

    Memory: 1 MiB of lines, and one more.
    """
    batch = _Batch(db)
    async with aclosing(relation_events(source, left_out)) as events:
        async for event in events:
            group = made.get(event.group_id)
            if group is None:
                continue
            if isinstance(event, RelationLine):
                await batch.add(group.id, event.relation, event.line)
            else:
                await batch.write()
                await store.drop_relation(db, group.id, event.relation)
    await batch.write()


class _Batch:
    """Writes lines some at a time."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._lines: list[KeptLine] = []
        self._size = 0
        self._number = 0

    async def add(self, namespace_id: int, relation: str, line: bytes) -> None:
        self._number += 1
        self._lines.append(KeptLine(namespace_id, relation, self._number, line))
        self._size += len(line)
        if self._size >= _AT_ONCE or len(self._lines) >= _MOST_AT_ONCE:
            await self.write()

    async def write(self) -> None:
        if self._lines:
            await store.keep_lines(self._db, self._lines)
        self._lines, self._size = [], 0
