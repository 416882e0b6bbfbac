"""Checks of repositories of GitHub, before anything is created for them. The error texts are GitLab's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

from yarl import URL

from shared.errors import CrossdockError
from shared.github.answers import Repository
from shared.github.client import GitHubClient, api_of
from shared.github.errors import GitHubRefused, RateLimited, ScopeMissing, TokenRefused
from shared.jobs.models import GitHubOrder, GitHubStages, RemoteSource, SourceForm
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.api_address import ApiAddress
from shared.remote.client import RemoteClient
from shared.remote.errors import BlockedUrl, Reason, RemoteError, StatusRefused
from shared.remote.masking import mask_url
from shared.settings.application import ApplicationSettings
from shared.usecases.errors import GitHubBlocked, GitHubImportRefused, GitHubLimited

DEADLINE = timedelta(seconds=20)
"""The time limit of a check, with the retries of its requests."""

_LARGEST = 1024 * 1024
"""Bytes of an answer, at most: GitHub's about one repository, or one collaborator, has some 10 KiB."""
_LONGEST_ADDRESS = 2048
_NO_SCOPE = (
    "Your GitHub personal access token does not have read access to {what}. Please use a classic GitHub "
    "personal access token with the `{scope}` scope. Fine-grained tokens are not supported."
)
_NO_REPOSITORY = _NO_SCOPE.format(what="the repository", scope="repo")
_NO_COLLABORATORS = _NO_SCOPE.format(what="collaborators", scope="read:org")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubSource:
    """A repository of a GitHub, by its number or by ``owner/repo``, and the token to read it with.

    ``address`` is that of the GitHub's web site, None for github.com. ``page_size`` is that of lists.
    ``keeps_pages`` is as in the order of the job.
    """

    address: str | None
    repository: int | str
    token: str = field(repr=False)
    stages: GitHubStages = field(default_factory=GitHubStages)
    page_size: int = 100
    keeps_pages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubRepository:
    """A repository that was found, as GitHub describes it, and what a job needs to import it."""

    described: Repository
    source: RemoteSource
    order: GitHubOrder

    @property
    def name(self) -> str:
        """The name of the repository, without that of its owner."""
        return self.described.full_name.partition("/")[2]


class GitHubRepositories:
    """Checks repositories of GitHub, by the rules of the application settings."""

    def __init__(self, remote: RemoteImportPolicy) -> None:
        self._remote = remote

    async def find_api(self, address: str | None, settings: ApplicationSettings) -> URL:
        """Give where the API of a GitHub is. Raises GitHubBlocked if the server may not be asked."""
        if address is None:
            return api_of(None)
        with _refuse_blocked(address):
            async with asyncio.timeout(DEADLINE.total_seconds()):
                return await _checked_api(self._remote.client(settings), address)

    async def find(self, source: GitHubSource, api: URL, settings: ApplicationSettings) -> GitHubRepository:
        """Read the repository with the token, and for that stage whether it reads collaborators as well.

        Raises GitHubImportRefused, GitHubLimited and, where a redirect leads there, GitHubBlocked.
        """
        client = self._remote.client(settings)
        with _refuse_blocked(source.address or str(api)):
            async with asyncio.timeout(DEADLINE.total_seconds()):
                described = await _read(client, source, api)
        return GitHubRepository(
            described=described,
            source=RemoteSource(url=ApiAddress(api, source.token).write(), form=SourceForm.GITHUB),
            order=GitHubOrder(
                full_name=described.full_name,
                repository_id=described.id,
                api=str(api),
                stages=source.stages,
                page_size=source.page_size,
                keeps_pages=source.keeps_pages,
            ),
        )


async def _checked_api(client: RemoteClient, address: str) -> URL:
    """Check an address, and give where the API is that belongs to it. Raises BlockedUrl."""
    if len(address) > _LONGEST_ADDRESS:
        raise BlockedUrl(Reason.URI_INVALID)
    url = client.parse(address)
    # Credentials would be sent in place of the token, and a query would swallow the paths behind it.
    if url.raw_user is not None or url.raw_password is not None or url.query_string:
        raise BlockedUrl(Reason.URI_INVALID)
    api = api_of(str(url))
    await client.check(str(api))
    return api


async def _read(remote: RemoteClient, source: GitHubSource, api: URL) -> Repository:
    with _refuse(_NO_REPOSITORY):
        client = GitHubClient(remote, api, token=source.token, largest=_LARGEST)
        described = await client.repository(source.repository)
    if source.stages.collaborators_import:
        with _refuse(_NO_COLLABORATORS):
            await client.record(f"/repositories/{described.id}/collaborators?per_page=1")
    return described


@contextmanager
def _refuse_blocked(address: str) -> Iterator[None]:
    """Refuse an address that is blocked, or whose server is too slow. Credentials in it are masked."""
    try:
        yield
    except BlockedUrl as error:
        raise GitHubBlocked(_shown(address), cause=error) from None
    except TimeoutError:
        raise _failed(f"it did not answer within {DEADLINE.seconds} s") from None


@contextmanager
def _refuse(no_scope: str) -> Iterator[None]:
    try:
        yield
    except (TokenRefused, ScopeMissing) as error:
        raise GitHubImportRefused(no_scope, cause=error) from None
    except RateLimited as error:
        wait = max(1, ceil((error.until - datetime.now(UTC)).total_seconds()))
        raise GitHubLimited(wait=wait) from None
    except (GitHubRefused, StatusRefused) as error:
        raise _failed(f"{error.reason or error.shown} (HTTP {error.status})", error) from None
    except RemoteError as error:
        raise _failed(error.shown, error) from None


def _failed(reason: str, cause: CrossdockError | None = None) -> GitHubImportRefused:
    return GitHubImportRefused(f"Import failed because of a GitHub error: {reason}", cause=cause)


def _shown(address: str) -> str:
    """Give an address as it was sent, unless it has what may be a secret."""
    return mask_url(address) if re.search(r"[@?#]", address) or len(address) > _LONGEST_ADDRESS else address
