"""Errors that aiohttp meets outside of our middleware: neither log nor answer quotes a byte of the request.

What is malformed may have a token in it, and aiohttp's own texts quote the bytes that it could not parse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from shared.logs import place_of

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_log = structlog.get_logger()


def handler_factory(server: web.Server, *, headers: Mapping[str, str]) -> Callable[[], web.RequestHandler]:
    """Return what makes aiohttp's protocol for a connection. Its answers to errors have ``headers``.

    aiohttp lets nobody choose the class, and asks for all of its arguments where it makes one.
    """

    class QuietHandler(web.RequestHandler):
        __slots__ = ()

        def handle_error(
            self,
            request: BaseRequest,
            status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
            exc: BaseException | None = None,
            message: str | None = None,  # noqa: ARG002  # what must not be said
        ) -> web.StreamResponse:
            """Answer with the status alone. Raises ConnectionError if an answer has begun."""
            return _answer(request, HTTPStatus(status), exc, headers)

    def make() -> web.RequestHandler:
        handler = server()
        handler.__class__ = QuietHandler
        return handler

    return make


def _answer(
    request: BaseRequest, status: HTTPStatus, error: BaseException | None, headers: Mapping[str, str]
) -> web.Response:
    _log.warning("malformed_request", status=int(status), kind=type(error).__name__, place=place_of(error))
    if request.writer.output_size > 0:
        raise ConnectionError("the answer has begun")
    answer = web.Response(status=status, text=f"{status.value} {status.phrase}\n", headers=headers)
    answer.force_close()
    return answer
