from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from shared.accounts.namespaces import personal_namespace
from shared.accounts.users import create_user
from shared.database.pool import Pool
from shared.gitlab.visibility import Visibility
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder
from shared.outbound.policy import outbound_policy
from shared.projects.store import NewProject
from shared.projects.store import create as create_project
from shared.remote.client import RemoteClient
from shared.remote.resolver import SystemResolver
from shared.settings.application import ApplicationSettings
from shared.webhooks import delivery_queue, signing, store
from shared.webhooks.expiry import DeliveryExpiry
from shared.webhooks.metrics import DeliveryEnd, WebhookMetrics
from shared.webhooks.models import Attempt, DeliveryState, Webhook, WebhookDelivery
from shared.webhooks.sealed_webhooks import WebhookSealer
from shared.webhooks.sender import SendingPace, WebhookSender
from shared.webhooks.trial import queue_test
from tests.support.hooks import HookReceiver, hooked
from tests.support.jobs import claimed, migrated, queued
from tests.support.sealing import sealer
from tests.support.waiting import until, until_locked

SOURCE = "https://crossdock.example.com"
SECRET = bytes(range(32))
SEALER = WebhookSealer(sealer())
MOVES = ("export.queued", "export.started", "export.finished")
QUICK = SendingPace(every=timedelta(seconds=0.01), schedule=[timedelta(seconds=0.01)] * 3)
PATIENT = SendingPace(every=QUICK.every, deadline=timedelta(hours=1))
"""For receivers that hang until a test closes them."""
NOW, HOUR = timedelta(0), timedelta(hours=1)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[HookReceiver]:
    async with hooked() as running:
        yield running


async def hook(
    pool: Pool, url: str, *, events: Sequence[str] = ("*",), project_id: int | None = 1
) -> Webhook:
    return await store.create(
        pool, project_id=project_id, url=SEALER.seal_url(url, project_id=project_id), events=list(events),
        description="", sealed_secret=SEALER.seal_secret(SECRET, project_id=project_id), limit=100,
    )  # fmt: skip


