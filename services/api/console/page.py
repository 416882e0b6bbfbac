"""The one page of the console, whose import map and policy are fixed at the start."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

_LIBRARIES = {
    "preact": "preact.mjs",
    "preact/hooks": "preact-hooks.mjs",
    "htm": "htm.mjs",
    "@preact/signals-core": "signals-core.mjs",
    "@preact/signals": "signals.mjs",
}
"""What our modules, and those of the libraries, import by name."""

NEEDED = (*_LIBRARIES.values(), "pico.min.css", "tus.min.js")
"""The files of others without which there is no console."""

_PAGE = """<!DOCTYPE html>
<html lang="en" data-prefix="{prefix}" data-static="{own}" data-vendor="{vendor}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Crossdock</title>
<link rel="icon" type="image/svg+xml" href="{own}/icon.svg">
<link rel="stylesheet" href="{vendor}/pico.min.css">
<link rel="stylesheet" href="{own}/console.css">
<script src="{own}/theme.js"></script>
<script type="importmap">{map}</script>
{preloads}
<script type="module" src="{own}/main.mjs"></script>
</head>
<body>
<div id="console"><main class="container"><p>Loading the console. It needs JavaScript.</p></main></div>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self' '{map}'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "trusted-types crossdock; require-trusted-types-for 'script'"
)
"""Only files of this server, and the one inline script that browsers ask for: the import map.

``data:`` is for the arrows of the style sheet. The trusted type is for the address of the worker.
"""


def make_page(*, prefix: str, own: str, vendor: str, modules: Iterable[str]) -> tuple[str, str]:
    """Return the page and its policy.

    All addresses are paths of this server, below ``prefix``, which is that of the external URL. ``modules``
    are loaded at once, as a browser would else find them one after the other.
    """
    imports = {"imports": {name: f"{vendor}/{file}" for name, file in _LIBRARIES.items()}}
    import_map = json.dumps(imports).replace("<", "\\u003c")
    page = _PAGE.format(
        prefix=escape(prefix),
        own=escape(own),
        vendor=escape(vendor),
        map=import_map,
        preloads="\n".join(f'<link rel="modulepreload" href="{escape(each)}">' for each in modules),
    )
    return page, _POLICY.format(map=_source_hash(import_map))


def _source_hash(script: str) -> str:
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
