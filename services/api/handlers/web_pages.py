"""What a person sees who opens a link of the API in a browser: plain pages that need nothing else."""

from __future__ import annotations

from html import escape

from aiohttp import web

from services.api.authentication import identify, require_caller
from services.api.dependencies import DEPENDENCIES
from services.api.errors import ApiError, Moved, NotFound
from services.api.handlers import exports
from shared.accounts.models import Scope

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 1rem/1.5 sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; }}
pre {{ background: #eee; padding: 1rem; overflow-x: auto; }}
</style></head>
<body><h1>{title}</h1><p>{advice}</p>
<pre>curl --header "PRIVATE-TOKEN: $TOKEN" --remote-header-name --remote-name \\
     {url}</pre>
</body></html>
"""
_TITLES = {
    401: "Who are you?",
    403: "You may not download this export",
    404: "There is no such export",
    429: "Too many downloads",
}
_ADVICE = {
    401: "There is no signing in here: ask with a token, in the header PRIVATE-TOKEN or as private_token.",
    403: "Exports can be downloaded by the project's maintainers and owners, with a token of theirs.",
    404: "It was never made, has expired, or is not yours. Request one through the API, and ask again:",
    429: "Downloads are limited. Wait a minute, and ask again:",
}
_ELSE = "The export cannot be downloaded now"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


async def download_export(request: web.Request) -> web.StreamResponse:
    """GET /<namespace>/<project>/download_export: the file for who has a token, else what to do."""
    try:
        await identify(request, accepted=(Scope.API, Scope.READ_API))
        require_caller(request)
        return await exports.download(request)
    except Moved:  # to an address of the API, and not of a page
        return _page(request, NotFound("Project"))
    except ApiError as error:
        return _page(request, error)


def _page(request: web.Request, error: ApiError) -> web.Response:
    url = f"{request.app[DEPENDENCIES].config.external_url}{request.rel_url.raw_path}"
    text = _PAGE.format(
        title=_TITLES.get(error.status, _ELSE), advice=_ADVICE.get(error.status, ""), url=escape(url)
    )
    headers = {**error.headers, "Content-Security-Policy": _POLICY}
    return web.Response(text=text, status=error.status, headers=headers, content_type="text/html")
