"""What a place keeps: archives, each with a record beside it, and a catalogue of all records.

    projects/HOST/GROUP/PROJECT/20270131T020000Z.tar.gz    an archive
    projects/HOST/GROUP/PROJECT/20270131T020000Z.json      its record: an archive counts once that is there
    the same with .manifest.json and .manifest.json.sig    its manifest, and who signed it, of a Crossdock
    catalogue.jsonl                                       all records, a line each, the newest last
    runs/20270131T020000Z.json                             what a run has done, and what it could not do

Archives and manifests that are encrypted have .age behind their names. Records, with names and sizes, are not
encrypted, nor are signatures.

The records are the truth. The catalogue spares reading each of them: it is written at the end of a run, and
what is not in it, as a run was ended by force, is read from its record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from shared.catalogue.objects import ENCRYPTED, Stored
from shared.errors import CrossdockError, Fault, ObjectMissing
from shared.gitlab.relation_selection import RelationSelection
from shared.storage.base import ObjectStore

FORMAT = 1
_CATALOGUE = "catalogue.jsonl"
_PROJECTS = "projects/"
_ARCHIVE, _RECORD = ".tar.gz", ".json"
_ARCHIVES = (_ARCHIVE, _ARCHIVE + ENCRYPTED)
_MANIFEST = ".manifest.json"
_STAMP = "%Y%m%dT%H%M%SZ"
_LONGEST_RECORD = 64 * 1024


Series: TypeAlias = tuple[str, str, RelationSelection | None]
"""What archives have in common of which one takes the place of another: source, project and selection."""


class CatalogueInvalid(CrossdockError):
    """A record or the catalogue is not of this form, or of a newer one."""

    code = "catalogue_invalid"
    fault = Fault.REMOTE


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """For whom an archive is encrypted, as an age file; the bytes and the SHA-256 of that.

    ``manifest`` is the SHA-256 of the encrypted manifest, None where there is none.
    """

    recipients: tuple[str, ...]
    bytes: int
    sha256: str
    manifest: str | None = None


class ArchiveRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that is kept.

    ``source`` is the address of the server, ``group`` the one that was backed up, None for none. ``time`` is
    when the export began, ``last_activity_at`` what the server told before that. ``file`` is the archive's
    key, ``manifest`` the SHA-256 of its manifest in hexadecimal, ``signature`` that by which the server has
    signed it, in hexadecimal; None for none. ``selection`` is what of the project is in the archive, None
    where all is. ``bytes`` and ``sha256`` are of the archive itself; ``encryption`` tells what is stored
    instead, None where that is the archive.
    """

    format: int = FORMAT
    source: str
    project_id: int
    project: str
    group: str | None = None
    time: datetime
    last_activity_at: datetime | None = None
    file: str
    bytes: int
    sha256: str
    manifest: str | None = None
    signature: str | None = None
    selection: RelationSelection | None = None
    encryption: Encryption | None = None

    @property
    def stored(self) -> Stored:
        """What lies under the key ``file``."""
        if self.encryption is None:
            return Stored(self.bytes, self.sha256)
        return Stored(self.encryption.bytes, self.encryption.sha256)

    @property
    def recipients(self) -> tuple[str, ...]:
        """For whom it is encrypted; none where it is not."""
        return self.encryption.recipients if self.encryption else ()


class Catalogue:
    """The archives of a place. Memory: about a kilobyte for each."""

    def __init__(self, records: Iterable[ArchiveRecord], *, unrecorded: Iterable[str] = ()) -> None:
        self._by_file = {record.file: record for record in records}
        self.unrecorded = sorted(unrecorded)
        """Archives without a record: of runs that were ended by force, or that are running now."""

    def __iter__(self) -> Iterator[ArchiveRecord]:
        """The records, the oldest first."""
        return iter(sorted(self._by_file.values(), key=lambda record: (record.time, record.file)))

    def __len__(self) -> int:
        return len(self._by_file)

    def has_time(self, source: str, project: str, time: datetime) -> bool:
        """Tell whether a project has an archive whose key has this time, encrypted or not."""
        keys = (archive_key(source, project, time, is_encrypted=each) for each in (False, True))
        return any(key in self._by_file for key in keys)

    def add(self, record: ArchiveRecord) -> None:
        """Take a new record."""
        self._by_file[record.file] = record

    def remove(self, record: ArchiveRecord) -> None:
        """Forget a record."""
        del self._by_file[record.file]

    def by_project(self) -> Mapping[Series, list[ArchiveRecord]]:
        """The records of each project of each source with each selection, the oldest first.

        Archives of a selection stand for no whole ones: they are compared, and kept, by themselves.
        """
        found: dict[Series, list[ArchiveRecord]] = defaultdict(list)
        for record in self:
            found[record.source, record.project, record.selection].append(record)
        return found


def archive_key(source: str, project: str, time: datetime, *, is_encrypted: bool = False) -> str:
    """Give the key of an archive. A name that begins with a dot, as keys may not, begins with ``%2E``."""
    host = source.partition("://")[2].replace("/", "_")
    names = ("%2E" + name[1:] if name.startswith(".") else name for name in (host, *project.split("/")))
    stamp = time.astimezone(UTC).strftime(_STAMP)
    return f"{_PROJECTS}{'/'.join(names)}/{stamp}{_ARCHIVE}{_suffix(is_encrypted)}"


def _suffix(is_encrypted: bool) -> str:  # noqa: FBT001  # of one meaning
    return ENCRYPTED if is_encrypted else ""


def _stem(archive: str) -> str:
    return archive.removesuffix(ENCRYPTED).removesuffix(_ARCHIVE)


