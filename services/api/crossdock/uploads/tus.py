"""Uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus

from aiohttp import web

from services.api.crossdock.problems import make_problem
from services.api.crossdock.uploads.addresses import address_by, address_of, upload_at
from services.api.crossdock.uploads.dialect import Creation, length_of, make_refusal, number, offset_of
from services.api.crossdock.uploads.entities import upload_entity
from services.api.crossdock.uploads.metadata import read_metadata
from services.api.http.endpoint import TUS as HEADER
from services.api.http.endpoint import is_piece
from services.api.http.errors import ParametersInvalid, TusVersionUnsupported
from services.api.http.responses import json_response
from shared.errors import CrossdockError
from shared.uploads.models import (
    ALGORITHMS,
    Checksum,
    ChecksumMismatch,
    ChecksumUnknown,
    Upload,
    UploadFinished,
    UploadJoined,
)
from shared.uploads.store import NewUpload
from shared.usecases.resumable_uploads import Appended

VERSION = "1.0.0"
_MARK = {HEADER: VERSION}
_EXTENSIONS = (
    "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
)
_PARTIAL, _FINAL = "partial", "final;"
_MISMATCH = 460
"""The status of tus for bytes that do not have their checksum."""


class Tus:
    """See Dialect."""

    def read_creation(self, request: web.Request) -> Creation:
        """See Dialect."""
        metadata, concat = read_metadata(request), request.headers.get("Upload-Concat", "")
        if concat.startswith(_FINAL):
            parts = [upload_at(request, each) for each in concat.removeprefix(_FINAL).split()]
            return Creation(new=NewUpload(size=None, metadata=metadata), parts=parts)
        if concat not in ("", _PARTIAL):
            raise ParametersInvalid("Upload-Concat is invalid")
        new = NewUpload(size=_length(request), metadata=metadata, is_partial=concat == _PARTIAL)
        has_bytes = is_piece(request) and request.can_read_body
        return Creation(new=new, first=_appended(request, offset=0) if has_bytes else None)

    def read_piece(self, request: web.Request) -> Appended:
        """See Dialect."""
        offset = offset_of(request)
        if not is_piece(request):
            raise ParametersInvalid("Content-Type has to be application/offset+octet-stream")
        return _appended(request, offset=offset)

    def check_bare(self, request: web.Request) -> None:
        """See Dialect: tus has no such rule."""

    async def announce(self, request: web.Request, upload: Upload) -> None:
        """See Dialect: tus has no such answer."""

    def created(self, request: web.Request, upload: Upload) -> web.Response:
        """See Dialect."""
        headers = headers_of(upload, Location=address_of(request, upload))
        return json_response(upload_entity(upload), status=201, headers=headers)

    def appended(self, upload: Upload) -> web.Response:
        """See Dialect."""
        return web.Response(status=204, headers=headers_of(upload))

    def told(self, request: web.Request, upload: Upload) -> web.Response:
        """See Dialect."""
        length = {"Upload-Defer-Length": "1"} if upload.size is None else {"Upload-Length": str(upload.size)}
        said = {"Upload-Metadata": upload.metadata} if upload.metadata else {}
        more = length | said | _concat(request, upload) | {"Cache-Control": "no-store"}
        return web.Response(headers=headers_of(upload) | more)

    def removed(self) -> web.Response:
        """See Dialect."""
        return web.Response(status=204, headers=_MARK)

    def refused(self, request: web.Request, error: CrossdockError) -> web.Response:
        """See Dialect."""
        answer = _refusal(request, error)
        answer.headers[HEADER] = VERSION
        if isinstance(error, TusVersionUnsupported):
            answer.headers["Tus-Version"] = VERSION
        return answer


TUS = Tus()


def _refusal(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error. What is refused by 409 is tried again, which helps no client with too many bytes."""
    if isinstance(error, ChecksumMismatch):
        return make_problem(request, error, status=_MISMATCH, title="Checksum Mismatch")
    if isinstance(error, UploadFinished):
        is_joined = isinstance(error, UploadJoined)
        status = HTTPStatus.FORBIDDEN if is_joined else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return make_problem(request, error, status=status, title=status.phrase)
    return make_refusal(request, error)


def abilities(*, largest: int | None) -> dict[str, str]:
    """Return the headers that say what of tus the server can do."""
    said = _MARK | {"Tus-Version": VERSION, "Tus-Extension": _EXTENSIONS}
    said["Tus-Checksum-Algorithm"] = ",".join(ALGORITHMS)
    return said | ({"Tus-Max-Size": str(largest)} if largest else {})


def headers_of(upload: Upload, **more: str) -> dict[str, str]:
    """Return what each answer says of an upload."""
    said = _MARK | {"Upload-Offset": str(upload.received), "Upload-Expires": _date(upload.expires_at)}
    return said | more


def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _concat(request: web.Request, upload: Upload) -> dict[str, str]:
    """Return what an upload is part of, or is made of: parts that are named, though they may be gone."""
    if upload.parts is not None:
        return {"Upload-Concat": _FINAL + " ".join(address_by(request, each) for each in upload.parts)}
    return {"Upload-Concat": _PARTIAL} if upload.is_partial else {}


def _length(request: web.Request) -> int | None:
    length, deferred = number(request, "Upload-Length"), request.headers.get("Upload-Defer-Length")
    if deferred not in (None, "1") or (length is None) != (deferred == "1"):
        raise ParametersInvalid("either Upload-Length or Upload-Defer-Length: 1 has to be given")
    return length


def _appended(request: web.Request, *, offset: int) -> Appended:
    size, length = number(request, "Upload-Length"), length_of(request)
    return Appended(offset=offset, size=size, length=length, checksum=_checksum(request))


def _checksum(request: web.Request) -> Checksum | None:
    """Read ``Upload-Checksum``; None if it is missing. Raises ChecksumUnknown."""
    given = request.headers.get("Upload-Checksum")
    if given is None:
        return None
    algorithm, _, digest = given.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise ChecksumUnknown(f"Upload-Checksum is to be by one of: {', '.join(ALGORITHMS)}")
    try:
        return Checksum(algorithm=algorithm, digest=b64decode(digest.strip(), validate=True))
    except Base64Error:
        raise ChecksumUnknown("the digest of Upload-Checksum is not in Base64") from None
