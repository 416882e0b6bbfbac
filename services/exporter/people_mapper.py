"""Makes the snapshot that is exported where a map of people counts: with who members are, and lines in texts.

Everything else is shared with the project's snapshot. It is made by the first export with the map, and kept:
later ones are plans that read no byte, as without a map.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from shared.database.pool import Pool
from shared.gitlab.layout import relation_file
from shared.gitlab.record_json import moment
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease
from shared.jobs.progress import Progress
from shared.people.bylines import RELATIONS, BylineWriter
from shared.people.members import MappedPerson, MemberMapper
from shared.people.people_map import PeopleMap
from shared.projects.content import ProjectContent
from shared.projects.people_maps import find_numbered_map
from shared.records.people import ensure_people
from shared.records.reader import find_relation, whole_relation
from shared.restore.event_loop import EventLoopYielder
from shared.shielding import work_through
from shared.snapshots import appending
from shared.snapshots.body import BodyWriter
from shared.snapshots.contents import make_manifest_digest
from shared.snapshots.derived import kept_derived, open_derived
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.mapped import commit_mapped, find_mapped
from shared.snapshots.people import SourceUser, list_people
from shared.snapshots.reading import keep_prolonged
from shared.snapshots.writer import SnapshotWriter, write_into
from shared.storage.base import ObjectStore

_FORM = b"1"
"""The version of what a map does to a snapshot; with another one snapshots are made anew."""

_MEMBERS = "project_members"
_AT_ONCE = 1000
_GHOSTS = frozenset({"ghost", "Ghost User"})
"""Who stands for those that were deleted: such texts have no author who could be named."""


@dataclass(slots=True)
class _Known:
    """The people of a snapshot: those whom the map maps, and the names of authors of texts who are nobody."""

    mapped: dict[int, MappedPerson] = field(default_factory=dict)
    unmapped: dict[int, str] = field(default_factory=dict)

    def add(self, user: SourceUser, people: PeopleMap) -> None:
        """Take one of them. Who has a public e-mail may be found by that, as far as we know."""
        person = people.find(id=user.id, username=user.username, public_email=user.public_email)
        name = user.username or user.name
        if person is not None:
            self.mapped[user.id] = MappedPerson(person, user.username, user.public_email)
        elif name and name not in _GHOSTS and not user.public_email and _has_texts(user):
            self.unmapped[user.id] = name

    @property
    def relations(self) -> list[str]:
        """The relations that change."""
        return [*([_MEMBERS] if self.mapped else []), *(RELATIONS if self.unmapped else [])]


def _has_texts(user: SourceUser) -> bool:
    return not user.records.keys().isdisjoint((*RELATIONS, "notes"))


class PeopleMapper:
    """Gives the snapshot that is exported.

    Memory: some 1 KiB for each of at most 100,000 people, one segment, and 60 MiB for a line.
    """

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store

    @asynccontextmanager
    async def mapped(
        self, pinned: Pinned | None, content: ProjectContent, job: Job, lease: Lease, progress: Progress
    ) -> AsyncIterator[Pinned | None]:
        """Give the mapped snapshot, which is kept for the block; the pinned one where no map counts.

        Raises TooManyPeople, LeaseLost, SnapshotGone, CorruptSegment and StorageError.
        """
        number = content.people_map_id
        found = None if number is None else await find_numbered_map(self._pool, number)
        if pinned is None or found is None:
            yield pinned
            return
        base, digest = pinned.snapshot_id, hashlib.sha256(_FORM + found.people.digest).digest()
        snapshot_id = await find_mapped(self._pool, base, digest)
        if snapshot_id is None:
            known = await self._known(base, found.people, progress)
            if not known.relations:
                yield pinned
                return
            async with self._made(base, known, digest, lease, progress, project_id=job.project_id) as made:
                yield made
            return
        async with kept_derived(self._pool, snapshot_id) as kept:
            yield kept

    @asynccontextmanager
    async def _made(
        self, base: int, known: _Known, digest: bytes, lease: Lease, progress: Progress, *, project_id: int
    ) -> AsyncIterator[Pinned]:
        snapshot_id, rows = await open_derived(self._pool, project_id=project_id)
        async with keep_prolonged(self._pool, snapshot_id):
            layout = BodyWriter(rows.add)
            async with write_into(
                self._pool, self._store, rows=rows, snapshot_id=snapshot_id, packed_up_to=0, layout=layout
            ) as writer:
                await self._share(writer, base, [relation_file(name) for name in known.relations])
                await _Rewriting(self._pool, self._store, writer, base, progress).write(known)
                await writer.close()
            content_sha256 = await make_manifest_digest(self._pool, snapshot_id)
            async with self._pool.acquire() as db, db.transaction():
                await jobs.hold(db, lease)
                await commit_mapped(
                    db, base=base, digest=digest, snapshot_id=snapshot_id, body=writer.body,
                    content_sha256=content_sha256,
                )  # fmt: skip
            yield Pinned(snapshot_id, writer.body)

    async def _known(self, base: int, people: PeopleMap, progress: Progress) -> _Known:
        def count(size: int) -> None:
            progress.other_bytes += size

        await ensure_people(self._pool, self._store, base, on_bytes=count)
        known, after = _Known(), 0
        while found := await list_people(self._pool, base, after=after, limit=_AT_ONCE):
            for user in found:
                known.add(user, people)
            after = found[-1].id
        return known

    async def _share(self, writer: SnapshotWriter, base: int, but: list[str]) -> None:
        await appending.share_apart(self._pool, base=base, snapshot_id=writer.snapshot_id, but=but)
        await writer.share_body(base, but=but)


def _nothing() -> Iterator[bytes]:
    return iter(())


class _Rewriting:
    """Writes those relations of a snapshot that change, a line at a time."""

    def __init__(
        self, pool: Pool, store: ObjectStore, writer: SnapshotWriter, base: int, progress: Progress
    ) -> None:
        self._pool = pool
        self._store = store
        self._writer = writer
        self._base = base
        self._progress = progress
        self._yielder = EventLoopYielder()

    async def write(self, known: _Known) -> None:
        if known.mapped:
            members = MemberMapper(known.mapped)
            since = moment(await self._moment())
            await self._relation(_MEMBERS, members.rewrite, rest=lambda: members.rest(since))
        if known.unmapped:
            bylines = BylineWriter(known.unmapped)
            for name in RELATIONS:
                await self._relation(name, bylines.rewrite)

    async def _relation(
        self, name: str, rewrite: Callable[[bytes], bytes], *, rest: Callable[[], Iterator[bytes]] = _nothing
    ) -> None:
        """Write a relation anew, with the lines of ``rest`` behind; none where it would have no line."""
        found = await find_relation(self._pool, self._base, name)
        sink = None
        if found is not None:
            sink = self._writer.relation(relation_file(name), found.placed.entry.mtime)
            async with aclosing(whole_relation(self._pool, self._store, found)) as lines:
                async for line, is_record in lines:
                    # The last line need not end with a newline, but others may follow it now.
                    whole = line if rest is _nothing or line.endswith(b"\n") else line + b"\n"
                    await sink.write([await work_through(whole, rewrite)], records=is_record)
                    self._progress.other_bytes += len(line)
                    await self._yielder.yield_if_due()
        for line in rest():
            sink = sink or self._writer.relation(relation_file(name), int((await self._moment()).timestamp()))
            await sink.write([line])
            await self._yielder.yield_if_due()
        if sink is not None:
            await sink.commit()

    async def _moment(self) -> datetime:
        """Give when the snapshot was made: the same one gives the same bytes."""
        made: datetime = await self._pool.fetchval(
            "SELECT created_at FROM snapshots WHERE id = $1", self._base
        )
        return made
