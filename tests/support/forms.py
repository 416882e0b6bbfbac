"""multipart/form-data bodies with parts in any order, as odd as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BOUNDARY = "----c0ffee"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part; with a ``filename`` it is a file."""

    name: str
    content: bytes | str = b""
    filename: str | None = None


def form_body(parts: Sequence[Part], *, closed: bool = True, line_end: bytes = b"\r\n") -> bytes:
    """The body of ``parts`` in this order; left open, it breaks off behind the last part."""
    boundary = b"--" + BOUNDARY.encode()
    pieces = []
    for part in parts:
        file = "" if part.filename is None else f'; filename="{part.filename}"'
        content = part.content.encode() if isinstance(part.content, str) else part.content
        head = f'Content-Disposition: form-data; name="{part.name}"{file}'.encode()
        pieces += [boundary, line_end, head, line_end * 2, content, line_end]
    return b"".join([*pieces, *((boundary, b"--", line_end) if closed else ())])
