"""Decodes lines of any length in bounded memory: what has too many parts is left as it is."""

from __future__ import annotations

_SHORT = 32 * 1024
MOST_OBJECTS = 100_000
"""Objects and lists of a line that may be built at a time, of some 200 bytes each."""

MOST_MEMBERS = 250_000
"""Members of objects, of some 150 bytes each."""

_NO_OPENING = bytes(set(range(256)) - set(b"{["))


def is_built(line: bytes) -> bool:
    """Tell whether a line may be built: 60 MiB at most. What looks like a part in a text counts as one."""
    if len(line) <= _SHORT:
        return True
    return len(line.translate(None, _NO_OPENING)) <= MOST_OBJECTS and line.count(b'":') <= MOST_MEMBERS
