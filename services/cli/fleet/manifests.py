"""Keeps the manifest of an archive, and its signature, beside it: a Crossdock makes them, a GitLab not."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from urllib.parse import quote

from services.cli.archive_check import DownloadCorrupted
from services.cli.client import GitLabClient
from services.cli.errors import RefusedByServer
from services.cli.http import attempts, exchange, retry_if_transient
from shared.catalogue.archives import ArchiveRecord, manifest_key, put, signature_key
from shared.storage.base import ObjectStore

_CHUNK = 256 * 1024
_LONGEST_SIGNATURE = 64
_UNSIGNED = "signing_off"
"""The code of the answer of a Crossdock that has no key for signatures."""


async def keep_manifest(client: GitLabClient, project: int, store: ObjectStore, archive: str) -> str:
    """Keep the manifest of the newest export of a project beside its ``archive``; give its SHA-256 in hex.

    Raises RefusedByServer, ServerUnreachable and DownloadCorrupted.
    """
    base = client.api.removesuffix("/api/v4")
    url = f"{base}/api/crossdock/v1/projects/{quote(str(project))}/export/manifest"
    async for attempt in attempts(retry_if_transient):
        with attempt:
            digest = await _keep(client, url, store, manifest_key(archive))
    signature = await _signature(client, f"{url}/signature")
    if signature is not None:
        await put(store, signature_key(archive), signature)
    return digest


async def _keep(client: GitLabClient, url: str, store: ObjectStore, key: str) -> str:
    digest = hashlib.sha256()
    async with exchange(client.session, "GET", url) as response, store.create(key) as writer:
        async for chunk in response.content.iter_chunked(_CHUNK):
            digest.update(chunk)
            await writer.write(chunk)
        if response.headers.get("ETag", "").strip('"') != digest.hexdigest():
            raise DownloadCorrupted("the manifest is not what its ETag says")
        await writer.commit()
    return digest.hexdigest()


async def _signature(client: GitLabClient, url: str) -> bytes | None:
    async for attempt in attempts(retry_if_transient):
        with attempt:
            try:
                async with exchange(client.session, "GET", url) as response:
                    return await response.content.read(_LONGEST_SIGNATURE)
            except RefusedByServer as error:
                if error.code != _UNSIGNED:
                    raise
    return None


async def check_manifest(store: ObjectStore, record: ArchiveRecord) -> None:
    """Hold the manifest that is kept against its digest. Raises DownloadCorrupted and StorageError."""
    if record.manifest is None:
        return
    digest = hashlib.sha256()
    async with aclosing(store.read(manifest_key(record.file))) as pieces:
        async for piece in pieces:
            digest.update(piece)
    if digest.hexdigest() != record.manifest:
        raise DownloadCorrupted(f"the SHA-256 of its manifest is {digest.hexdigest()}, not {record.manifest}")
