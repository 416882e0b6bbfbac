"""Decodes bodies (RFC 9110, section 8.4) as they arrive, and checks that they are complete."""

from __future__ import annotations

from collections.abc import AsyncIterator

from services.api.http.errors import BodyBroken, EncodingUnsupported
from shared.archive.errors import StreamError
from shared.archive.gzip_reader import GzipReader

_GZIP = frozenset({"gzip", "x-gzip"})
_MAGIC = b"\x1f\x8b"
_NONE = frozenset({"", "identity"})


def decode_body(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Return the decoded chunks of a body. Chunks of a gzip body have at most 256 KiB.

    Raises EncodingUnsupported at once, and BodyBroken during iteration if the body does not match its
    encoding or is truncated. aiohttp's own decoder would accept a truncated stream.
    """
    name = encoding.strip().lower()
    if name in _NONE:
        return chunks
    if name in _GZIP:
        return _inflate(chunks)
    raise EncodingUnsupported(f"the encoding '{name}' of the body is not supported: gzip is, and none")


def refuse_encoding(encoding: str) -> None:
    """Raise EncodingUnsupported for a body whose bytes are to be counted as they are sent."""
    if encoding.strip().lower() not in _NONE:
        raise EncodingUnsupported("the body is compressed in itself, and has no encoding beside that")


async def _inflate(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    reader = GzipReader()
    try:
        async for chunk in chunks:
            for step in reader.feed(chunk):
                yield step
    except StreamError as error:
        raise BodyBroken(f"the body is not in its encoding: {error}") from None
    if reader.compressed and not reader.complete:
        raise BodyBroken("the body is not in its encoding: the gzip stream is cut short")


async def unzip_if_gzip(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decode a body that should be JSON, but begins like gzip. Other bodies pass unchanged."""
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start) >= len(_MAGIC):
            break
    whole = _join(start, chunks)
    async for chunk in _inflate(whole) if start.startswith(_MAGIC) else whole:
        yield chunk


async def _join(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk
