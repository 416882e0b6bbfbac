"""Which requests come from our own pages, so that a browser's session may count for them.

Browsers tell by ``Sec-Fetch-Site`` where a request comes from (W3C Fetch Metadata); scripts cannot set it.
They send it to servers with TLS, and on the same machine. Other servers have ``Origin`` alone to go by.
"""

from __future__ import annotations

from aiohttp import web
from yarl import URL

from services.api.http.errors import ForeignForm
from services.api.http.responses import external_url
from services.listener.at_work import READING

CONSOLE_HEADER = "X-Crossdock-Console"
"""A header of writes: no form can send it, and no script of another site without asking first."""

_SITE = "Sec-Fetch-Site"


def is_own_origin(request: web.Request) -> bool:
    """Return whether ``Origin``, which all browsers send with writes, is this server."""
    own = URL(external_url(request)).origin()
    return request.headers.get("Origin") in (str(own), f"{request.scheme}://{request.host}")


def is_of_own_page(request: web.Request) -> bool:
    """Return whether a page of ours may have sent the request.

    Reading: unless the browser says that another site did, a neighbour below the same domain included.
    Writing: with our header, and from this very origin.
    """
    site, reads = request.headers.get(_SITE), request.method in READING
    if not reads and CONSOLE_HEADER not in request.headers:
        return False
    if site is None:
        return is_own_origin(request) or (reads and "Origin" not in request.headers)
    return site == "same-origin" or (reads and site == "none")


def require_own_page(request: web.Request) -> None:
    """Raise ForeignForm unless a page of ours has sent the request."""
    if not is_of_own_page(request):
        raise ForeignForm
