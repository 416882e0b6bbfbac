"""Makes uploads of files that GitHub holds beside the repository: what texts name, and files of releases.

A file that cannot be had leaves its address as it is, and is a failure. Nothing waits for one.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

import msgspec
from msgspec import Raw
from yarl import URL

from shared.archive.events import ArchiveEvent
from shared.github.answers import UNREADABLE, Asset, Release
from shared.github.attachments import AttachmentFinder
from shared.github.origin import Origin
from shared.github.statistics import ObjectType, Tally
from shared.github.texts import NO_UPLOADS
from shared.github_import import lists
from shared.github_import.lists import is_pull_request
from shared.github_import.pages import PageStore
from shared.gitlab.layout import FileKind, file_name
from shared.jobs.models import GitHubStages
from shared.remote.api_address import ApiAddress
from shared.remote.client import RemoteClient
from shared.remote.errors import RemoteError, bad_status
from shared.remote.stream import RemoteStream
from shared.restore.failures import Failure
from shared.restore.git_events import GitSource
from shared.restore.reading import Reading
from shared.restore.tolerance import Tolerance

MOST = 50_000
"""Files that are held by their addresses, in some 20 MiB; others stay where they are."""

_OK = 200
_UNUSUAL = re.compile(r"[^A-Za-z0-9._+-]")
_LONGEST_NAME = 100
_LONGEST_ADDRESS = 256
_SOURCE = "GithubImporter"
_RAW = {"Accept": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class _File:
    """A file: its address in texts, and where it is asked for with what headers."""

    address: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """The addresses of uploads in the project, by those at GitHub."""

    finder: AttachmentFinder
    known: dict[str, str] = field(default_factory=dict)

    def of(self, answers: Iterable[Raw]) -> Mapping[str, str]:
        """Give the uploads that the texts of answers name."""
        if not self.known:
            return NO_UPLOADS
        found = (address for answer in answers for address in self.finder.find_in(answer))
        return {address: self.known[address] for address in found if address in self.known}

    def of_release(self, release: Raw) -> Mapping[str, str]:
        """Give the uploads that the text of a release names, and those that its files are."""
        files = [asset.browser_download_url for asset in assets_of(release)] if self.known else ()
        return {**self.of([release]), **{each: self.known[each] for each in files if each in self.known}}


class UploadEvents:
    """The events of the uploads of one repository. ``uploads`` grows while they are read."""

    def __init__(
        self,
        pages: PageStore,
        origin: Origin,
        *,
        remote: RemoteClient,
        address: ApiAddress,
        stages: GitHubStages,
    ) -> None:
        self._pages = pages
        self._origin = origin
        self._remote = remote
        self._address = address
        self._stages = stages
        self._asked: set[str] = set()
        self._is_full = False
        self.uploads = Uploads(finder=AttachmentFinder(origin))
        self.tally = Tally()

    async def events(self, git: GitSource, reading: Reading) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the files, by the rules of ``git`` for files of unknown size."""
        if not (self._stages.attachments_import or self._stages.release_assets_import):
            return
        async with aclosing(self._pages.every()) as pages:
            async for name, items in pages:
                for kind, each in self._files(name, items):
                    async with aclosing(self._once(each, kind, git, reading)) as events:
                        async for event in events:
                            yield event

    def _files(self, name: str, items: Iterable[Raw]) -> Iterable[tuple[ObjectType, _File]]:
        kind = lists.attachment_type(name)
        if kind is None:
            return
        for item in items:
            if self._stages.attachments_import and not (
                name == lists.ISSUES.name and is_pull_request(item)  # the list of pulls has it as well
            ):
                for address in self.uploads.finder.find_in(item):
                    yield kind, _File(address, address)
            if self._stages.release_assets_import and name == lists.RELEASES.name:
                yield from ((kind, each) for each in self._assets(item))

    def _assets(self, release: Raw) -> Iterable[_File]:
        base = f"{str(self._address.api).rstrip('/')}/repositories/{self._origin.repository_id}"
        for asset in assets_of(release):
            yield _File(asset.browser_download_url, f"{base}/releases/assets/{asset.id}", _RAW)

    async def _once(
        self, file: _File, kind: ObjectType, git: GitSource, reading: Reading
    ) -> AsyncGenerator[ArchiveEvent, None]:
        """Give a file the first time that its address comes, and count it each time."""
        self.tally.fetched[kind] += 1
        failure = partial(_failure, kind, file.address)
        is_new = file.address not in self._asked
        if is_new and len(self._asked) < MOST:
            self._asked.add(file.address)
            tolerance = Tolerance(failures=reading.failures, is_last=True)
            async with aclosing(tolerance.events(self._file(file, git, reading), failure)) as events:
                async for event in events:
                    yield event
        elif is_new and not self._is_full:
            self._is_full = True
            await reading.failures.add(failure(f"only the first {MOST} files are fetched"))
        self.tally.imported[kind] += file.address in self.uploads.known

    async def _file(
        self, file: _File, git: GitSource, reading: Reading
    ) -> AsyncGenerator[ArchiveEvent, None]:
        asked = self._remote.ask(file.url, headers=file.headers, secrets=self._secrets(file.url))
        async with asked as answer:
            if answer.status != _OK:
                raise bad_status(answer.url, answer.status, "")
            limit = reading.limits.decompressed
            if limit and reading.progress.bytes_done > limit:
                raise RemoteError(answer.url, f"is left out: all is over the limit of {limit} bytes")
            path = f"{secrets.token_hex(16)}/{_name(file.address, answer)}"
            pieces = _counted(answer, reading)
            async with aclosing(git.unsized(file_name(FileKind.UPLOAD, path), pieces, reading)) as events:
                async for event in events:
                    yield event
        self.uploads.known[file.address] = f"/uploads/{path}"

    def _secrets(self, url: str) -> Mapping[str, str]:
        """Give the token for what is of this GitHub, and for nothing else."""
        origin, ours = URL(url).origin(), (self._address.api.origin(), URL(self._origin.web_url).origin())
        return {"Authorization": f"Bearer {self._address.token}"} if origin in ours else {}


def assets_of(release: Raw) -> Iterable[Asset]:
    """Give the files of a release, none of one that cannot be read."""
    try:
        return msgspec.json.decode(release, type=Release).assets
    except UNREADABLE:
        return ()


async def _counted(answer: RemoteStream, reading: Reading) -> AsyncGenerator[bytes, None]:
    async with aclosing(answer.chunks()) as chunks:
        async for chunk in chunks:
            reading.count(len(chunk))
            yield chunk


def _name(address: str, answer: RemoteStream) -> str:
    """Give the name of a file, with an ending by its type where its address has none, as GitLab does."""
    name = _UNUSUAL.sub("_", URL(address).name).lstrip(".")[-_LONGEST_NAME:].lstrip(".") or "file"
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    suffix = "" if PurePosixPath(name).suffix else mimetypes.guess_extension(kind) or ""
    return f"{name}{suffix}"


def _failure(kind: ObjectType, address: str, why: str) -> Failure:
    return Failure(
        relation=kind.value,
        line_number=None,
        exception_class="Octokit::Error",
        message=why,
        source=_SOURCE,
        external_identifiers={"attachment_url": address[:_LONGEST_ADDRESS]},
    )
