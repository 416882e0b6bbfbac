"""The routes of the api as a reader writes them."""

from __future__ import annotations

import re

from services.api.routes import ROUTES


def routed() -> list[tuple[str, str]]:
    """The method and the address of each route, with ``{name}`` for what varies."""
    return [(route.method, _address(route.path)) for route in ROUTES]


def _address(pattern: str) -> str:
    template = re.sub(r"\{_\d+:/\*\}", "", pattern)  # what stands for any run of slashes
    return re.sub(r"\{(\w+):.+?\}(?=/|$)", r"{\1}", template)
