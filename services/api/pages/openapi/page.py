"""The page that shows the document: Swagger UI from its Python package, so it works offline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from yarl import URL

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
<title>Crossdock API</title>
<link rel="icon" type="image/png" href="{prefix}/api/docs/favicon-32x32.png">
<link rel="stylesheet" href="{prefix}/api/docs/swagger-ui.css">
<script src="{prefix}/api/docs/swagger-ui-bundle.js" defer></script>
<script src="{prefix}/api/docs/start.js" defer></script>
</head>
<body><main id="page" data-document="{prefix}/api/openapi.json"></main></body>
</html>
"""
_OF_SWAGGER_UI = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file that the page loads."""

    content_type: str
    body: bytes


def page(external_url: str) -> str:
    """Make the page for clients that reach the server by ``external_url``, which may have a path."""
    return _PAGE.format(prefix=escape(URL(external_url).path.rstrip("/")))


@cache
def page_files() -> dict[str, PageFile]:
    """Return the files that the page loads, by name. Other files of the package are not served."""
    # importlib.resources would import the package, which runs its code.
    folder = Path(str(distribution("swagger-ui-py").locate_file("swagger_ui/static")))
    found = {name: PageFile(kind, (folder / name).read_bytes()) for name, kind in _OF_SWAGGER_UI.items()}
    start = files(__package__).joinpath("start.js").read_bytes()
    return found | {"start.js": PageFile("text/javascript", start)}
