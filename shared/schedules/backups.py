"""The archives that schedules have sent, in Postgres: which is the newest of a project, and which may go.

What is in the bucket decides, as restores go by it; these rows spare asking it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from asyncpg import UniqueViolationError

from shared.catalogue.archives import ArchiveRecord, Encryption, archive_key
from shared.database.pool import Connection, Database, Row
from shared.errors import CrossdockError
from shared.gitlab.relation_selection import RelationSelection

_A_SECOND = timedelta(seconds=1)
_MOST_TRIES = 20
"""How often a name is tried that others take at the same moment."""

_DESTINATION = """SELECT s.destination_id FROM run_projects p JOIN schedule_runs r ON r.id = p.run_id
    JOIN schedules s ON s.id = r.schedule_id WHERE p.id = $1"""

_PLAIN = "id, project_id, path, file, made_at, last_activity_at, size, sha256, manifest_sha256, signature"
_COLUMNS = f"{_PLAIN}, relations, encryption"


class NoNameFree(CrossdockError):
    """Too many archives of the project are begun at the same moment: run it later."""

    code = "no_name_free"

    def __init__(self, path: str) -> None:
        super().__init__(f"too many archives of {path} are begun at the same moment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """An archive that was sent: where it is, and what it is. ``last_activity_at`` is that of its project.

    ``relations`` is what of the project it has, None for all; ``encryption`` tells what is stored, None for
    the archive as it is.
    """

    id: int
    project_id: int
    path: str
    file: str
    made_at: datetime
    last_activity_at: datetime | None
    size: int
    sha256: bytes
    manifest_sha256: bytes | None
    signature: bytes | None
    relations: RelationSelection | None = None
    encryption: Encryption | None = None

    @property
    def stored_size(self) -> int:
        """The bytes that lie in the bucket."""
        return self.encryption.bytes if self.encryption else self.size

    @property
    def recipients(self) -> tuple[str, ...]:
        """For whom it is encrypted; none where it is not."""
        return self.encryption.recipients if self.encryption else ()

    def record(self, source: str) -> ArchiveRecord:
        """Give the record of the archive, of the server at ``source``."""
        return ArchiveRecord(
            source=source,
            project_id=self.project_id,
            project=self.path,
            time=self.made_at,
            last_activity_at=self.last_activity_at,
            file=self.file,
            bytes=self.size,
            sha256=self.sha256.hex(),
            manifest=None if self.manifest_sha256 is None else self.manifest_sha256.hex(),
            signature=None if self.signature is None else self.signature.hex(),
            selection=self.relations,
            encryption=self.encryption,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedName:
    """The key that an archive will have, and the time that is in it; for whom it is encrypted, if it is.

    These are as they were when the name was reserved: later attempts go on with the same.
    """

    file: str
    time: datetime
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentArchive:
    """What was sent: its size in bytes, its digest, and the digest and signature of its manifest.

    ``relations`` is what of the project it has, None for all; ``encryption`` tells what is stored instead,
    where it is encrypted.
    """

    size: int
    sha256: bytes
    manifest_sha256: bytes | None
    signature: bytes | None
    relations: RelationSelection | None = None
    encryption: Encryption | None = None


def _backup(row: Row) -> Backup:
    return Backup(
        relations=msgspec.convert(row["relations"], RelationSelection | None),
        encryption=msgspec.convert(row["encryption"], Encryption | None),
        **{name: row[name] for name in _PLAIN.split(", ")},
    )


async def find_newest(
    db: Database, schedule_id: int, *, destination_id: int, project_id: int
) -> Backup | None:
    """Find the newest archive of a project that a schedule has sent to a destination."""
    row = await db.fetchrow(
        f"""SELECT {_COLUMNS} FROM backups WHERE schedule_id = $1 AND destination_id = $2
            AND project_id = $3 AND stored_at IS NOT NULL ORDER BY made_at DESC, id DESC LIMIT 1""",  # noqa: S608  # fixed texts
        schedule_id, destination_id, project_id,
    )  # fmt: skip
    return None if row is None else _backup(row)


async def reserve_name(  # what a row is made of
    db: Connection,
    *,
    run_project_id: int,
    project_id: int,
    path: str,
    source: str,
    time: datetime,
    last_activity_at: datetime,
    recipients: tuple[str, ...] = (),
) -> ReservedName:
    """Reserve the name of the archive for a project of a run, the same at each call. Raises NoNameFree.

    Another schedule may send one of the same project and second: the next free second counts then. No name is
    used again, so that the newest one is that of the newest archive.
    """
    row = await db.fetchrow(
        "SELECT file, made_at, recipients FROM backups WHERE run_project_id = $1", run_project_id
    )
    if row is not None:
        return ReservedName(file=row["file"], time=row["made_at"], recipients=tuple(row["recipients"]))
    for _ in range(_MOST_TRIES):
        moment = await _next_time(db, run_project_id, path, not_before=time)
        file = archive_key(source, path, moment, is_encrypted=bool(recipients))
        name = ReservedName(file=file, time=moment, recipients=recipients)
        try:
            async with db.transaction():
                await _take(db, run_project_id, name, project_id, path, last_activity_at)
        except UniqueViolationError:
            continue
        return name
    raise NoNameFree(path)


async def _next_time(db: Connection, run_project_id: int, path: str, *, not_before: datetime) -> datetime:
    """Give a whole second after those of all archives of the project that are there, or on their way."""
    last: datetime | None = await db.fetchval(
        f"SELECT max(made_at) FROM backups WHERE path = $2 AND destination_id = ({_DESTINATION})",  # noqa: S608  # fixed texts
        run_project_id, path,
    )  # fmt: skip
    moment = not_before.replace(microsecond=0)
    return moment if last is None else max(moment, last + _A_SECOND)


async def _take(
    db: Connection,
    run_project_id: int,
    name: ReservedName,
    project_id: int,
    path: str,
    last_activity_at: datetime,
) -> None:
    await db.execute(
        """INSERT INTO backups (destination_id, schedule_id, run_project_id, project_id, path, file, made_at,
                                last_activity_at, recipients)
           SELECT s.destination_id, s.id, p.id, $2, $3, $4, $5, $6, $7
           FROM run_projects p JOIN schedule_runs r ON r.id = p.run_id
               JOIN schedules s ON s.id = r.schedule_id WHERE p.id = $1""",
        run_project_id, project_id, path, name.file, name.time, last_activity_at, list(name.recipients),
    )  # fmt: skip


def _document(value: RelationSelection | Encryption | None) -> object:
    return None if value is None else msgspec.to_builtins(value)


async def record_sent(db: Connection, run_project_id: int, sent: SentArchive) -> None:
    """Say that the archive of a project of a run is there: it is the newest from now on."""
    await db.execute(
        """WITH stored AS (
               UPDATE backups SET stored_at = now(), size = $2, sha256 = $3, manifest_sha256 = $4,
                   signature = $5, relations = $6::jsonb, encryption = $7::jsonb
               WHERE run_project_id = $1 RETURNING file)
           UPDATE run_projects SET state = 'done', finished_at = now(), size = $2, sha256 = $3,
               manifest_sha256 = $4, file = (SELECT file FROM stored)
           WHERE id = $1 AND finished_at IS NULL""",
        run_project_id, sent.size, sent.sha256, sent.manifest_sha256, sent.signature,
        _document(sent.relations), _document(sent.encryption),
    )  # fmt: skip


async def note_unchanged(db: Database, backup_id: int, last_activity_at: datetime) -> None:
    """Say that an archive has all that its project had at a later time, too."""
    await db.execute(
        "UPDATE backups SET last_activity_at = greatest(last_activity_at, $2) WHERE id = $1",
        backup_id, last_activity_at,
    )  # fmt: skip


async def list_left(db: Database, schedule_id: int) -> Sequence[str]:
    """List the names that runs of the schedule have reserved in vain: no job of theirs is on its way."""
    rows = await db.fetch(
        """SELECT file FROM backups b WHERE schedule_id = $1 AND stored_at IS NULL AND NOT EXISTS (
               SELECT FROM run_projects p WHERE p.id = b.run_project_id AND p.finished_at IS NULL)
           ORDER BY id LIMIT 1000""",
        schedule_id,
    )
    return [row["file"] for row in rows]


async def list_stored(
    db: Database, schedule_id: int, destination_id: int, *, project_id: int
) -> Sequence[Backup]:
    """List the archives of a project that a schedule has sent to a destination, the oldest first."""
    rows = await db.fetch(
        f"""SELECT {_COLUMNS} FROM backups WHERE schedule_id = $1 AND destination_id = $2
            AND project_id = $3 AND stored_at IS NOT NULL ORDER BY made_at, id""",  # noqa: S608  # fixed texts
        schedule_id, destination_id, project_id,
    )  # fmt: skip
    return [_backup(row) for row in rows]


async def list_project_ids(db: Database, schedule_id: int, destination_id: int) -> Sequence[int]:
    """List the projects of which a schedule has more than one archive at a destination."""
    rows = await db.fetch(
        """SELECT project_id FROM backups WHERE schedule_id = $1 AND destination_id = $2
           AND stored_at IS NOT NULL GROUP BY project_id HAVING count(*) > 1 ORDER BY project_id""",
        schedule_id, destination_id,
    )  # fmt: skip
    return [row["project_id"] for row in rows]


async def forget(db: Database, destination_id: int, files: Sequence[str]) -> None:
    """Forget archives that are deleted."""
    await db.execute(
        "DELETE FROM backups WHERE destination_id = $1 AND file = ANY($2)", destination_id, list(files)
    )


async def list_of_run(db: Database, run_id: int, *, behind: int, limit: int) -> Sequence[Backup]:
    """List the archives that a run has sent, by id."""
    rows = await db.fetch(
        f"""SELECT {_COLUMNS} FROM backups WHERE stored_at IS NOT NULL AND id > $2 AND run_project_id IN (
                SELECT id FROM run_projects WHERE run_id = $1) ORDER BY id LIMIT $3""",  # noqa: S608  # fixed texts
        run_id, behind, limit,
    )  # fmt: skip
    return [_backup(row) for row in rows]


async def bytes_of_run(db: Database, run_id: int) -> int:
    """Count the bytes of the archives that a run has sent."""
    total: int = await db.fetchval(
        "SELECT coalesce(sum(size), 0)::bigint FROM run_projects WHERE run_id = $1", run_id
    )
    return total
