"""The reason that a server gives in the body of an error: its code and its message.

S3, and all that speak its protocol, and Azure give XML with ``Code`` and ``Message``; the JSON of Google and
Azure has both below ``error``. Of XML nothing is parsed but these two, and no entity is expanded.
"""

from __future__ import annotations

import html
import re

import msgspec
from yarl import URL

from shared.remote.masking import mask_text

LARGEST = 4096
"""Bytes of a body that are looked at, at most."""

_LONGEST = 300
_CODE = re.compile(r"<Code>\s*([\w.-]{1,100})\s*</Code>", re.ASCII)
_MESSAGE = re.compile(r"<Message>([^<]{1,2000})</Message>")


class _Error(msgspec.Struct):
    message: str = ""
    status: str = ""
    code: str | int = ""


class _Document(msgspec.Struct):
    error: _Error


def reason_of(body: bytes, url: URL) -> str:
    """Return the code and the message in the first ``LARGEST`` bytes of a body, 300 characters at most.

    What ``url`` has that is secret is masked, and what cannot be printed is a blank. Empty where the body has
    neither.
    """
    text = body[:LARGEST].decode(errors="replace")
    code, message = _in_json(body) if text.lstrip("\ufeff \r\n\t").startswith("{") else _in_xml(text)
    told = ": ".join(filter(None, (code, message)))
    printable = "".join(each if each.isprintable() else " " for each in mask_text(told, url))
    return " ".join(printable.split())[:_LONGEST]


def _in_xml(text: str) -> tuple[str, str]:
    code, message = _CODE.search(text), _MESSAGE.search(text)
    return code[1] if code else "", html.unescape(message[1]) if message else ""


def _in_json(body: bytes) -> tuple[str, str]:
    try:
        error = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=_Document).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", ""
    return error.status or str(error.code), error.message
