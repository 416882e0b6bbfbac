"""URLs in the form in which they may be shown."""

from __future__ import annotations

from yarl import URL

_HIDDEN = "*****"
_LONGEST = 1000
"""Characters that are shown: a path may have any length."""


def mask_url(url: str | URL) -> str:
    """Give ``scheme://host/path``: credentials become ``*****``, query and fragment are left out."""
    try:
        parsed = URL(url, encoded=True) if isinstance(url, str) else url
        host, path = parsed.host_port_subcomponent, parsed.raw_path
    except ValueError:
        return _HIDDEN
    if not host or not f"{host}{path}".isprintable():
        return _HIDDEN
    user = "" if parsed.raw_user is None and parsed.raw_password is None else f"{_HIDDEN}@"
    shown = f"{parsed.scheme}://{user}{host}{path}"
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
