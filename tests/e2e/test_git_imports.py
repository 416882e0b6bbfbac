"""Repositories of git servers: whole through both forms, and whatever is killed on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.jobs.requeue import Requeue
from shared.ledger.collector import Collector
from shared.storage.base import ObjectStore
from shared.storage.s3 import s3_store
from tests.support.buckets import made_bucket
from tests.support.databases import MigratedDatabase
from tests.support.git import add_references, git, make_repository, references
from tests.support.git_http import GitHttp
from tests.support.git_lfs import GitLfs, oid_of, pointer
from tests.support.git_stages import STAGES, StagedGit
from tests.support.gitlab import GitLab
from tests.support.killed import POINT, KilledProcess
from tests.support.objects import keys as keys_of
from tests.support.objects import s3_config
from tests.support.processes import ServerProcess
from tests.support.projects import files
from tests.support.rabbitmq import RabbitMQServer
from tests.support.remote import SECRET, Handler, Servers
from tests.support.seaweedfs import S3Server
from tests.support.system import crossdock, distributed
from tests.support.tls_front import server_context
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)

LARGE, SMALL = os.urandom(300_000), b"small"
OBJECTS = {oid_of(each): each for each in (LARGE, SMALL)}
FILES = {"a.bin": pointer(LARGE), "b.bin": pointer(SMALL)}


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


def moved(handler: Handler) -> Handler:
    """The same server, whose repository had another name before."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/old.git/"):
            there = request.path_qs.replace("/old.git/", "/one.git/")
            return web.Response(status=301, headers={"Location": there})
        return await handler(request)

    return handle


async def imported(gitlab: GitLab, url: str) -> tuple[int, dict[str, object]]:
    """The project of a repository, once its import has ended, and the status of that."""
    name = f"git-{uuid4().hex[:12]}"
    created = await gitlab.call("POST", "/projects", json={"name": name, "import_url": url})
    assert created.status == 201, created
    return created.body["id"], await gitlab.imported(created.body["id"])


async def exported(gitlab: GitLab, project: int, folder: Path) -> dict[str, bytes]:
    assert (await gitlab.export(project))["export_status"] == "finished"
    await gitlab.download(project, folder / "out.tar.gz")
    return files((folder / "out.tar.gz").read_bytes())


def cloned(folder: Path, bundle: bytes, *, object_format: str = "sha1") -> Path:
    """What git makes of a bundle that it has verified; nothing is wrong with it."""
    (folder / "b.bundle").write_bytes(bundle)
    git(folder, "init", "-q", "--bare", f"--object-format={object_format}", "empty.git")
    git(folder / "empty.git", "bundle", "verify", "-q", str(folder / "b.bundle"))
    copy = folder / "copy.git"
    git(folder, "clone", "-q", "--mirror", "b.bundle", str(copy))
    git(copy, "fsck", "--full", "--strict")
    return copy


def commits(repository: Path) -> str:
    return git(repository, "rev-list", "--all", "--objects")


@pytest.mark.parametrize(
    ("object_format", "version", "count"),
    [("sha1", 2, 20_000), ("sha256", 2, 0), ("sha1", 1, 0), ("sha1", 0, 0)],
)
async def test_a_repository_comes_whole_with_its_wiki_and_lfs_objects(
    gitlab: GitLab,
    keys: tuple[Path, Path],
    servers: Servers,
    tmp_path: Path,
    object_format: str,
    version: int,
    count: int,
) -> None:
    source = make_repository(tmp_path / "git", object_format=object_format, files=FILES)
    wiki = make_repository(tmp_path / "git", "one.wiki.git", files={"home.md": b"# Home\n"})
    add_references(source, count)
    served = GitHttp(tmp_path / "git", token=SECRET, version=version)
    handler = moved(GitLfs(served, OBJECTS).handle)
    port = await servers.http(handler, host="127.0.0.1", tls=server_context(keys))

    project, status = await imported(gitlab, f"https://git:{SECRET}@localhost:{port}/old.git")

    assert (status["import_status"], status["import_type"]) == ("finished", "git"), status
    assert (status["import_error"], status["failed_relations"]) == (None, [])
    out = await exported(gitlab, project, tmp_path)
    copy = cloned(tmp_path, out["project.bundle"], object_format=object_format)
    assert references(copy) == references(source)
    assert commits(copy) == commits(source)
    (tmp_path / "wiki").mkdir()
    assert references(cloned(tmp_path / "wiki", out["project.wiki.bundle"])) == references(wiki)
    assert {oid: out[f"lfs-objects/{oid}"] for oid in json.loads(out["lfs-objects.json"])} == OBJECTS


