"""Reads a manifest and its signature from files or from a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from services.cli.errors import JobFailed, UsageError
from services.cli.http import api_url, attempts, exchange, open_session, retry_if_transient
from services.cli.proxies import find_proxy
from services.cli.server import Server
from shared.manifest.format import signed_text
from shared.manifest.reader import ManifestReader
from shared.signing.signer import has_signed

_CHUNK = 256 * 1024
_LONGEST_KEYS = 64 * 1024
_LONGEST_SIGNATURE = 64


class SignatureWrong(JobFailed):
    """The manifest has no signature by any of the public keys."""

    code = "signature_wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSource:
    """A manifest, its signature and the public keys: each the path of a file, or a URL.

    Without a ``signature`` it is beside the manifest: at FILE.sig, or at URL/signature. The token of
    ``server`` is sent there and to nobody else.
    """

    manifest: str
    signature: str | None
    public_key: str | None
    server: Server

    async def load(self, *, most: int) -> ManifestReader:
        """Read a manifest of at most ``most`` files, and check its signature, if there is a key.

        Raises ManifestInvalid, SignatureWrong, PublicKeyInvalid, UsageError, RefusedByServer and
        ServerUnreachable.
        """
        async for attempt in attempts(retry_if_transient):
            with attempt:
                found = await self._read_manifest(most)
        if self.public_key is not None:
            await self._verify(found.digest, self.public_key)
        return found

    async def _read_manifest(self, most: int) -> ManifestReader:
        reader = ManifestReader(most=most)
        async with aclosing(self._pieces(self.manifest)) as pieces:
            async for piece in pieces:
                reader.feed(piece)
        reader.close()
        return reader

    async def _verify(self, digest: bytes, public_key: str) -> None:
        beside = f"{self.manifest}/signature" if _is_url(self.manifest) else f"{self.manifest}.sig"
        signature = await self._read_all(self.signature or beside, most=_LONGEST_SIGNATURE)
        keys = await self._read_all(public_key, most=_LONGEST_KEYS)
        if not has_signed(keys, signed_text(digest), signature):
            raise SignatureWrong(f"no key of {public_key} has signed {self.manifest}")

    async def _read_all(self, source: str, *, most: int) -> bytes:
        return await _read_all(self._pieces(source), most=most)

    def _pieces(self, source: str) -> AsyncGenerator[bytes, None]:
        own = api_url(self.server.url).removesuffix("api/v4")
        return _pieces(source, self.server.find_token() if source.startswith(own) else "")


async def read_public_keys(source: str) -> bytes:
    """Read public keys from a file, or from a URL, to which no token is sent.

    Raises UsageError, RefusedByServer and ServerUnreachable.
    """
    return await _read_all(_pieces(source, ""), most=_LONGEST_KEYS)


async def _read_all(pieces: AsyncGenerator[bytes, None], *, most: int) -> bytes:
    """Read at most ``most`` bytes and one, so that what is longer is not what it should be."""
    found = b""
    async with aclosing(pieces):
        async for piece in pieces:
            found += piece
            if len(found) > most:
                break
    return found[: most + 1]


async def _pieces(source: str, token: str) -> AsyncGenerator[bytes, None]:
    if not _is_url(source):
        for piece in _read_file(Path(source)):
            yield piece
        return
    async with (
        open_session(token, find_proxy(URL(source))) as session,
        exchange(session, "GET", source) as response,
    ):
        async for piece in response.content.iter_chunked(_CHUNK):
            yield piece


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _read_file(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise UsageError(f"{path} is no file")
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece
