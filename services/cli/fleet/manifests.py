"""Keeps the manifest of an archive, and its signature, beside it: a Crossdock makes them, a GitLab not."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from urllib.parse import quote

from services.cli.archive_check import DownloadCorrupted
from services.cli.client import GitLabClient
from services.cli.errors import JobFailed, RefusedByServer
from services.cli.http import attempts, exchange, retry_if_transient
from services.cli.known_keys import Trust
from shared.age.errors import EncryptedDamaged
from shared.age.keys import Identities, Recipients
from shared.catalogue.archives import ArchiveRecord, manifest_key, put, signature_key
from shared.catalogue.objects import Stored, create_object, read_object
from shared.errors import ObjectMissing
from shared.gitlab.layout import PROJECT, VERSION
from shared.manifest.errors import ManifestInvalid
from shared.manifest.format import BEGIN, BETWEEN, END, encode_files
from shared.manifest.reader import ManifestReader
from shared.storage.base import ObjectStore

OF_EXPORT = (VERSION, PROJECT)
"""Files that each export makes itself, so that they are no content."""

_CHUNK = 256 * 1024
_LONGEST_SIGNATURE = 64
_LARGE = 16 * 1024 * 1024
"""Bytes of a manifest of some 100,000 files."""

_UNSIGNED = "signing_off"
"""The code of the answer of a Crossdock that has no key for signatures."""


class ManifestDamaged(JobFailed):
    """The manifest that is kept of an archive is not the one that its record names."""

    code = "manifest_damaged"


@dataclass(frozen=True, slots=True)
class KeptManifest:
    """The SHA-256 of a manifest, and its signature, None where the server does not sign.

    ``stored`` is what lies in the place.
    """

    sha256: bytes
    signature: bytes | None
    stored: Stored


class ManifestPlaces:
    """Lets one large manifest at a time be in memory, in some twice as many bytes as it has."""

    def __init__(self) -> None:
        self._large = asyncio.Lock()

    @asynccontextmanager
    async def hold(self, store: ObjectStore, record: ArchiveRecord) -> AsyncIterator[None]:
        """Hold the manifest of an archive within the block: a small one beside others."""
        size = 0
        if record.manifest is not None:
            with suppress(ObjectMissing):  # who reads it tells that
                size = (await store.stat(manifest_key(record.file))).size
        async with self._large if size > _LARGE else nullcontext():
            yield


async def keep_manifest(
    client: GitLabClient, project: int, store: ObjectStore, archive: str, recipients: Recipients = ()
) -> KeptManifest:
    """Keep the manifest of the newest export of a project beside its ``archive``, with its signature.

    It is encrypted where there are recipients, as it has the names of all files. Raises RefusedByServer,
    ServerUnreachable and DownloadCorrupted.
    """
    base = client.api.removesuffix("/api/v4")
    url = f"{base}/api/crossdock/v1/projects/{quote(str(project))}/export/manifest"
    async for attempt in attempts(retry_if_transient):
        with attempt:
            digest, stored = await _keep(client, url, store, manifest_key(archive), recipients)
    signature = await _signature(client, f"{url}/signature")
    if signature is not None:
        await put(store, signature_key(archive), signature)
    return KeptManifest(digest, signature, stored)


async def _keep(
    client: GitLabClient, url: str, store: ObjectStore, key: str, recipients: Recipients
) -> tuple[bytes, Stored]:
    digest = hashlib.sha256()
    async with (
        exchange(client.session, "GET", url) as response,
        create_object(store, key, recipients) as writer,
    ):
        async for chunk in response.content.iter_chunked(_CHUNK):
            digest.update(chunk)
            await writer.write(chunk)
        if response.headers.get("ETag", "").strip('"') != digest.hexdigest():
            raise DownloadCorrupted("the manifest is not what its ETag says")
        return digest.digest(), await writer.commit()


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


async def check_manifest(
    store: ObjectStore, record: ArchiveRecord, trust: Trust, identities: Identities = ()
) -> None:
    """Hold the manifest that is kept against its record and its signature.

    Of an encrypted one without identities, that is what is stored. Raises ManifestDamaged, SignatureWrong,
    PublicKeyInvalid and StorageError.
    """
    _verify(record, trust)
    if record.encryption is not None and not identities:
        await _hold(store.read(manifest_key(record.file)), record.encryption.manifest)
    else:
        await _hold(read_object(store, manifest_key(record.file), identities), record.manifest)


async def load_manifest(
    store: ObjectStore, record: ArchiveRecord, trust: Trust, identities: Identities = (), *, most: int
) -> ManifestReader | None:
    """Do the same, and give the manifest, of at most ``most`` files; None where none is kept.

    Raises NotDecrypted besides.
    """
    _verify(record, trust)
    if record.manifest is None:
        return None
    reader = ManifestReader(most=most)
    await _hold(read_object(store, manifest_key(record.file), identities), record.manifest, reader)
    reader.close()
    return reader


def _verify(record: ArchiveRecord, trust: Trust) -> None:
    """Verify the signature of the manifest that the record names."""
    manifest, signature = (
        None if each is None else bytes.fromhex(each) for each in (record.manifest, record.signature)
    )
    trust.verify(record.source, time=record.time, manifest=manifest, signature=signature)


async def _hold(
    pieces: AsyncGenerator[bytes, None], expected: str | None, reader: ManifestReader | None = None
) -> None:
    """Hold bytes against a SHA-256, and feed them to ``reader``, whose files count once this has returned."""
    if expected is None:
        return
    digest = hashlib.sha256()
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                digest.update(piece)
                if reader is not None:
                    reader.feed(piece)
    except ObjectMissing:
        raise ManifestDamaged("its manifest is gone") from None
    except (ManifestInvalid, EncryptedDamaged) as error:
        raise ManifestDamaged(f"its manifest is damaged: {error}") from None
    if digest.hexdigest() != expected:
        raise ManifestDamaged(
            f"its manifest is damaged: the SHA-256 is {digest.hexdigest()} instead of {expected}"
        )


def content_digest(manifest: ManifestReader) -> str:
    """Give the digest of the content: of the manifest without what each export makes itself."""
    digest, before = hashlib.sha256(BEGIN), b""
    for file in manifest.files.values():
        if file.name not in OF_EXPORT:
            digest.update(before + encode_files([file]))
            before = BETWEEN
    digest.update(END)
    return digest.hexdigest()
