"""The page that shows the document: Swagger UI, whose files are fetched when Crossdock is installed."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path

from services.api.console.assets import Asset

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Permits only files of this server, and no inline scripts or styles."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Crossdock API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{prefix}/api/docs/swagger-ui.css">
<link rel="stylesheet" href="{prefix}/api/docs/page.css">
<script src="{prefix}/api/docs/colours.js" defer></script>
<script src="{prefix}/api/docs/swagger-ui-bundle.js" defer></script>
<script src="{prefix}/api/docs/start.js" defer></script>
</head>
<body>
<nav><a href="{prefix}/">Crossdock</a></nav>
<main id="page" data-document="{prefix}/api/openapi.json"></main></body>
</html>
"""
_OF_SWAGGER_UI = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_OURS = {"page.css": "text/css", "colours.js": "text/javascript", "start.js": "text/javascript"}

_MISSING = """<p>The page needs Swagger UI, whose files are missing here: they were not to be had when
Crossdock was installed. In a checkout, run <code>make setup</code> where npm's registry can be
reached, and start Crossdock again.</p>
<p>The description itself is there: <a href="{prefix}/api/openapi.json">OpenAPI 3.1</a>, which other readers
show as well.</p>"""


def page(prefix: str) -> str:
    """Make the page for a server whose addresses begin with ``prefix``."""
    return _PAGE.format(prefix=escape(prefix))


def missing(prefix: str) -> str:
    """Say instead what is missing, and how to get it."""
    return _MISSING.format(prefix=escape(prefix))


def page_files(vendor: Path) -> dict[str, Asset]:
    """Return the files that the page loads, by name; none where the folder does not have them all."""
    if not all((vendor / name).is_file() for name in _OF_SWAGGER_UI):
        return {}
    found = {name: Asset(kind, (vendor / name).read_bytes()) for name, kind in _OF_SWAGGER_UI.items()}
    ours = files(__package__)
    return found | {name: Asset(kind, ours.joinpath(name).read_bytes()) for name, kind in _OURS.items()}
