"""A running API with something of everything, to be asked for all that its description has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import web

from shared.accounts.memberships import add_member, add_project_member
from shared.accounts.models import AccessLevel, Scope, User
from shared.accounts.namespaces import create_group
from shared.accounts.sessions import Visitor, create_session, find_session
from shared.accounts.tokens import create_token, find_by_token
from shared.accounts.users import UserChange
from shared.catalogue.retention import Policy
from shared.destinations import store as destinations
from shared.destinations.models import BucketCredentials, BucketSettings, DestinationKind
from shared.destinations.sealed_credentials import CredentialSealer
from shared.git.packet_lines import FLUSH, packet
from shared.jobs import store as jobs
from shared.jobs.models import (
    ExportOrder,
    GitHubOrder,
    ImportOrder,
    Job,
    Outcome,
    RelationImportOrder,
    RemoteSource,
    SourceForm,
    UploadOutcome,
    UploadTarget,
)
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.people.people_map import PeopleMap, Row
from shared.projects.people_maps import MapOwner, set_map
from shared.pushes import store
from shared.schedules import runs
from shared.schedules import store as schedules
from shared.schedules.models import ScheduleOrder, Selection
from shared.schedules.timetable import Timetable
from shared.settings.environment import Settings
from shared.uploads import store as uploads
from shared.uploads.store import NewUpload
from shared.webhooks import store as webhooks
from shared.webhooks.sealed_webhooks import WebhookSealer
from tests.support.api import Api, running_api
from tests.support.background import Background
from tests.support.imported import bundle_of, imported
from tests.support.projects import Dock, ndjson, project
from tests.support.remote import Servers, names
from tests.support.sealing import sealer

_COMMIT = "1" * 40
_FAILED = "UPDATE jobs SET state = 'failed', finished_at = now() WHERE id = $1"
_FILE = {"Content-Type": "application/gzip", "Content-Length": "1000"}
_PROGRESS = {
    "bytes_done": 7,
    "bytes_total": 7,
    "entries": 1,
    "relations": {"issues": {"lines": 1, "failed": 0}},
    "selection": {
        "left_out": {"uploads": {"files": 2, "bytes": 5}},
        "missed": [{"relation": "issues", "refers_to": "uploads"}],
    },
    "contents": {"uploads": {"announced": 2, "came": 1, "missing": 1, "unannounced": 0, "partial": False}},
}
_OUTCOME = UploadOutcome(url="https://s3.example.com/x", status=200, attempts=1, bytes=7, error=None)
_MILESTONE = {"iid": 1, "title": "one", "state": "active", "due_date": "2027-01-31"}
_ISSUABLE = {
    "iid": 1, "title": "first", "state": "opened", "author_id": 7, "created_at": "2026-01-31T12:00:00.000Z",
    "milestone": _MILESTONE, "label_links": [{"label": {"title": "bug"}}],
}  # fmt: skip
_CONTENT: dict[str, list[object]] = {
    "issues": [_ISSUABLE, {"iid": 2, "weight": 3, "work_item_type": {"base_type": "task"}}, "no record"],
    "merge_requests": [
        _ISSUABLE | {"source_branch": "a", "target_branch": "b", "metrics": {"merged_at": "2026-02-01"}}
    ],
    "labels": [{"title": "bug", "color": "#ff0000", "priorities": [{"priority": 1}]}],
    "milestones": [_MILESTONE],
    "releases": [
        {"tag": "v1", "sha": _COMMIT, "links": [{"name": "file", "url": "https://example.com/x"}],
         "milestone_releases": [{"milestone": _MILESTONE}]},
    ],
    "snippets": [{"title": "snippet", "visibility_level": 0}],
}  # fmt: skip


@dataclass(slots=True)
class World:
    """The application, its administrator, and the ids of what there is, by kind.

    What is ``kept`` is for reading, and what is ``changed`` for all else. ``files`` is a server of archives,
    of repositories, a GitHub whose repositories are one and the same, and a provider of OpenID Connect.
    """

    api: Api
    background: Background
    root: User
    token: str
    files: str
    kept: dict[str, int]
    changed: dict[str, int]
    numbers: count[int] = field(default_factory=count)

    def new_name(self) -> str:
        """A name that nothing has."""
        return f"name{next(self.numbers)}"

    def new_project(self) -> int:
        """The id of a new project."""
        return self.background.run(self.api.project(self.root, self.new_name())).id

    def new_group(self) -> int:
        """The id of a new group."""
        return self.background.run(create_group(self.api.pool, self.new_name(), name=self.new_name())).id

    def with_map(self, kind: str) -> int:
        """The id of a new project or group with a map of people."""
        number = self.new_project() if kind == "projects" else self.new_group()
        owner = MapOwner(project_id=number) if kind == "projects" else MapOwner(namespace_id=number)
        self.background.run(_map_people(self.api, owner))
        return number

    def new_job(self) -> int:
        """The id of a new job, which waits."""
        return self.background.run(_new_job(self.api, self.root, self.new_name())).id

    def new_github_import(self) -> int:
        """The id of a new project, whose import from GitHub waits."""
        return self.background.run(_new_github_import(self.api, self.root, self.new_name())).project_id

    def failed_job(self) -> int:
        """The id of a job that failed."""
        number = self.new_job()
        self.background.run(self.api.pool.execute(_FAILED, number))
        return number

    def refused_line(self) -> int:
        """The id of a line that was refused of the project that is changed."""
        return self.background.run(_refused_line(self.api, self.changed["projects"]))

    def new_snapshot(self, *names: str) -> int:
        """The number of an open snapshot of the project that is changed, with empty files of these names."""
        return self.background.run(_new_snapshot(self.api, self.changed["projects"], names))

    def new_session(self) -> int:
        """The id of a new session of the administrator's."""
        return self.background.run(self._begin_session())

    async def _begin_session(self) -> int:
        token = await find_by_token(self.api.pool, self.token)
        assert token is not None
        visitor = Visitor(address="127.0.0.1", browser="a browser")
        secret = await create_session(self.api.pool, token.id, visitor, lasts=timedelta(hours=1))
        session = await find_session(self.api.pool, secret)
        assert session is not None
        return session.id

    def new_upload(self) -> int:
        """The id of a new upload of 7 bytes."""
        new = NewUpload(size=7, metadata="filename YQ==")
        return self.background.run(
            uploads.create(self.api.pool, new, user_id=self.root.id, kept=timedelta(days=1), limit=10_000)
        ).id

    def whole_upload(self) -> int:
        """The id of a new upload that has all its bytes, which are none."""
        number = self.new_upload()
        self.background.run(self.api.pool.execute("UPDATE uploads SET size = 0 WHERE id = $1", number))
        return number

    def new_webhook(self, *, of_project: bool) -> int:
        """The id of a new webhook of the project that is changed, or of all projects."""
        return self.background.run(_new_hook(self.api, self.changed["projects"] if of_project else None))

    def new_destination(self) -> int:
        """The id of a new destination."""
        return self.background.run(new_destination(self.api, self.root.id, self.new_name()))

    def new_schedule(self) -> int:
        """The id of a new schedule."""
        number = self.changed["destinations"]
        return self.background.run(
            new_schedule(self.api, self.root.id, self.new_name(), destination_id=number)
        )

    def new_user(self) -> int:
        """The id of a new user."""
        return self.background.run(self.api.user(self.new_name())).id

    def new_identity(self) -> int:
        """The id of a new user whom the provider of OpenID Connect signs in."""
        user_id = self.new_user()
        change = self.api.uses.users.change(self.root, user_id, UserChange(), subject=str(user_id))
        return self.background.run(change).id

    def new_member(self, kind: str) -> int:
        """The id of a new user who is a member of the project, or of the group, that is changed."""
        user_id = self.new_user()
        self.background.run(_join(self.api, self.changed, kind, user_id=user_id))
        return user_id

    def new_token(self) -> str:
        """Another token of the administrator's."""
        return self.background.run(_new_token(self.api, self.root))

    def new_token_id(self) -> int:
        """The id of another."""
        found = self.background.run(find_by_token(self.api.pool, self.new_token()))
        assert found is not None
        return found.id

    def reset(self) -> None:
        """Let the application settings be what they were, and end the exports that were asked for."""
        self.background.run(self._reset())

    async def _reset(self) -> None:
        await self.api.pool.execute(
            """DELETE FROM application_settings;
               UPDATE jobs SET state = 'canceled', finished_at = now()
               WHERE state = 'queued' AND kind = 'export'"""
        )


