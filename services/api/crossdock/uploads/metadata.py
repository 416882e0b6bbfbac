"""What clients say of an upload, in the form of tus: keys, each with a value in Base64 or without one."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode

from aiohttp import web

from services.api.http.errors import ParametersInvalid

HEADER = "Upload-Metadata"
_LONGEST = 4096
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


def read_metadata(request: web.Request) -> str:
    """Return ``Upload-Metadata`` as it came, once it is read. Raises ParametersInvalid."""
    given = request.headers.get(HEADER, "").strip()
    try:
        decode(given)
    except ValueError:
        raise ParametersInvalid(f"{HEADER} is invalid") from None
    return bounded(given, what=HEADER)


def bounded(metadata: str, *, what: str) -> str:
    """Return metadata that is not too long. Raises ParametersInvalid."""
    if len(metadata) > _LONGEST:
        raise ParametersInvalid(f"{what} has over {_LONGEST} characters")
    return metadata


def decode(given: str) -> dict[str, str]:
    """Decode metadata. Raises ValueError."""
    found: dict[str, str] = {}
    for pair in given.split(",") if given else ():
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise ValueError(key)
        found[key] = b64decode(value.strip(), validate=True).decode(errors="replace")
    return found


def encode(key: str, value: str) -> str:
    """Encode one pair."""
    return f"{key} {b64encode(value.encode(errors='replace')).decode()}"
