"""Uploads in Postgres.

One request at a time writes to an upload. Each request that comes takes the next ``epoch``, by which the
one that writes sees that it is to end; ``writer`` is the epoch of the one that writes, and the fence of its
piece.
A writer that has not been seen for a while is taken for dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.database.pool import Connection, Database, Row
from shared.ledger.objects import RETRIABLE
from shared.uploads.models import Piece, PieceLost, TooManyUploads, Upload, UploadBusy

SILENT = timedelta(seconds=10)
"""After how long without a sign a writer is taken for dead; it gives one each second."""

_STAYS = timedelta(minutes=1)
"""For how long an upload stays at least after each sign of its writer, who may need long for a piece."""

_WRITTEN = f"""(writer IS NOT NULL
    AND writer_seen_at > now() - interval '{SILENT.total_seconds()} s')"""
_COLUMNS = f"""id, size, received, metadata, is_partial, parts, epoch, created_at, expires_at,
    {_WRITTEN} AS is_written,
    EXISTS (SELECT FROM direct_uploads WHERE upload_id = uploads.id) AS is_direct"""
_OPEN = "used_at IS NULL AND expires_at > now()"
"""The SQL condition that an upload is there for its user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """An upload to create. ``size`` is None where it is announced later; it is made of ``parts``."""

    size: int | None
    metadata: str = ""
    is_partial: bool = False
    parts: Sequence[int] | None = None


async def create(db: Database, new: NewUpload, *, user_id: int, kept: timedelta, limit: int) -> Upload:
    """Insert an upload, which is kept for the time ``kept``. Raises TooManyUploads if the user has ``limit``.

    In a transaction, it locks the user's row: two creations at once must not both be the last.
    """
    await db.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    row = await db.fetchrow(
        f"""INSERT INTO uploads (user_id, size, metadata, is_partial, expires_at, parts)
            SELECT $1, $2, $3, $4, now() + $5, $7::bigint[]
            WHERE (SELECT count(*) FROM uploads WHERE user_id = $1 AND {_OPEN}) < $6
            RETURNING {_COLUMNS}""",  # noqa: S608  # fixed texts
        user_id, new.size, new.metadata, new.is_partial, kept, limit, new.parts,
    )  # fmt: skip
    if row is None:
        raise TooManyUploads(limit)
    return _upload(row)


