"""Checks of remote archives before anything is created for them. The error texts are GitLab's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from yarl import URL

from shared.jobs.models import RemoteSource
from shared.outbound.remote_imports import RemoteImportPolicy, RemoteTooLarge, check_size
from shared.remote.client import RemoteClient
from shared.remote.errors import (
    BlockedUrl,
    HostUnresolved,
    RemoteError,
    StatusRefused,
    Unanswered,
    bad_status,
)
from shared.remote.presigned import NotSignable, S3Object, presign
from shared.settings.application import ApplicationSettings
from shared.usecases.errors import RemoteArchiveRefused

DEADLINE = timedelta(seconds=5)
"""The time limit of a check. GitLab's is one second, which is too short for many distant servers."""

_OK = range(200, 300)
_NO_HEAD = frozenset({403, 405, 501})
_NOT_FOUND = 404
_TYPES = ("application/gzip", "application/x-tar", "application/x-gzip")


@dataclass(frozen=True, slots=True)
class _Headers:
    """The response headers that describe a file."""

    values: Mapping[str, str] = field(repr=False)
    content_length: int | None


class RemoteArchives:
    """Checks archives on other servers, by the rules of the application settings."""

    def __init__(self, remote: RemoteImportPolicy) -> None:
        self._remote = remote

    async def find(self, url: str, settings: ApplicationSettings) -> RemoteSource:
        """Check the file at ``url``; return it as the source of an import. Raises RemoteArchiveRefused."""
        with _refuse_blocked():
            try:
                headers = await _ask(self._remote.client(settings), url)
            except RemoteError as error:
                reason = f"Failed to retrive headers: {error}"  # GitLab's spelling
                raise RemoteArchiveRefused(reason, cause=error) from None
        _check(headers, settings)
        return RemoteSource(url=url)

    async def find_s3(self, wanted: S3Object, settings: ApplicationSettings) -> RemoteSource:
        """Check an S3 object, and return a presigned URL as the source of an import.

        The access keys are not stored. Raises RemoteArchiveRefused.
        """
        _refuse_blank(wanted)
        where = f"'{wanted.key}' in '{wanted.bucket}'"
        with _refuse_blocked():
            try:
                urls = await presign(wanted, endpoint_url=self._remote.s3_endpoint_url)
                headers = await _head(self._remote.client(settings), urls.head)
            except StatusRefused as error:
                if error.status == _NOT_FOUND:
                    raise RemoteArchiveRefused(f"File not found {where}", cause=error) from None
                raise RemoteArchiveRefused(f"Failed to open {where}: {error}", cause=error) from None
            except (RemoteError, HostUnresolved, NotSignable) as error:
                raise RemoteArchiveRefused(f"Failed to open {where}: {error}", cause=error) from None
        _check(headers, settings)
        return RemoteSource(url=urls.get)


def _refuse_blank(wanted: S3Object) -> None:
    named = {
        "Region": wanted.region,
        "Bucket name": wanted.bucket,
        "File key": wanted.key,
        "Access key": wanted.access_key_id,
        "Secret access key": wanted.secret_access_key,
    }
    for name, value in named.items():
        if not value.strip():
            raise RemoteArchiveRefused(f"{name} can't be blank")


def _check(headers: _Headers, settings: ApplicationSettings) -> None:
    """Check the file's size and type, unless the server is S3, where uploaders choose the type."""
    if headers.values.get("Server") == "AmazonS3" and "x-amz-request-id" in headers.values:
        return
    if not headers.content_length:
        raise RemoteArchiveRefused("Content length is too small (should be at least 1 B)")
    try:
        check_size(headers.content_length, settings)
    except RemoteTooLarge as error:
        raise RemoteArchiveRefused(str(error), cause=error) from None
    kind = headers.values.get("Content-Type", "")
    if kind not in _TYPES:
        raise RemoteArchiveRefused(f"Content type '{kind}' not allowed. (Allowed: {', '.join(_TYPES)})")


async def _ask(client: RemoteClient, url: str) -> _Headers:
    """Request the headers by HEAD, or by GET if the URL is signed for GET or the server has no HEAD."""
    try:
        return await _head(client, url)
    except StatusRefused as error:
        if error.status not in _NO_HEAD:
            raise
    return await _begin(client, url)


async def _head(client: RemoteClient, url: str) -> _Headers:
    answer = await client.head(url, deadline=DEADLINE)
    if answer.status not in _OK:
        raise bad_status(URL(url), answer.status)
    return _Headers(answer.headers, answer.content_length)


async def _begin(client: RemoteClient, url: str) -> _Headers:
    """Request the headers by GET, without reading the body."""
    try:
        async with asyncio.timeout(DEADLINE.total_seconds()), client.get(url) as download:
            return _Headers(download.headers, download.length)
    except TimeoutError:
        raise Unanswered(URL(url)) from None


@contextmanager
def _refuse_blocked() -> Iterator[None]:
    try:
        yield
    except BlockedUrl as error:
        raise RemoteArchiveRefused(f"File url is blocked: {error}", cause=error) from None
