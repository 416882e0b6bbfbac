"""Receives forms that contain an archive. Reports errors as early as GitLab does."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec
from aiohttp import web
from multipart import MultipartSegment

from services.api.http.bodies import LARGEST_BODY, chunks, parameters
from services.api.http.caller import find_caller, require_caller, require_token, set_caller
from services.api.http.endpoint import is_upload
from services.api.http.errors import ParametersInvalid
from services.api.http.form_data import FieldCollector, FormEvent, file_name, form_parser
from services.api.http.large_fields import read_fields
from services.api.http.nesting import nest
from services.api.http.parameters import text
from services.api.http.responses import CONTENT_DIGEST
from services.api.use_cases import use_cases
from shared.accounts.models import User
from shared.accounts.rate_limits import Quota, RateLimited
from shared.errors import CrossdockError, Refusal
from shared.settings.application import ApplicationSettings
from shared.settings.environment import MIB
from shared.usecases.errors import ImportTooLarge
from shared.usecases.imports import Admission
from shared.usecases.uploads import RequestFiles, UploadedFile

_SETTINGS = web.RequestKey("application_settings", ApplicationSettings)
"""The settings at the begin of the request, which apply until its end."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A received form: its nested fields, and its file if it has one."""

    fields: Mapping[str, object]
    file: UploadedFile | None


@asynccontextmanager
async def receive_upload(
    request: web.Request, read: Callable[[UploadForm], T]
) -> AsyncIterator[tuple[User, T]]:
    """Receive a form; yield the caller and the result of ``read``. The file is kept unless the block raises.

    As in GitLab, invalid parameters are reported before any other error, and do not count against the rate
    limit. But a large body is not read if the request is refused for another reason.
    """
    admission, refusal = await _admit(request)
    async with AsyncExitStack() as stack:
        try:
            limit = await _largest_import(request)
            form = await stack.enter_async_context(_receive(request, limit=limit))
            await _apply_sudo(request, form.fields)
            result = await read_fields(read, form, form.fields)
        except ParametersInvalid:
            await use_cases(request).imports.uncount(_quota(admission, refusal))
            raise
        except Refusal as error:
            raise refusal or error from None
        if refusal:
            raise refusal
        yield require_caller(request), result


@asynccontextmanager
async def receive_form(request: web.Request, *, limit: int) -> AsyncIterator[tuple[User, UploadForm]]:
    """Receive a form of at most ``limit`` bytes, whose file goes with the block; yield the caller and it.

    Raises Unauthenticated, ImportTooLarge and ParametersInvalid.
    """
    require_caller(request)
    if (request.content_length or 0) > limit:
        raise ImportTooLarge(limit)
    async with _receive(request, limit=limit, keeps=False) as form:
        await _apply_sudo(request, form.fields)
        yield require_caller(request), form


async def _admit(request: web.Request) -> tuple[Admission | None, CrossdockError | None]:
    """Check the request without its body. Raises a refusal at once if the body is large, else returns it."""
    require_caller(request)
    await require_size(request)
    try:
        settings = await _settings(request)
        return await use_cases(request).imports.admit(find_caller(request), settings=settings), None
    except Refusal as error:
        if request.content_length is None or request.content_length > LARGEST_BODY:
            raise
        return None, error


def _quota(admission: Admission | None, refusal: CrossdockError | None) -> Quota | None:
    """Return the counted use of the rate limit, also if it exceeded the limit."""
    if admission is not None:
        return admission.quota
    return refusal.quota if isinstance(refusal, RateLimited) else None


async def _apply_sudo(request: web.Request, form: Mapping[str, object]) -> None:
    """Make the user in the form's ``sudo`` the caller. Raises Denied, ScopeInsufficient and NotFound."""
    if reference := text(form.get("sudo")):
        token = require_token(request)
        set_caller(request, token, await use_cases(request).tokens.impersonate(token, reference))


async def _settings(request: web.Request) -> ApplicationSettings:
    """Return the settings that apply to the request. Reads them once."""
    if _SETTINGS not in request:
        request[_SETTINGS] = await use_cases(request).settings.current()
    return request[_SETTINGS]


async def _largest_import(request: web.Request) -> int:
    """Return the maximum number of bytes of a request, or 0 for no limit."""
    return (await _settings(request)).max_import_size * MIB


async def require_size(request: web.Request) -> None:
    """Raise ImportTooLarge if the request's ``Content-Length`` exceeds the limit."""
    limit = await _largest_import(request)
    if limit and (request.content_length or 0) > limit:
        raise ImportTooLarge(limit)


async def limit_body(request: web.Request, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return a body that raises ImportTooLarge if it exceeds the limit of an import."""
    return _limit(body, limit=await _largest_import(request))


async def _limit(body: AsyncIterator[bytes], *, limit: int) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in body:
        received += len(chunk)
        if limit and received > limit:
            raise ImportTooLarge(limit)
        yield chunk


@asynccontextmanager
async def _receive(request: web.Request, *, limit: int, keeps: bool = True) -> AsyncIterator[UploadForm]:
    """Receive a form with an archive in the part ``file``, which is stored, and kept unless the block raises.

    Where it does not ``keep`` it, the file goes with the block.

    Parts may have any order. The last part of a name counts. Raises ImportTooLarge and ParametersInvalid.
    """
    if not is_upload(request):
        yield UploadForm(await parameters(request), None)
        return
    async with use_cases(request).uploads.open() as upload:
        files, fields = _StoredParts(upload), FieldCollector(unread="file")
        await _read(request, files, fields, limit=limit)
        file = upload.last
        request[CONTENT_DIGEST] = _digest(fields, (file.file_name, file.sha256) if file else None)
        yield UploadForm(nest([*request.query.items(), *fields.pairs]), file)
        if keeps:
            upload.keep()


async def content_digest(request: web.Request) -> bytes:
    """Read a form as for an upload, without storing it, and return the digest of its fields and file."""
    files, fields = _HashedParts(), FieldCollector(unread="file")
    await _read(request, files, fields, limit=await _largest_import(request))
    return _digest(fields, files.last)


def _digest(fields: FieldCollector, file: tuple[str, bytes] | None) -> bytes:
    return hashlib.sha256(msgspec.json.encode([fields.pairs, file])).digest()


class _FileParts(Protocol):
    """Handles the events of a form's file parts."""

    async def take(self, event: FormEvent) -> None: ...


async def _read(request: web.Request, files: _FileParts, fields: FieldCollector, *, limit: int) -> None:
    with form_parser(request.headers.get("Content-Type", "")) as feed:
        async for chunk in _limit(chunks(request), limit=limit):
            for event in feed(chunk):
                fields.take(event)
                await files.take(event)


class _StoredParts:
    """Writes the parts ``file`` of a form into an upload."""

    def __init__(self, upload: RequestFiles) -> None:
        self._upload = upload

    async def take(self, event: FormEvent) -> None:
        """Take the next event of the form."""
        match event:
            case MultipartSegment():
                if event.name == "file" and (name := file_name(event)):
                    await self._upload.begin(name)
            case None:
                await self._upload.end()
            case chunk:
                await self._upload.write(chunk)


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
