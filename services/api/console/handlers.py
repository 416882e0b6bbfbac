"""Serves the page of the console and the files that it loads, without authentication: they hold no data."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from services.api.console.assets import IMMUTABLE, REVALIDATED, Asset, send_asset
from services.api.console.site import CONSOLE, Presence
from services.api.http.errors import RouteUnknown


async def show(request: web.Request) -> web.Response:
    """GET /-/console/...: the same page at each address, which decides by that what it shows."""
    console = request.app[CONSOLE]
    if console.presence is not Presence.THERE:
        raise RouteUnknown
    headers = {
        "Content-Security-Policy": console.policy,
        "Referrer-Policy": "same-origin",
        "Cache-Control": REVALIDATED,
    }
    return web.Response(text=console.page, headers=headers, content_type="text/html")


async def own_file(request: web.Request) -> web.Response:
    """GET /-/console/static/<digest>/...: a file of ours, kept by browsers below the digest of all.

    A page that was opened before an update, or that another process has sent, asks below another digest: it
    gets the file that there is, and does not keep it.
    """
    console = request.app[CONSOLE]
    digest, asset = _asked(request, console.own)
    return await send_asset(request, asset, cached=IMMUTABLE if digest == console.own_digest else REVALIDATED)


async def vendor_file(request: web.Request) -> web.Response:
    """GET /-/console/vendor/<digest>/...: a file of others, which never changes below its digest."""
    console = request.app[CONSOLE]
    digest, asset = _asked(request, console.vendor)
    if digest != console.digest:
        raise RouteUnknown
    return await send_asset(request, asset, cached=IMMUTABLE)


def _asked(request: web.Request, assets: Mapping[str, Asset]) -> tuple[str, Asset]:
    """Return the digest and the file that a request names. Raises RouteUnknown."""
    digest, _, name = request.match_info["rest"].lstrip("/").partition("/")
    if name not in assets:
        raise RouteUnknown
    return digest, assets[name]
