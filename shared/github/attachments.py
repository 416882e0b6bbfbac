"""Finds the addresses of attachments in texts: files that GitHub holds beside the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from shared.github.answers import UNREADABLE
from shared.github.markdown import code_ranges
from shared.github.origin import Origin
from shared.github.statistics import ObjectType

_IMAGES = "https://user-images.githubusercontent.com/"
_MEDIA = re.compile("gif|jpe?g|mov|mp4|png|svg|webm")
_DOCUMENTS = re.compile("csv|docx|fod[gpst]|gz|log|md|od[fgpst]|pdf|pptx|tgz|txt|xlsx?|zip")
_END_OF_SENTENCE = ".,;:!?"

ATTACHMENT_TYPES = {
    ObjectType.ISSUE: ObjectType.ISSUE_ATTACHMENT,
    ObjectType.PULL_REQUEST: ObjectType.MERGE_REQUEST_ATTACHMENT,
    ObjectType.NOTE: ObjectType.NOTE_ATTACHMENT,
    ObjectType.PULL_REQUEST_REVIEW: ObjectType.NOTE_ATTACHMENT,
    ObjectType.DIFF_NOTE: ObjectType.NOTE_ATTACHMENT,
    ObjectType.RELEASE: ObjectType.RELEASE_ATTACHMENT,
}
"""What an address counts as, by what its text is of; once a text."""


class _Text(Struct):
    body: str | None = None


class AttachmentFinder:
    """Knows which addresses are attachments of one repository.

    They are found in images, links and HTML, as GitLab does, and bare, as GitHub has videos; not in code.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def find(self, text: str | None) -> tuple[str, ...]:
        """Give the addresses in a text in their order, each once."""
        return tuple(dict.fromkeys(self._addresses(text or "")))

    def find_in(self, answer: Raw) -> tuple[str, ...]:
        """Give the addresses in the text of an issue, a pull request, a comment, a review or a release."""
        try:
            return self.find(msgspec.json.decode(answer, type=_Text).body)
        except UNREADABLE:
            return ()

    def _addresses(self, text: str) -> Iterator[str]:
        at = 0
        for start, end in [*code_ranges(text), (len(text), len(text))]:
            for found in self._pattern.finditer(text, at, start):
                address = found[0].rstrip(_END_OF_SENTENCE)
                if self._is_attachment(address):
                    yield address
            at = end

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        bases = "|".join(map(re.escape, (f"{self._origin.web_url}/", _IMAGES)))
        return re.compile(rf"(?:{bases})[^\s<>\"'()\[\]`\\]+")

    def _is_attachment(self, address: str) -> bool:
        suffix = urlsplit(address).path.rpartition(".")[2].lower()
        if address.startswith(_IMAGES):
            return _MEDIA.fullmatch(suffix) is not None
        top, _, rest = address.removeprefix(f"{self._origin.web_url}/").partition("/")
        if top == "user-attachments":
            return bool(rest)
        kind = rest.split("/", 2)[1:2]
        return kind == ["assets"] or (kind == ["files"] and _DOCUMENTS.fullmatch(suffix) is not None)