async def find(db: Database, upload_id: int, *, user_id: int) -> Upload | None:
    """Find an upload of the user that is not used and not past its time."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM uploads WHERE id = $1 AND user_id = $2 AND {_OPEN}",  # noqa: S608  # fixed texts
        upload_id, user_id,
    )  # fmt: skip
    return _upload(row) if row else None


async def list_of(db: Database, user_id: int, *, below: int | None, limit: int) -> Sequence[Upload]:
    """List the uploads of a user with an id under ``below``, the newest first."""
    rows = await db.fetch(
        f"""SELECT {_COLUMNS} FROM uploads
            WHERE user_id = $1 AND ($2::bigint IS NULL OR id < $2) AND {_OPEN} ORDER BY id DESC LIMIT $3""",  # noqa: S608  # fixed texts
        user_id, below, limit,
    )  # fmt: skip
    return [_upload(row) for row in rows]


def _upload(row: Row) -> Upload:
    return Upload(**dict(row))


async def arrive(db: Database, upload_id: int, *, user_id: int) -> Upload | None:
    """Take the next epoch of an upload for a request, which tells the one that writes to end."""
    row = await db.fetchrow(
        f"""UPDATE uploads SET epoch = epoch + 1 WHERE id = $1 AND user_id = $2 AND {_OPEN}
            RETURNING {_COLUMNS}""",  # noqa: S608  # fixed texts
        upload_id, user_id,
    )  # fmt: skip
    return _upload(row) if row else None


async def announce(db: Database, upload: Upload, size: int) -> bool:
    """Set the size of an upload that had none; give False where another request came in between."""
    done: bool | None = await db.fetchval(
        """UPDATE uploads SET size = $3 WHERE id = $1 AND epoch = $2 AND size IS NULL AND received <= $3
           RETURNING true""",
        upload.id, upload.epoch, size,
    )  # fmt: skip
    return done is True


async def begin_writing(db: Database, upload: Upload) -> bool:
    """Become the writer of an upload; give False where another request came in between."""
    done: bool | None = await db.fetchval(
        f"""UPDATE uploads SET writer = epoch, writer_seen_at = now()
            WHERE id = $1 AND epoch = $2 AND {_OPEN} AND NOT {_WRITTEN} RETURNING true""",  # noqa: S608  # fixed texts
        upload.id, upload.epoch,
    )  # fmt: skip
    return done is True


async def stay_writer(db: Database, upload: Upload) -> bool:
    """Give a sign of the writer, for whom the upload stays; give False where it is to end.

    It ends as another request has come.
    """
    done: bool | None = await db.fetchval(
        """UPDATE uploads SET writer_seen_at = now(), expires_at = greatest(expires_at, now() + $3)
           WHERE id = $1 AND writer = $2 RETURNING epoch = $2""",
        upload.id, upload.epoch, _STAYS,
    )  # fmt: skip
    return done is True


async def end_writing(db: Database, upload: Upload) -> None:
    """Let the next request write."""
    await db.execute(
        "UPDATE uploads SET writer = NULL WHERE id = $1 AND writer = $2", upload.id, upload.epoch
    )


async def add_piece(db: Connection, upload: Upload, *, object_id: int, size: int, kept: timedelta) -> Upload:
    """Add a stored piece of the writer's behind the others, in a transaction, and prolong the upload.

    Raises PieceLost where it writes no more.
    """
    row = await db.fetchrow(
        f"""UPDATE uploads SET received = received + $4, expires_at = now() + $5, writer_seen_at = now()
            WHERE id = $1 AND writer = $2 AND received = $3 RETURNING {_COLUMNS}""",  # noqa: S608  # fixed texts
        upload.id, upload.epoch, upload.received, size, kept,
    )  # fmt: skip
    if row is None:
        raise PieceLost
    await db.execute(
        'INSERT INTO upload_pieces (upload_id, "position", size, object_id) VALUES ($1, $2, $3, $4)',
        upload.id, upload.received, size, object_id,
    )  # fmt: skip
    return _upload(row)


async def remove(db: Database, upload: Upload) -> bool:
    """Remove an upload that nobody writes to; the collector removes its objects."""
    done: bool | None = await db.fetchval(
        "DELETE FROM uploads WHERE id = $1 AND epoch = $2 AND used_at IS NULL RETURNING true",
        upload.id, upload.epoch,
    )  # fmt: skip
    return done is True


async def use(db: Connection, upload: Upload) -> bool:
    """Give a whole upload to a job of the same transaction; give False where it has changed."""
    done: bool | None = await db.fetchval(
        f"""UPDATE uploads SET used_at = now()
            WHERE id = $1 AND epoch = $2 AND received = size AND {_OPEN} RETURNING true""",  # noqa: S608  # fixed texts
        upload.id, upload.epoch,
    )  # fmt: skip
    return done is True


async def hold_used(db: Connection, upload_id: int) -> bool:
    """Hold a used upload for the rest of the transaction, for a further job; give False where it is gone."""
    return bool(await db.fetchval("SELECT true FROM uploads WHERE id = $1 FOR KEY SHARE", upload_id))


async def find_pieces(db: Database, upload_id: int) -> Sequence[Piece]:
    """Find the pieces of an upload, in their order."""
    rows = await db.fetch(
        """SELECT p."position", p.size, p.object_id, o.key FROM upload_pieces p
           JOIN objects o ON o.id = p.object_id WHERE p.upload_id = $1 ORDER BY p."position" """,
        upload_id,
    )
    return [Piece(**row) for row in rows]


async def count_pieces(db: Database, upload_id: int) -> int:
    """Count the pieces of an upload."""
    number: int = await db.fetchval("SELECT count(*) FROM upload_pieces WHERE upload_id = $1", upload_id)
    return number


async def replace_pieces(
    db: Connection, upload: Upload, pieces: Sequence[Piece], *, object_id: int, size: int
) -> None:
    """Put one piece in the place of neighbours, in a transaction of the writer. Raises PieceLost."""
    held = await db.fetchval(
        "SELECT true FROM uploads WHERE id = $1 AND writer = $2 FOR NO KEY UPDATE", upload.id, upload.epoch
    )
    if not held:
        raise PieceLost
    await db.execute(
        'DELETE FROM upload_pieces WHERE upload_id = $1 AND "position" = ANY($2)',
        upload.id, [each.position for each in pieces],
    )  # fmt: skip
    await db.execute(
        'INSERT INTO upload_pieces (upload_id, "position", size, object_id) VALUES ($1, $2, $3, $4)',
        upload.id, pieces[0].position, size, object_id,
    )  # fmt: skip


async def copy_pieces(db: Connection, upload: Upload, parts: Sequence[Upload]) -> Upload:
    """Give an empty upload the pieces of others, one behind the other, in a transaction.

    Raises UploadBusy where one of these is not there any more.
    """
    await _hold(db, parts)
    position = 0
    for part in parts:
        await db.execute(
            """INSERT INTO upload_pieces (upload_id, "position", size, object_id)
               SELECT $1, "position" + $3, size, object_id FROM upload_pieces WHERE upload_id = $2""",
            upload.id, part.id, position,
        )  # fmt: skip
        position += part.received
    row = await db.fetchrow(
        f"UPDATE uploads SET received = size WHERE id = $1 RETURNING {_COLUMNS}",  # noqa: S608  # fixed texts
        upload.id,
    )
    assert row is not None  # noqa: S101  # it was made in the same transaction
    return _upload(row)


async def _hold(db: Connection, parts: Sequence[Upload]) -> None:
    ids = sorted({each.id for each in parts})
    held = await db.fetch(
        f"SELECT id FROM uploads WHERE id = ANY($1) AND {_OPEN} ORDER BY id FOR KEY SHARE",  # noqa: S608  # fixed texts
        ids,
    )  # fmt: skip
    if len(held) < len(ids):
        raise UploadBusy


EXPIRED = f"""SELECT id FROM uploads u WHERE (used_at IS NULL AND expires_at < now() AND NOT {_WRITTEN})
    OR (used_at IS NOT NULL AND NOT EXISTS (SELECT FROM jobs WHERE upload_id = u.id
        AND (state IN ('queued', 'running') OR ({RETRIABLE}))))"""  # noqa: S608  # fixed texts
"""SQL for the uploads that nobody needs any more: past their time, or of jobs that are over."""
