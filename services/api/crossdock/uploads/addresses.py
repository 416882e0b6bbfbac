"""Addresses of uploads that go on after a cut."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from services.api.http.errors import ParametersInvalid
from services.api.http.responses import external_url
from shared.uploads.models import Upload

LARGEST = 2**63 - 1
"""The largest number of an upload, and of bytes."""

_ADDRESS = "/api/crossdock/v1/uploads/"


def address_of(request: web.Request, upload: Upload) -> str:
    """Return the address of an upload, without a host: clients may know the server by another name."""
    return address_by(request, upload.id)


def address_by(request: web.Request, upload_id: int) -> str:
    """Return the address of an upload by its number."""
    return f"{_path(request)}{upload_id}"


def upload_at(request: web.Request, address: str) -> int:
    """Return the number of an upload, by its address below the external URL or below that of the request.

    Raises ParametersInvalid.
    """
    begin, _, last = address.rpartition("/")
    own = {f"{external_url(request)}{_ADDRESS}", f"{request.url.origin()}{_ADDRESS}", _path(request)}
    digits = last.isascii() and last.isdigit() and int(last) <= LARGEST
    if f"{begin}/" not in own or not digits:
        raise ParametersInvalid("Upload-Concat names what is no upload of this server")
    return int(last)


def _path(request: web.Request) -> str:
    return urlsplit(external_url(request)).path + _ADDRESS
