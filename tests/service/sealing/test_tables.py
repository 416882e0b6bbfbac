from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from services.process.maintenance import make_resealer, make_sweeper
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.migrate import migrate
from shared.database.pool import Pool, database, session
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, ImportOrder, JobKind, RemoteSource, UploadTarget
from shared.jobs.sealed_orders import OrderSealer
from shared.sealing.canary import check_keys
from shared.sealing.errors import SecretsKeyWrong, SecretUnreadable
from shared.sealing.tables import AT_ONCE
from shared.settings.environment import Settings
from shared.storage.filesystem import FilesystemStore
from shared.webhooks import delivery_queue, store
from shared.webhooks.sealed_webhooks import WebhookSealer, WebhookTarget
from tests.support.jobs import migrated, queued
from tests.support.sealing import KEY, OTHER_KEY, opened, sealer

URL = "https://example.com/hunter2?sig=hunter2"
SECRET, OLD_SECRET = b"hunter2hunter2hunter2hunter2", b"hunter2 hunter2 hunter2 hunter2"
ORDERS = (ImportOrder(source=RemoteSource(url=URL)), ExportOrder(upload=UploadTarget(url=URL)), ExportOrder())
OLD, BOTH, NEW = sealer(KEY), sealer(OTHER_KEY, KEY), sealer(OTHER_KEY)
_WEBHOOK = """INSERT INTO webhooks (project_id, url, events, secret, old_secret, old_secret_until)
              VALUES ($1, $2, '{*}', $3, $4, now() + interval '1 hour')"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """What the version before has left: jobs and webhooks in clear."""
    async with migrated(database_url) as opened_pool:
        for order in ORDERS:
            await jobs.enqueue(opened_pool, order, project_id=1, user_id=1, correlation_id="c")
        for project_id, old in ((1, OLD_SECRET), (None, None)):
            await opened_pool.execute(_WEBHOOK, project_id, URL, SECRET, old)
        yield opened_pool


async def dump(pool: Pool) -> str:
    """The rows of the tables as text, as a dump has them."""
    rows = await pool.fetch("SELECT j::text FROM jobs j UNION ALL SELECT w::text FROM webhooks w")
    return "".join(row[0] for row in rows)


def holds_clear(text: str) -> bool:
    return "hunter2" in text or SECRET.hex() in text or OLD_SECRET.hex() in text


async def targets(pool: Pool) -> list[WebhookTarget]:
    found = [each for project_id in (1, None) for each in await store.list_all(pool, project_id)]
    return [WebhookSealer(BOTH).open(each) for each in found]


WANTED = [
    WebhookTarget(url=URL, secrets=[SECRET, OLD_SECRET]),
    WebhookTarget(url=URL, secrets=[SECRET]),
]


async def test_what_the_version_before_left_in_clear_is_sealed(pool: Pool) -> None:
    assert holds_clear(await dump(pool))
    assert await make_resealer(pool, OLD).seal_clear() == 7
    assert not holds_clear(await dump(pool))
    assert await make_resealer(pool, OLD).seal_clear() == 0
    kinds = (JobKind.REMOTE_IMPORT, JobKind.EXPORT)
    found = [job for kind in kinds for job in await jobs.list_all(pool, 1, kind)]
    assert [opened(job) for job in found] == list(ORDERS)
    assert await targets(pool) == WANTED
    assert [each.url.shown for each in await store.list_all(pool, 1)] == ["https://example.com/*****"]


async def test_the_sweeper_seals_it_in_its_first_round(pool: Pool, database_url: str, tmp_path: Path) -> None:
    ports = Ports(pool, FilesystemStore(tmp_path), MemoryBroker(), partial(session, database_url), sealer())
    await make_sweeper(ports, Settings()).sweep()
    assert not holds_clear(await dump(pool))


async def test_a_webhook_that_is_in_clear_waits_until_it_is_sealed(pool: Pool) -> None:
    await queued(pool)
    assert await delivery_queue.claim(pool) is None
    await make_resealer(pool, OLD).seal_clear()
    assert await delivery_queue.claim(pool) is not None


async def test_a_secret_that_changes_while_it_is_sealed_is_not_overwritten(pool: Pool) -> None:
    tables = make_resealer(pool, OLD)._tables
    found = [(table, await table.read(pool, behind=0, only_clear=True)) for table in tables]
    read = [(table, secrets[0]) for table, secrets in found if secrets]
    assert len(read) == len(("jobs", "webhooks"))  # no version had other secrets in clear
    await pool.execute("UPDATE webhooks SET url = 'https://new.example.com'")
    await pool.execute("""UPDATE jobs SET payload = '{"source": {"url": "https://new.example.com"}}'""")
    for table, secret in read:
        await table.replace(pool, secret, b"late")
    assert await pool.fetchval("SELECT count(*) FROM webhooks WHERE sealed_url IS NULL") == 2
    assert await pool.fetchval("SELECT count(*) FROM jobs WHERE payload::text NOT LIKE '%new.example%'") == 0


async def test_a_secret_rotated_before_it_was_sealed_signs_with_both(pool: Pool) -> None:
    new = WebhookSealer(OLD).seal_secret(b"new", project_id=1)
    await store.rotate(pool, 1, new)
    await make_resealer(pool, OLD).seal_clear()
    assert (await targets(pool))[0].secrets == [b"new", SECRET]


async def test_all_rows_are_sealed_and_not_only_those_that_are_read_at_once(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO webhooks (url, events) SELECT $1, '{*}' FROM generate_series(1, $2)", URL, AT_ONCE
    )
    assert await make_resealer(pool, OLD).seal_clear() == AT_ONCE + 7
    assert not holds_clear(await dump(pool))


async def test_after_a_rotation_the_old_key_is_needed_no_more(pool: Pool) -> None:
    await check_keys(pool, OLD)
    await make_resealer(pool, OLD).seal_clear()
    done = await make_resealer(pool, BOTH).rotate()
    assert (done.renewed, done.unreadable, done.unused_keys) == (7, {}, OLD.key_ids)
    await check_keys(pool, NEW)
    with pytest.raises(SecretsKeyWrong):
        await check_keys(pool, OLD)
    found = await jobs.list_all(pool, 1, JobKind.REMOTE_IMPORT)
    assert [OrderSealer(NEW).open(job) for job in found] == [ORDERS[0]]
    assert await targets(pool) == WANTED
    assert (await make_resealer(pool, BOTH).rotate()).renewed == 0


async def test_a_rotation_counts_what_does_not_open_and_keeps_a_key_that_something_needs(pool: Pool) -> None:
    await check_keys(pool, OLD)
    await make_resealer(pool, OLD).seal_clear()
    await pool.execute("UPDATE webhooks SET project_id = 1")
    done = await make_resealer(pool, BOTH).rotate()
    assert (done.renewed, done.unreadable, done.unused_keys) == (5, {OLD.key_ids[0]: 2}, [])


async def test_a_webhook_whose_key_is_lost_sends_again_once_url_and_secret_are_given_anew(pool: Pool) -> None:
    await make_resealer(pool, OLD).seal_clear()
    new = WebhookSealer(NEW)
    (lost,) = await store.list_all(pool, None)
    with pytest.raises(SecretUnreadable):
        new.open(lost)
    await store.change_url(pool, lost.id, new.seal_url(URL, project_id=None))
    await store.rotate(pool, lost.id, new.seal_secret(b"new", project_id=None))
    (found,) = await store.list_all(pool, None)
    assert len(found.sealed_secrets) == 2
    assert new.open(found) == WebhookTarget(url=URL, secrets=[b"new"])


async def test_nothing_is_sent_after_a_step_down_until_it_is_given_anew(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    sealing = WebhookSealer(OLD)
    async with database(database_url) as pool:
        await store.create(
            pool, project_id=None, url=sealing.seal_url(URL, project_id=None), events=["*"], description="",
            sealed_secret=sealing.seal_secret(SECRET, project_id=None), limit=1,
        )  # fmt: skip
    await migrate(database_url, to=41)
    row = await connection.fetchrow("SELECT url, length(secret), disabled_reason FROM webhooks")
    await connection.close()
    assert row is not None
    assert tuple(row)[:2] == ("https://example.com/*****", 32)
    assert "set both anew" in row["disabled_reason"]


async def test_addresses_that_are_kept_for_a_retry_are_sealed_anew_as_well(pool: Pool) -> None:
    await check_keys(pool, OLD)
    for job_id in (1, 2):
        await jobs.cancel(pool, job_id)
    await make_resealer(pool, OLD).seal_clear()
    assert (await make_resealer(pool, BOTH).rotate()).renewed == 7
