"""Uploads by drafts of "Resumable Uploads for HTTP" (draft-ietf-httpbis-resumable-upload).

Each draft has an interop version: 5 is draft 03, and 6 are the drafts 04 and 05. An upload is complete once
all bytes of a length that was said have come, or a request that says so has come whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from http import HTTPStatus

from aiohttp import web

from services.api.crossdock.problems import make_problem
from services.api.crossdock.uploads.addresses import address_of
from services.api.crossdock.uploads.dialect import Creation, length_of, make_refusal, number, offset_of
from services.api.crossdock.uploads.entities import upload_entity
from services.api.crossdock.uploads.metadata import bounded, encode, read_metadata
from services.api.http.client import is_forwarded
from services.api.http.endpoint import DRAFT, media_type
from services.api.http.errors import MediaTypeUnsupported, ParametersInvalid
from services.api.http.interim import send_interim
from services.api.http.responses import json_response
from shared.errors import CrossdockError
from shared.uploads.models import OffsetConflict, Upload, UploadFinished, UploadTooLong
from shared.uploads.store import NewUpload
from shared.usecases.resumable_uploads import Appended

PARTIAL = "application/partial-upload"
_COMPLETE = "Upload-Complete"
_FLAGS = {"?0": False, "?1": True}
_OF_BYTES = ("Upload-Offset", _COMPLETE, "Upload-Length")
_TYPES = "https://iana.org/assignments/http-problem-types#"


class Draft:
    """See Dialect. Where ``is_typed``, bytes have a media type of their own, and limits are told."""

    def __init__(self, version: str, *, is_typed: bool) -> None:
        self._version = version
        self._is_typed = is_typed

    def read_creation(self, request: web.Request) -> Creation:
        """See Dialect."""
        is_last = _flag(request)
        if is_last is None:
            raise ParametersInvalid(f"{_COMPLETE} is missing: ?1 if all bytes come along, ?0 if more follow")
        if "Upload-Offset" in request.headers:
            raise ParametersInvalid("an upload that is made has no Upload-Offset")
        first = _appended(request, offset=0, is_last=is_last)
        new = NewUpload(size=first.size, metadata=_metadata(request))
        return Creation(new=new, first=first if request.can_read_body else None)

    def read_piece(self, request: web.Request) -> Appended:
        """See Dialect. Where nothing is said, more bytes follow."""
        offset = offset_of(request)
        if self._is_typed and media_type(request) != PARTIAL:
            raise MediaTypeUnsupported(f"Content-Type has to be {PARTIAL}")
        return _appended(request, offset=offset, is_last=_flag(request) or False)

    def check_bare(self, request: web.Request) -> None:
        """See Dialect."""
        for name in _OF_BYTES:
            if name in request.headers:
                raise ParametersInvalid(f"a request without bytes has no {name}")

    async def announce(self, request: web.Request, upload: Upload) -> None:
        """See Dialect. Some proxies, nginx too, take such an answer for the last one, and lose the order."""
        if is_forwarded(request):
            return
        headers = {DRAFT: self._version, "Location": address_of(request, upload)}
        await send_interim(request, "104 Upload Resumption Supported", headers)

    def created(self, request: web.Request, upload: Upload) -> web.Response:
        """See Dialect."""
        headers = self._headers_of(upload) | {"Location": address_of(request, upload)}
        return json_response(upload_entity(upload), status=201, headers=headers)

    def appended(self, upload: Upload) -> web.Response:
        """See Dialect."""
        return json_response(upload_entity(upload), status=201, headers=self._headers_of(upload))

    def told(self, request: web.Request, upload: Upload) -> web.Response:  # noqa: ARG002  # the protocol's
        """See Dialect."""
        return web.Response(status=204, headers=self._headers_of(upload) | {"Cache-Control": "no-store"})

    def removed(self) -> web.Response:
        """See Dialect."""
        return web.Response(status=204)

    def refused(self, request: web.Request, error: CrossdockError) -> web.Response:
        """See Dialect."""
        match error:
            case OffsetConflict():
                offsets = {"expected-offset": error.offset, "provided-offset": error.given}
                more = {"type": f"{_TYPES}mismatching-upload-offset", **offsets}
                answer = _problem(request, error, HTTPStatus.CONFLICT, more)
                answer.headers["Upload-Offset"] = str(error.offset)
                return answer
            case UploadFinished():
                completed = {"type": f"{_TYPES}completed-upload"}
                return _problem(request, error, HTTPStatus.BAD_REQUEST, completed)
            case UploadTooLong():
                return _problem(request, error, HTTPStatus.BAD_REQUEST, {})
            case _:
                return make_refusal(request, error)

    def _headers_of(self, upload: Upload) -> dict[str, str]:
        length = {} if upload.size is None else {"Upload-Length": str(upload.size)}
        said = {"Upload-Offset": str(upload.received), _COMPLETE: "?1" if upload.is_whole else "?0"}
        limit = {"Upload-Limit": f"expires={_seconds_left(upload)}"} if self._is_typed else {}
        return said | length | limit


DRAFTS = {"5": Draft("5", is_typed=False), "6": Draft("6", is_typed=True)}
"""The interop versions that are spoken."""


def abilities(*, largest: int | None) -> dict[str, str]:
    """Return the headers that say what of the drafts the server can do."""
    return {
        DRAFT: ", ".join(DRAFTS),
        "Upload-Limit": f"max-size={largest}" if largest else "min-size=0",
        "Accept-Patch": PARTIAL,
    }


def _flag(request: web.Request) -> bool | None:
    """Read ``Upload-Complete``; None if it is missing. Raises ParametersInvalid."""
    given = request.headers.get(_COMPLETE)
    if given is None:
        return None
    if given.strip() not in _FLAGS:
        raise ParametersInvalid(f"{_COMPLETE} is to be ?0 or ?1")
    return _FLAGS[given.strip()]


def _appended(request: web.Request, *, offset: int, is_last: bool) -> Appended:
    size, length = number(request, "Upload-Length"), length_of(request)
    end = offset + length if is_last and length is not None else None
    if size is not None and end is not None and size != end:
        raise ParametersInvalid(f"the bytes end at {end}, and Upload-Length is {size}")
    return Appended(offset=offset, size=end if size is None else size, length=length, is_last=is_last)


def _metadata(request: web.Request) -> str:
    """Return what tus' header says or, where that is missing, the name of the file."""
    return read_metadata(request) or _name(request)


def _name(request: web.Request) -> str:
    message = Message()
    message["Content-Disposition"] = request.headers.get("Content-Disposition", "")
    try:
        name = message.get_filename()
    except ValueError:  # bytes that are no text
        raise ParametersInvalid("Content-Disposition is invalid") from None
    return bounded(encode("filename", name), what="Content-Disposition") if name else ""


def _seconds_left(upload: Upload) -> int:
    return max(0, int((upload.expires_at - datetime.now(UTC)).total_seconds()))


def _problem(
    request: web.Request, error: CrossdockError, status: HTTPStatus, more: Mapping[str, object]
) -> web.Response:
    return make_problem(request, error, status=status, title=status.phrase, more=more)
