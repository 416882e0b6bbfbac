"""A client of a peer's REST API, with one token: who that is, projects, exports and imports."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import msgspec
from yarl import URL

from shared.peers.answers import (
    PeerExport,
    PeerGroup,
    PeerImport,
    PeerProject,
    PeerToken,
    PeerUser,
    PeerVersion,
)
from shared.peers.errors import PeerListTooLong, PeerRecordMissing, PeerTokenRefused
from shared.peers.import_form import ImportForm
from shared.peers.statuses import check_status, decode, refusal, shown
from shared.remote.api_address import ApiAddress
from shared.remote.client import RemoteClient
from shared.remote.document import RemoteDocument
from shared.remote.download import RemoteDownload
from shared.remote.errors import StatusRefused
from shared.remote.links import next_query

PAGE = 100
"""Items a page: the most that GitLab gives."""
MOST_PROJECTS = 10_000
"""Projects of one list, at most."""
LARGEST = 8 * 1024 * 1024
"""Bytes of an answer, at most: a page of projects has some 300 KiB."""

_API = "api/v4"
_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")
_MAINTAINER = "40"
_BAD_REQUEST = 400
_UNDERWAY = re.compile(r"already running or queued", re.IGNORECASE)

T = TypeVar("T")


def api_of(address: URL) -> URL:
    """Give where the API of a peer is, of which ``address`` is the web site, or the API itself."""
    bare = address.with_query(None).with_fragment(None)
    return bare if bare.path.rstrip("/").endswith(f"/{_API}") else bare / _API


class PeerClient:
    """Asks one peer with one token. It holds no resources.

    All methods raise RemoteError: PeerRefused where the peer says no, PeerLimited where it goes on later;
    and BlockedUrl where the address may not be asked.
    """

    def __init__(self, remote: RemoteClient, address: ApiAddress) -> None:
        self._remote = remote
        self._api = address.api
        self._token = address.token
        if not _TOKEN.fullmatch(address.token):
            reason = "no token has such characters, or so many"
            raise PeerTokenRefused(address.api.origin(), reason=reason)

    async def version(self) -> PeerVersion:
        """Give the version, by which a Crossdock is told from a GitLab."""
        return await self._get("/version", PeerVersion)

    async def user(self) -> PeerUser:
        """Give the user of the token."""
        return await self._get("/user", PeerUser)

    async def token(self) -> PeerToken | None:
        """Give what the token may do; None where the peer tells that of no such token."""
        try:
            return await self._get("/personal_access_tokens/self", PeerToken)
        except PeerRecordMissing:
            return None

    async def project(self, reference: int | str) -> PeerProject:
        """Give a project by its id or its full path."""
        return await self._get(f"/projects/{_part(reference)}", PeerProject)

    def projects_of(self, group: str) -> AsyncGenerator[PeerProject, None]:
        """Give the projects of a group and of the groups below it. Raises PeerListTooLong."""
        query = {"include_subgroups": "true", "with_shared": "false", "order_by": "id", "sort": "asc"}
        return self._projects(f"/groups/{_part(group)}/projects", query)

    async def exportable(self) -> AsyncGenerator[PeerProject, None]:
        """Give all projects to an administrator, and to others those that they maintain.

        By keys, not pages: a GitLab gives no more than 50,000 by pages. Raises PeerListTooLong.
        """
        user = await self.user()
        query = {"order_by": "id", "sort": "asc", "pagination": "keyset"}
        query |= {} if user.is_admin else {"membership": "true", "min_access_level": _MAINTAINER}
        async with aclosing(self._projects("/projects", query)) as found:
            async for project in found:
                yield project

    async def start_export(self, project_id: int) -> bool:
        """Start an export; False where one of the same user is on its way already."""
        url = self._url(f"/projects/{project_id}/export")
        answer = await self._post(url, b"{}")
        if answer.status == _BAD_REQUEST and _UNDERWAY.search(answer.body.decode(errors="replace")):
            return False
        check_status(answer, url, token=self._token)
        return True

    async def export(self, project_id: int) -> PeerExport:
        """Give the status of the user's export."""
        return await self._get(f"/projects/{project_id}/export", PeerExport)

    @asynccontextmanager
    async def download(self, project_id: int) -> AsyncIterator[RemoteDownload]:
        """Begin the download of the user's export, which goes on after a break."""
        url = self._url(f"/projects/{project_id}/export/download")
        async with AsyncExitStack() as stack:
            try:
                download = await stack.enter_async_context(self._remote.get(str(url), headers=self._secrets))
            except StatusRefused as error:
                raise refusal(url, error.status, reason=error.reason, wait=error.wait) from None
            yield download

    async def start_import(
        self, fields: Mapping[str, str], archive: AsyncGenerator[bytes, None], *, size: int
    ) -> PeerImport:
        """Send an archive of ``size`` bytes with the fields of GitLab's form, once, as it comes.

        The peer has it all when this returns, and imports it then. Exceptions of ``archive`` pass through.
        """
        url, form = self._url("/projects/import"), ImportForm(fields, size=size)
        headers = {"Content-Type": form.content_type, "Accept": "application/json", **self._secrets}
        async with aclosing(form.read(archive)) as body:
            answer = await self._remote.submit(
                str(url), headers=headers, body=body, length=form.length, most=LARGEST
            )
        check_status(answer, url, token=self._token)
        return decode(answer.body, PeerImport, url)

    async def make_groups(self, path: str) -> None:
        """Have a group with this full path: those that are missing are made, for their members alone.

        Made twice at once, one of both is refused: then it is there, and the next attempt finds it.
        """
        above: PeerGroup | None = None
        names = path.strip("/").split("/")
        for depth in range(1, len(names) + 1):
            above = await self._group("/".join(names[:depth]), above)

    async def _group(self, path: str, above: PeerGroup | None) -> PeerGroup:
        try:
            return await self._get(f"/namespaces/{_part(path)}", PeerGroup)
        except PeerRecordMissing:
            name = path.rpartition("/")[2]
            body: dict[str, object] = {"name": name, "path": name, "visibility": "private"}
            if above is not None:
                body["parent_id"] = above.id
            url = self._url("/groups")
            answer = await self._post(url, msgspec.json.encode(body))
            check_status(answer, url, token=self._token)
            return decode(answer.body, PeerGroup, url)

    async def import_(self, reference: int | str) -> PeerImport:
        """Give the status of the newest import of a project."""
        return await self._get(f"/projects/{_part(reference)}/import", PeerImport)

    def shown(self, text: str) -> str:
        """Give a text of the peer as it may be shown: one line, 300 characters at most, without the token."""
        return shown(text, self._api, token=self._token)

    @property
    def _secrets(self) -> dict[str, str]:
        return {"PRIVATE-TOKEN": self._token}

    def _url(self, path: str) -> URL:
        return URL(f"{str(self._api).rstrip('/')}{path}", encoded=True)

    async def _projects(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[PeerProject, None]:
        url: URL | None = self._url(path).with_query({**query, "simple": "true", "per_page": str(PAGE)})
        count = 0
        while url is not None:
            answer = await self._read(url)
            for project in decode(answer.body, tuple[PeerProject, ...], url):
                count += 1
                if count > MOST_PROJECTS:
                    raise PeerListTooLong(url, MOST_PROJECTS)
                yield project
            following = next_query(answer.headers, url)
            url = URL(f"{self._url(path)}?{following}", encoded=True) if following else None

    async def _get(self, path: str, kind: type[T]) -> T:
        url = self._url(path)
        return decode((await self._read(url)).body, kind, url)

    async def _read(self, url: URL) -> RemoteDocument:
        headers = {"Accept": "application/json"}
        answer = await self._remote.read(str(url), headers=headers, secrets=self._secrets, most=LARGEST)
        check_status(answer, url, token=self._token)
        return answer

    async def _post(self, url: URL, body: bytes) -> RemoteDocument:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        async with self._remote.ask(str(url), headers=headers, secrets=self._secrets, body=body) as answer:
            return RemoteDocument(answer.status, answer.headers, await answer.whole(LARGEST))


def _part(reference: int | str) -> str:
    return quote(str(reference).strip("/"), safe="")
