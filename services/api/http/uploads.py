"""The intake of an uploaded archive: from the socket into object storage while it arrives, in flat memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog
from aiohttp import web
from multipart import MultipartSegment

from services.api.application_settings import settings_for
from services.api.dependencies import DEPENDENCIES
from services.api.http.bodies import chunks, parameters
from services.api.http.errors import TooLarge
from services.api.http.form_data import MULTIPART, FieldCollector, FormEvent, file_name, form_parser
from services.api.http.nesting import nest
from shared.database.pool import Pool
from shared.errors import StorageError
from shared.ledger import objects
from shared.ledger.objects import StoredObject
from shared.settings.environment import MIB
from shared.storage.base import ObjectStore, ObjectWriter

CONTENT = web.RequestKey("content", bytes)
"""The digest of a form that has been taken in, as ``content_of`` gives it."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file part that lies in the store."""

    object_id: int
    file_name: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form whose parts are all in: its fields, nested, and its file where there was one."""

    fields: Mapping[str, object]
    file: UploadedFile | None


async def _largest_import(request: web.Request) -> int:
    """Give how many bytes a request may have, 0 for any number."""
    return (await settings_for(request)).max_import_size * MIB


async def require_size(request: web.Request) -> None:
    """Raise 413 where the head of the request tells already that the body is too long."""
    limit = await _largest_import(request)
    if limit and (request.content_length or 0) > limit:
        raise TooLarge("an import", limit)


async def limited(request: web.Request, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give a body that raises TooLarge where it goes over the limit of an import."""
    return _limited(body, limit=await _largest_import(request))


async def _limited(body: AsyncIterator[bytes], *, limit: int) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in body:
        received += len(chunk)
        if limit and received > limit:
            raise TooLarge("an import", limit)
        yield chunk


@asynccontextmanager
async def receive(request: web.Request) -> AsyncIterator[UploadForm]:
    """Take in a form with an archive in the part ``file``, kept in the store unless the block raises.

    Parts come in any order, and the last one of a name counts. Raises TooLarge and ParametersInvalid.
    """
    if request.content_type != MULTIPART:
        yield UploadForm(await parameters(request), None)
        return
    dependencies = request.app[DEPENDENCIES]
    async with AsyncExitStack() as stack:
        files = _FileParts(dependencies.pool, dependencies.store, stack)
        fields = FieldCollector(unread="file")
        await _read(request, files, fields, limit=await _largest_import(request))
        request[CONTENT] = _digest(fields, (files.last.file_name, files.last.sha256) if files.last else None)
        yield UploadForm(nest([*request.query.items(), *fields.pairs]), files.last)
        files.adopt()


async def content_of(request: web.Request) -> bytes:
    """Read a form as ``receive`` does, keep nothing, and give the digest of its fields and its file."""
    files, fields = _HashedParts(), FieldCollector(unread="file")
    await _read(request, files, fields, limit=await _largest_import(request))
    return _digest(fields, files.last)


def _digest(fields: FieldCollector, file: tuple[str, bytes] | None) -> bytes:
    return hashlib.sha256(msgspec.json.encode([fields.pairs, file])).digest()


class _TakesFiles(Protocol):
    """Takes the events of a form for the sake of its file parts."""

    async def take(self, event: FormEvent) -> None: ...


async def _read(request: web.Request, files: _TakesFiles, fields: FieldCollector, *, limit: int) -> None:
    with form_parser(request.headers.get("Content-Type", "")) as feed:
        async for chunk in _limited(chunks(request), limit=limit):
            for event in feed(chunk):
                fields.take(event)
                await files.take(event)


class _FileParts:
    """Writes the parts ``file`` of a form into the store; the stack discards what was not adopted."""

    def __init__(self, pool: Pool, store: ObjectStore, stack: AsyncExitStack) -> None:
        self.last: UploadedFile | None = None
        self._pool = pool
        self._store = store
        self._stack = stack
        self._adopted: int | None = None
        self._upload: _Upload | None = None

    async def take(self, event: FormEvent) -> None:
        """Take the next event of the form."""
        match event:
            case MultipartSegment():
                if event.name == "file" and (name := file_name(event)):
                    await self._begin(name)
            case None:
                await self._end()
            case chunk if self._upload is not None:
                await self._upload.write(chunk)

    async def _begin(self, file_name: str) -> None:
        named = await objects.register(self._pool, kind="upload")
        self._stack.push_async_callback(self._discard, named)
        await self._stack.enter_async_context(objects.keep(self._pool, named.id))
        writer = await self._stack.enter_async_context(self._store.create(named.key))
        self._upload = _Upload(named, file_name, writer)

    async def _end(self) -> None:
        if self._upload is None:
            return
        upload, self._upload = self._upload, None
        size = await upload.writer.commit()
        await objects.stored(self._pool, upload.named.id, size=size, sha256=upload.sha256.digest())
        self.last = UploadedFile(upload.named.id, upload.file_name, upload.sha256.digest())

    def adopt(self) -> None:
        """Keep the last file: a job refers to it now."""
        self._adopted = self.last.object_id if self.last else None

    async def _discard(self, named: StoredObject) -> None:
        if named.id != self._adopted:
            try:
                # To its end also where the request is being cancelled.
                await asyncio.shield(objects.discard(self._pool, self._store, named))
            except StorageError:
                _log.warning("discard_failed", key=named.key, exc_info=True)  # the collector tries again


class _HashedParts:
    """Digests the parts ``file`` of a form; ``last`` is the name and the SHA-256 of the last one."""

    def __init__(self) -> None:
        self.last: tuple[str, bytes] | None = None
        self._name: str | None = None
        self._sha256 = hashlib.sha256()

    async def take(self, event: FormEvent) -> None:
        """Take the next event of the form."""
        match event:
            case MultipartSegment():
                self._name = file_name(event) if event.name == "file" else None
                self._sha256 = hashlib.sha256()
            case None:
                if self._name:
                    self.last = (self._name, self._sha256.digest())
                self._name = None
            case chunk if self._name:
                self._sha256.update(chunk)


class _Upload:
    """A file part on its way into the store, hashed as it goes."""

    def __init__(self, named: StoredObject, file_name: str, writer: ObjectWriter) -> None:
        self.named = named
        self.file_name = file_name
        self.writer = writer
        self.sha256 = hashlib.sha256()

    async def write(self, chunk: bytes | bytearray) -> None:
        self.sha256.update(chunk)
        await self.writer.write(chunk)
