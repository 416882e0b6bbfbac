"""The real application over a real Postgres, a folder of objects and the in-process broker."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry
from yarl import URL

from services.api.app import ApiConfig, ApiMetrics, make_app, make_runner, show_life
from services.api.http.metrics import RequestMetrics
from services.api.http.places import PlaceNumbers
from services.api.http.responses import SECURITY_HEADERS
from services.api.use_cases import USE_CASES, UseCaseConfig, UseCases
from services.listener.connections import Connections
from services.listener.metrics import ConnectionMetrics
from services.listener.site import CONNECTIONS, GuardedSite
from services.process.health import Readiness
from services.process.openid_connect import make_provider, openid_rules
from shared.accounts.memberships import add_project_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import personal_namespace
from shared.accounts.tokens import create_token
from shared.accounts.users import create_user
from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.database.pool import session as session_
from shared.exports import archives
from shared.exports.archives import ArchivePlan
from shared.gitlab.visibility import Visibility
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, JobKind, JobOrder, Lease
from shared.ledger import objects
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.projects import store
from shared.projects.models import Project
from shared.settings.application import ApplicationSettings
from shared.settings.environment import Settings
from shared.signing.signer import parse_signer
from shared.storage.s3 import s3_store
from tests.support.counting import CountingStore
from tests.support.jobs import claimed
from tests.support.sealing import KEY, sealer

EXTERNAL_URL = "https://gitlab.example.com"
UNLIMITED = {
    "project_import_limit": 0,
    "github_import_limit": 0,
    "project_export_limit": 0,
    "project_download_export_limit": 0,
}
ARCHIVE = bytes(range(256)) * 40


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers, and the body, parsed where it is JSON."""

    status: int
    headers: Any
    body: Any


@dataclass(slots=True)
class Api:
    """A running application, and short ways to the states that tests need."""

    pool: Pool
    store: CountingStore
    broker: MemoryBroker
    folder: Path
    url: URL
    session: aiohttp.ClientSession
    readiness: Readiness
    registry: CollectorRegistry
    app: web.Application
    uses: UseCases
    connections: Connections
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, *, by: str | None = None, **more: Any) -> Answer:
        """Make a call with the token of the user ``by``; ``path`` is sent as it stands."""
        headers = {**more.pop("headers", {})}
        if by is not None:
            headers["PRIVATE-TOKEN"] = self.tokens[by]
        url = URL(f"{str(self.url).rstrip('/')}{path}", encoded=True)
        async with self.session.request(method, url, headers=headers, **more) as response:
            body = await response.read()
            is_json = response.headers.get("Content-Type") == "application/json" and body
            return Answer(response.status, response.headers, await response.json() if is_json else body)

    async def get(self, path: str, *, by: str | None = None, **more: Any) -> Answer:
        """GET below /api/v4."""
        return await self.call("GET", f"/api/v4{path}", by=by, **more)

    async def post(self, path: str, *, by: str | None = None, **more: Any) -> Answer:
        """POST below /api/v4."""
        return await self.call("POST", f"/api/v4{path}", by=by, **more)

    async def user(self, username: str, *, is_admin: bool = False) -> User:
        """A new user with a token."""
        user = await create_user(self.pool, username, name=username.capitalize(), is_admin=is_admin)
        self.tokens[username] = await create_token(self.pool, user.id, name="test")
        return user

    async def project(
        self, owner: User, path: str = "project", *, visibility: Visibility = Visibility.PRIVATE
    ) -> Project:
        """A new project in the owner's namespace."""
        namespace = await personal_namespace(self.pool, owner.id)
        return await store.create(
            self.pool,
            store.NewProject(
                namespace_id=namespace.id, creator_id=owner.id, path=path, name=path, visibility=visibility
            ),
        )

    async def member(self, username: str, project: Project, level: AccessLevel) -> User:
        """A new user who is a member of the project."""
        user = await self.user(username)
        await add_project_member(self.pool, user.id, project_id=project.id, level=level)
        return user

    async def job(self, project: Project, user: User, order: JobOrder | None = None) -> Job:
        """A queued job, an export without an order."""
        return await jobs.enqueue(
            self.pool, order or ExportOrder(), project_id=project.id, user_id=user.id, correlation_id="cid"
        )

    async def started(self, job: Job) -> Lease:
        """The job, claimed."""
        return await claimed(self.pool, job)

    async def finished(self, job: Job) -> None:
        """The job, done."""
        await jobs.finish(self.pool, await self.started(job), progress={})

    async def failed(self, job: Job, error: str) -> None:
        """The job, failed."""
        await jobs.fail(self.pool, await self.started(job), code="storage", error=error)

    async def newest(self, project: Project, kind: JobKind) -> Job:
        """The newest job of the project."""
        job = await jobs.find_newest(self.pool, project.id, kind)
        assert job is not None
        return job

    async def archive(self, project: Project, user: User, *, content: bytes = ARCHIVE) -> str:
        """A finished export with its object; gives the object's key."""
        job = await self.job(project, user)
        await self.finished(job)
        named = await objects.register(self.pool, kind="archive")
        async with self.store.create(named.key) as writer:
            await writer.write(content)
            await writer.commit()
        digest = hashlib.sha256(content).digest()
        await objects.record_stored(self.pool, named.id, size=len(content), sha256=digest)
        await archives.keep_newest(
            self.pool, job, ArchivePlan(object_id=named.id, size=len(content), sha256=digest),
            file_name="2026-11-22_10-11-148_ann_project_export.tar.gz", retention=timedelta(hours=1),
        )  # fmt: skip
        return named.key

    async def objects_left(self) -> int:
        """How many objects the ledger and the store know, together."""
        known: int = await self.pool.fetchval("SELECT count(*) FROM objects")
        return known + len([item async for item in self.store.list()])


