"""The client's side of git's smart HTTP (gitprotocol-http(5)): asks one repository, and fetches its pack."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import NoReturn

import msgspec
from isal import igzip
from yarl import URL

from shared.git import protocol
from shared.git.errors import (
    NoRepository,
    RepositoryForbidden,
    RepositoryLimited,
    RepositoryNotFound,
    RepositoryUnauthenticated,
    ServerRefused,
)
from shared.git.protocol import (
    SERVICE,
    AdvertisementReader,
    Capabilities,
    PackReader,
    ReferencesReader,
    RemoteReference,
    readable,
)
from shared.git.selection import ReferenceSelection
from shared.remote.client import RemoteClient
from shared.remote.credentials import authorization
from shared.remote.errors import RedirectRefused, bad_status
from shared.remote.masking import mask_text
from shared.remote.stream import RemoteStream
from shared.remote.urls import without_credentials
from shared.shielding import on_thread

_HEADERS = {"User-Agent": "git/2.39 (crossdock)", "Git-Protocol": "version=2"}
"""Some servers tell browsers from git by this beginning of the name."""

_PACKED = {"Accept-Encoding": "gzip"}
"""For lists of references; a pack is compressed as it is."""

_UNPACKED = 1024
"""Bytes of a request from which on git sends it by gzip."""

_ADVERTISEMENT = "/info/refs"
_OK = 200
_MOST_DIGITS = 6


class _Document(msgspec.Struct):
    message: str = ""


class RemoteRepository:
    """The repository at one address, whose user and password are sent by header, and to its origin alone.

    ``count`` is called with the bytes of each piece that comes. All methods raise RepositoryError,
    RemoteError and BlockedUrl. Memory: a packet, a piece, and what the selection holds.
    """

    def __init__(self, client: RemoteClient, url: str, *, count: Callable[[int], None]) -> None:
        self._client = client
        self._count = count
        self._given = given = client.parse(url)
        self._secrets = authorization(given)
        self._base = str(without_credentials(given).with_query(None)).rstrip("/")
        self._capabilities: Capabilities | None = None

    @property
    def base(self) -> str:
        """The address of the repository, after redirects, without credentials."""
        return self._base

    @property
    def secrets(self) -> Mapping[str, str]:
        """The headers for requests below ``base`` that are secret."""
        return self._secrets

    def wiki(self) -> RemoteRepository:
        """Give the wiki of the repository, as GitHub and GitLab name it; there may be none."""
        wiki = RemoteRepository(
            self._client, f"{self._base.removesuffix('.git')}.wiki.git", count=self._count
        )
        wiki._secrets = self._secrets
        wiki._given = self._given
        return wiki

    def mask(self, told: str) -> str:
        """Hide what a text of the server repeats of the address that was given, with its credentials."""
        return mask_text(told, self._given)

    async def check(self) -> None:
        """Check that a repository is there and may be read; its references are not read to their end."""
        reader = AdvertisementReader()
        with self._masking():
            async with self._advertisement() as answer, aclosing(answer.decoded(self._count)) as chunks:
                async for chunk in chunks:
                    if any(reader.feed(chunk)) or reader.capabilities:
                        return
            reader.close()

    async def find(self, selection: ReferenceSelection) -> Capabilities:
        """Fill ``selection`` with the references of the repository."""
        reader = AdvertisementReader()
        async with self._advertisement() as answer:
            await self._receive(answer, reader.feed, selection)
        self._capabilities = server = reader.close()
        if server.version == 2:  # noqa: PLR2004  # of the protocol
            listed = ReferencesReader(server.object_format)
            asked = protocol.ls_refs(server, selection.prefixes)
            async with self._post(asked, headers=_PACKED) as answer:
                await self._receive(answer, listed.feed, selection)
            listed.close()
        await on_thread(selection.check)
        return server

    async def pack(self, selection: ReferenceSelection) -> AsyncGenerator[bytes, None]:
        """Give the pack of the references that ``find`` has found, 320 KiB at most at a time.

        Its checksum is the caller's to verify.
        """
        assert self._capabilities is not None  # noqa: S101  # ``find`` comes first
        reader = PackReader()
        async with (
            self._post(protocol.fetch(self._capabilities, selection.wants())) as answer,
            aclosing(answer.chunks()) as chunks,
        ):
            async for chunk in chunks:
                self._count(len(chunk))
                with self._masking():
                    data = b"".join(reader.feed(chunk))
                if data:
                    yield data
        reader.close()

    async def _receive(
        self,
        answer: RemoteStream,
        feed: Callable[[bytes], Iterator[RemoteReference]],
        selection: ReferenceSelection,
    ) -> None:
        async with aclosing(answer.decoded(self._count)) as chunks:
            async for chunk in chunks:
                with self._masking():
                    for reference in feed(chunk):
                        selection.add(reference)

    @contextmanager
    def _masking(self) -> Iterator[None]:
        """Mask what the server says where it ends by an error of its own words."""
        try:
            yield
        except ServerRefused as error:
            raise ServerRefused(self.mask(error.told)) from None

    @asynccontextmanager
    async def _advertisement(self) -> AsyncIterator[RemoteStream]:
        asked = f"{self._base}{_ADVERTISEMENT}?service={SERVICE}"
        headers = {**_HEADERS, **_PACKED}
        async with self._client.ask(asked, headers=headers, secrets=self._secrets) as answer:
            await self._require(answer, "advertisement")
            self._follow(answer.url)
            yield answer

    @asynccontextmanager
    async def _post(
        self, body: bytes, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[RemoteStream]:
        sent = {**_HEADERS, "Content-Type": _type("request"), "Accept": _type("result"), **(headers or {})}
        if len(body) > _UNPACKED:
            body = await on_thread(igzip.compress, body)
            sent["Content-Encoding"] = "gzip"
        asked = f"{self._base}/{SERVICE}"
        async with self._client.ask(asked, headers=sent, secrets=self._secrets, body=body) as answer:
            await self._require(answer, "result")
            yield answer

    def _follow(self, url: URL) -> None:
        """Go on where the first request was redirected to, as git does, and there without the credentials."""
        before, after = URL(self._base, encoded=True), str(url.with_query(None))
        if not after.endswith(_ADVERTISEMENT):
            raise RedirectRefused(url, _OK, "its address is not that of a repository")
        self._base = after.removesuffix(_ADVERTISEMENT)
        if before.origin() != url.origin():
            self._secrets = {}

    async def _require(self, answer: RemoteStream, kind: str) -> None:
        """Raise the error that an answer is, unless it is what git gives."""
        if answer.status != _OK:
            await self._refuse(answer)
        if answer.headers.get("Content-Type", "") != _type(kind):
            raise NoRepository(self.mask(readable(answer.headers.get("Content-Type", "none").encode())))

    async def _refuse(self, answer: RemoteStream) -> NoReturn:
        told, wait = self.mask(_told(await answer.excerpt(), answer.url)), _wait(answer)
        match answer.status:
            case 401:
                raise RepositoryUnauthenticated(told, has_credentials=bool(self._secrets))
            case 429:
                raise RepositoryLimited(told, wait=wait)
            case 403 if wait is not None or answer.headers.get("X-RateLimit-Remaining") == "0":
                raise RepositoryLimited(told, wait=wait)
            case 403:
                raise RepositoryForbidden(told)
            case 404 | 410:
                raise RepositoryNotFound(told)
            case status:
                raise bad_status(answer.url, status, told)


def _type(kind: str) -> str:
    return f"application/x-{SERVICE}-{kind}"


def _wait(answer: RemoteStream) -> int | None:
    """Give the seconds of Retry-After; None where it has none, or a date."""
    given = answer.headers.get("Retry-After", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS else None


def _told(body: bytes, url: URL) -> str:
    """Give what the body of an error says: its first line, or the message in JSON; nothing of a page."""
    text = body.lstrip()
    if text.startswith(b"{"):
        try:
            text = msgspec.json.decode(body, type=_Document).message.encode()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ""
    return "" if text.startswith(b"<") else mask_text(readable(text.split(b"\n", 1)[0]), url)
