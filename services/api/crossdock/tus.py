"""The headers of tus 1.0.0, read and written, and its errors."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from services.api.crossdock.problems import make_problem, render_problem
from services.api.http.errors import ParametersInvalid, TusVersionUnsupported
from services.api.http.responses import external_url
from services.api.http.status import status_of
from shared.errors import CrossdockError
from shared.uploads.models import ALGORITHMS, Checksum, ChecksumMismatch, ChecksumUnknown, Upload

VERSION = "1.0.0"
HEADER = "Tus-Resumable"
EXTENSIONS = (
    "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
)

_ADDRESS = "/api/crossdock/v1/uploads/"
_LARGEST = 2**63 - 1
_LONGEST_METADATA = 4096
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")
_MISMATCH = 460
"""The status of tus for bytes that do not have their checksum."""


def require_version(request: web.Request) -> None:
    """Raise TusVersionUnsupported for a request of another version of tus, or of none."""
    if request.headers.get("Tus-Resumable") != VERSION:
        raise TusVersionUnsupported


def number(request: web.Request, name: str) -> int | None:
    """Read a header with a number of bytes; None if it is missing. Raises ParametersInvalid."""
    given = request.headers.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and int(given) <= _LARGEST):
        raise ParametersInvalid(f"{name} is invalid")
    return int(given)


def metadata(request: web.Request) -> str:
    """Return ``Upload-Metadata`` as it came, once it is read. Raises ParametersInvalid."""
    given = request.headers.get("Upload-Metadata", "").strip()
    if len(given) > _LONGEST_METADATA:
        raise ParametersInvalid(f"Upload-Metadata has over {_LONGEST_METADATA} characters")
    try:
        decode(given)
    except ValueError:
        raise ParametersInvalid("Upload-Metadata is invalid") from None
    return given


def decode(given: str) -> dict[str, str]:
    """Decode metadata: keys, each with a value in Base64 or without one. Raises ValueError."""
    found: dict[str, str] = {}
    for pair in given.split(",") if given else ():
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise ValueError(key)
        found[key] = b64decode(value.strip(), validate=True).decode(errors="replace")
    return found


def checksum(request: web.Request) -> Checksum | None:
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


def parts(request: web.Request, given: str) -> list[int]:
    """Return the uploads that a final one is made of, by their addresses here. Raises ParametersInvalid."""
    return [_number_of(request, each) for each in given.split()]


def _number_of(request: web.Request, address: str) -> int:
    """Return the number of an upload, by its address below the external URL or below that of the request."""
    begin, _, last = address.rpartition("/")
    own = {f"{external_url(request)}{_ADDRESS}", f"{request.url.origin()}{_ADDRESS}", _path(request)}
    digits = last.isascii() and last.isdigit() and int(last) <= _LARGEST
    if f"{begin}/" not in own or not digits:
        raise ParametersInvalid("Upload-Concat names what is no upload of this server")
    return int(last)


def _path(request: web.Request) -> str:
    return urlsplit(external_url(request)).path + _ADDRESS


def address_of(request: web.Request, upload: Upload) -> str:
    """Return the address of an upload, without a host: clients may know the server by another name."""
    return f"{_path(request)}{upload.id}"


def headers_of(upload: Upload, **more: str) -> dict[str, str]:
    """Return what each answer says of an upload."""
    said = {"Tus-Resumable": VERSION, "Upload-Offset": str(upload.received)}
    return said | {"Upload-Expires": _date(upload.expires_at)} | more


def state_of(upload: Upload) -> dict[str, str]:
    """Return what HEAD tells of an upload."""
    length = {"Upload-Defer-Length": "1"} if upload.size is None else {"Upload-Length": str(upload.size)}
    said = {"Upload-Metadata": upload.metadata} if upload.metadata else {}
    partial = {"Upload-Concat": "partial"} if upload.is_partial else {}
    return headers_of(upload) | length | said | partial | {"Cache-Control": "no-store"}


def _date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def method_of(request: web.Request) -> str:
    """Return the method of the request, which a client behind a strict proxy may send in a header."""
    given = request.headers.get("X-HTTP-Method-Override", "") if request.method == "POST" else ""
    return given.upper() or request.method


def render_upload_error(request: web.Request, error: CrossdockError) -> web.Response:
    """Render an error as a problem, with a status that clients of tus understand.

    They begin anew, with a new upload, where HEAD is refused by anything but 423, and give up where PATCH is
    refused by 429. The connection ends, as what is left of a body is not read.
    """
    answer = _problem(request, error)
    answer.headers["Tus-Resumable"] = VERSION
    if isinstance(error, TusVersionUnsupported):
        answer.headers["Tus-Version"] = VERSION
    if method_of(request) == "HEAD":
        answer.headers["Cache-Control"] = "no-store"
    if method_of(request) in {"PATCH", "POST"} and not request.content.is_eof():
        answer.force_close()
    return answer


def _problem(request: web.Request, error: CrossdockError) -> web.Response:
    status = status_of(error)
    if isinstance(error, ChecksumMismatch):
        return make_problem(request, error, status=_MISMATCH, title="Checksum Mismatch")
    if status in _AGAIN.get(method_of(request), ()) or _is_fault_in_head(request, status):
        return make_problem(request, error, status=HTTPStatus.LOCKED, title=HTTPStatus.LOCKED.phrase)
    return render_problem(request, error)


_AGAIN = {
    "HEAD": {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS},
    "PATCH": {HTTPStatus.TOO_MANY_REQUESTS},
}


def _is_fault_in_head(request: web.Request, status: HTTPStatus) -> bool:
    return method_of(request) == "HEAD" and status >= HTTPStatus.INTERNAL_SERVER_ERROR
