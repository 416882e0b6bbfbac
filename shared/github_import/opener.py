"""Opens a repository of a GitHub: fetches what attempts before have not, and makes a source of it."""

from __future__ import annotations

from dataclasses import dataclass

from yarl import URL

from shared.database.pool import Pool
from shared.github.answers import Repository
from shared.github.client import GitHubClient
from shared.github.origin import Origin, People
from shared.github_import.fetcher import Fetcher
from shared.github_import.list_fetcher import FetchLimits
from shared.github_import.pages import PageStore
from shared.github_import.people import MappedPeople
from shared.github_import.source import GitHubSource
from shared.github_import.uploads import UploadEvents
from shared.gitlab.visibility import Visibility
from shared.jobs.models import ImportOrder, Job, Lease
from shared.jobs.progress import Phase, Progress
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.people.people_map import PeopleMap
from shared.projects import people_maps
from shared.projects.content import ProjectGone
from shared.remote.api_address import ApiAddress
from shared.remote.client import RemoteClient
from shared.remote.errors import SchemeRefused
from shared.restore.git_events import GitSource
from shared.settings.application import ApplicationSettings
from shared.settings.archive_limits import LimitsProvider
from shared.settings.store import application_settings


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the repository goes."""

    full_path: str
    created_at: int
    visibility: Visibility
    may_have_members: bool


class GitHubOpener:
    """Opens the repositories of jobs. Addresses are checked again, by the current settings.

    ``base_url`` is that of this server, where links of texts lead to.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        remote: RemoteImportPolicy,
        defaults: ApplicationSettings,
        limits: LimitsProvider,
        packed_up_to: int,
        base_url: str,
    ) -> None:
        self._pool = pool
        self._remote = remote
        self._defaults = defaults
        self._limits = limits
        self._packed_up_to = packed_up_to
        self._base_url = base_url

    async def open(self, job: Job, lease: Lease, progress: Progress) -> GitHubSource:
        """Fetch, and make the source. Raises ProjectGone, and what ``Fetcher.fetch`` raises."""
        order = job.order
        assert isinstance(order, ImportOrder)  # noqa: S101  # this worker claims no other kind
        assert order.source is not None  # noqa: S101  # as well
        assert order.github is not None  # noqa: S101  # as well
        remote = self._remote.client(await application_settings(self._pool, self._defaults))
        address = ApiAddress.read(order.source.url)
        client = GitHubClient(remote, address.api, token=address.token, page_size=order.github.page_size)
        place = await self._place(job.project_id)
        pages = PageStore(self._pool, lease)
        of_archives = await self._limits()
        limits = FetchLimits(
            size=of_archives.decompressed,
            pages=of_archives.entries,
            may_have_members=place.may_have_members,
        )
        progress.begin(Phase.FETCHING)
        fetcher = Fetcher(client, pages, order.github, limits=limits, progress=progress)
        repository = await fetcher.fetch()
        web = str(_trusted(remote.parse(repository.html_url), address).origin())
        people = await self._people(job.project_id)
        origin = self._origin(job, repository, place, web=web, people=people)
        return GitHubSource(
            git=self._git(job, remote, address, repository, place),
            pages=pages,
            repository=repository,
            origin=origin,
            visibility=place.visibility,
            uploads=UploadEvents(pages, origin, remote=remote, address=address, stages=order.github.stages),
        )

    async def _people(self, project_id: int) -> MappedPeople:
        stored = await people_maps.find_map_for(self._pool, project_id)
        return MappedPeople(PeopleMap() if stored is None else stored.people)

    def _git(
        self, job: Job, remote: RemoteClient, address: ApiAddress, repository: Repository, place: _Place
    ) -> GitSource:
        return GitSource(
            client=remote,
            url=_with_token(remote.parse(repository.clone_url), address),
            attributes={},
            mtime=place.created_at,
            packed_up_to=self._packed_up_to,
            is_last=job.attempt >= job.max_attempts,
            has_wiki=repository.has_wiki,
        )

    def _origin(self, job: Job, repository: Repository, place: _Place, *, web: str, people: People) -> Origin:
        return Origin(
            repository_id=repository.id,
            full_name=repository.full_name,
            web_url=web,
            project_url=f"{self._base_url}/{place.full_path}",
            people=people,
            now=job.created_at,
        )

    async def _place(self, project_id: int) -> _Place:
        row = await self._pool.fetchrow(
            """SELECT n.full_path || '/' || p.path AS full_path, p.created_at, n.kind, n.visibility
               FROM projects p JOIN namespaces n ON n.id = p.namespace_id WHERE p.id = $1""",
            project_id,
        )
        if row is None:
            raise ProjectGone(project_id)
        return _Place(
            full_path=row["full_path"],
            created_at=int(row["created_at"].timestamp()),
            visibility=Visibility(row["visibility"]),
            may_have_members=row["kind"] == "group",
        )


def _trusted(url: URL, address: ApiAddress) -> URL:
    """Give an address that gets the token: by TLS where the API is asked by that. Raises BlockedUrl."""
    if address.api.scheme == "https" and url.scheme != "https":
        raise SchemeRefused(("https",))
    return url


def _with_token(url: URL, address: ApiAddress) -> str:
    """Give the address of the repository with the token as its user, as GitHub takes it."""
    return str(_trusted(url, address).with_user(address.token).with_password(""))
