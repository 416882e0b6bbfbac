"""Files that browsers load: read once, at the start, and compressed once, when a browser first asks."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from services.api.http.preconditions import is_unchanged
from services.api.http.responses import IS_ASSET

CONTENT_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""The kinds of files that are served; others in the folders are not."""

REVALIDATED = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """A file: its media type and its bytes."""

    content_type: str
    body: bytes = field(repr=False)

    @cached_property
    def etag(self) -> str:
        """The entity tag of the bytes. It is weak, as they come compressed or not."""
        return f'W/"{sha256(self.body).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes:
        """The bytes as gzip, always the same."""
        return gzip.compress(self.body, compresslevel=6, mtime=0)


def read_assets(folder: Path) -> dict[str, Asset]:
    """Read the files below a folder, by their paths in it; none where there is no folder."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in CONTENT_TYPES and path.is_file())
    return {
        path.relative_to(folder).as_posix(): Asset(CONTENT_TYPES[path.suffix], path.read_bytes())
        for path in found
    }


def digest_of(assets: Mapping[str, Asset]) -> str:
    """Return a digest of names and bytes, which changes where any file does."""
    digest = sha256()
    for name, asset in sorted(assets.items()):
        digest.update(b"%s %d\n" % (name.encode(), len(asset.body)))
        digest.update(asset.body)
    return digest.hexdigest()[:16]


async def send_asset(request: web.Request, asset: Asset, *, cached: str) -> web.Response:
    """Respond with a file, compressed for who takes that, or with 304 for who has it."""
    request[IS_ASSET] = True
    headers = {"ETag": asset.etag, "Cache-Control": cached, "Vary": "Accept-Encoding"}
    if is_unchanged(request.headers, asset.etag):
        return web.Response(status=304, headers=headers)
    if not _takes_gzip(request):
        return web.Response(body=asset.body, headers=headers, content_type=asset.content_type)
    body = await asyncio.to_thread(getattr, asset, "compressed")  # a large one takes 0.1 s, once
    headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers, content_type=asset.content_type)


def _takes_gzip(request: web.Request) -> bool:
    """Return whether the client names gzip, and does not refuse it by a quality of 0."""
    for each in request.headers.get("Accept-Encoding", "").split(","):
        name, _, quality = each.replace(" ", "").lower().partition(";q=")
        if name == "gzip":
            return not quality or quality.strip("0.") != ""
    return False