def time_of(archive: str) -> datetime:
    """Give the time in the key of an archive; that of a key of another form is the newest there is."""
    stamp = _stem(archive.rpartition("/")[2])
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def record_key(archive: str) -> str:
    """Give the key of the record of an archive."""
    return _stem(archive) + _RECORD


def manifest_key(archive: str) -> str:
    """Give the key of the manifest of an archive, which is encrypted where that is."""
    return f"{_stem(archive)}{_MANIFEST}{_suffix(archive.endswith(ENCRYPTED))}"


def signature_key(archive: str) -> str:
    """Give the key of the signature of the manifest of an archive."""
    return f"{_stem(archive)}{_MANIFEST}.sig"


async def read_catalogue(store: ObjectStore) -> Catalogue:
    """Find out what a place keeps: what it lists, with what is known of it. Raises CatalogueInvalid.

    Whatever the catalogue says, an archive that is not listed is not there.
    """
    archives, records = set[str](), set[str]()
    async with aclosing(store.list(_PROJECTS)) as listed:
        async for found in listed:
            (archives if found.key.endswith(_ARCHIVES) else records).add(found.key)
    known = {record.file: record async for record in _catalogued(store)}
    recorded = {archive for archive in archives if record_key(archive) in records}
    for archive in sorted(recorded - known.keys()):
        known[archive] = await _read_record(store, record_key(archive))
    return Catalogue((known[archive] for archive in recorded), unrecorded=archives - recorded)


async def _catalogued(store: ObjectStore) -> AsyncGenerator[ArchiveRecord, None]:
    rest, number = b"", 0
    try:
        async with aclosing(store.read(_CATALOGUE)) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    number += 1
                    yield _decode_line(line, number)
                if len(rest) > _LONGEST_RECORD:
                    break
    except ObjectMissing:
        return
    if rest:
        yield _decode_line(rest, number + 1)


def _decode_line(line: bytes, number: int) -> ArchiveRecord:
    try:
        return _decode(line, f"line {number} of {_CATALOGUE}")
    except CatalogueInvalid as error:
        raise CatalogueInvalid(f"{error}; delete {_CATALOGUE}, and it is made anew of the records") from None


async def _read_record(store: ObjectStore, key: str) -> ArchiveRecord:
    read = bytearray()
    async with aclosing(store.read(key)) as pieces:
        async for piece in pieces:
            read += piece
            if len(read) > _LONGEST_RECORD:
                raise CatalogueInvalid(f"{key} is longer than a record")
    return _decode(bytes(read), key)


def _decode(text: bytes, key: str) -> ArchiveRecord:
    try:
        record = msgspec.json.decode(text, type=ArchiveRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CatalogueInvalid(f"{key} is cut, or no record of an archive: {error}") from None
    if record.format > FORMAT:
        raise CatalogueInvalid(f"{key} is of format {record.format}: a newer crossdock wrote it")
    return record


async def write_record(store: ObjectStore, record: ArchiveRecord) -> None:
    """Keep the record of an archive, which counts from now on."""
    await put(store, record_key(record.file), msgspec.json.encode(record))


async def write_catalogue(store: ObjectStore, catalogue: Catalogue) -> None:
    """Keep the catalogue in place of the earlier one."""
    async with store.create(_CATALOGUE) as writer:
        for record in catalogue:
            await writer.write(msgspec.json.encode(record) + b"\n")
        await writer.commit()


async def amend_catalogue(
    store: ObjectStore, added: AsyncIterator[ArchiveRecord], removed: Collection[str]
) -> None:
    """Keep the catalogue without the archives ``removed``, and with those ``added``.

    Memory: a line, however many there are. Lines that are none are left out, as the records are the truth. Of
    two who do this at once one is lost: what it has added is read from its records.
    """
    async with store.create(_CATALOGUE) as writer:
        async with aclosing(_lines(store)) as lines:
            async for line in lines:
                file = _file_of(line)
                if file is not None and file not in removed:
                    await writer.write(line + b"\n")
        async for record in added:
            await writer.write(msgspec.json.encode(record) + b"\n")
        await writer.commit()


async def _lines(store: ObjectStore) -> AsyncGenerator[bytes, None]:
    """Give the lines of the catalogue, but for one that is longer than a record."""
    rest = b""
    try:
        async with aclosing(store.read(_CATALOGUE)) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield line
                rest = rest[: _LONGEST_RECORD + 1]
    except ObjectMissing:
        return
    if rest:
        yield rest


class _Named(msgspec.Struct, frozen=True):
    file: str


def _file_of(line: bytes) -> str | None:
    if len(line) > _LONGEST_RECORD:
        return None
    try:
        return msgspec.json.decode(line, type=_Named).file
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


async def forget_files(store: ObjectStore, files: Sequence[str]) -> None:
    """Delete archives by their keys. Their records go first: an archive never counts without its bytes."""
    await store.delete([record_key(file) for file in files])
    await store.delete([key for file in files for key in (file, manifest_key(file), signature_key(file))])


async def write_run(store: ObjectStore, started: datetime, report: object) -> None:
    """Keep the report of a run."""
    await put(store, f"runs/{started.astimezone(UTC).strftime(_STAMP)}.json", msgspec.json.encode(report))


async def put(store: ObjectStore, key: str, data: bytes) -> None:
    """Write a small object."""
    async with store.create(key) as writer:
        await writer.write(data)
        await writer.commit()


async def forget(store: ObjectStore, record: ArchiveRecord) -> None:
    """Delete an archive. Its record goes first: an archive never counts without its bytes."""
    await store.delete([record_key(record.file)])
    await store.delete([record.file, manifest_key(record.file), signature_key(record.file)])
