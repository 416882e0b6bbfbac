"""What a protocol of uploads that go on after a cut reads from a request, and says in an answer.

The use cases know none of them. Each protocol is an object of its own (``tus.py``, ``draft.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from services.api.crossdock.problems import make_problem, render_problem
from services.api.crossdock.uploads.addresses import LARGEST
from services.api.http.errors import ParametersInvalid
from services.api.http.status import status_of
from shared.errors import CrossdockError
from shared.uploads.models import Upload
from shared.uploads.store import NewUpload
from shared.usecases.resumable_uploads import Appended


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """An upload to make, of ``parts`` where there are some; ``first`` are bytes that come along."""

    new: NewUpload
    parts: Sequence[int] | None = None
    first: Appended | None = None


class Dialect(Protocol):
    """A protocol of uploads. What reads raises ParametersInvalid and its like."""

    def read_creation(self, request: web.Request) -> Creation:
        """Read what upload is to be made."""
        ...

    def read_piece(self, request: web.Request) -> Appended:
        """Read where the bytes of a request belong."""
        ...

    def check_bare(self, request: web.Request) -> None:
        """Refuse headers that a request without bytes may not have."""
        ...

    async def announce(self, request: web.Request, upload: Upload) -> None:
        """Tell where an upload is, before its first bytes are read."""

    def created(self, request: web.Request, upload: Upload) -> web.Response:
        """Answer that an upload was made."""
        ...

    def appended(self, upload: Upload) -> web.Response:
        """Answer that all bytes of a request are kept."""
        ...

    def told(self, request: web.Request, upload: Upload) -> web.Response:
        """Answer how far an upload is."""
        ...

    def removed(self) -> web.Response:
        """Answer that an upload is not there any more."""
        ...

    def refused(self, request: web.Request, error: CrossdockError) -> web.Response:
        """Answer an error."""
        ...


def number(request: web.Request, name: str) -> int | None:
    """Read a header with a number of bytes; None if it is missing. Raises ParametersInvalid."""
    given = request.headers.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and int(given) <= LARGEST):
        raise ParametersInvalid(f"{name} is invalid")
    return int(given)


def offset_of(request: web.Request) -> int:
    """Read where the bytes of a request begin. Raises ParametersInvalid."""
    offset = number(request, "Upload-Offset")
    if offset is None:
        raise ParametersInvalid("Upload-Offset is missing")
    return offset


def length_of(request: web.Request) -> int | None:
    """Return the length of a body; None where the request does not say it. Raises ParametersInvalid."""
    length = request.content_length if request.can_read_body else 0
    if length is not None and length > LARGEST:
        raise ParametersInvalid("Content-Length is invalid")
    return length


def method_of(request: web.Request) -> str:
    """Return the method of the request, which a client behind a strict proxy may send in a header."""
    given = request.headers.get("X-HTTP-Method-Override", "") if request.method == "POST" else ""
    return given.upper() or request.method


def make_refusal(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as a problem, with a status that clients of uploads understand.

    They begin anew, with a new upload, where HEAD is refused by anything but 423, and give up where PATCH is
    refused by 429.
    """
    status = status_of(error)
    if status in _AGAIN.get(method_of(request), ()) or _is_fault_in_head(request, status):
        return make_problem(request, error, status=HTTPStatus.LOCKED, title=HTTPStatus.LOCKED.phrase)
    return render_problem(request, error)


_AGAIN = {
    "HEAD": {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS},
    "PATCH": {HTTPStatus.TOO_MANY_REQUESTS},
}


def _is_fault_in_head(request: web.Request, status: HTTPStatus) -> bool:
    return method_of(request) == "HEAD" and status >= HTTPStatus.INTERNAL_SERVER_ERROR
