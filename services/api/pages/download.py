"""What a person sees who opens a link of the API in a browser, and errors of all pages as pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.dependencies import DEPENDENCIES
from services.api.gitlab import exports
from services.api.http.errors import ApiError, Moved, NotFound
from services.api.middleware.identify import admit, find_caller, identify, require_caller
from services.api.pages import sign_in
from services.api.pages.browser_sessions import SCOPES, signed_in
from services.api.pages.html import link, page

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

Teller = Callable[[web.Request, ApiError], web.Response]


async def download_export(request: web.Request) -> web.StreamResponse:
    """GET /<namespace>/<project>/download_export: the file for who has signed in or has a token."""
    await identify(request, accepted=SCOPES)
    if find_caller(request) is None and (token := await signed_in(request)):
        admit(request, token)
    require_caller(request)
    try:
        return await exports.download(request)
    except Moved:  # to an address of the API, and not of a page
        raise NotFound("Project") from None


def _no_export(request: web.Request, error: ApiError) -> web.Response:
    path = request.rel_url.raw_path
    body = _ADVICE_AND_COMMAND.format(
        advice=_ADVICE.get(error.status, ""),
        sign_in=link(request, sign_in.PATH, "Sign in", return_to=path),
        url=escape(request.app[DEPENDENCIES].config.external_url + path),
    )
    return page(_TITLES.get(error.status, _ELSE), body, status=error.status, headers=error.headers)


_PAGES: Mapping[Handler, Teller] = {
    download_export: _no_export,
    sign_in.show: sign_in.refused,
    sign_in.sign_in: sign_in.refused,
    sign_in.sign_out: sign_in.refused,
}
PUBLIC = frozenset(_PAGES)
"""They ask by themselves who asks, and tokens and sessions count alike."""


@web.middleware
async def answer_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn the errors of pages into pages."""
    try:
        return await handler(request)
    except ApiError as error:
        teller = _PAGES.get(request.match_info.handler)
        if teller is None:
            raise
        return teller(request, error)
