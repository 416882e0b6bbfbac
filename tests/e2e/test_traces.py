"""One import is one trace, from its caller through the api to the importer, with what each of them asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from uuid import uuid4

import aio_pika
import aiohttp
import asyncpg
import pytest
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from tests.support.buckets import made_bucket
from tests.support.commands import command
from tests.support.gitlab import GitLab
from tests.support.monitoring import log_lines
from tests.support.otlp import Received, Receiver, otlp_receiver
from tests.support.rabbitmq import RabbitMQServer
from tests.support.samples.table import archive
from tests.support.seaweedfs import S3Server
from tests.support.system import System, distributed
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(180)

CALLER = "00f067aa0ba902b7"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with otlp_receiver() as opened:
        yield opened


@pytest.fixture
async def traced(
    database_url: str,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    queue_prefix: str,
    receiver: Receiver,
) -> AsyncIterator[System]:
    await made_bucket(s3_server)
    with ExitStack() as stack:
        form = distributed(
            database_url=database_url,
            broker_url=rabbitmq_server.url,
            s3=s3_server,
            exporters=0,
            CROSSDOCK_BROKER_PREFIX=queue_prefix,
            CROSSDOCK_TRACING="true",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        system = await asyncio.to_thread(stack.enter_context, form)
        yield system
        await asyncio.to_thread(stack.close)


def _one(spans: list[Received], name: str) -> Received:
    [found] = [span for span in spans if span.name == name]
    return found


async def test_an_import_is_one_trace_over_api_broker_importer_database_and_storage(
    traced: System, receiver: Receiver, database_url: str
) -> None:
    trace = uuid4().hex
    traceparent = f"00-{trace}-{CALLER}-01"
    async with aiohttp.ClientSession(headers={"traceparent": traceparent}) as session:
        gitlab = GitLab(session, traced.url, traced.token)
        started = await gitlab.start_import(archive("every_relation"), "p")
    async with aiohttp.ClientSession() as session:
        gitlab = GitLab(session, traced.url, traced.token)
        assert (await gitlab.imported(started.body["id"]))["import_status"] == "finished"
    await until(lambda: "process small_import" in {span.name for span in receiver.of(trace)})
    spans = receiver.of(trace)

    request, job = _one(spans, "POST /api/v4/projects/import"), _one(spans, "process small_import")
    assert (request.service, request.kind, request.parent) == ("crossdock-api", "SERVER", CALLER)
    assert request.attributes["http.response.status_code"] == 201
    assert (job.service, job.kind, job.parent) == ("crossdock-importer", "CONSUMER", request.id)
    publish = _one(spans, "publish small_import")
    assert (publish.service, publish.kind, publish.parent) == ("crossdock-api", "PRODUCER", request.id)
    within = Counter((span.name, span.parent) for span in spans if span.kind == "CLIENT")
    for parent in (request, job):
        assert within["UPDATE", parent.id] + within["INSERT", parent.id] + within["SELECT", parent.id] > 1
        assert within["storage write", parent.id] == 1
    assert within["storage read", job.id] == 2  # the archive, and the project's features

    connection = await asyncpg.connect(database_url)
    try:
        handed_on = await connection.fetchval("SELECT traceparent FROM jobs")
    finally:
        await connection.close()
    assert handed_on == f"00-{trace}-{request.id}-01"
    for process in ("api", "importer-0"):
        assert trace in {line.get("trace_id") for line in log_lines(traced.processes[process])}


async def test_a_command_goes_on_in_the_trace_of_its_sender(
    traced: System, receiver: Receiver, rabbitmq_url: str, queue_prefix: str
) -> None:
    trace = uuid4().hex
    sent = command("job.cancel", {"job": 4711}, actor="root", traceparent=f"00-{trace}-{CALLER}-01")
    name = f"{queue_prefix}commands"
    async with await aio_pika.connect(rabbitmq_url) as connection:
        await until(lambda: _is_declared(connection, name))
        exchange = await (await connection.channel()).get_exchange(name)
        message = aio_pika.Message(
            sent.body, content_type=sent.content_type, headers=dict(sent.headers), user_id="guest"
        )
        await exchange.publish(message, "job.cancel")
        await until(lambda: "process commands" in {span.name for span in receiver.of(trace)})
    span = _one(receiver.of(trace), "process commands")
    assert (span.service, span.kind, span.parent) == ("crossdock-api", "CONSUMER", CALLER)


async def _is_declared(connection: AbstractConnection, exchange: str) -> bool:
    """The api declares it soon after it is ready."""
    channel = await connection.channel()
    try:
        await channel.get_exchange(exchange)
    except ChannelNotFoundEntity:  # which has closed the channel
        return False
    await channel.close()
    return True


async def test_probes_and_maintenance_leave_no_traces_and_no_span_holds_a_value(
    traced: System, receiver: Receiver
) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.get(f"{traced.url}/-/readiness?all=1") as answer:
                assert answer.status == 200
        gitlab = GitLab(session, traced.url, traced.token)
        await gitlab.import_file(archive("every_relation"), "p")
    await until(lambda: "process small_import" in {span.name for span in receiver.spans})

    begun = [span for span in receiver.spans if not span.parent]
    assert {span.kind for span in begun} == {"SERVER"}
    assert [span for span in receiver.spans if "/-/" in span.name] == []
    texts = {str(span.attributes.get("db.query.text")) for span in receiver.spans}
    assert any("$1" in text for text in texts)
    assert traced.token not in repr(receiver.spans)
