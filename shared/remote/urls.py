"""URLs as users write them, and the errors in them that show before a name is resolved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from yarl import URL

from shared.remote.errors import BlockedUrl, Reason, SchemeRefused

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXACT = re.compile(r"[\x21-\x7e]*")
_HOST = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")


def parse(text: str, schemes: Sequence[str], *, base: URL | None = None) -> URL:
    """Parse a URL, relative to ``base`` if given, without resolving its name. Raises BlockedUrl.

    Characters that need no escape are kept as they are written: signatures cover every byte.
    """
    url = _split(text)
    try:
        url = url if base is None else base.join(url)
        _ = url.port  # yarl validates the port only here
    except ValueError:
        raise BlockedUrl(Reason.URI_INVALID) from None
    if url.scheme not in schemes:
        raise SchemeRefused(schemes)
    _check_host(url.raw_host)
    return url.with_fragment(None)


def _split(text: str) -> URL:
    if _CONTROL.search(text):
        raise BlockedUrl(Reason.URI_INVALID)
    try:
        return URL(text, encoded=_EXACT.fullmatch(text) is not None)
    except (ValueError, IndexError):  # yarl raises IndexError for brackets in the user's name
        raise BlockedUrl(Reason.URI_INVALID) from None


def _check_host(host: str | None) -> None:
    if not host:
        raise BlockedUrl(Reason.URI_INVALID)
    if not _HOST.fullmatch(host) and not _is_address(host):
        raise BlockedUrl(Reason.HOST_INVALID)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def without_credentials(url: URL) -> URL:
    """Give ``url`` without user and password."""
    return url.with_user(None)


def with_credentials(text: str, user: str | None, password: str | None) -> str:
    """Give the URL with this user and password instead of its own; what is no URL stays as it is."""
    if user is None and password is None:
        return text
    try:
        return str(_split(text).with_user(user or "").with_password(password))
    except (BlockedUrl, ValueError):
        return text
