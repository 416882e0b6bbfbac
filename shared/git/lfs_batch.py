"""Asks a server for the objects of git LFS (git-lfs, docs/api/batch.md): where each is, and its bytes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice

import msgspec
from yarl import URL

from shared.git.errors import ProtocolBroken
from shared.git.protocol import readable
from shared.git.smart_http import RemoteRepository
from shared.remote.client import RemoteClient
from shared.remote.download import RemoteDownload
from shared.remote.errors import AnswerTooLarge, bad_status

AT_ONCE = 100
"""Objects of one request, as git LFS has it."""

_LONGEST_ANSWER = 4 * 1024 * 1024
_TYPE = "application/vnd.git-lfs+json"
_NAME, _VALUE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"), re.compile(r"[\x20-\x7e]{0,8000}")
_MOST_HEADERS = 20
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "range", "if-range"})
"""Headers that a server may not set for a download, as they are the client's own."""

_OK = 200


@dataclass(frozen=True, slots=True)
class LfsObject:
    """An object: its SHA-256, and its size in bytes as its pointer says it."""

    oid: bytes
    size: int


@dataclass(frozen=True, slots=True)
class LfsPlace:
    """Where an object is, or the ``error`` why it is nowhere. Address and headers are secrets."""

    url: str = field(repr=False, default="")
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    error: str = ""


class _Action(msgspec.Struct):
    href: str
    header: dict[str, str] = {}


class _Actions(msgspec.Struct):
    download: _Action | None = None


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Located(msgspec.Struct):
    oid: str
    actions: _Actions | None = None
    error: _Error | None = None


class _Answer(msgspec.Struct):
    objects: list[_Located] = []


class LfsServer:
    """The LFS objects of a repository. All methods raise RemoteError, BlockedUrl and ProtocolBroken."""

    def __init__(self, client: RemoteClient, repository: RemoteRepository) -> None:
        self._client = client
        self.mask = repository.mask
        self._secrets = repository.secrets
        base = repository.base
        self._api = f"{base if base.endswith('.git') else f'{base}.git'}/info/lfs/objects/batch"

    async def locate(self, wanted: Sequence[LfsObject]) -> list[LfsPlace]:
        """Find out where objects are, 100 at most. Memory: an answer of 4 MiB at most."""
        body = msgspec.json.encode(
            {
                "operation": "download", "transfers": ["basic"], "hash_algo": "sha256",
                "objects": [{"oid": each.oid.hex(), "size": each.size} for each in wanted],
            }
        )  # fmt: skip
        headers = {"Content-Type": _TYPE, "Accept": _TYPE}
        async with self._client.ask(self._api, headers=headers, secrets=self._secrets, body=body) as answer:
            if answer.status != _OK:
                raise bad_status(answer.url, answer.status)
            try:
                told = await answer.whole(_LONGEST_ANSWER)
            except AnswerTooLarge:
                raise ProtocolBroken("its list of LFS objects is too long") from None
        by_oid = {each.oid: each for each in _decode(told).objects}
        return [self._place(by_oid.get(each.oid.hex())) for each in wanted]

    @asynccontextmanager
    async def download(self, place: LfsPlace) -> AsyncIterator[RemoteDownload]:
        """Begin to fetch an object."""
        async with self._client.get(place.url, headers=place.headers) as download:
            yield download

    def _place(self, found: _Located | None) -> LfsPlace:
        action = found.actions.download if found and found.actions else None
        if action is None:
            error = found.error if found else None
            said = f": {error.code} {self.mask(readable(error.message.encode()))}".rstrip() if error else ""
            return LfsPlace(error=f"the server does not have it{said}")
        return LfsPlace(action.href, self._headers(action))

    def _headers(self, action: _Action) -> Mapping[str, str]:
        """Give the headers of a download, with the credentials at the origin of the repository."""
        given = {
            name: value
            for name, value in action.header.items()
            if _NAME.fullmatch(name) and _VALUE.fullmatch(value) and name.lower() not in _OURS
        }
        given = dict(islice(given.items(), _MOST_HEADERS))
        if any(name.lower() == "authorization" for name in given):
            return given
        return {**(self._secrets if _origin(action.href) == _origin(self._api) else {}), **given}


def _decode(told: bytes) -> _Answer:
    try:
        return msgspec.json.decode(told, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ProtocolBroken("its list of LFS objects is none") from None


def _origin(url: str) -> URL | None:
    try:
        return URL(url, encoded=True).origin()
    except (ValueError, IndexError):
        return None
