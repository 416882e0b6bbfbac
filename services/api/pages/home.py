"""What somebody sees who opens the address of the server, or that of a project."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from aiohttp import web

from services.api.console.site import CONSOLE, PATH, Presence
from services.api.gitlab.errors import render_gitlab_error
from services.api.http.errors import RouteUnknown
from services.api.http.responses import external_url
from services.api.pages.html import address, link, page
from shared.errors import CrossdockError

_WHY = {
    Presence.OFF: "The web console is switched off: CROSSDOCK_CONSOLE is false.",
    Presence.MISSING: "The web console is not installed: its browser libraries are missing.",
}
_HOW = {
    Presence.OFF: "Start Crossdock with CROSSDOCK_CONSOLE=true to switch it on.",
    Presence.MISSING: "In a checkout, run 'make setup' and start Crossdock again.",
}


async def show(request: web.Request) -> web.Response:
    """GET /: leads to the console, or says why there is none and how to get it."""
    console = request.app[CONSOLE]
    if console.presence is Presence.THERE:
        return _see(request, console.home)
    return _say(request, console.presence)


async def show_project(request: web.Request) -> web.Response:
    """GET /<namespace>/<project>, the ``web_url`` of a project: leads a browser to its page in the console.

    Git and clients of the API get what they get at any unknown address: a page is nothing to them.
    """
    if request.app[CONSOLE].presence is not Presence.THERE or not _is_browser(request):
        raise RouteUnknown
    return _see(request, address(request, PATH + "/projects" + request.rel_url.raw_path))


def render_unknown(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error at an address that is none of an API: an unknown one as a page, for a browser."""
    if not (isinstance(error, RouteUnknown) and _is_browser(request)):
        return render_gitlab_error(request, error)
    home, documents = (
        link(request, "/", "Go to the start page"),
        link(request, "/api/docs", "how the API works"),
    )
    ways = f"<p>{home}, or read {documents}.</p>"
    return page(request, "There is nothing at this address", ways, status=HTTPStatus.NOT_FOUND)


def _is_browser(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _see(request: web.Request, location: str) -> web.Response:
    text = f"This is Crossdock. Its web console is at {_absolute(request, location)}\n"
    headers = {"Location": location, "Cache-Control": "no-store"}
    return web.Response(status=303, text=text, headers=headers)


def _absolute(request: web.Request, path: str) -> str:
    """Return the address of a path, which has that of the external URL already."""
    base, own = external_url(request), address(request, "")
    return base.removesuffix(own) + path


def _say(request: web.Request, presence: Presence) -> web.Response:
    why, how = _WHY[presence], _HOW[presence]
    if not _is_browser(request):
        documents = f"{external_url(request)}/api/docs"
        return web.Response(text=f"This is Crossdock.\n{why}\n{how}\nThe API: {documents}\n")
    documents = link(request, "/api/docs", "The API is described here")
    return page(
        request, "This is Crossdock", f"<p>{escape(why)}</p>\n<p>{escape(how)}</p>\n<p>{documents}.</p>"
    )
