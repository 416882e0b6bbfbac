"""Uploads whose bytes go straight into the bucket, by presigned addresses of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.database.transactions import current, transaction
from shared.errors import Conflict, Unprocessable
from shared.storage.base import ObjectStore
from shared.storage.direct import DirectWrites, PartsRefused
from shared.uploads import direct
from shared.uploads.direct import LARGEST, DirectUpload
from shared.uploads.models import Upload, UploadFinished
from shared.uploads.store import NewUpload
from shared.usecases.access import require_user
from shared.usecases.errors import ImportTooLarge, NotFound
from shared.usecases.resumable_uploads import ResumableUploads

VALID = timedelta(hours=1)
"""How long the address of a part can be asked; what has begun by then goes on."""


class DirectUploadsUnavailable(Unprocessable):
    """The objects of this server are files, or CROSSDOCK_DIRECT_UPLOADS is off: send the bytes to the API."""

    code = "direct_uploads_unavailable"

    def __init__(self) -> None:
        super().__init__("direct uploads are not available here: send the bytes to this API, by tus")


class PartsUnknown(Conflict):
    """The bucket does not have the parts that the completion names: send them, and complete again."""

    code = "upload_parts_unknown"

    def __init__(self) -> None:
        super().__init__("the bucket does not have these parts: send what is missing, and complete again")


class DirectSizeWrong(Unprocessable):
    """The object in the bucket does not have the size of the upload, which was removed: begin anew."""

    code = "upload_size_wrong"

    def __init__(self, size: int, *, announced: int) -> None:
        super().__init__(f"the parts have {size} bytes, not the {announced} of the upload, which was removed")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDirectUpload:
    """A direct upload that was made, and how large each of its parts is but the last."""

    upload: Upload
    part_size: int
    part_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAddress:
    """Where a part goes by PUT, with exactly ``size`` bytes, until ``expires_at``. The URL is a secret."""

    number: int
    size: int
    url: str = field(repr=False)
    expires_at: datetime


class DirectUploads:
    """Makes direct uploads, gives the addresses of their parts, and completes them.

    ``is_wanted`` says that clients reach the store by its own address.
    """

    def __init__(self, pool: Pool, store: ObjectStore, *, uploads: ResumableUploads, is_wanted: bool) -> None:
        self._pool = pool
        self._direct = store.direct if is_wanted else None
        self._uploads = uploads

    @property
    def is_available(self) -> bool:
        """Whether there are direct uploads here."""
        return self._direct is not None

    async def create(self, actor: User | None, *, size: int, sha256: bytes | None) -> NewDirectUpload:
        """Create an upload of the actor.

        Raises DirectUploadsUnavailable, ImportTooLarge, and what ``ResumableUploads.create`` raises.
        """
        self._require()
        if size > LARGEST:
            raise ImportTooLarge(LARGEST, what="a direct upload")
        new = NewUpload(size=size)
        await self._uploads.check(actor, new)
        async with transaction(self._pool) as db:
            upload = await self._uploads.insert(db, actor, new)
            part_size = await direct.add(db, upload, size=size, sha256=sha256)
        return NewDirectUpload(upload=upload, part_size=part_size, part_count=-(-size // part_size))

    async def addresses(
        self, actor: User | None, upload_id: int, *, behind: int, limit: int
    ) -> Sequence[PartAddress]:
        """Give the addresses of up to ``limit`` parts, from the one behind the number on.

        The upload is kept from now on as from its beginning. Raises DirectUploadsUnavailable, NotFound and
        UploadFinished.
        """
        writes, found = self._require(), await self._find(actor, upload_id)
        if found.upload.is_whole:
            raise UploadFinished(f"upload {upload_id} has all its bytes")
        write_id = found.write_id or await direct.begin(self._pool, found, await writes.begin(found.key))
        await direct.prolong(self._pool, found, kept=self._uploads.rules.kept)
        expires_at = datetime.now(UTC) + VALID
        return [
            PartAddress(
                number=number,
                size=found.length_of(number),
                url=await writes.address_of(
                    found.key, write_id, number, length=found.length_of(number), valid=VALID
                ),
                expires_at=expires_at,
            )
            for number in range(behind + 1, min(found.part_count, behind + limit) + 1)
        ]

    async def complete(
        self, actor: User | None, upload_id: int, etags: Sequence[str], *, sha256: bytes | None
    ) -> Upload:
        """Make one object of all parts, by their entity tags in order. May be repeated.

        An upload of another size than was announced is removed. Raises DirectUploadsUnavailable, NotFound,
        PartsUnknown and DirectSizeWrong.
        """
        writes, found = self._require(), await self._find(actor, upload_id)
        if not found.upload.is_whole:
            await self._make(writes, found, etags)
        async with transaction(self._pool) as db:
            if not await direct.complete(db, found, sha256=sha256):
                raise NotFound("Upload")
        return replace(found.upload, received=found.size)

    async def _make(self, writes: DirectWrites, found: DirectUpload, etags: Sequence[str]) -> None:
        if found.write_id is None or len(etags) != found.part_count:
            raise PartsUnknown
        try:
            size = await writes.complete(found.key, found.write_id, etags)
        except PartsRefused:
            raise PartsUnknown from None
        if size != found.size:
            # Not in a transaction, which would be taken back with the refusal.
            await direct.remove(self._pool, found)
            raise DirectSizeWrong(size, announced=found.size)

    async def _find(self, actor: User | None, upload_id: int) -> DirectUpload:
        found = await direct.find_direct(current(self._pool), upload_id, user_id=require_user(actor).id)
        if found is None:
            raise NotFound("Upload")
        return found

    def _require(self) -> DirectWrites:
        if self._direct is None:
            raise DirectUploadsUnavailable
        return self._direct
