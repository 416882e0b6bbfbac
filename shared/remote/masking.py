"""URLs in the form in which they may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yarl import URL

from shared.remote.credentials import authorization

_HIDDEN = "*****"
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_SHORTEST = 4
_SHORTEST_NAME = 8
"""Characters from which on a credential, or a name in the path, is hidden where a text repeats it.

A shorter one is in any text.
"""


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


def mask_text(text: str, url: URL) -> str:
    """Mask the URLs in a text of the server that was asked for ``url``, and what of that URL it repeats.

    That is its user, its password, both as Basic has them, its path and the values of its query, decoded or
    as they were sent.
    """
    masked = _URL.sub(lambda found: mask_url(found[0]), text)
    for secret in sorted(_secrets(url), key=len, reverse=True):
        masked = masked.replace(secret, _HIDDEN)
    return masked


def _secrets(url: URL) -> Iterator[str]:
    basic = (each.removeprefix("Basic ") for each in authorization(url).values())
    credentials = (url.user, url.password, url.raw_user, url.raw_password, url.raw_query_string, *basic)
    names = (url.path, url.raw_path, *url.path.split("/"), *url.raw_path.split("/"))
    for shortest, parts in ((_SHORTEST, (*credentials, *url.query.values())), (_SHORTEST_NAME, names)):
        yield from (part for part in parts if part and len(part) >= shortest)