@asynccontextmanager
async def world(url: str, folder: Path, *, background: Background) -> AsyncIterator[World]:
    """Start the application and fill it."""
    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(_answer_as_file)
        files = f"http://files.test:{port}"
        openid = Settings(openid_connect_issuer=f"http://127.0.0.2:{port}", openid_connect_client_id="us")
        remote = RemoteImportPolicy(schemes=("https", "http"), resolver=names(), s3_endpoint_url=files)
        settings: dict[str, Any] = {
            "bulk_import_enabled": True, "outbound_local_requests_allowlist": ("files.test",)
        }  # fmt: skip
        api = await stack.enter_async_context(
            running_api(url, folder, remote=remote, longest_stream=timedelta(0), openid=openid, **settings)
        )
        root = await api.user("root", is_admin=True)
        kept, changed = await _filled(api, root, "kept"), await _filled(api, root, "changed")
        yield World(api, background, root, await _new_token(api, root), files, kept, changed)


async def _answer_as_file(request: web.Request) -> web.Response:
    if request.path.endswith("/info/refs"):
        body = packet(b"version 2\n") + FLUSH
        return web.Response(body=body, content_type="application/x-git-upload-pack-advertisement")
    if request.path == "/.well-known/openid-configuration":
        names = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        return web.json_response(dict.fromkeys(names, str(request.url.origin())))
    if request.path.startswith("/api/v3/repositories/"):
        return web.json_response({"id": 7, "full_name": "octo/hello"})
    return web.Response(headers=_FILE)


