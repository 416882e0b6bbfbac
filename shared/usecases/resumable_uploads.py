"""Uploads that go on after a cut, of a user and for no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.accounts.models import User
from shared.database.pool import Connection, Pool
from shared.database.transactions import current, transaction
from shared.settings.environment import MIB
from shared.storage.base import ObjectStore
from shared.uploads import store
from shared.uploads.models import (
    Checksum,
    OffsetConflict,
    PieceBody,
    Upload,
    UploadBusy,
    UploadDirect,
    UploadFinished,
    UploadJoined,
    UploadLengthInvalid,
    UploadTooLong,
    UploadUnfinished,
)
from shared.uploads.store import NewUpload
from shared.uploads.writing import PieceWriter, write_alone
from shared.usecases.access import require_user
from shared.usecases.errors import ImportTooLarge, NotFound
from shared.usecases.imports import Imports
from shared.usecases.settings import InstanceSettings

MOST_PARTS = 20
"""The uploads that may become one."""

_POLL = 0.1
_PATIENCE = timedelta(seconds=5)
"""How long a request waits for the one before it to keep what has come, looking ten times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRules:
    """A user has at most ``limit`` unused uploads; each is ``kept`` after its last piece."""

    limit: int = 100
    kept: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Bytes to append at ``offset``. ``size`` announces the upload's, ``length`` is that of the body.

    With ``is_last``, the upload ends where the body does.
    """

    offset: int
    size: int | None = None
    length: int | None = None
    is_last: bool = False
    checksum: Checksum | None = None


class ResumableUploads:
    """Creates, fills, joins and removes uploads. One request at a time writes to each; the last one wins."""

    def __init__(
        self,
        pool: Pool,
        objects: ObjectStore,
        *,
        imports: Imports,
        settings: InstanceSettings,
        rules: UploadRules,
    ) -> None:
        self._pool = pool
        self._imports = imports
        self._settings = settings
        self._pieces = PieceWriter(pool, objects, kept=rules.kept)
        self._bodies: dict[int, PieceBody] = {}
        self.rules = rules

    async def largest(self) -> int | None:
        """Return the most bytes of an upload; None for no limit."""
        return (await self._settings.current()).max_import_size * MIB or None

    async def create(self, actor: User | None, new: NewUpload, *, first: Appended | None = None) -> Upload:
        """Create an upload of the actor, whose first bytes are to follow.

        Raises Unauthenticated, ImportsDisabled, ImportTooLarge, TooManyUploads, and UploadTooLong for bytes
        that will not fit.
        """
        await self.check(actor, new)
        if first is not None:
            await self._check_room(new.size, received=0, length=first.length)
        async with transaction(self._pool) as db:
            return await self.insert(db, actor, new)

    async def join(self, actor: User | None, part_ids: Sequence[int], *, metadata: str) -> Upload:
        """Make one upload of whole ones, in their order. These stay, until they are past their time.

        What was made of others is part of none: pieces would multiply with each step.
        Raises what ``create`` raises, NotFound, UploadBusy, UploadUnfinished, and UploadLengthInvalid for too
        many or none.
        """
        if not 1 <= len(part_ids) <= MOST_PARTS:
            raise UploadLengthInvalid(f"from 1 to {MOST_PARTS} uploads can become one")
        parts = [await self.find_whole(actor, each) for each in part_ids]
        if not all(each.is_partial for each in parts):
            raise UploadLengthInvalid("an upload is made of such as were created to be part of another")
        size = sum(each.received for each in parts)
        new = NewUpload(size=size, metadata=metadata, parts=part_ids)
        await self.check(actor, new)
        async with transaction(self._pool) as db:
            return await store.copy_pieces(db, await self.insert(db, actor, new), parts)

    async def list(self, actor: User | None, *, below: int | None, limit: int) -> Sequence[Upload]:
        """List the actor's uploads that no job has used, the newest first."""
        return await store.list_of(current(self._pool), require_user(actor).id, below=below, limit=limit)

    async def show(self, actor: User | None, upload_id: int) -> Upload:
        """Return an upload of the actor, which a request may be writing to. Raises NotFound."""
        found = await store.find(current(self._pool), upload_id, user_id=require_user(actor).id)
        return _require(found)

    async def settle(self, actor: User | None, upload_id: int) -> Upload:
        """Return an upload once nobody writes to it: a request that does is ended, and keeps what it has.

        Raises NotFound, and UploadBusy where that takes too long or another request comes.
        """
        user = require_user(actor)
        arrived = _require(await store.arrive(current(self._pool), upload_id, user_id=user.id))
        if body := self._bodies.get(upload_id):
            body.break_off()
        end, now = time.monotonic() + _PATIENCE.total_seconds(), arrived
        while now.is_written:
            if time.monotonic() > end or now.epoch != arrived.epoch:
                raise UploadBusy
            await asyncio.sleep(_POLL)
            now = _require(await store.find(current(self._pool), upload_id, user_id=user.id))
        return replace(now, epoch=arrived.epoch)  # that of this request, also where another has come since

    async def append(self, actor: User | None, upload_id: int, given: Appended, body: PieceBody) -> Upload:
        """Append a body to an upload, or what comes of it; return the upload as it is then.

        Raises before it reads anything: NotFound, UploadBusy, UploadDirect, UploadJoined, OffsetConflict,
        UploadLengthInvalid, UploadFinished, UploadTooLong and ImportTooLarge.
        Raises ChecksumMismatch, and the three last.
        """
        upload = await self.settle(actor, upload_id)
        if upload.is_direct:
            raise UploadDirect(upload_id)
        if upload.parts is not None:
            raise UploadJoined(f"upload {upload.id} was made of others")
        if given.offset != upload.received:
            raise OffsetConflict(given.offset, offset=upload.received)
        if upload.is_whole and given.length != 0:
            raise UploadFinished(f"upload {upload.id} has all its bytes")
        upload = await self._announce(upload, given.size)
        most = await self._check_room(upload.size, received=upload.received, length=given.length)
        async with write_alone(self._pool, upload, body):
            written = await self._write(upload, given, body, most=most)
            return await self._end(written) if given.is_last and body.is_whole else written

    async def _end(self, upload: Upload) -> Upload:
        """Have an upload end where it is. Raises UploadLengthInvalid where it was to be longer."""
        if upload.size is None:
            return await self._announce(upload, upload.received)
        if not upload.is_whole:
            raise UploadLengthInvalid(f"the upload ends at byte {upload.received}, not at {upload.size}")
        return upload

    async def _check_room(self, size: int | None, *, received: int, length: int | None) -> int | None:
        """Return the most bytes of an upload; None for no limit. Raises UploadTooLong and ImportTooLarge."""
        end = received + (length or 0)
        if size is None:
            await self._check_size(end)
            return await self.largest()
        if end > size:
            raise UploadTooLong
        return size

    async def _write(self, upload: Upload, given: Appended, body: PieceBody, *, most: int | None) -> Upload:
        self._bodies[upload.id] = body
        try:
            await self._pieces.join(upload)
            return await self._pieces.receive(upload, body, most=most, checksum=given.checksum)
        finally:
            if self._bodies.get(upload.id) is body:
                del self._bodies[upload.id]

    async def _announce(self, upload: Upload, size: int | None) -> Upload:
        if size is None or size == upload.size:
            return upload
        await self._check_size(size)
        if not await store.announce(self._pool, upload, size):
            raise UploadLengthInvalid("the length of the upload is known already, or below its offset")
        return replace(upload, size=size)

    async def remove(self, actor: User | None, upload_id: int) -> None:
        """Remove an upload with all its bytes. Raises NotFound and UploadBusy."""
        upload = await self.settle(actor, upload_id)
        async with transaction(self._pool) as db:
            if not await store.remove(db, upload):
                raise UploadBusy

    async def find_whole(self, actor: User | None, upload_id: int) -> Upload:
        """Return an upload that has all its bytes. Raises NotFound, UploadBusy and UploadUnfinished."""
        upload = await self.settle(actor, upload_id)
        if not upload.is_whole:
            raise UploadUnfinished(upload.id)
        return upload

    async def use(self, db: Connection, upload: Upload) -> None:
        """Give a whole upload to a job of the same transaction. Raises UploadBusy where it has changed."""
        if not await store.use(db, upload):
            raise UploadBusy

    def break_off(self) -> None:
        """End all requests that write, which keep what they have: another process may go on with the rest."""
        for body in list(self._bodies.values()):
            body.break_off()

    async def check(self, actor: User | None, new: NewUpload) -> None:
        """Raise Unauthenticated, ImportsDisabled or ImportTooLarge unless the actor may create the upload."""
        await self._imports.admit(actor, counts=False)
        await self._check_size(new.size)

    async def insert(self, db: Connection, actor: User | None, new: NewUpload) -> Upload:
        """Insert an upload that was checked, in a transaction. Raises TooManyUploads."""
        user, rules = require_user(actor), self.rules
        return await store.create(db, new, user_id=user.id, kept=rules.kept, limit=rules.limit)

    async def _check_size(self, size: int | None) -> None:
        most = await self.largest()
        if most is not None and (size or 0) > most:
            raise ImportTooLarge(most, what="an upload")


def _require(found: Upload | None) -> Upload:
    if found is None:
        raise NotFound("Upload")
    return found
