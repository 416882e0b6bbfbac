"""The ``web_url`` of an export, which users open in a browser."""

from __future__ import annotations

from html import escape

from aiohttp import web

from services.api.gitlab import exports
from services.api.http.caller import find_caller, require_caller, set_caller
from services.api.http.responses import external_url
from services.api.http.status import headers_of, status_of
from services.api.middleware.identify import identify
from services.api.pages.html import link, page
from services.api.pages.sign_in import PATH as SIGN_IN
from services.api.pages.sign_in import find_signed_in
from shared.errors import CrossdockError
from shared.usecases.browser_sessions import SCOPES
from shared.usecases.errors import MovedProject, NotFound

_ADVICE_AND_COMMAND = """<p>{advice}</p>
<p>{sign_in}, or ask with a token:</p>
<pre>curl --header "PRIVATE-TOKEN: $TOKEN" --remote-header-name --remote-name \\
     {url}</pre>"""
_TITLES = {
    401: "Who are you?",
    403: "You may not download this export",
    404: "There is no such export",
    429: "Too many downloads",
}
_ADVICE = {
    401: "An export is for the project's maintainers and owners.",
    403: "An export is for the project's maintainers and owners, and you are none.",
    404: "It was never made, has expired, or is not yours. Request one through the API first.",
    429: "Downloads are limited. Wait a minute before you ask again.",
    503: "Something that is needed for it is away. Wait a moment before you ask again.",
}
_ELSE = "The export cannot be downloaded now"


async def download_export(request: web.Request) -> web.StreamResponse:
    """GET /<namespace>/<project>/download_export: the file, for a signed-in browser or a token."""
    await _require_caller(request)
    try:
        return await exports.download(request)
    except MovedProject:  # a redirect would lead to an address of the API
        raise NotFound("Project") from None


async def _require_caller(request: web.Request) -> None:
    """Identify the caller by a token or, without one, by a browser session. Raises Unauthenticated."""
    await identify(request, SCOPES)
    if find_caller(request) is None and (token := await find_signed_in(request)):
        set_caller(request, token, token.user)
    require_caller(request)


def render_download_error(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as a page."""
    path, status = request.rel_url.raw_path, status_of(error).value
    body = _ADVICE_AND_COMMAND.format(
        advice=_ADVICE.get(status, ""),
        sign_in=link(request, SIGN_IN, "Sign in", return_to=path),
        url=escape(external_url(request) + path),
    )
    return page(request, _TITLES.get(status, _ELSE), body, status=status, headers=headers_of(error))