async def _new_job(api: Api, root: User, name: str) -> Job:
    return await api.job(await api.project(root, name), root)


async def _new_github_import(api: Api, root: User, name: str) -> Job:
    source = RemoteSource(url="sealed", form=SourceForm.GITHUB)
    order = ImportOrder(source=source, github=GitHubOrder(full_name="octo/hello", repository_id=7))
    return await api.job(await api.project(root, name), root, order)


async def _new_token(api: Api, root: User) -> str:
    return await create_token(api.pool, root.id, name="administrator", scopes=(Scope.API, Scope.SUDO))


async def _new_snapshot(api: Api, project_id: int, names: Sequence[str] = ()) -> int:
    """Open a snapshot; the project's other open ones go, as it may have so many only."""
    async with api.pool.acquire() as db, db.transaction():
        for push in await store.list_open(db, project_id):
            await db.execute("DELETE FROM snapshots WHERE id = $1", push.id)
        opened = await store.open_push(db, project_id, with_content=True, idle=timedelta(days=1))
        rows = [(opened.id, name, "blob", 0) for name in names]
        await db.executemany(
            "INSERT INTO entries (snapshot_id, name, kind, mtime) VALUES ($1, $2, $3, $4)", rows
        )
    return opened.id


async def _refused_line(api: Api, project_id: int) -> int:
    number: int = await api.pool.fetchval(
        """INSERT INTO quarantined_lines (snapshot_id, name, line, code, reason, size, bytes)
           SELECT snapshot_id, 'tree/project/issues.ndjson', 1, 'not_json', 'unexpected end', 1, '{'
           FROM projects WHERE id = $1 RETURNING id""",
        project_id,
    )
    return number


async def _new_hook(api: Api, project_id: int | None) -> int:
    sealing = WebhookSealer(sealer())
    made = await webhooks.create(
        api.pool,
        project_id=project_id,
        url=sealing.seal_url("http://files.test/", project_id=project_id),
        events=["*"],
        limit=100,
        description="",
        sealed_secret=sealing.seal_secret(bytes(32), project_id=project_id),
    )
    return made.id


