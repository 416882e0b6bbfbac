"""No secret that is given comes out again: in no log of any service at any level, no answer, no dump."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from shared.database.pool import database
from shared.sealing.canary import check_keys
from shared.storage.s3 import s3_store
from tests.support.buckets import made_bucket
from tests.support.git_http import GitHttp
from tests.support.github.cloned import cloned_everything
from tests.support.github.description import Description
from tests.support.github.github import ADDRESS, GitHub
from tests.support.github.limits import Token
from tests.support.github.served import served_beside
from tests.support.gitlab import GitLab
from tests.support.hooks import HookReceiver, hooked
from tests.support.objects import put, s3_config
from tests.support.projects import project
from tests.support.rabbitmq import RabbitMQServer
from tests.support.receivers import Receiver, receiving
from tests.support.sealing import KEY, OTHER_KEY, sealer
from tests.support.seaweedfs import S3Server
from tests.support.system import System, crossdock, distributed, environment
from tests.support.tus import PIECE, TUS, UPLOADS
from tests.support.upload_drafts import HEADER as DRAFT
from tests.support.upload_drafts import PARTIAL
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class Canaries:
    """Texts that are nowhere else."""

    made: list[str] = field(default_factory=list)

    def new(self) -> str:
        """Another one."""
        self.made.append(f"canary{len(self.made)}yranac")
        return self.made[-1]

    def found_in(self, text: str) -> list[str]:
        """Those that the text has."""
        return [each for each in self.made if each in text]


@dataclass(frozen=True, slots=True)
class World:
    """A distributed Crossdock that logs all it can, and the servers that it is told of."""

    system: System
    session: aiohttp.ClientSession
    hooks: HookReceiver
    uploads: Receiver
    s3: S3Server
    canaries: Canaries

    @property
    def gitlab(self) -> GitLab:
        """The administrator."""
        return GitLab(self.session, self.system.url, self.system.token)

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        """Ask for anything, as the administrator where no headers are given."""
        more = {"headers": {"PRIVATE-TOKEN": self.system.token}} | more
        async with self.session.request(method, f"{self.system.url}{path}", **more) as answer:
            return answer.status, await answer.text()

    def logs(self) -> str:
        """What all services have logged until now."""
        return "".join(process.log.read_text() for process in self.system.processes.values())


@pytest.fixture
async def world(
    database_url: str, rabbitmq_server: RabbitMQServer, queue_prefix: str, s3_server: S3Server
) -> AsyncIterator[World]:
    await made_bucket(s3_server)
    canaries = Canaries()
    settings: dict[str, Any] = {
        "CROSSDOCK_BROKER_PREFIX": queue_prefix,
        "CROSSDOCK_ROOT_TOKEN": f"glpat-{canaries.new()}",
        "CROSSDOCK_LOG_LEVEL": "debug",
        "CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS": "true",
        "CROSSDOCK_REMOTE_S3_ENDPOINT_URL": s3_server.endpoint,
        "CROSSDOCK_DIRECT_UPLOADS": "true",
    }
    with distributed(
        database_url=database_url, broker_url=rabbitmq_server.url, s3=s3_server, **settings
    ) as system:
        async with aiohttp.ClientSession() as session, hooked(500) as hooks, receiving(403) as uploads:
            yield World(system, session, hooks, uploads, s3_server, canaries)


async def ask_with_tokens(world: World) -> None:
    """Give tokens in every place where one may be."""
    new = world.canaries.new
    for path, more in (
        ("/api/v4/user", {"headers": {"PRIVATE-TOKEN": new()}}),
        ("/api/v4/user", {"headers": {"Authorization": f"Bearer {new()}"}}),
        (f"/api/v4/user?private_token={new()}", {"headers": {}}),
        (f"/api/crossdock/v1/jobs?access_token={new()}", {"headers": {}}),
        (f"/api/v4/nothing?private_token={new()}", {"headers": {}}),
    ):
        status, _ = await world.ask("GET", path, **more)
        assert status in (401, 404)
    for body, headers in (
        (json.dumps({"private_token": new()}), {"Content-Type": "application/json"}),
        (f"private_token={new()}", FORM),
        (f'{{"private_token": "{new()}', {"Content-Type": "application/json"}),
    ):
        status, _ = await world.ask("POST", "/api/v4/projects", data=body, headers=headers)
        assert status in (400, 401)
    status, _ = await world.ask("POST", "/users/sign_in", data=f"token={new()}", headers=FORM)
    assert status < 500


async def import_from_elsewhere(world: World) -> int:
    """Fetch an archive from a bucket, after some that cannot be fetched; give its project."""
    new, s3 = world.canaries.new, world.s3
    async with s3_store(s3_config(s3, prefix="")) as store:
        await put(store, "elsewhere/a.tar.gz", project())
    given = {"region": s3.region, "bucket_name": s3.bucket, "file_key": "elsewhere/a.tar.gz", "path": "s3"}
    wrong = {"access_key_id": new(), "secret_access_key": new()}
    refused = await world.gitlab.call("POST", "/projects/remote-import-s3", json=given | wrong)
    assert refused.status == 400
    url = f"{world.uploads.url}/{new()}.tar.gz?sig={new()}"
    refused = await world.gitlab.call("POST", "/projects/remote-import", json={"path": "p", "url": url})
    assert refused.status == 400
    keys = {"access_key_id": s3.access_key, "secret_access_key": s3.secret_key}
    fetched = await world.gitlab.call("POST", "/projects/remote-import-s3", json=given | keys)
    assert fetched.status == 201, fetched
    assert (await world.gitlab.imported(fetched.body["id"]))["import_status"] == "finished"
    number: int = fetched.body["id"]
    return number


async def hook(world: World, url: str) -> str:
    """Make a webhook of all projects with a canary as its secret, and give its address."""
    secret = b64encode(world.canaries.new().encode().ljust(32)).decode()
    world.canaries.made.append(secret)
    status, text = await world.ask("POST", "/api/crossdock/v1/webhooks", json={"url": url, "secret": secret})
    assert status == 201, text
    return f"/api/crossdock/v1/webhooks/{json.loads(text)['id']}"


async def test_what_is_secret_is_in_no_log_no_answer_and_no_row(world: World) -> None:
    new = world.canaries.new
    await ask_with_tokens(world)
    hooks = [
        await hook(world, f"{world.hooks.url}?token={new()}"),
        await hook(world, f"http://user:{new()}@127.0.0.1:9/{new()}?token={new()}"),
    ]
    number = await import_from_elsewhere(world)
    upload = {"upload[url]": f"{world.uploads.url}/{new()}?X-Amz-Signature={new()}"}
    assert (await world.gitlab.export(number, **upload))["export_status"] == "finished"
    await world.hooks.take(4)
    shown = [
        (await world.ask("GET", path))[1]
        for address in hooks
        for path in (address, f"{address}/deliveries", "/api/crossdock/v1/webhooks", "/api/crossdock/v1/jobs")
    ]
    logs = world.logs()
    assert "webhook_refused" in logs
    assert "remote_refused" in logs  # by the address to upload to
    rows = await rows_of(world.system.database_url)
    world.canaries.made += [world.s3.secret_key, KEY, "X-Amz-Signature"]
    assert world.canaries.found_in(logs) == []
    assert world.canaries.found_in("".join(shown)) == []
    assert world.canaries.found_in(rows) == []


async def send_in_pieces(world: World) -> int:
    """Send an archive in pieces and have it imported, after tokens that do not count; give its project."""
    new, packed = world.canaries.new, project()
    spoken: tuple[dict[str, str], ...] = (
        {**TUS, **PIECE, "Upload-Offset": "0", "Upload-Length": str(len(packed))},
        {DRAFT: "6", "Content-Type": PARTIAL, "Upload-Complete": "?1", "Upload-Length": str(len(packed))},
    )
    for headers in spoken:
        for path, token in ((f"{UPLOADS}?private_token={new()}", {}), (UPLOADS, {"PRIVATE-TOKEN": new()})):
            status, _ = await world.ask("POST", path, data=packed, headers=headers | token)
            assert status == 401
    for path in (f"{UPLOADS}/7?access_token={new()}", f"{UPLOADS}/7"):
        for method in ("HEAD", "PATCH", "DELETE"):
            bearer = {"Authorization": f"Bearer {new()}"} if path.endswith("7") else {}
            status, _ = await world.ask(method, path, headers=spoken[0] | bearer)
            assert status in (401, 423)
    kept = {**spoken[0], "PRIVATE-TOKEN": world.system.token, "Idempotency-Key": new()}
    status, text = await world.ask("POST", UPLOADS, data=packed, headers=kept)
    assert status == 201, text
    given = {"upload_id": json.loads(text)["id"], "path": "pieces"}
    status, text = await world.ask("POST", "/api/crossdock/v1/imports", json=given)
    assert status == 201, text
    number: int = json.loads(text)["project"]["id"]
    assert (await world.gitlab.imported(number))["import_status"] == "finished"
    return number


async def ask_for_part_addresses(world: World) -> None:
    """Ask where the parts of an upload go, each by an address that lets whoever has it write."""
    status, text = await world.ask("POST", UPLOADS, json={"direct": True, "size": 9 * 2**20})
    assert status == 201, text
    _, text = await world.ask("GET", f"{UPLOADS}/{json.loads(text)['id']}/parts")
    found = [re.findall(r"X-Amz-Signature=(\w+)", each["url"]) for each in json.loads(text)]
    assert [len(each) for each in found] == [1, 1]
    world.canaries.made += [each for (each,) in found]


async def test_tokens_and_addresses_of_uploads_are_in_no_log_no_answer_and_no_row(world: World) -> None:
    new, url = world.canaries.new, world.uploads.url
    number = await send_in_pieces(world)
    await ask_for_part_addresses(world)
    parts = {
        "part_size": 5 * 2**20,
        "part_urls": [f"{url}/{new()}?sig={new()}", f"{url}/{new()}?sig={new()}"],
        **{f"{name}_url": f"{url}/{new()}?sig={new()}" for name in ("complete", "abort", "get")},
    }
    order = {"upload": {"parts": parts}}
    wrong = {"upload": {"parts": parts | {"part_urls": [f"ftp://user:{new()}@{new()}/?sig={new()}"]}}}
    path = f"/projects/{number}/export"
    refused = await world.gitlab.call("POST", path, json=wrong)
    ordered = await world.gitlab.call("POST", path, json=order)
    assert (refused.status, ordered.status) == (400, 202), (refused, ordered)
    shown = [await _ended(world, "upload"), repr([refused, ordered])]
    assert "remote_refused" in shown[0]
    shown += [(await world.ask("GET", UPLOADS))[1], repr(await world.gitlab.call("GET", path))]
    rows, logs = await rows_of(world.system.database_url), world.logs()
    for text in (logs, "".join(shown), rows):
        assert world.canaries.found_in(text) == []


async def _ended(world: World, kind: str) -> str:
    """The jobs, once one of this kind has ended."""

    async def look() -> str:
        _, text = await world.ask("GET", "/api/crossdock/v1/jobs")
        ended = [each for each in json.loads(text) if each["kind"] == kind and each["finished_at"]]
        return text if ended else ""

    return await until(look)


async def test_a_token_of_github_is_in_no_log_no_answer_and_no_row(
    world: World, github_description: Description, tmp_path: Path
) -> None:
    token, wrong = world.canaries.new(), world.canaries.new()
    async with (
        GitHub(github_description, enterprise=ADDRESS).serve() as github,
        served_beside(github, GitHttp(tmp_path / "served", token=token).handle),
    ):
        github.tokens = {token: Token(github.me)}
        repository = cloned_everything(github, tmp_path / "served")
        repository.issues[0].body = github.attachment("/user-attachments/assets/0b1c", b"picture")
        given = {
            "personal_access_token": token,
            "repo_id": repository.stamp.id,
            "target_namespace": "root",
            "github_hostname": github.site.web,
            "optional_stages": {"attachments_import": True},
        }
        github.fail("/milestones", 404, message=f"{token} sees nothing here")
        made = await world.gitlab.call("POST", "/import/github", json=given)
        status = await world.gitlab.imported(made.body["id"])
        refused = [
            await world.gitlab.call("POST", "/import/github", json=given | more)
            for more in (
                {"personal_access_token": wrong},
                {"new_name": "b", "github_hostname": f"http://{wrong}:{wrong}@{ADDRESS}/?{wrong}"},
                {"repo_id": 1},
                {"repo_id": token},
            )
        ]
    assert status["import_status"] == "finished", status
    assert [answer.status for answer in refused] == [422, 400, 422, 400]
    shown = [
        (await world.ask("GET", f"/api/{path}"))[1]
        for path in (f"v4/projects/{made.body['id']}", "crossdock/v1/jobs", "crossdock/v1/jobs/1/failures")
    ]
    rows = await rows_of(world.system.database_url)
    for text in (world.logs(), "".join(shown), repr([status, made, refused]), rows):
        assert world.canaries.found_in(text) == []


async def test_what_postgres_quotes_of_a_row_that_it_refuses_is_in_no_log(world: World) -> None:
    connection = await asyncpg.connect(world.system.database_url)
    await connection.execute("ALTER TABLE namespaces ADD CHECK (name NOT LIKE 'canary%')")
    await connection.close()
    form = {"name": world.canaries.new(), "path": "refused"}
    status, text = await world.ask("POST", "/api/v4/groups", json=form)
    assert (status, json.loads(text)) == (500, {"message": "500 Internal Server Error"})
    logs = world.logs()
    (line,) = [json.loads(each) for each in logs.splitlines() if "unhandled_error" in each]
    assert line["exception"][0]["kind"] == "ValueError"  # int() quotes the text of what led to it
    assert any("shared/accounts/namespaces.py" in each for each in line["exception"][0]["frames"])
    assert world.canaries.found_in(logs) == []


async def rows_of(database_url: str) -> str:
    """All rows of all tables, as a dump has them; bytes as text, too."""
    connection = await asyncpg.connect(database_url)
    tables = await connection.fetch("SELECT relname FROM pg_stat_user_tables")
    rows = [
        row[0]
        for table in tables
        for row in await connection.fetch(f"SELECT t::text FROM {table['relname']} t")  # noqa: S608  # ours
    ]
    await connection.close()
    texts = [
        bytes.fromhex(found).decode(errors="replace") for found in re.findall(r"\\x([0-9a-f]+)", str(rows))
    ]
    return "\n".join([*rows, *texts])


@pytest.mark.parametrize("service", ["api", "importer", "exporter"])
@pytest.mark.parametrize(
    "key", [{}, {"CROSSDOCK_SECRETS_KEY": OTHER_KEY}], ids=["that of its bucket", "another"]
)
async def test_a_service_without_the_key_of_its_database_ends_with_one_line(
    database_url: str,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    tmp_path: Path,
    service: str,
    key: dict[str, str],
) -> None:
    async with database(database_url) as pool:
        await check_keys(pool, sealer())
    await made_bucket(s3_server)
    env = environment(database_url=database_url, broker_url=rabbitmq_server.url, s3=s3_server)
    del env["CROSSDOCK_SECRETS_KEY"]
    with ExitStack() as resources:
        process = crossdock(service, directory=tmp_path / service, env=env | key, resources=resources)
        assert await asyncio.to_thread(process.wait) == 1
    (line,) = process.log.read_text().splitlines()
    assert "it lacks the key" in json.loads(line)["error"]


def test_a_standalone_has_a_key_that_nobody_else_may_read(standalone_system: System) -> None:
    assert standalone_system.data is not None
    assert (standalone_system.data / "secrets.key").stat().st_mode & 0o777 == 0o600
