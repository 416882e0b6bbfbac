"""The Link header, by which the page of a list names the next one (RFC 8288)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from yarl import URL

from shared.remote.errors import AnswerMalformed

_LINK = re.compile(r"<([^<>]*)>([^<>]*)")
_NEXT = re.compile(r";\s*rel=\"?next\"?(?=[\s;,]|$)", re.IGNORECASE)
_ADDRESS = re.compile(r"[\x21-\x7e]+")


def next_page(headers: Mapping[str, str], url: URL) -> str | None:
    """Give path and query of the next page of a list at the server of ``url``; None after the last.

    Raises AnswerMalformed where that is on another host, or no address.
    """
    target = _next(headers)
    if target is None:
        return None
    try:
        found = url.join(URL(target, encoded=True))
        is_ours = _host(found) == _host(url) and found.user is None and _ADDRESS.fullmatch(target)
    except (ValueError, IndexError):  # yarl raises IndexError for brackets in the user's name
        is_ours = None
    if not is_ours:
        raise AnswerMalformed(url, "the next page is on another host")
    return found.raw_path_qs


def next_query(headers: Mapping[str, str], url: URL) -> str | None:
    """Give the query of the next page of a list, which is to be asked for where this one was.

    A server that has several names writes addresses with one of them. Raises AnswerMalformed for no address.
    """
    target = _next(headers)
    if target is None:
        return None
    try:
        query = URL(target, encoded=True).raw_query_string if _ADDRESS.fullmatch(target) else ""
    except (ValueError, IndexError):
        query = ""
    if not query:
        raise AnswerMalformed(url, "the next page has no query")
    return query


def _next(headers: Mapping[str, str]) -> str | None:
    links = _LINK.findall(headers.get("Link", ""))
    return next((target for target, attributes in links if _NEXT.search(attributes)), None)


def _host(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.raw_host, url.port
