"""User and password of a URL, as a header."""

from __future__ import annotations

from base64 import b64encode

from yarl import URL


def authorization(url: URL) -> dict[str, str]:
    """Give the header with the user and password of ``url``: Basic, RFC 7617, in UTF-8."""
    if url.raw_user is None and url.raw_password is None:
        return {}
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode()}"}