async def new_destination(api: Api, user_id: int, name: str) -> int:
    """Make a destination of the user, and give its id."""
    keys = BucketCredentials(access_key_id="key", secret_access_key="secret")
    made = await destinations.create(
        api.pool,
        user_id=user_id,
        name=name,
        kind=DestinationKind.S3,
        settings=BucketSettings(bucket="bucket", endpoint="http://files.test"),
        sealed_credentials=CredentialSealer(sealer()).seal(keys, user_id=user_id),
        limit=1000,
    )
    return made.id


async def new_schedule(api: Api, user_id: int, name: str, *, destination_id: int) -> int:
    """Make a schedule of the user, and give its id."""
    order = ScheduleOrder(
        name=name,
        destination_id=destination_id,
        timetable=Timetable("0 2 * * *"),
        selection=Selection(projects=["1"]),
        retention=Policy(daily=7),
    )
    made = await schedules.create(
        api.pool, order, user_id=user_id, next_run_at=datetime(2100, 1, 1, tzinfo=UTC), limit=1000
    )
    return made.id


async def _new_run(api: Api, schedule_id: int) -> int:
    """Make a run with a project, and give its id."""
    async with api.pool.acquire() as db, db.transaction():
        made = await runs.request(db, schedule_id)
        await runs.fill(db, made.id, [{"project_id": 1, "path": "root/kept"}])
    return made.id


async def _delivery(api: Api, webhook_id: int) -> int:
    found = await webhooks.list_deliveries(api.pool, webhook_id, state=None, below=None, limit=1)
    return found[0].id


async def _join(api: Api, ids: dict[str, int], kind: str, *, user_id: int) -> None:
    if kind == "projects":
        await add_project_member(api.pool, user_id, project_id=ids[kind], level=AccessLevel.GUEST)
    else:
        await add_member(api.pool, user_id, namespace_id=ids[kind], level=AccessLevel.GUEST)


async def _map_people(api: Api, owner: MapOwner) -> None:
    people = PeopleMap((Row(source_user_identifier="7", gitlab_username="jane"),))
    await set_map(api.pool, owner, people, author="root")


async def _filled(api: Api, root: User, name: str) -> dict[str, int]:
    """Make one of everything, the project and the group with content, and give the ids."""
    group = await create_group(api.pool, f"{name}-group", name=name)
    await create_group(api.pool, "below", name="Below", parent=group)
    made = await imported(api, root, _archive(), path=name)
    hooks = {"webhooks": await _new_hook(api, None), "project_webhooks": await _new_hook(api, made.id)}
    job = await api.job(made, root, ExportOrder(upload=UploadTarget(url="https://s3.example.com/x")))
    await jobs.finish(api.pool, await api.started(job), progress=_PROGRESS, outcome=Outcome(upload=_OUTCOME))
    await Dock(api.pool, api.folder).run_export(project_id=made.id, user_id=root.id)
    await api.job(made, root, RelationImportOrder(relation="issues"))
    await api.post(f"/projects/{made.id}/export_relations", by="root")
    await api.post(f"/groups/{group.id}/export", by="root")
    user = await api.user(f"{name}-user")
    token = await find_by_token(api.pool, api.tokens[user.username])
    assert token is not None
    ids = {
        "projects": made.id, "groups": group.id, "namespaces": group.id, "jobs": job.id, "users": user.id,
        "personal_access_tokens": token.id, "snapshots": await _new_snapshot(api, made.id), **hooks,
        "destinations": (destination := await new_destination(api, root.id, name)),
        "schedules": (schedule := await new_schedule(api, root.id, name, destination_id=destination)),
        "runs": await _new_run(api, schedule),
        **{f"deliveries of {name}": await _delivery(api, hooks[name]) for name in hooks},
    }  # fmt: skip
    await _map_people(api, MapOwner(project_id=made.id))
    await _map_people(api, MapOwner(namespace_id=group.id))
    for kind in ("projects", "groups"):
        await _join(api, ids, kind, user_id=user.id)
    return ids


def _archive() -> bytes:
    lines = {name: ndjson(*(json.dumps(each).encode() for each in found)) for name, found in _CONTENT.items()}
    bundle = bundle_of(refs__heads__main=_COMMIT, refs__tags__v1=_COMMIT, HEAD=_COMMIT)
    return project(("project.bundle", bundle), **lines)
