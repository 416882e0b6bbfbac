"""The manifests of finished exports, their signatures, and the keys by which those are verified."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from aiohttp import web

from services.api.http.caller import find_caller
from services.api.http.download_places import DOWNLOADS
from services.api.http.places import holder_of
from services.api.http.preconditions import find_unmet_condition, validators
from services.api.http.streams import send_pieces
from services.api.use_cases import use_cases
from shared.manifest.format import MEDIA_TYPE, signed_text
from shared.usecases.manifests import Manifest


async def show(request: web.Request) -> web.StreamResponse:
    """GET and HEAD /projects/:id/export/manifest. No rate limit counts it."""
    async with _open(request) as manifest:
        headers = _headers(manifest)
        refused = find_unmet_condition(
            request.headers, etag=headers["ETag"], modified_at=manifest.modified_at
        )
        if refused is not None:
            return web.Response(status=refused, headers=headers)
        async with aclosing(manifest.read()) as pieces:
            return await send_pieces(request, pieces, headers=headers)


async def sign(request: web.Request) -> web.Response:
    """GET and HEAD /projects/:id/export/manifest/signature: 64 bytes, over the digest in hexadecimal."""
    signer = use_cases(request).manifests.signer
    async with _open(request) as manifest:
        signature = signer.sign(signed_text(manifest.digest))
        return web.Response(body=signature, content_type="application/octet-stream")


async def keys(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/signing-keys: the public keys, of which the first signs."""
    public_keys = use_cases(request).manifests.signer.public_keys
    return web.Response(body=public_keys, content_type="application/x-pem-file")


@asynccontextmanager
async def _open(request: web.Request) -> AsyncIterator[Manifest]:
    """Open the manifest, in a place of a download: to make or to read it takes a pass over the index."""
    manifests = use_cases(request).manifests
    archive = await manifests.find(find_caller(request), request.match_info["id"])
    async with (
        request.app[DOWNLOADS].hold(holder_of(request), f"manifest {archive.id}"),
        manifests.open(archive) as manifest,
    ):
        yield manifest


def _headers(manifest: Manifest) -> dict[str, str]:
    return {"Content-Type": MEDIA_TYPE, **validators(f'"{manifest.digest.hex()}"', manifest.modified_at)}
