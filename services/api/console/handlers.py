"""Serves the page of the console and the files that it loads, without authentication: they hold no data."""

from __future__ import annotations

from aiohttp import web

from services.api.console.assets import IMMUTABLE, REVALIDATED, send_asset
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
    """GET /-/console/static/...: a file of ours, which browsers ask for again each time."""
    asset = request.app[CONSOLE].own.get(request.match_info["rest"].lstrip("/"))
    if asset is None:
        raise RouteUnknown
    return await send_asset(request, asset, cached=REVALIDATED)


async def vendor_file(request: web.Request) -> web.Response:
    """GET /-/console/vendor/<digest>/...: a file of others, which never changes below its digest."""
    console = request.app[CONSOLE]
    digest, _, name = request.match_info["rest"].lstrip("/").partition("/")
    asset = console.vendor.get(name)
    if asset is None or digest != console.digest:
        raise RouteUnknown
    return await send_asset(request, asset, cached=IMMUTABLE)
