"""The protocol between asyncio's transport and aiohttp's protocol, which tells what a connection does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from services.listener.connection import Connection
from services.listener.connections import Connections
from services.listener.phase import Phase
from services.listener.refusals import refusal_of


class Guard(asyncio.Protocol):
    """Passes the callbacks of one connection on to ``make_handler``'s protocol, if it is admitted.

    Middleware says when a request begins and ends, as aiohttp does not. ``headers`` are those of a refusal.
    """

    def __init__(
        self,
        make_handler: Callable[[], asyncio.Protocol],
        connections: Connections,
        *,
        headers: Mapping[str, str],
    ) -> None:
        self._make_handler = make_handler
        self._connections = connections
        self._headers = headers
        self._handler = asyncio.Protocol()  # does nothing
        self._connection: Connection | None = None

    def begin_request(self, reader: asyncio.Task[object] | None) -> None:
        """Begin a request. ``reader`` is its task if it only reads, to be cancelled if the client goes."""
        if self._connection is not None:
            self._connection.reader = reader
            self._connections.move(self._connection, Phase.BUSY)

    def end_request(self) -> None:
        """End a request; its answer may not be written yet."""
        if self._connection is not None:
            self._connection.reader, self._connection.spared_until = None, 0.0
            self._connections.move(self._connection, Phase.SENDING)

    def spare(self, *, seconds: float) -> None:
        """Let the client take its answer as slowly as it likes for so long, while the request lasts."""
        if self._connection is not None:
            self._connections.spare(self._connection, seconds=seconds)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or answer that there is no place and close it."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what create_server makes
        limits = self._connections.limits
        connection = Connection(transport, limits.make_credit())
        refused = self._connections.admit(connection)
        if refused is not None:
            transport.write(refusal_of(refused, self._headers))
            transport.close()
            return
        connection.limit_silence(seconds=limits.silence.total_seconds())
        self._connection, self._handler = connection, self._make_handler()
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Begin the time for a head if none has begun: bytes do not renew it."""
        connection = self._connection
        if connection is not None and connection.awaits_head:
            self._connections.move(connection, Phase.HEAD)
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        """Pass on."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the end, and cancel the request unless it may have changed something."""
        if self._connection is not None:
            self._connections.forget(self._connection)
            if self._connection.reader is not None:
                self._connection.reader.cancel()
        self._handler.connection_lost(exc)
