"""Makes the use cases of the api once, and gives handlers access to them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import partial

from aiohttp import web

from services.api.http.places import ApiPlaces
from shared.accounts.rate_limits import OnQuota, RateLimits
from shared.archive.limits import Limits
from shared.assembly.blocks import BlockReader
from shared.database.pool import Pool
from shared.destinations.buckets import Buckets, OpenStore, OutsideRules
from shared.destinations.peers import PeerServers
from shared.exports.redirects import ArchiveRedirects
from shared.jobs.announcer import Announcer
from shared.openid.provider import Provider
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.records.finder import PassLimits
from shared.sealing.sealer import Sealer
from shared.settings.application import ApplicationSettings
from shared.settings.archive_limits import current_limits
from shared.signing.signer import Signer
from shared.storage.base import ObjectStore
from shared.storage.s3_bucket import S3Config
from shared.usecases.archive_sources import ArchiveFinder
from shared.usecases.browser_sessions import BrowserSessions
from shared.usecases.bulk_retries import BulkRetries
from shared.usecases.commits import Commits
from shared.usecases.destinations import Destinations
from shared.usecases.direct_uploads import DirectUploads
from shared.usecases.documents import Documents
from shared.usecases.events import Events
from shared.usecases.exports import Exports
from shared.usecases.git_imports import GitImports
from shared.usecases.github_imports import GitHubImports
from shared.usecases.github_repositories import GitHubRepositories
from shared.usecases.group_archives import GroupArchives
from shared.usecases.groups import Groups
from shared.usecases.imports import Imports
from shared.usecases.job_queue import JobQueue
from shared.usecases.jobs import Jobs
from shared.usecases.manifests import Manifests
from shared.usecases.members import Members, SourceKind
from shared.usecases.openid_connect import OpenIdConnect, OpenIdRules
from shared.usecases.overviews import ProjectOverviews
from shared.usecases.peer_transfers import PeerJobs, PeerTransfers
from shared.usecases.people import People
from shared.usecases.projects import Projects
from shared.usecases.push_content import PushContent, PushRules
from shared.usecases.pushes import Pushes
from shared.usecases.quarantine import Quarantine
from shared.usecases.quarantine_repairs import QuarantineRepairs
from shared.usecases.records import Records
from shared.usecases.relation_exports import RelationExports
from shared.usecases.relation_imports import RelationImports
from shared.usecases.remote_archives import RemoteArchives
from shared.usecases.remote_imports import RemoteImports
from shared.usecases.remote_repositories import RemoteRepositories
from shared.usecases.repository import Repositories
from shared.usecases.resumable_uploads import ResumableUploads, UploadRules
from shared.usecases.retries import Retries
from shared.usecases.runs import Runs
from shared.usecases.schedules import Schedules
from shared.usecases.settings import InstanceSettings
from shared.usecases.standing import UserLimitsReader
from shared.usecases.system import System
from shared.usecases.token_lookup import TokenLookup, TokenMemory
from shared.usecases.tokens import Tokens
from shared.usecases.uploads import Uploads
from shared.usecases.users import Users
from shared.usecases.webhooks import Webhooks


def _no_store(config: S3Config) -> AbstractAsyncContextManager[ObjectStore]:
    """Open no bucket: the adapter comes from wiring."""
    raise TypeError(config)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCaseConfig:
    """The configuration of the use cases.

    ``defaults`` are the application settings that apply until an administrator changes them. ``limits`` apply
    to archives and to open snapshots, but their total size is limited by the application settings; ``pushes``
    apply to open snapshots alone. A job has ``job_attempts`` attempts. An import whose archive has at most
    ``small_import`` bytes is a small one.
    A user has at most ``tokens_limit`` valid tokens, and owns at most ``groups_limit`` groups.
    A project has at most ``webhooks_limit`` webhooks.
    A pass over the records of a relation ends after ``longest_pass``. In a minute, ``failed_sign_ins`` may
    fail from one address, or for one account. ``signer`` signs manifests, if there is one.
    Downloads of exports that are objects are redirected to the store if ``redirects_downloads``.
    A user has at most ``destinations_limit`` destinations, whose buckets ``open_store`` opens, and
    ``schedules_limit`` schedules. A worker that was silent for ``lease`` is not there any more.
    ``openid_provider`` signs users in, if there is one, by ``openid_rules``.
    ``uploads`` are the rules of uploads that go on after a cut; with
    ``takes_direct_uploads`` bytes may also go straight into the store, where that has addresses.
    """

    defaults: ApplicationSettings = field(default_factory=ApplicationSettings)
    job_attempts: int = 5
    small_import: int = 0
    outbound: RemoteImportPolicy = field(default_factory=RemoteImportPolicy)
    limits: Limits = field(default_factory=Limits)
    pushes: PushRules = field(default_factory=PushRules)
    tokens_limit: int = 1000
    groups_limit: int = 10_000
    webhooks_limit: int = 100
    longest_pass: timedelta = timedelta(seconds=10)
    token_memory: TokenMemory = field(default_factory=TokenMemory)
    failed_sign_ins: int = 60
    signer: Signer | None = None
    redirects_downloads: bool = False
    open_store: OpenStore = field(default=_no_store)
    destinations_limit: int = 100
    schedules_limit: int = 100
    lease: timedelta = timedelta(minutes=1)
    openid_provider: Provider | None = None
    openid_rules: OpenIdRules = field(default_factory=OpenIdRules)
    uploads: UploadRules = field(default_factory=UploadRules)
    takes_direct_uploads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnUseCases:
    """One instance of use cases that GitLab does not have: of backups, people, refused lines, uploads."""

    destinations: Destinations
    direct_uploads: DirectUploads
    overviews: ProjectOverviews
    people: People
    quarantine: Quarantine
    quarantine_repairs: QuarantineRepairs
    resumable_uploads: ResumableUploads
    runs: Runs
    schedules: Schedules
    system: System
    webhooks: Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases(OwnUseCases):
    """One instance of each use case."""

    browser_sessions: BrowserSessions
    bulk_retries: BulkRetries
    events: Events
    exports: Exports
    git_imports: GitImports
    github_imports: GitHubImports
    group_archives: GroupArchives
    group_members: Members
    groups: Groups
    imports: Imports
    jobs: Jobs
    manifests: Manifests
    openid_connect: OpenIdConnect
    peer_transfers: PeerTransfers
    project_members: Members
    projects: Projects
    pushes: Pushes
    queue: JobQueue
    records: Records
    relation_exports: RelationExports
    relation_imports: RelationImports
    remote_imports: RemoteImports
    repositories: Repositories
    settings: InstanceSettings
    standings: UserLimitsReader
    tokens: Tokens
    uploads: Uploads
    users: Users


USE_CASES = web.AppKey("use_cases", UseCases)


def use_cases(request: web.Request) -> UseCases:
    """Return the use cases of the application that serves the request."""
    return request.app[USE_CASES]


def make_use_cases(  # the ports, and what they are configured with
    pool: Pool,
    store: ObjectStore,
    announcer: Announcer,
    *,
    blocks: BlockReader,
    sealer: Sealer,
    config: UseCaseConfig,
    places: ApiPlaces,
    on_quota: OnQuota,
) -> UseCases:
    """Make the use cases. ``on_quota`` is called with the quota at each use of a rate limit."""
    queue = JobQueue(announcer, sealer=sealer, attempts=config.job_attempts, small=config.small_import)
    settings, limits = InstanceSettings(pool, config.defaults), RateLimits(pool, on_quota)
    repositories, relation_imports = Repositories(pool, store), RelationImports(pool, queue)
    exports = _make_exports(pool, store, queue, config, blocks=blocks, settings=settings, limits=limits)
    imports = Imports(pool, queue, settings=settings, limits=limits)
    lookup = TokenLookup(pool, places.tokens, memory=config.token_memory)
    retries = Retries(pool, queue, exports=exports, imports=imports, relation_imports=relation_imports)
    jobs = Jobs(pool, queue, retries=retries, silence=config.lease)
    own = _make_own(pool, store, config, places=places, sealer=sealer, limits=limits, imports=imports)
    return UseCases(
        **{each.name: getattr(own, each.name) for each in fields(own)},
        browser_sessions=BrowserSessions(pool, limits, lookup=lookup, failures=config.failed_sign_ins),
        bulk_retries=BulkRetries(pool, jobs),
        events=Events(pool),
        exports=exports,
        git_imports=_make_git_imports(pool, queue, config, settings=settings, repositories=repositories),
        github_imports=_make_github_imports(pool, queue, config, imports=imports, settings=settings),
        group_archives=_make_group_archives(pool, store, config, limits=limits, settings=settings),
        group_members=Members(pool, SourceKind.GROUP),
        groups=Groups(pool, limit=config.groups_limit),
        imports=imports,
        jobs=jobs,
        manifests=Manifests(pool, exports, signer=config.signer),
        openid_connect=_make_openid_connect(pool, limits, config),
        peer_transfers=_make_transfers(pool, queue, config, exports=exports, imports=imports, sealer=sealer),
        project_members=Members(pool, SourceKind.PROJECT),
        projects=Projects(pool, repositories=repositories),
        pushes=_make_pushes(pool, store, config, blocks=blocks, documents=Documents(places.documents)),
        queue=queue,
        records=Records(pool, store, limits=_pass_limits(config, places)),
        relation_exports=RelationExports(pool, store, blocks=blocks, settings=settings),
        relation_imports=relation_imports,
        remote_imports=RemoteImports(pool, queue, imports=imports, sources=_make_sources(store, config, own)),
        repositories=repositories,
        settings=settings,
        standings=_make_standings(pool, config, settings=settings),
        tokens=Tokens(pool, lookup, limit=config.tokens_limit),
        uploads=Uploads(pool, store),
        users=Users(pool, issuer=config.openid_provider.issuer if config.openid_provider else None),
    )


def _make_openid_connect(pool: Pool, limits: RateLimits, config: UseCaseConfig) -> OpenIdConnect:
    return OpenIdConnect(
        pool,
        limits,
        config.openid_provider,
        rules=config.openid_rules,
        failures=config.failed_sign_ins,
    )


def _make_group_archives(
    pool: Pool, store: ObjectStore, config: UseCaseConfig, *, limits: RateLimits, settings: InstanceSettings
) -> GroupArchives:
    return GroupArchives(pool, store, limit=config.groups_limit, limits=limits, settings=settings)


def _make_transfers(
    pool: Pool, queue: JobQueue, config: UseCaseConfig, *, exports: Exports, imports: Imports, sealer: Sealer
) -> PeerTransfers:
    servers = PeerServers(config.outbound, InstanceSettings(pool, config.defaults).current)
    peers = PeerJobs(queue, servers, sealer=sealer)
    return PeerTransfers(pool, queue, imports=imports, exports=exports, peers=peers)


def _make_sources(store: ObjectStore, config: UseCaseConfig, own: OwnUseCases) -> ArchiveFinder:
    return ArchiveFinder(
        store,
        RemoteArchives(config.outbound),
        repositories=RemoteRepositories(config.outbound),
        github=GitHubRepositories(config.outbound),
        uploads=own.resumable_uploads,
    )


def _make_git_imports(
    pool: Pool,
    queue: JobQueue,
    config: UseCaseConfig,
    *,
    settings: InstanceSettings,
    repositories: Repositories,
) -> GitImports:
    projects = Projects(pool, repositories=repositories)
    remotes = RemoteRepositories(config.outbound)
    return GitImports(pool, queue, projects=projects, settings=settings, repositories=remotes)


def _make_github_imports(
    pool: Pool, queue: JobQueue, config: UseCaseConfig, *, imports: Imports, settings: InstanceSettings
) -> GitHubImports:
    repositories = GitHubRepositories(config.outbound)
    return GitHubImports(pool, queue, imports=imports, settings=settings, repositories=repositories)


def _make_standings(pool: Pool, config: UseCaseConfig, *, settings: InstanceSettings) -> UserLimitsReader:
    return UserLimitsReader(pool, settings=settings, limits=config.limits, longest_pass=config.longest_pass)


def _make_own(
    pool: Pool,
    store: ObjectStore,
    config: UseCaseConfig,
    *,
    places: ApiPlaces,
    sealer: Sealer,
    limits: RateLimits,
    imports: Imports,
) -> OwnUseCases:
    settings = InstanceSettings(pool, config.defaults)
    schedules = Schedules(pool, limit=config.schedules_limit)
    resumable = ResumableUploads(pool, store, imports=imports, settings=settings, rules=config.uploads)
    is_wanted = config.takes_direct_uploads
    return OwnUseCases(
        destinations=_make_destinations(pool, config, sealer=sealer, settings=settings),
        direct_uploads=DirectUploads(pool, store, uploads=resumable, is_wanted=is_wanted),
        overviews=ProjectOverviews(pool),
        people=People(pool, store, limits=_pass_limits(config, places)),
        quarantine=Quarantine(pool),
        quarantine_repairs=_make_repairs(pool, store, config, documents=Documents(places.documents)),
        resumable_uploads=resumable,
        runs=Runs(pool, schedules),
        schedules=schedules,
        system=System(pool, config.lease),
        webhooks=_make_webhooks(pool, config, sealer=sealer, settings=settings, limits=limits),
    )


def _make_destinations(
    pool: Pool, config: UseCaseConfig, *, sealer: Sealer, settings: InstanceSettings
) -> Destinations:
    outside = OutsideRules(resolver=config.outbound.resolver, tls=config.outbound.tls)
    buckets = Buckets(config.open_store, settings.current, outside)
    peers = PeerServers(config.outbound, settings.current)
    return Destinations(pool, buckets, peers, sealer=sealer, limit=config.destinations_limit)


def _make_webhooks(
    pool: Pool, config: UseCaseConfig, *, sealer: Sealer, settings: InstanceSettings, limits: RateLimits
) -> Webhooks:
    return Webhooks(
        pool,
        sealer=sealer,
        settings=settings,
        outbound=config.outbound,
        limits=limits,
        limit=config.webhooks_limit,
    )


def _make_exports(
    pool: Pool,
    store: ObjectStore,
    queue: JobQueue,
    config: UseCaseConfig,
    *,
    blocks: BlockReader,
    settings: InstanceSettings,
    limits: RateLimits,
) -> Exports:
    redirects = ArchiveRedirects(pool, store) if config.redirects_downloads else None
    return Exports(pool, store, queue, blocks=blocks, settings=settings, limits=limits, redirects=redirects)


def _pass_limits(config: UseCaseConfig, places: ApiPlaces) -> PassLimits:
    return PassLimits(lists=places.passes, singles=places.lookups, longest=config.longest_pass)


def _make_pushes(
    pool: Pool, store: ObjectStore, config: UseCaseConfig, *, blocks: BlockReader, documents: Documents
) -> Pushes:
    limits = partial(current_limits, pool, config.limits, defaults=config.defaults)
    content = PushContent(pool, store, limits=limits, rules=config.pushes, documents=documents)
    commits = Commits(pool, store, blocks=blocks, documents=documents)
    return Pushes(pool, content=content, commits=commits, idle=config.pushes.idle)


def _make_repairs(
    pool: Pool, store: ObjectStore, config: UseCaseConfig, *, documents: Documents
) -> QuarantineRepairs:
    limits = partial(current_limits, pool, config.limits, defaults=config.defaults)
    return QuarantineRepairs(pool, store, limits=limits, documents=documents)
