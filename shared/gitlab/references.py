"""What a record announces that is no record: uploads, and repositories of snippets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from shared.gitlab.layout import FileKind, file_name, folder_of

UPLOAD_MARK = b"](/uploads/"
"""What a record has in its bytes that refers to an upload."""

WITH_MARKDOWN = frozenset({"issues", "milestones", "snippets", "releases", "merge_requests", "commit_notes"})
"""The relations whose records, or what is nested in these, have texts in Markdown."""

_UPLOADS = folder_of(FileKind.UPLOAD)
_UPLOAD = re.compile(rb"\]\(/uploads/([0-9a-f]{10,32}/[^()\x00-\x20]{1,512}?)\)")
"""GitLab's own pattern of links in Markdown, within a JSON string."""


def uploads_in(record: bytes) -> Iterator[str]:
    """Give the names of the files of uploads to which the Markdown of a record refers, perhaps twice."""
    at = record.find(UPLOAD_MARK)
    while at >= 0:
        found = _UPLOAD.match(record, at)
        if found and (path := _text(found[1])):
            yield _UPLOADS + path
        at = record.find(UPLOAD_MARK, at + 1)


def _text(path: bytes) -> str | None:
    """Give what stands in a JSON string; None for half an escape, which names no file."""
    try:
        return str(json.loads(b'"%b"' % path)) if b"\\" in path else path.decode()
    except ValueError:
        return None


class _Snippet(msgspec.Struct):
    title: str | None = None
    description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


_SNIPPET = msgspec.json.Decoder(_Snippet)


def snippet_bundle(record: bytes) -> str | None:
    """Give the name of the file with a snippet's repository; None where the record does not tell.

    GitLab makes it of the title, the description, and both times in whole seconds.
    """
    try:
        snippet = _SNIPPET.decode(record)
        times = [_seconds(snippet.created_at), _seconds(snippet.updated_at)]
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None
    if None in times:
        return None
    text = "".join(each or "" for each in (snippet.title, snippet.description, *times))
    return file_name(FileKind.SNIPPET, hashlib.sha256(text.encode()).hexdigest())


def _seconds(moment: str | None) -> str | None:
    if moment is None:
        return None
    read = datetime.fromisoformat(moment.replace(" UTC", "Z"))
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).strftime("%F %T UTC")
