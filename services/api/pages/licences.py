"""The page that lists what browsers load of others, with the texts of the licences."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from services.api.console.vendoring import Package, locked

_HEAD = """<p>Crossdock is free software, under the MIT licence. The pages that it serves to browsers load
files of these packages, as they were published:</p>
<table><tr><th>Package<th>Version<th>Licence"""
_MISSING = "<p>They are not installed on this server, so that nothing is loaded of them.</p>"


def licence_page(vendor: Path) -> str:
    """Make the page of what the lock pins and a folder holds."""
    return "\n".join(_parts(locked(), vendor))


def _parts(packages: list[Package], vendor: Path) -> Iterator[str]:
    yield _HEAD
    for package in packages:
        yield f"<tr><td>{escape(package.name)}<td>{escape(package.version)}<td>{escape(package.licence)}"
    yield "</table>"
    if not vendor.is_dir():
        yield _MISSING
        return
    for package in packages:
        yield f"<h2>{escape(package.name)}</h2>"
        texts = ((vendor / name).read_text("utf-8") for name in package.licences)
        yield from (f'<pre tabindex="0">{escape(text.strip(), quote=False)}</pre>' for text in texts)
