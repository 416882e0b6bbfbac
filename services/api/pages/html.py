"""Pages of plain HTML, which load nothing and run no scripts."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from urllib.parse import quote

from aiohttp import web
from yarl import URL

from services.api.http.responses import external_url

_STYLE = """
:root {
  color-scheme: light dark; --text: light-dark(#1c2430, #e6e9ee); --link: light-dark(#0b5cad, #7db8ff);
  --ground: light-dark(#fff, #12161c); --faint: light-dark(#d5dae1, #343c48);
}
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; color: var(--text); background: var(--ground); }
body > header { border-bottom: 1px solid var(--faint); padding: .7rem 1.4rem; font-weight: bold; }
body > header a { color: inherit; text-decoration: none; }
main { max-width: 40rem; margin: 0 auto; padding: .5rem 1.4rem 3rem; }
body.document main { max-width: 64rem; }
h1 { font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
pre { background: color-mix(in srgb, var(--faint) 50%, transparent); padding: 1rem; overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; }
tr { border-bottom: 1px solid var(--faint); }
.wide { overflow-x: auto; }
input, button { font: inherit; padding: .35rem .7rem; border: 1px solid; border-radius: .3rem; }
input { color: inherit; background: inherit; width: 100%; box-sizing: border-box; margin: .5rem 0; }
button { color: var(--ground); background: var(--link); border-color: transparent; }
"""
"""The colours are those of the console, which has more of them."""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body{attributes}><header>{home}</header>
<main><h1>{title}</h1>
{body}
</main></body>
</html>
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # without any, browsers name no origin with a form either
    "Cache-Control": "no-store",
}
_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


def page(
    request: web.Request,
    title: str,
    body: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Respond with a page. ``title`` is text; ``body`` is HTML whose values are escaped already."""
    return _respond(request, title, body, status=status, headers=headers)


def document_page(request: web.Request, title: str, body: str) -> web.Response:
    """Respond with a page that has the width for tables."""
    return _respond(request, title, body, attributes=' class="document"')


def _respond(
    request: web.Request,
    title: str,
    body: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    attributes: str = "",
) -> web.Response:
    home = link(request, "/", "Crossdock")
    text = _PAGE.format(title=escape(title), style=_STYLE, home=home, body=body, attributes=attributes)
    return web.Response(
        text=text, status=status, headers={**(headers or {}), **_HEADERS}, content_type="text/html"
    )


def local_path(text: str | None) -> str | None:
    """Return ``text`` if all browsers understand it as a path of this server; else None.

    This excludes ``//host`` and what browsers treat like it: backslashes, and control characters, which
    they ignore.
    """
    return text if text and _LOCAL.fullmatch(text) else None


def address(request: web.Request, path: str) -> str:
    """Return the address of a path on this server, below the path of the external URL."""
    return URL(external_url(request)).raw_path.rstrip("/") + path


def link(request: web.Request, path: str, text: str, **query: str) -> str:
    """Make a link to a path on this server."""
    query_string = "&".join(f"{name}={quote(value, safe='/')}" for name, value in query.items())
    href = address(request, path) + (f"?{query_string}" if query_string else "")
    return f'<a href="{escape(href)}">{escape(text)}</a>'