async def test_an_empty_repository_becomes_a_project_that_is_imported_into_again(
    gitlab: GitLab, keys: tuple[Path, Path], servers: Servers, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "--bare", "one.git")
    port = await servers.http(GitHttp(tmp_path).handle, host="127.0.0.1", tls=server_context(keys))
    project, status = await imported(gitlab, f"https://localhost:{port}/one.git")
    assert status["import_status"] == "finished"
    assert (await gitlab.call("GET", f"/projects/{project}")).body["empty_repo"] is True
    assert not [name for name in await exported(gitlab, project, tmp_path) if name.endswith(".bundle")]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "the git server refuses the credentials"),
        (403, "the credentials may not read the code of the repository"),
        (404, "there is no repository at the address"),
    ],
)
async def test_what_goes_wrong_after_the_check_is_told_in_words_and_masked(
    gitlab: GitLab, keys: tuple[Path, Path], servers: Servers, tmp_path: Path, status: int, told: str
) -> None:
    make_repository(tmp_path)
    served, basic = GitHttp(tmp_path), b64encode(f"git:{SECRET}".encode()).decode()

    async def turning(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.Response(status=status, text=f"not by {SECRET}, nor by {basic}")
        return await served.handle(request)

    port = await servers.http(turning, host="127.0.0.1", tls=server_context(keys))
    _, ended = await imported(gitlab, f"https://git:{SECRET}@localhost:{port}/one.git")
    assert ended["import_status"] == "failed"
    assert told in str(ended["import_error"])
    assert SECRET not in json.dumps(ended)
    assert basic not in json.dumps(ended)


async def test_whatever_stage_an_importer_is_killed_at_the_import_ends_once_and_leaves_nothing(
    migrated_database: MigratedDatabase,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    tmp_path: Path,
    servers: Servers,
) -> None:
    await made_bucket(s3_server)
    source = make_repository(tmp_path / "git", files=FILES | {"large.bin": os.urandom(2_000_000)})
    wiki = make_repository(tmp_path / "git", "one.wiki.git", files={"large.bin": os.urandom(2_000_000)})
    running: list[ServerProcess] = []

    async def kill() -> None:
        os.kill(running[-1].pid, signal.SIGKILL)

    served = StagedGit(GitHttp(tmp_path / "git"), OBJECTS, happens=kill)
    url = f"http://127.0.0.1:{await servers.http(served.handle, host='127.0.0.1')}/one.git"
    async with migrated_database.lent() as database_url:
        with (
            distributed(
                database_url=database_url,
                broker_url=rabbitmq_server.url,
                s3=s3_server,
                importers=0,
                CROSSDOCK_BROKER_PREFIX=f"{uuid4().hex}.",
                CROSSDOCK_LEASE_SECONDS="600",
                CROSSDOCK_JOB_SHARE="100",
                CROSSDOCK_PACK_BLOB_SIZE="1000",
                CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS="true",
            ) as system,
            ExitStack() as resources,
        ):
            env = {**system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0"}
            async with (
                aiohttp.ClientSession() as session,
                database(database_url, size=4) as pool,
                s3_store(s3_config(s3_server, prefix=system.s3_prefix)) as store,
            ):
                gitlab = GitLab(session, system.url, system.token)
                projects = []
                for stage in (*STAGES, "before commit"):
                    created = await gitlab.call(
                        "POST", "/projects", json={"name": f"killed at {stage}", "import_url": url}
                    )
                    assert created.status == 201, created
                    projects.append(created.body["id"])
                    served.stage = stage
                    running.append(_importer(stage, tmp_path, env, resources))
                    assert await asyncio.to_thread(running[-1].wait) == -signal.SIGKILL
                await _take_over(pool)
                crossdock("importer", directory=tmp_path / "sound", env=env, resources=resources)
                for project in projects:
                    status = await gitlab.imported(project)
                    assert (status["import_status"], status["failed_relations"]) == ("finished", [])
                await _nothing_is_left(pool, store, projects=len(projects))
                for project in projects:
                    folder = tmp_path / str(project)
                    folder.mkdir()
                    out = await exported(gitlab, project, folder)
                    assert references(cloned(folder, out["project.bundle"])) == references(source)
                    assert {oid: out[f"lfs-objects/{oid}"] for oid in OBJECTS} == OBJECTS
                    (folder / "wiki").mkdir()
                    assert references(cloned(folder / "wiki", out["project.wiki.bundle"])) == references(wiki)


def _importer(stage: str, folder: Path, env: dict[str, str], resources: ExitStack) -> ServerProcess:
    """An importer that the server kills, or that kills itself before its last commit."""
    directory = folder / stage.replace(" ", "-")
    if stage in STAGES:
        return crossdock("importer", directory=directory, env=env, resources=resources)
    directory.mkdir()
    process = KilledProcess(("importer",), directory=directory, env={**env, POINT: stage})
    resources.callback(process.stop, lambda _: None)
    return process


async def _take_over(pool: Pool) -> None:
    """What happens once the leases of the dead have ended."""
    await pool.execute("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'")
    await Requeue(pool, MemoryBroker()).requeue_lost()


async def _nothing_is_left(pool: Pool, store: ObjectStore, *, projects: int) -> None:
    """Each project has one snapshot and one job that ended; no object is there that nothing names."""
    ends = await pool.fetch(
        "SELECT count(*) AS ends FROM events WHERE name = 'import.finished' GROUP BY job_id"
    )
    assert [row["ends"] for row in ends] == [1] * projects
    assert await pool.fetchval("SELECT count(*) FROM snapshots") == projects
    collector = Collector(pool, store, grace=timedelta(0))

    async def is_clean() -> bool:
        await collector.collect_snapshots()
        while await collector.collect_objects():
            pass
        await store.abort_uploads(older_than=timedelta(0))
        named = {row["key"] for row in await pool.fetch("SELECT key FROM objects")}
        used: int = await pool.fetchval(
            """SELECT count(*) FROM objects o WHERE EXISTS (SELECT FROM entries e WHERE e.object_id = o.id)
               OR EXISTS (SELECT FROM runs r WHERE r.object_id = o.id)"""
        )
        return set(await keys_of(store)) == named and used == len(named)

    await until(is_clean)
