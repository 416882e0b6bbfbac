"""URLs in the form in which they may be shown."""

from __future__ import annotations

from yarl import URL

_HIDDEN = "*****"


def mask_url(url: str | URL) -> str:
    """Give ``scheme://host/``, and ``*****`` for credentials before it and for whatever comes after it.

    Many webhooks have their secret in the path. A text that is no URL is hidden as a whole.
    """
    try:
        parsed = URL(url, encoded=True) if isinstance(url, str) else url
        host = parsed.host_port_subcomponent
    except (ValueError, IndexError):  # yarl raises IndexError for brackets in the user's name
        return _HIDDEN
    if not host or not host.isprintable():
        return _HIDDEN
    user = "" if parsed.raw_user is None and parsed.raw_password is None else f"{_HIDDEN}@"
    has_rest = parsed.raw_path not in ("", "/") or parsed.raw_query_string or parsed.raw_fragment
    return f"{parsed.scheme}://{user}{host}/{_HIDDEN if has_rest else ''}"
