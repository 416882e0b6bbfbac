"""Parses requests that create or change a destination."""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.api.http import parameters
from services.api.http.parameters import ParameterReader
from shared.age.errors import RecipientInvalid
from shared.age.keys import parse_recipients, split_recipients
from shared.destinations.models import (
    PEERS,
    BucketCredentials,
    DestinationCredentials,
    DestinationKind,
    PeerCredentials,
)
from shared.storage.base import check_key
from shared.storage.errors import KeyInvalid
from shared.usecases.destinations import DestinationFields

LONGEST_NAME = 255
LONGEST_ENDPOINT = 2048
LONGEST_PREFIX = 400
LONGEST_KEY = 1024
"""Characters of an access key, and of its secret."""

KINDS = {kind.value for kind in DestinationKind}
_NEEDED_OF_BUCKET = ("bucket", "access_key_id", "secret_access_key")
_NEEDED_OF_PEER = ("url", "token")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")
_FULL_PATH = re.compile(r"[\w.-]{1,255}(/[\w.-]{1,255}){0,20}", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,64}")


def read_new(given: Mapping[str, object]) -> DestinationFields:
    """Read the fields of a new destination, as ``read`` does."""
    reader = ParameterReader(given)
    reader.require("kind")
    reader.require("name")
    kind = DestinationKind(reader.choice("kind", KINDS) or DestinationKind.S3.value)
    for name in _NEEDED_OF_PEER if kind in PEERS else _NEEDED_OF_BUCKET:
        reader.require(name)
    return _read(reader, kind, is_new=True)


def read(given: Mapping[str, object], kind: DestinationKind) -> DestinationFields:
    """Read and check the fields of a change, but not whether the address is permitted.

    Raises ParametersInvalid.
    """
    reader = ParameterReader(given)
    if reader.choice("kind", KINDS) not in (None, kind.value):
        reader.problem("kind", "cannot be changed")
    return _read(reader, kind, is_new=False)


def _read(reader: ParameterReader, kind: DestinationKind, *, is_new: bool) -> DestinationFields:
    is_peer, name = kind in PEERS, read_name(reader)
    settings = _peer_settings(reader) if is_peer else _settings(reader, is_new=is_new)
    credentials: DestinationCredentials | None = _token(reader) if is_peer else _credentials(reader)
    reader.finish()
    return DestinationFields(kind=kind, name=name, settings=settings, credentials=credentials)


def read_name(reader: ParameterReader) -> str | None:
    """Read the name of a destination, or of a schedule."""
    name = reader.text("name")
    if name is not None and not 0 < len(name.strip()) <= LONGEST_NAME:
        reader.problem("name", f"must have 1 to {LONGEST_NAME} characters")
    return None if name is None else name.strip()


def _settings(reader: ParameterReader, *, is_new: bool) -> dict[str, object]:
    """Read the settings that are given; of a new destination, with what follows from them."""
    found: dict[str, object] = {}
    _read_matching(reader, "bucket", _BUCKET, "is no name of a bucket: 3 to 63 of a-z, 0-9, - and .", found)
    _read_matching(reader, "region", _REGION, "is no region: 1 to 64 of a-z, 0-9 and -", found)
    if "endpoint" in reader.given:
        found["endpoint"] = _endpoint(reader)
    if "prefix" in reader.given:
        found["prefix"] = _prefix(reader)
    if "recipients" in reader.given:
        found["recipients"] = _recipients(reader)
    path_style = reader.boolean("path_style")
    if path_style is None and (is_new or found.get("endpoint")):
        path_style = found.get("endpoint") is not None  # as the tools of AWS have it
    return found if path_style is None else found | {"path_style": path_style}


def _read_matching(
    reader: ParameterReader, name: str, pattern: re.Pattern[str], problem: str, found: dict[str, object]
) -> None:
    text = reader.text(name)
    if text is None:
        return
    if not pattern.fullmatch(text):
        reader.problem(name, problem)
    found[name] = text


def _endpoint(reader: ParameterReader) -> str | None:
    text = reader.text("endpoint") or None
    return text and _web_address(reader, "endpoint", text)


def _prefix(reader: ParameterReader) -> str:
    text = (reader.text("prefix") or "").strip("/")
    if not text:
        return ""
    if len(text) > LONGEST_PREFIX:
        reader.problem("prefix", f"is too long (maximum is {LONGEST_PREFIX} characters)")
        return ""
    try:
        return check_key(text) + "/"
    except KeyInvalid:
        reader.problem("prefix", "must be names of printable ASCII, none of which begins with a dot")
        return ""


def _recipients(reader: ParameterReader) -> tuple[str, ...]:
    """Read the keys for which archives are encrypted: a list, or a text with one a line, as age has it."""
    given = reader.given["recipients"]
    items = given if isinstance(given, list) else [given or ""]
    texts = [parameters.text(item) for item in items]
    if None in texts:
        reader.problem("recipients", "is invalid")
        return ()
    names = {key for each in texts for key in split_recipients(each or "")}
    try:
        parse_recipients(sorted(names))
    except RecipientInvalid as error:
        reader.problem("recipients", f"is invalid: {error}")
    return tuple(sorted(names))


def _peer_settings(reader: ParameterReader) -> dict[str, object]:
    """Read the settings of a peer that are given."""
    found: dict[str, object] = {}
    if (url := reader.text("url")) is not None:
        found["url"] = _web_address(reader, "url", url)
    if "namespace" in reader.given:
        found["namespace"] = read_namespace(reader)
    if (overwrite := reader.boolean("overwrite")) is not None:
        found["overwrite"] = overwrite
    return found


def read_namespace(reader: ParameterReader) -> str | None:
    """Read the full path of a group at a peer; None for none."""
    namespace = (reader.text("namespace") or "").strip("/") or None
    if namespace is not None and not _FULL_PATH.fullmatch(namespace):
        reader.problem("namespace", "is no full path of a group")
    return namespace


def _web_address(reader: ParameterReader, name: str, text: str) -> str:
    if len(text) > LONGEST_ENDPOINT:
        reader.problem(name, f"is too long (maximum is {LONGEST_ENDPOINT} characters)")
    if "@" in text or "?" in text or "#" in text:
        reader.problem(name, "must have a scheme, a host and a path at most")
    return text.rstrip("/")


def _token(reader: ParameterReader) -> PeerCredentials | None:
    token = reader.text("token")
    if token is not None and not _TOKEN.fullmatch(token):
        reader.problem("token", f"must have 1 to {LONGEST_KEY} printable characters")
    return None if token is None else PeerCredentials(token=token)


def _credentials(reader: ParameterReader) -> BucketCredentials | None:
    given = {name: reader.text(name) for name in ("access_key_id", "secret_access_key")}
    if not any(given.values()):
        return None
    for name, text in given.items():
        if text is None:
            reader.problem(name, "is missing")
        elif not (0 < len(text) <= LONGEST_KEY and text.isascii() and text.isprintable()):
            reader.problem(name, f"must have 1 to {LONGEST_KEY} printable characters")
    return BucketCredentials(
        access_key_id=given["access_key_id"] or "", secret_access_key=given["secret_access_key"] or ""
    )