class Ends(WebhookMetrics):
    """Remembers, beside the counts, what it counted."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []

    def count_attempt(self, end: DeliveryEnd) -> None:
        super().count_attempt(end)
        self.ends.append(end.value)


@dataclass(frozen=True, slots=True)
class Outbound:
    """What a sender may ask."""

    local: bool = True

    async def connect(self) -> RemoteClient:
        settings = ApplicationSettings(allow_local_requests_from_web_hooks_and_services=self.local)
        return RemoteClient(outbound_policy(settings), SystemResolver())


@asynccontextmanager
async def senders(
    pool: Pool, count: int = 1, *, pace: SendingPace = QUICK, local: bool = True, metrics: Ends | None = None
) -> AsyncIterator[None]:
    """Senders at work; pauses of webhooks are ended all the time, as tests cannot wait for them."""
    connect = Outbound(local).connect
    told = metrics or Ends()
    running = [
        WebhookSender(pool, connect, sealer=sealer(), source=SOURCE, pace=pace, metrics=told)
        for _ in range(count)
    ]
    tasks = [asyncio.create_task(each.run()) for each in running]
    tasks.append(asyncio.create_task(_impatient(pool)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _impatient(pool: Pool) -> None:
    while True:
        await pool.execute("UPDATE webhooks SET resume_at = now() WHERE resume_at > now()")
        await asyncio.sleep(0.01)  # the clock of the tests: it lets no time pass


async def ended(pool: Pool, count: int) -> list[WebhookDelivery]:
    """The deliveries, the oldest first, once so many have ended."""

    async def enough() -> bool:
        return bool(
            await pool.fetchval(
                "SELECT count(*) >= $1 FROM webhook_deliveries WHERE finished_at > '-infinity'", count
            )
        )

    await until(enough)
    rows = await pool.fetch("SELECT * FROM webhook_deliveries ORDER BY id")
    return [store.delivery_of(row) for row in rows]


async def finished_job(pool: Pool) -> int:
    job = await queued(pool)
    await jobs.finish(pool, await claimed(pool, job), progress={})
    return job.id


async def test_an_event_is_a_signed_cloud_event(pool: Pool, receiver: HookReceiver) -> None:
    await hook(pool, receiver.url)
    job = await queued(pool)
    async with senders(pool):
        (sent,) = await receiver.take(1)
    event = sent.event(signing.write_secret(SECRET))
    assert sent.headers["content-type"] == "application/cloudevents+json"
    assert (event["specversion"], event["source"], event["subject"]) == ("1.0", SOURCE, "ann/p")
    assert event["type"] == "com.crossdock.export.queued.v1"
    assert event["data"]["job"]["id"] == job.id
    assert sent.id == event["id"]


async def test_a_trace_goes_on_at_the_receiver(pool: Pool, receiver: HookReceiver) -> None:
    await hook(pool, receiver.url)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = await queued(pool)
    await pool.execute("UPDATE jobs SET traceparent = $2 WHERE id = $1", job.id, trace)
    await claimed(pool, job)
    async with senders(pool):
        queued_, started = await receiver.take(2)
    assert "traceparent" not in queued_.headers
    assert started.headers["traceparent"] == trace


async def test_the_events_of_a_job_come_in_their_order_also_when_one_is_refused(
    pool: Pool, receiver: HookReceiver
) -> None:
    receiver.statuses = [500, 200, 503, 429]
    await hook(pool, receiver.url)
    await finished_job(pool)
    async with senders(pool, 3):
        sent = await receiver.take(6)
        deliveries = await ended(pool, 3)
    names = [each.event(signing.write_secret(SECRET))["type"].split(".", 2)[2] for each in sent]
    assert names == ["export.queued.v1"] * 2 + ["export.started.v1"] * 3 + ["export.finished.v1"]
    assert len({each.id for each in sent}) == 3
    assert [[each.status for each in delivery.attempts] for delivery in deliveries] == [
        [500, 200],
        [503, 429, 200],
        [200],
    ]


async def test_a_refused_event_does_not_keep_those_of_other_jobs(pool: Pool, receiver: HookReceiver) -> None:
    receiver.statuses = [500]
    await hook(pool, receiver.url, events=["*.queued"])
    first, second = await queued(pool), await queued(pool)
    pace = SendingPace(every=QUICK.every, schedule=[HOUR])
    async with senders(pool, pace=pace):
        sent = await receiver.take(2)
    assert [each.event(signing.write_secret(SECRET))["data"]["job"]["id"] for each in sent] == [
        first.id,
        second.id,
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (["*"], MOVES),
        (["export.*"], MOVES),
        (["*.finished"], ("export.finished",)),
        (["export.started", "import.*", "*.failed"], ("export.started",)),
        (["import.*"], ()),
    ],
)
async def test_only_what_was_asked_for_is_sent(
    pool: Pool, receiver: HookReceiver, events: list[str], expected: tuple[str, ...]
) -> None:
    await hook(pool, receiver.url, events=events)
    await finished_job(pool)
    names = await pool.fetch("SELECT event->>'name' AS name FROM webhook_deliveries ORDER BY id")
    assert tuple(row["name"] for row in names) == expected


async def test_a_webhook_of_a_project_is_told_of_no_other_and_one_of_all_of_each(
    pool: Pool, receiver: HookReceiver
) -> None:
    await pool.execute("INSERT INTO projects (namespace_id, path, name) VALUES (1, 'q', 'q')")
    other = await hook(pool, receiver.url, project_id=2)
    of_all = await hook(pool, receiver.url, project_id=None)
    await queued(pool)
    assert await store.list_deliveries(pool, other.id, state=None, below=None, limit=9) == []
    assert len(await store.list_deliveries(pool, of_all.id, state=None, below=None, limit=9)) == 1


async def test_a_delivery_is_written_with_its_move_or_not_at_all(pool: Pool, receiver: HookReceiver) -> None:
    webhook = await hook(pool, receiver.url)
    async with pool.acquire() as db:
        transaction = db.transaction()
        await transaction.start()
        await queued(db)
        await transaction.rollback()
    assert await store.list_deliveries(pool, webhook.id, state=None, below=None, limit=9) == []


async def test_a_move_neither_waits_nor_fails_for_a_webhook_that_is_being_deleted(
    pool: Pool, receiver: HookReceiver
) -> None:
    webhook = await hook(pool, receiver.url)
    async with pool.acquire() as db, db.transaction():
        await store.delete(db, webhook.id)
        async with asyncio.timeout(10):
            await finished_job(pool)
    assert await pool.fetchval("SELECT count(*) FROM webhook_deliveries") == 0


async def test_progress_that_was_not_sent_gives_way_to_the_next(pool: Pool, receiver: HookReceiver) -> None:
    webhook = await hook(pool, receiver.url, events=["*.progress"])
    lease = await claimed(pool, await queued(pool))
    for done in (1, 2, 3):
        await pool.execute("UPDATE events SET created_at = created_at - interval '1 minute'")
        await jobs.heartbeat(pool, lease, ttl=timedelta(minutes=1), progress={"bytes_done": done})
    (left,) = await store.list_deliveries(pool, webhook.id, state=None, below=None, limit=9)
    assert left.event.data["progress"] == {"bytes_done": 3}


async def test_what_is_never_taken_is_given_up_and_the_webhook_disabled(
    pool: Pool, receiver: HookReceiver
) -> None:
    receiver.statuses = [500] * 100
    webhook = await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    told = Ends()
    async with senders(pool, metrics=told):
        (failed,) = await ended(pool, 1)

        async def disabled() -> bool:
            found = await store.find(pool, 1, webhook.id)
            return found is not None and "taken nothing since" in (found.disabled_reason or "")

        await until(disabled)
    assert failed.state is DeliveryState.FAILED
    assert [each.error for each in failed.attempts] == ["it answered 500"] * 4
    assert told.ends == ["retried"] * 3 + ["failed"]
    await queued(pool)
    assert len(await store.list_deliveries(pool, webhook.id, state=None, below=None, limit=9)) == 1


async def test_a_webhook_that_takes_other_events_is_not_disabled(pool: Pool, receiver: HookReceiver) -> None:
    await hook(pool, receiver.url, events=["*.queued"])
    told = Ends()

    async def sent(*ends: str) -> None:
        before = len(told.ends)
        await queued(pool)

        async def over() -> bool:
            return told.ends[before:] == list(ends)

        await until(over)

    receiver.refused = {1, 3}
    async with senders(pool, pace=SendingPace(every=QUICK.every, schedule=[NOW, NOW, HOUR]), metrics=told):
        await sent(*["retried"] * 3)
        await sent("delivered")
        await sent(*["retried"] * 3)
        await pool.execute("UPDATE webhook_deliveries SET due_at = now() WHERE job_id = 1")

        async def given_up() -> bool:
            return told.ends[-1] == "failed"

        await until(given_up)
        await sent("delivered")


async def test_a_test_is_signed_as_any_event_and_says_that_it_is_one(
    pool: Pool, receiver: HookReceiver
) -> None:
    webhook = await hook(pool, receiver.url, events=["import.failed"])
    await queue_test(pool, webhook, data={"test": True}, correlation_id="asked")
    async with senders(pool):
        (sent,) = await receiver.take(1)
        (delivery,) = await ended(pool, 1)
    event = sent.event(signing.write_secret(SECRET))
    assert (event["type"], event["data"]) == ("com.crossdock.webhook.test.v1", {"test": True})
    assert (event["subject"], event["correlationid"]) == ("ann/p", "asked")
    assert sent.id == event["id"]
    assert (delivery.state, [each.status for each in delivery.attempts]) == (DeliveryState.DELIVERED, [200])


async def test_a_test_has_an_id_that_no_event_has(pool: Pool, receiver: HookReceiver) -> None:
    webhook = await hook(pool, receiver.url)
    made = [await queue_test(pool, webhook, data={}, correlation_id="") for _ in range(2)]
    await finished_job(pool)
    deliveries = await store.list_deliveries(pool, webhook.id, state=None, below=None, limit=9)
    assert len({each.event.id for each in deliveries}) == len(made) + len(MOVES)


async def test_a_test_that_is_not_taken_is_not_sent_again(pool: Pool, receiver: HookReceiver) -> None:
    receiver.statuses = [500]
    webhook = await hook(pool, receiver.url, events=["*.queued"])
    await queue_test(pool, webhook, data={}, correlation_id="")
    async with senders(pool):
        (failed,) = await ended(pool, 1)
    assert failed.state is DeliveryState.FAILED
    assert [each.error for each in failed.attempts] == ["it answered 500"]
    found = await store.find(pool, 1, webhook.id)
    assert found is not None
    assert found.disabled_reason is None


async def test_a_test_goes_before_what_waits_and_ends_the_pause(pool: Pool, receiver: HookReceiver) -> None:
    webhook = await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    await pool.execute(
        "UPDATE webhooks SET failures = 9, timeouts = 9, resume_at = now() + interval '1 hour'"
    )
    tested = await queue_test(pool, webhook, data={}, correlation_id="")
    turn = await delivery_queue.claim(pool, slow=False)
    assert turn is not None
    due = await delivery_queue.find_due(pool, turn.webhook_id)
    assert due is not None
    assert due.id == tested.id


async def test_410_disables_a_webhook_at_once(pool: Pool, receiver: HookReceiver) -> None:
    receiver.statuses = [410]
    webhook = await hook(pool, receiver.url)
    await finished_job(pool)

    async def disabled() -> bool:
        found = await store.find(pool, 1, webhook.id)
        return found is not None and found.disabled_reason == "it answered 410 Gone"

    async with senders(pool):
        await until(disabled)
    assert receiver.hooks.qsize() == 1


async def test_what_waits_for_a_disabled_webhook_is_sent_once_it_is_enabled(
    pool: Pool, receiver: HookReceiver
) -> None:
    webhook = await hook(pool, receiver.url)
    await queued(pool)
    await store.disable(pool, webhook.id, "why not")
    async with senders(pool):
        assert await delivery_queue.claim(pool) is None
        await store.enable(pool, webhook.id)
        await receiver.take(1)


async def test_a_receiver_that_does_not_answer_is_left_after_the_deadline(
    pool: Pool, receiver: HookReceiver
) -> None:
    receiver.statuses = [0]
    await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    pace = SendingPace(every=QUICK.every, deadline=timedelta(seconds=0.3), schedule=QUICK.schedule)
    async with senders(pool, pace=pace):
        (delivery,) = await ended(pool, 1)
    assert [each.error for each in delivery.attempts] == ["it did not answer within 0.3 seconds", None]
    assert delivery.attempts[0].status is None


async def test_a_local_address_is_not_asked_where_that_is_not_allowed(
    pool: Pool, receiver: HookReceiver
) -> None:
    await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    async with senders(pool, local=False):
        (delivery,) = await ended(pool, 1)
    assert receiver.hooks.empty()
    assert delivery.state is DeliveryState.FAILED
    assert "Requests to localhost are not allowed" in (delivery.attempts[-1].error or "")


async def test_a_redirect_is_not_followed(pool: Pool, receiver: HookReceiver) -> None:
    receiver.statuses, receiver.headers = [307], {"Location": receiver.url}
    await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    async with senders(pool):
        (delivery,) = await ended(pool, 1)
    assert delivery.attempts[0].status == 307
    assert "redirected" in (delivery.attempts[0].error or "")


async def test_the_wish_of_a_busy_receiver_to_be_asked_later_is_heard(
    pool: Pool, receiver: HookReceiver
) -> None:
    receiver.statuses, receiver.headers = [429], {"Retry-After": "600"}
    webhook = await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)

    async def refused() -> bool:
        (delivery,) = await store.list_deliveries(pool, webhook.id, state=None, below=None, limit=1)
        return bool(delivery.attempts)

    async with senders(pool):
        await until(refused)
    assert await pool.fetchval("SELECT due_at - now() > interval '9 minutes' FROM webhook_deliveries")


async def test_a_webhook_that_refuses_is_left_in_peace_longer_and_longer(
    pool: Pool, receiver: HookReceiver
) -> None:
    webhook = await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    (delivery,) = await store.list_deliveries(pool, webhook.id, state=None, below=None, limit=1)
    attempt_of = partial(_refusal, pool, delivery)
    pauses = [await attempt_of() for _ in range(12)]
    assert pauses[:3] == [1, 2, 4]
    assert pauses[-1] == 300


async def _refusal(pool: Pool, delivery: WebhookDelivery) -> int:
    sender = WebhookSender(pool, Outbound(local=False).connect, sealer=sealer(), source=SOURCE)
    webhook = await store.find(pool, 1, delivery.webhook_id)
    assert webhook is not None
    attempt, _ = await sender._attempt(webhook, delivery)
    await delivery_queue.record_refused(pool, delivery, attempt, again_in=NOW)
    pause = await pool.fetchval("SELECT round(extract(epoch FROM resume_at - now())) FROM webhooks")
    return int(pause)


@pytest.mark.parametrize("again_in", [None, NOW], ids=["failed", "again"])
async def test_an_outcome_waits_for_who_deletes_the_webhook_and_holds_no_delivery_meanwhile(
    pool: Pool, again_in: timedelta | None
) -> None:
    webhook = await hook(pool, "http://127.0.0.1:1/", events=["*.queued"])
    await queued(pool)
    (delivery,) = await store.list_deliveries(pool, webhook.id, state=None, below=None, limit=1)
    refused = Attempt(at=datetime.now(UTC), status=503, error=None, seconds=0.1, timed_out=False)
    record = [
        delivery_queue.record_delivered(pool, delivery, refused),
        delivery_queue.record_refused(pool, delivery, refused, again_in=again_in),
    ]
    async with pool.acquire() as db:
        async with db.transaction():
            await db.execute("SELECT FROM webhooks FOR UPDATE")
            recorded = asyncio.gather(*record)
            await until_locked(pool)
            await db.execute("SELECT FROM webhook_deliveries FOR UPDATE NOWAIT")
            await store.delete(db, webhook.id)
        await recorded


async def test_of_many_senders_one_at_a_time_sends_to_a_webhook_and_each_event_once(
    pool: Pool, receiver: HookReceiver
) -> None:
    await hook(pool, receiver.url)
    for _ in range(10):
        await finished_job(pool)
    async with senders(pool, 4):
        await receiver.take(30)
        await ended(pool, 30)
    assert receiver.hooks.empty()
    assert receiver.most_at_once == 1


async def test_a_slow_receiver_holds_up_no_other(pool: Pool, receiver: HookReceiver) -> None:
    async with hooked(0) as slow:
        await hook(pool, slow.url, events=["*.queued"])
        await hook(pool, receiver.url, events=["*.queued"])
        await queued(pool)
        async with senders(pool):
            await slow.take(1)
            await receiver.take(1)
            slow.close()


async def _project_of(pool: Pool, owner: str) -> int:
    user = await create_user(pool, owner, name=owner)
    namespace = await personal_namespace(pool, user.id)
    new = NewProject(
        namespace_id=namespace.id, creator_id=user.id, path="p", name="p", visibility=Visibility.PRIVATE
    )
    return (await create_project(pool, new)).id


async def test_hanging_webhooks_of_one_owner_leave_senders_to_others(
    pool: Pool, receiver: HookReceiver
) -> None:
    bens = await _project_of(pool, "ben")
    async with hooked(*[0] * 60) as hanging:
        for _ in range(60):
            await hook(pool, hanging.url, events=["*.queued"])
        await hook(pool, receiver.url, events=["*.queued"], project_id=bens)
        await queued(pool)
        async with senders(pool, pace=PATIENT):
            await hanging.take(4)
            await jobs.enqueue(pool, ExportOrder(), project_id=bens, user_id=1, correlation_id="cid")
            await receiver.take(1)
            assert (hanging.most_at_once, hanging.hooks.qsize()) == (4, 0)
            hanging.close()


async def test_a_webhook_that_timed_out_comes_after_one_that_did_not(
    pool: Pool, receiver: HookReceiver
) -> None:
    late, other = [await hook(pool, receiver.url, events=["*.queued"]) for _ in range(2)]
    await queued(pool)
    (delivery,) = await store.list_deliveries(pool, late.id, state=None, below=None, limit=1)
    attempt = Attempt(at=datetime.now(UTC), status=None, seconds=20, error="late", timed_out=True)
    await delivery_queue.record_refused(pool, delivery, attempt, again_in=NOW)
    await pool.execute("UPDATE webhooks SET resume_at = now()")
    turns = [await delivery_queue.claim(pool) for _ in range(2)]
    assert [turn and turn.webhook_id for turn in turns] == [other.id, late.id]


@pytest.mark.parametrize("timed_out", [True, False])
async def test_all_webhooks_that_timed_out_three_times_in_a_row_have_one_sender(
    pool: Pool, receiver: HookReceiver, *, timed_out: bool
) -> None:
    async with hooked(*[0] * 9) as hanging:
        for number in range(3):
            slow = await hook(
                pool, hanging.url, events=["*.queued"], project_id=await _project_of(pool, f"u{number}")
            )
            await jobs.enqueue(
                pool, ExportOrder(), project_id=slow.project_id or 0, user_id=1, correlation_id="cid"
            )
            (delivery,) = await store.list_deliveries(pool, slow.id, state=None, below=None, limit=1)
            for late in (True, True, timed_out):
                attempt = Attempt(at=datetime.now(UTC), status=None, seconds=20, error="e", timed_out=late)
                await delivery_queue.record_refused(pool, delivery, attempt, again_in=NOW)
        await hook(pool, receiver.url, events=["*.queued"])
        async with senders(pool, pace=PATIENT):
            await hanging.take(1 if timed_out else 3)
            await queued(pool)
            await receiver.take(1)
            assert (hanging.at_once, hanging.hooks.qsize()) == (1 if timed_out else 3, 0)
            hanging.close()


async def test_what_a_sender_held_that_died_is_anothers_after_a_minute(
    pool: Pool, receiver: HookReceiver
) -> None:
    await hook(pool, receiver.url)
    await queued(pool)
    turn = await delivery_queue.claim(pool)
    assert turn is not None
    assert await delivery_queue.claim(pool) is None
    await pool.execute(
        "UPDATE webhooks SET sending_until = sending_until - $1::interval", delivery_queue.BELIEVED_FOR
    )
    async with senders(pool):
        await receiver.take(1)
        await ended(pool, 1)
    assert await delivery_queue.hold(pool, turn) is None


async def test_a_sender_that_stops_lets_others_go_on_at_once(pool: Pool, receiver: HookReceiver) -> None:
    receiver.statuses = [0]
    await hook(pool, receiver.url)
    await queued(pool)
    async with senders(pool):
        await receiver.take(1)
    async with senders(pool):
        await receiver.take(1)


async def test_after_a_rotation_both_secrets_sign_for_a_day(pool: Pool, receiver: HookReceiver) -> None:
    webhook = await hook(pool, receiver.url, events=["*.queued"])
    new = bytes(range(1, 33))
    await store.rotate(pool, webhook.id, SEALER.seal_secret(new, project_id=1))
    await queued(pool)
    async with senders(pool):
        (sent,) = await receiver.take(1)
    assert sent.event(signing.write_secret(SECRET)) == sent.event(signing.write_secret(new))
    await pool.execute("UPDATE webhooks SET old_secret_until = now()")
    found = await store.find(pool, 1, webhook.id)
    assert found is not None
    assert SEALER.open(found).secrets == [new]


async def test_a_delivery_can_be_sent_again_however_it_ended(pool: Pool, receiver: HookReceiver) -> None:
    await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    async with senders(pool):
        (first,) = await receiver.take(1)
        (delivery,) = await ended(pool, 1)
        await store.send_again(pool, delivery.id)
        (second,) = await receiver.take(1)
        (delivery,) = await ended(pool, 1)
    assert (first.id, first.body) == (second.id, second.body)
    assert len(delivery.attempts) == 2


async def test_the_last_twenty_attempts_are_kept(pool: Pool, receiver: HookReceiver) -> None:
    receiver.statuses = [500] * 24
    webhook = await hook(pool, receiver.url, events=["*.queued"])
    await queued(pool)
    pace = SendingPace(every=QUICK.every, schedule=[timedelta(seconds=0.001)] * 30)
    async with senders(pool, pace=pace):
        (delivery,) = await ended(pool, 1)
    assert [each.status for each in delivery.attempts] == [500] * 19 + [200]
    assert delivery.tries == 25
    found = await store.find(pool, 1, webhook.id)
    assert found is not None
    assert found.failing_since is None


async def test_old_deliveries_go_and_those_still_to_be_sent_stay(pool: Pool, receiver: HookReceiver) -> None:
    webhook = await hook(pool, receiver.url)
    idle = await hook(pool, receiver.url)
    await finished_job(pool)
    await pool.execute(
        """UPDATE webhook_deliveries SET created_at = now() - interval '3 days',
               finished_at = CASE WHEN id % 2 = 0 THEN now() - interval '3 days' END"""
    )
    waiting = await pool.fetchval(
        "SELECT count(*) FROM webhook_deliveries WHERE webhook_id = $1 AND finished_at IS NULL", webhook.id
    )
    await store.disable(pool, idle.id, "why not")
    expiry = DeliveryExpiry(pool, retention=timedelta(days=2))
    assert await expiry.remove_deliveries() > 0
    left = await pool.fetch("SELECT webhook_id, finished_at FROM webhook_deliveries")
    assert [(row["webhook_id"], row["finished_at"]) for row in left] == [(webhook.id, None)] * waiting


async def test_a_database_that_is_too_slow_for_us_is_no_fault_of_the_receiver(
    pool: Pool, receiver: HookReceiver
) -> None:
    await hook(pool, receiver.url)
    job = await queued(pool)
    outbound, asked = Outbound(), []

    async def slow_at_first() -> RemoteClient:
        asked.append(1)
        if len(asked) == 1:
            raise TimeoutError
        return await outbound.connect()

    sender = WebhookSender(pool, slow_at_first, sealer=sealer(), source=SOURCE, pace=QUICK)
    sending = asyncio.create_task(sender.run())
    (delivery,) = await ended(pool, 1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert (delivery.event.job_id, delivery.tries, len(asked)) == (job.id, 1, 2)
    assert await pool.fetchval("SELECT timeouts FROM webhooks") == 0
