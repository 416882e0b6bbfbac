"""Texts of GitHub as they read in a GitLab: by whom they are, where links lead, nobody is notified."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from shared.github.answers import User
from shared.github.markdown import quote_matches
from shared.github.origin import Origin, is_ghost

LONGEST_TITLE = 255
"""Characters of a title in GitLab; GitHub allows 256."""

NO_UPLOADS: Mapping[str, str] = {}
"""The uploads of a text whose attachments were not fetched."""

_ELLIPSIS = "..."
# GitLab's import looks for mentions after blanks and brackets, but its texts mention after any punctuation.
_MENTION = re.compile(r"(?<![\w/=&?#%+.@-])@\w[\w\-#./@]*", re.ASCII)


class TextFormatter:
    """Rewrites texts of one repository."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def format(self, text: str, author: User, *, uploads: Mapping[str, str] = NO_UPLOADS) -> str:
        """Rewrite a text, and say whose it is where its author is nobody here; an empty one stays empty.

        ``uploads`` are the addresses of attachments in the project, by those at GitHub.
        """
        body = self.rewrite(text, uploads=uploads)
        return f"{self._byline(author)}{body}" if body else ""

    def format_optional(
        self, text: str | None, author: User, *, uploads: Mapping[str, str] = NO_UPLOADS
    ) -> str | None:
        """Do the same for a text that may be null."""
        return None if text is None else self.format(text, author, uploads=uploads)

    def rewrite(self, text: str, *, uploads: Mapping[str, str] = NO_UPLOADS) -> str:
        """Rewrite attachments, links and mentions of a text."""
        return quote_mentions(self._link(_replace_addresses(without_nul(text), uploads)))

    def _byline(self, author: User) -> str:
        is_known = is_ghost(author) or self._origin.is_mapped(author)
        return "" if is_known else f"*Created by: {author.login}*\n\n"

    def _link(self, text: str) -> str:
        return self._links.sub(self._linked, text)

    @cached_property
    def _links(self) -> re.Pattern[str]:
        """Links to issues, pull requests and files of the repository, whatever the case of its name."""
        address = re.escape(f"{self._origin.web_url}/{self._origin.full_name}")
        return re.compile(rf"{address}/(?:(issues)|(pulls?)|(blob))(?![\w-])", re.IGNORECASE)

    def _linked(self, link: re.Match[str]) -> str:
        page = "issues" if link[1] else "merge_requests" if link[2] else "blob"
        return f"{self._origin.project_url}/-/{page}"


def quote_mentions(text: str) -> str:
    """Put mentions in backticks, so that nobody is notified; what is code stays."""
    return quote_matches(text, _MENTION)


def cut_title(title: str) -> str:
    """Cut a title to 255 characters; the last three are dots then."""
    title = without_nul(title)
    if len(title) <= LONGEST_TITLE:
        return title
    return title[: LONGEST_TITLE - len(_ELLIPSIS)] + _ELLIPSIS


def rename_text(before: str, after: str) -> str:
    """Say how a title was changed, with the difference marked as GitLab marks it."""
    before, after = cut_title(before), cut_title(after)
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    old, new = (_marked(title, start, end, mark) for title, mark in ((before, "-"), (after, "+")))
    return f"changed title from **{old}** to **{new}**"


def _common(one: str, other: str) -> int:
    """Give the length of the beginning that two texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _marked(title: str, start: int, end: int, mark: str) -> str:
    stop = len(title) - end
    changed = f"{{{mark}{title[start:stop]}{mark}}}" if stop > start else ""
    return title[:start] + changed + title[stop:]


def without_nul(text: str) -> str:
    """Drop what no database of GitLab's takes."""
    return text.replace("\0", "")


def _replace_addresses(text: str, uploads: Mapping[str, str]) -> str:
    if not uploads:
        return text
    # The longest first: one address may begin with another.
    addresses = sorted(uploads, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, addresses)), lambda found: uploads[found[0]], text)
