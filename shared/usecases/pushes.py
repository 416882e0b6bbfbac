"""Pushes: snapshots that other systems open, fill and commit. The user is a maintainer of the project."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from shared.accounts.models import AccessLevel, User
from shared.admission import Holder
from shared.archive.errors import ArchiveTooLarge
from shared.database.pool import Pool
from shared.database.transactions import transaction
from shared.errors import ArchiveError
from shared.pushes import parts, store
from shared.pushes.store import Push, PushCommitted, PushGone, PushMoving, TooManyPushes
from shared.snapshots import lookups
from shared.snapshots.errors import SnapshotOutdated
from shared.snapshots.models import PlacedEntry
from shared.usecases.access import find_visible_project, require_user
from shared.usecases.commits import Commits
from shared.usecases.errors import (
    ContentRefused,
    ContentTooLarge,
    ImportUnfinished,
    NotFound,
    SnapshotConflict,
)
from shared.usecases.push_content import PushContent, PushedBody, ReceivedArchive, ReceivedEntry
from shared.usecases.relation_imports import is_importing


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReference:
    """A reference to an open snapshot: its id, and its project by id or full path."""

    project: str
    number: int


class Pushes:
    """Opens, fills, commits and discards snapshots.

    Methods with an actor raise Unauthenticated, NotFound, MovedProject and Denied.
    """

    def __init__(self, pool: Pool, *, content: PushContent, commits: Commits, idle: timedelta) -> None:
        self._pool = pool
        self._content = content
        self._commits = commits
        self._idle = idle

    async def list(self, actor: User | None, reference: str) -> list[Push]:
        """List the open snapshots of a project (about 20 at most)."""
        return await store.list_open(self._pool, await self._project(actor, reference))

    async def find_project(self, actor: User | None, reference: str) -> int:
        """Return the project's id, if the user may open a snapshot. Called before the request is parsed."""
        return await self._project(actor, reference)

    async def open(self, project_id: int, *, with_content: bool) -> Push:
        """Open a snapshot, empty or with the content of the project.

        Raises ImportUnfinished and SnapshotConflict.
        """
        async with transaction(self._pool) as db:
            if await is_importing(db, project_id):
                raise ImportUnfinished
            with _translate_errors():
                return await store.open_push(db, project_id, with_content=with_content, idle=self._idle)

    async def show(self, actor: User | None, reference: PushReference) -> Push:
        """Return a snapshot, open or committed."""
        project_id = await self._project(actor, reference.project)
        push = await store.find(self._pool, project_id, reference.number)
        if push is None:
            raise NotFound("Snapshot")
        return push

    async def entries(self, push: Push) -> AsyncIterator[PlacedEntry]:
        """Yield all entries, in the order of their names."""
        async for placed in lookups.read_entries(self._pool, push.id):
            yield placed

    async def receive(self, push: Push, name: str, body: PushedBody, *, holder: Holder) -> ReceivedEntry:
        """Store an entry, which replaces the entry with the same name.

        ``holder`` takes the place that a document needs; ShareUsed and PlacesTaken say that there is none.

        Raises NotFound, ContentRefused, ContentTooLarge, SnapshotConflict, and the errors of ``body``.
        """
        with _translate_errors():
            return await self._content.receive(push, name, body, holder=holder)

    async def receive_archive(self, push: Push, body: PushedBody, *, holder: Holder) -> ReceivedArchive:
        """Store the entries of an archive, all or none. Raises what ``receive`` raises."""
        with _translate_errors():
            return await self._content.receive_archive(push, body, holder=holder)

    async def remove(self, push: Push, name: str) -> None:
        """Remove an entry. Raises NotFound and SnapshotConflict."""
        with _translate_errors():
            if not await parts.remove_entry(self._pool, push, name, idle=self._idle):
                raise NotFound("Entry")

    async def discard(self, push: Push) -> None:
        """Discard an open snapshot. Raises NotFound and SnapshotConflict."""
        with _translate_errors():
            await store.abort(self._pool, push)

    async def commit(self, actor: User | None, push: Push, *, force: bool, holder: Holder) -> Push:
        """Make the snapshot the content of its project. May be repeated.

        ``holder`` takes the place that the check of a document needs, as with ``receive``.

        Raises ContentRefused, SnapshotConflict and ImportUnfinished.
        """
        level = (await find_visible_project(self._pool, actor, str(push.project_id))).level
        with _translate_errors():
            return await self._commits.commit(push, level=level, force=force, holder=holder)

    async def _project(self, actor: User | None, reference: str) -> int:
        found = await find_visible_project(self._pool, require_user(actor), reference)
        return found.require(AccessLevel.MAINTAINER).id


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Translate the errors of snapshots into those of use cases."""
    try:
        yield
    except PushGone:
        raise NotFound("Snapshot") from None
    except (PushCommitted, PushMoving, SnapshotOutdated, TooManyPushes) as error:
        raise SnapshotConflict(error) from None
    except ArchiveTooLarge as error:
        raise ContentTooLarge(error) from None
    except ArchiveError as error:
        raise ContentRefused(error) from None
