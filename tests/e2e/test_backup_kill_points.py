"""An exporter is killed while it sends a backup: another ends it, and the bucket has it once, and whole."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from shared.broker.memory import MemoryBroker
from shared.catalogue.archives import read_catalogue
from shared.database.pool import database
from shared.jobs.requeue import Requeue
from shared.storage.s3 import S3Config, s3_store
from tests.support.buckets import made_bucket
from tests.support.gitlab import GitLab
from tests.support.killed import POINT, KilledProcess
from tests.support.projects import project
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.system import crossdock, distributed
from tests.support.waiting import until_row

pytestmark = pytest.mark.timeout(300)

OWN = "/../crossdock/v1"


@pytest.mark.parametrize("point", ["after claim", "mid backup", "backup recorded"])
async def test_a_backup_is_there_once_at_whatever_point_its_exporter_is_killed(
    database_url: str,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    queue_prefix: str,
    tmp_path: Path,
    point: str,
) -> None:
    await made_bucket(s3_server)
    prefix = uuid4().hex
    settings: dict[str, Any] = {
        "CROSSDOCK_BROKER_PREFIX": queue_prefix,
        "CROSSDOCK_LEASE_SECONDS": "600",
        "CROSSDOCK_OUTBOUND_LOCAL_REQUESTS_ALLOWLIST": "127.0.0.1",
    }
    vault = S3Config(
        endpoint_url=s3_server.endpoint, bucket=s3_server.bucket, prefix=f"{prefix}/",
        access_key=s3_server.access_key, secret_key=s3_server.secret_key,
    )  # fmt: skip
    with distributed(
        database_url=database_url, broker_url=rabbitmq_server.url, s3=s3_server, importers=1, exporters=0,
        **settings,
    ) as system:  # fmt: skip
        env = {**system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0"}
        async with (
            aiohttp.ClientSession() as session,
            database(database_url, size=2) as pool,
            s3_store(vault) as bucket,
        ):
            gitlab = GitLab(session, system.url, system.token, deadline=90)
            archive = tmp_path / "one.tar.gz"
            await asyncio.to_thread(archive.write_bytes, project(("uploads/a/b", os.urandom(12_000_000))))
            await gitlab.import_file(archive, "one")
            where = await gitlab.call("POST", f"{OWN}/destinations", json={
                "name": "vault", "kind": "s3", "endpoint": s3_server.endpoint, "bucket": s3_server.bucket,
                "prefix": prefix, "access_key_id": s3_server.access_key,
                "secret_access_key": s3_server.secret_key,
            })  # fmt: skip
            made = await gitlab.call("POST", f"{OWN}/schedules", json={
                "name": "nightly", "destination_id": where.body["id"], "cron": "@yearly", "all": True,
            })  # fmt: skip
            run = await gitlab.call("POST", f"{OWN}/schedules/{made.body['id']}/run", json={})
            assert run.status == 202, run.body

            folder = tmp_path / "killed"
            await asyncio.to_thread(folder.mkdir)
            process = KilledProcess(("exporter",), directory=folder, env={**env, POINT: point})
            try:
                assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
            finally:
                process.stop(lambda _: None)
            assert len(await read_catalogue(bucket)) == (point == "backup recorded")

            await pool.execute("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'")
            await Requeue(pool, MemoryBroker()).requeue_lost()
            with ExitStack() as resources:
                crossdock("exporter", directory=tmp_path / "other", env=env, resources=resources)
                await until_row(pool, "SELECT finished_at IS NOT NULL FROM schedule_runs", seconds=90)

            assert await pool.fetchval("SELECT state FROM schedule_runs") == "finished"
            catalogue = await read_catalogue(bucket)
            (record,) = catalogue
            assert catalogue.unrecorded == []
            assert (await bucket.stat(record.file)).size == record.bytes
            kept = [found.key async for found in bucket.list("projects/")]
            assert len(kept) == len(("archive", "record", "manifest", "signature"))
            left = await bucket._bucket.call("list_multipart_uploads", Prefix=f"{prefix}/")
            assert not left.get("Uploads")