@asynccontextmanager
async def running_api(
    url: str,
    folder: Path,
    *,
    remote: RemoteImportPolicy | None = None,
    longest_stream: timedelta = timedelta(minutes=1),
    idempotency_keys_limit: int = 10_000,
    webhooks_limit: int = 100,
    groups_limit: int = 10_000,
    destinations_limit: int = 100,
    schedules_limit: int = 100,
    places: PlaceNumbers | None = None,
    listener: Mapping[str, Any] | None = None,
    longest_pass: timedelta = timedelta(seconds=10),
    failed_sign_ins: int = 60,
    openid: Settings | None = None,
    signing_keys: str = KEY,
    small_import: int = 0,
    broker: MemoryBroker | None = None,
    shows_life: bool = False,
    external_url: str = EXTERNAL_URL,
    **config: Any,
) -> AsyncIterator[Api]:
    """Start the application with these application settings, else without rate limits.

    ``listener`` has what else differs from the defaults of ``ApiConfig``. It has no sign of life unless it
    ``shows_life``.
    """
    async with database(url, size=4) as pool:
        store_, broker, readiness = CountingStore(folder), broker or MemoryBroker(), Readiness()
        registry = CollectorRegistry()
        app = make_app(
            pool,
            store_,
            broker,
            sealer=sealer(),
            config=ApiConfig(
                external_url=external_url,
                longest_stream=longest_stream,
                idempotency_keys_limit=idempotency_keys_limit,
                places=places or PlaceNumbers(),
                **(listener or {}),
                use_cases=UseCaseConfig(
                    defaults=ApplicationSettings(**(UNLIMITED | config)),
                    outbound=remote or RemoteImportPolicy(),
                    longest_pass=longest_pass,
                    failed_sign_ins=failed_sign_ins,
                    small_import=small_import,
                    webhooks_limit=webhooks_limit,
                    groups_limit=groups_limit,
                    destinations_limit=destinations_limit,
                    schedules_limit=schedules_limit,
                    signer=parse_signer(signing_keys),
                    openid_provider=make_provider(openid) if openid else None,
                    openid_rules=openid_rules(openid or Settings()),
                    open_store=s3_store,
                ),
            ),
            readiness=readiness,
            metrics=ApiMetrics(RequestMetrics(registry), ConnectionMetrics(registry)),
        )
        if shows_life:
            show_life(app, partial(session_, url))
        async with listening(app) as url_, aiohttp.ClientSession() as session:
            yield Api(
                pool, store_, broker, folder, url_, session, readiness, registry, app, app[USE_CASES],
                app[CONNECTIONS],
            )  # fmt: skip


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[URL]:
    """Serve the application as in earnest: aiohttp's test server would cancel handlers instead."""
    runner = make_runner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await _site(runner, app).start()
        host, port = runner.addresses[0][:2]
        yield URL.build(scheme="http", host=host, port=port)
    finally:
        await runner.cleanup()


def _site(runner: web.AppRunner, app: web.Application) -> web.BaseSite:
    """Listen behind the guard, but plainly for the receiver of a test."""
    if CONNECTIONS not in app:
        return web.TCPSite(runner, "127.0.0.1", 0)
    return GuardedSite(runner, host="127.0.0.1", port=0, headers=app.get(SECURITY_HEADERS, {}))
