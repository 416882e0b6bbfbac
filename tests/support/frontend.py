"""The messages that a client sends to Postgres (PostgreSQL, "Message Formats"), at any cut."""

from __future__ import annotations

from collections.abc import Iterator

_SSL_REQUEST = (80877103).to_bytes(4, "big")
_LENGTH = 4
_LONGEST = 300


class Frontend:
    """Reads what one client sends."""

    def __init__(self) -> None:
        self._prepared: dict[bytes, str] = {}
        self._bound = ""
        self._waiting = b""
        self._has_started = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Give the texts of the statements that the server is to execute, in their order.

        Each message that has it do something is one: a query, of several commands as well, and an execution
        of a prepared statement.
        """
        self._waiting += data
        while (message := self._next()) is not None:
            yield from self._take(*message)

    def _next(self) -> tuple[bytes, bytes] | None:
        """Give type and content of the next message that is here whole; the first ones have no type."""
        head = 1 if self._has_started else 0
        if len(self._waiting) < head + _LENGTH:
            return None
        end = head + int.from_bytes(self._waiting[head : head + _LENGTH], "big")
        if len(self._waiting) < end:
            return None
        kind, content = self._waiting[:head], self._waiting[head + _LENGTH : end]
        self._waiting = self._waiting[end:]
        return kind, content

    def _take(self, kind: bytes, content: bytes) -> Iterator[str]:
        match kind:
            case b"":
                self._has_started = content != _SSL_REQUEST
            case b"Q":
                yield _text(content.rstrip(b"\0"))
            case b"P":
                name, text, _ = content.split(b"\0", 2)
                self._prepared[name] = _text(text)
            case b"B":
                self._bound = self._prepared.get(content.split(b"\0", 2)[1], "?")
            case b"E":
                yield self._bound


def _text(statement: bytes) -> str:
    return " ".join(statement.decode(errors="replace").split())[:_LONGEST]
