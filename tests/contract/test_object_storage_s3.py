from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

import psutil
import pytest
from structlog.contextvars import bound_contextvars
from yarl import URL

from shared.errors import ObjectMissing, StorageError
from shared.storage import s3_upload
from shared.storage.errors import ObjectTooLarge, OperationFailed, OperationRefused
from shared.storage.s3 import S3Config, S3Store, s3_store
from shared.storage.s3_part import Part
from shared.storage.s3_part_sizes import PartSizes
from tests.support.flaky import cutting_proxy
from tests.support.objects import PART, get, keys, leftovers, pattern, put, s3_config
from tests.support.seaweedfs import S3Server, seaweedfs

MIB = 1024 * 1024


@pytest.fixture
def config(s3_server: S3Server) -> S3Config:
    return s3_config(s3_server, uploads_in_flight=3, connections=4)


@pytest.fixture
async def store(config: S3Config) -> AsyncIterator[S3Store]:
    async with s3_store(config) as opened:
        await opened.ensure_bucket()
        yield opened


class Calls:
    """Watches the calls of one operation while they run, and can hold them back.

    Those by presigned addresses, where the operation has any, or those ``of`` something else.
    """

    def __init__(
        self, store: S3Store, monkeypatch: pytest.MonkeyPatch, operation: str, *, of: object = None
    ) -> None:
        if of is None:
            of = store._presigned if hasattr(store._presigned, operation) else store._bucket.client
        self._call = getattr(of, operation)
        self._changed = asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()
        self.sizes: list[int] = []
        self.done = self.running = self.peak = 0
        monkeypatch.setattr(of, operation, self)

    async def __call__(self, *given: object, **parameters: object) -> object:
        self.sizes.append(sum(len(body) for body in given if isinstance(body, Part)))
        await self._count(1)
        try:
            await self.gate.wait()
            return await self._call(*given, **parameters)
        finally:
            await self._count(-1)

    async def _count(self, change: int) -> None:
        async with self._changed:
            self.running += change
            self.done += change < 0
            self.peak = max(self.peak, self.running)
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)


@pytest.mark.parametrize(
    ("size", "puts", "parts"),
    [
        (0, [0], []),
        (PART, [PART], []),
        (PART + 1, [], [PART, 1]),
        (2 * PART, [], [PART, PART]),
        (2 * PART + 3, [], [PART, PART, 3]),
    ],
)
async def test_only_what_exceeds_a_part_is_sent_in_parts(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, size: int, puts: list[int], parts: list[int]
) -> None:
    single = Calls(store, monkeypatch, "put_object")
    multiple = Calls(store, monkeypatch, "upload_part")
    await put(store, "packs/1", pattern(size))
    assert (single.sizes, multiple.sizes) == (puts, parts)


async def test_parts_in_flight_are_bounded_over_all_writers(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Calls(store, monkeypatch, "create_multipart_upload")
    sent = Calls(store, monkeypatch, "upload_part")
    sent.gate.clear()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(put(store, f"packs/{number}", bytes(2 * PART + 1)))
        await begun.until(lambda: begun.done == 8)
        await sent.until(lambda: sent.running == 3)
        for _ in range(100):  # every writer gets its turn to send too much
            await asyncio.sleep(0)
        sent.gate.set()
    assert sent.peak == 3
    assert len(await keys(store)) == 8


async def test_writer_cancelled_while_it_waits_for_others_gives_no_slot_away(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, asked = store._bucket.slots, asyncio.Event()
    acquire = slots.acquire
    for _ in range(3):
        await acquire()

    async def ask() -> bool:
        asked.set()
        return await acquire()

    monkeypatch.setattr(slots, "acquire", ask)
    task = asyncio.create_task(put(store, "packs/1", bytes(2 * PART)))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slots.locked()
    for _ in range(3):
        slots.release()
    assert await leftovers(store) == 0
    await put(store, "packs/1", bytes(4 * PART))


async def test_upload_cancelled_before_its_id_came_back_is_aborted(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = store._bucket.client.create_multipart_upload

    async def begin_and_cancel(**parameters: object) -> object:
        answer = await begin(**parameters)
        task.cancel()
        await asyncio.sleep(0)  # where the cancellation arrives
        return answer

    monkeypatch.setattr(store._bucket.client, "create_multipart_upload", begin_and_cancel)
    task = asyncio.create_task(put(store, "packs/1", bytes(2 * PART)))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await leftovers(store) == 0


async def test_parts_cancelled_before_they_start_give_their_slots_back(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_upload, "_ABORT_GRACE", 0)
    sent = Calls(store, monkeypatch, "upload_part")
    sent.gate.clear()
    async with store.create("packs/1") as writer:
        await writer.write(bytes(3 * PART + 1))
    sent.gate.set()
    assert await leftovers(store) == 0
    async with asyncio.timeout(60):
        await put(store, "packs/1", bytes(6 * PART))


async def test_object_beyond_the_most_parts_is_refused_before_it_is_sent(
    config: S3Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with s3_store(replace(config, parts=PartSizes(first=PART, most=2))) as store:
        await store.ensure_bucket()
        sent = Calls(store, monkeypatch, "upload_part")
        async with store.create("packs/1") as writer:
            await writer.write(bytes(PART))
            with pytest.raises(ObjectTooLarge, match=f"{2 * PART} bytes"):
                await writer.write(bytes(PART + 1))
            assert sent.sizes == []
        await put(store, "packs/2", bytes(2 * PART))


GROWING = PartSizes(first=PART, alike=2, step=1, most=4)


@pytest.fixture
async def growing(config: S3Config) -> AsyncIterator[S3Store]:
    """A store whose parts double from the third one on, and that holds two parts' bytes of these."""
    async with s3_store(replace(config, parts=GROWING, larger_parts=2 * PART)) as opened:
        await opened.ensure_bucket()
        yield opened


async def test_parts_grow_with_their_number_and_bound_the_object(
    growing: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Calls(growing, monkeypatch, "upload_part")
    data = pattern(8 * PART)
    await put(growing, "packs/1", data)
    assert sent.sizes == [PART, PART, 2 * PART, 4 * PART]
    assert await get(growing, "packs/1") == data
    async with growing.create("packs/2") as writer:
        with pytest.raises(ObjectTooLarge, match=f"{8 * PART} bytes"):
            await writer.write(bytes(8 * PART + 1))


async def test_larger_parts_of_all_writers_are_bounded_in_bytes(
    growing: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Calls(growing, monkeypatch, "upload_part")
    async with asyncio.timeout(60), growing.create("packs/1") as first, growing.create("packs/2") as second:
        await first.write(bytes(2 * PART + 1))  # a byte of the third part, which is as much as there may be
        await second.write(bytes(2 * PART))
        waiting = asyncio.create_task(second.write(bytes(1)))
        await sent.until(lambda: sent.done == 4)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        await first.commit()
        await waiting
        await second.commit()
    assert sorted(sent.sizes) == [1, 1, PART, PART, PART, PART]


@pytest.mark.parametrize("length", [2 * PART + 1, 4 * PART, 4 * PART + 1])
async def test_a_larger_part_that_is_aborted_is_held_no_more(growing: S3Store, length: int) -> None:
    async with growing.create("packs/1") as writer:
        await writer.write(bytes(length))
    assert await leftovers(growing) == 0
    async with asyncio.timeout(60):
        await put(growing, "packs/2", bytes(8 * PART))


async def test_failed_part_surfaces_at_the_next_write_or_commit(store: S3Store) -> None:
    async with store.create("packs/1") as writer:
        await writer.write(bytes(PART + 1))
        await asyncio.wait(writer._upload._on_their_way)
        writer._upload._upload_id += "x"
        await writer.write(bytes(PART))
        await asyncio.wait(writer._upload._on_their_way)
        with pytest.raises(OperationFailed, match="upload_part of 'packs/1'"):
            await writer.write(b"x")
        with pytest.raises(OperationFailed, match="upload_part of 'packs/1'"):
            await writer.commit()
        writer._upload._upload_id = writer._upload._upload_id[:-1]
    assert await leftovers(store) == 0


async def test_wrong_secret_is_no_matter_of_retries_and_stays_unsaid(config: S3Config) -> None:
    secret = "not-the/secret+of-this-server"
    async with s3_store(replace(config, secret_key=secret)) as store:
        with pytest.raises(OperationRefused) as checked:
            await store.check()
        with pytest.raises(OperationRefused) as caught:
            await put(store, "packs/1", b"x")
    assert (checked.value.retryable, caught.value.retryable) == (False, False)
    assert (caught.value.operation, caught.value.key) == ("put_object", "packs/1")
    assert caught.value.cause == "SignatureDoesNotMatch"
    told = "".join(traceback.format_exception(caught.value)) + repr(config)
    assert config.secret_key is not None
    assert config.access_key is not None
    for word in (secret, config.secret_key, config.access_key):
        assert word not in told


async def test_missing_bucket_is_no_matter_of_retries(config: S3Config) -> None:
    async with s3_store(replace(config, bucket="no-such-bucket")) as store:
        for attempt in (store.check, partial(get, store, "packs/1"), partial(keys, store)):
            with pytest.raises(OperationRefused) as caught:
                await attempt()
            assert not caught.value.retryable


async def test_server_that_dies_fails_uploads_and_reads_with_an_error_worth_a_retry() -> None:
    with seaweedfs() as server:
        config = s3_config(server, attempts=1)
        async with s3_store(config) as store:
            await store.ensure_bucket()
            await put(store, "packs/1", pattern(4 * PART))
            async with store.create("packs/2") as writer, aclosing(store.read("packs/1")) as chunks:
                await writer.write(bytes(PART + 1))
                await anext(chunks)
                server.kill()
                with pytest.raises(StorageError) as upload:
                    await writer.write(bytes(9 * PART))
                with pytest.raises(StorageError) as read:
                    [chunk async for chunk in chunks]
    assert (upload.value.retryable, read.value.retryable) == (True, True)


@pytest.mark.parametrize("abruptly", [False, True])
async def test_read_goes_on_after_each_broken_connection(
    store: S3Store, config: S3Config, *, abruptly: bool
) -> None:
    data = pattern(12 * MIB)
    await put(store, "packs/1", data)
    assert config.endpoint_url is not None
    async with (
        cutting_proxy(config.endpoint_url, after=MIB, times=7, abruptly=abruptly) as proxy,
        s3_store(replace(config, endpoint_url=proxy.url)) as distant,
    ):
        assert await get(distant, "packs/1", start=5, length=11 * MIB) == data[5 : 5 + 11 * MIB]
        assert proxy.cuts == 7  # more than it survives in a row


async def test_read_does_not_go_on_in_another_object_of_the_key(store: S3Store, config: S3Config) -> None:
    data = pattern(12 * MIB)
    await put(store, "packs/1", data)
    assert config.endpoint_url is not None
    async with (
        cutting_proxy(config.endpoint_url, after=MIB, times=1) as proxy,
        s3_store(replace(config, endpoint_url=proxy.url)) as distant,
        aclosing(distant.read("packs/1")) as chunks,
    ):
        await anext(chunks)
        await put(store, "packs/1", data[::-1])
        with pytest.raises(OperationFailed) as caught:
            [chunk async for chunk in chunks]
    assert (caught.value.cause, caught.value.retryable) == ("PreconditionFailed", True)


async def test_an_upload_that_was_completed_by_an_attempt_whose_answer_was_lost_is_there(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = store._bucket.client.complete_multipart_upload

    async def twice(**parameters: object) -> object:
        await complete(**parameters)
        return await complete(**parameters)  # as the client does that did not hear of the first

    monkeypatch.setattr(store._bucket.client, "complete_multipart_upload", twice)
    await put(store, "packs/1", pattern(2 * PART + 3))
    assert await get(store, "packs/1") == pattern(2 * PART + 3)


async def test_an_upload_that_is_gone_and_never_was_completed_is_an_error(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = store._bucket.client.complete_multipart_upload

    async def late(**parameters: object) -> object:
        ids = {name: parameters[name] for name in ("Bucket", "Key", "UploadId")}
        await store._bucket.client.abort_multipart_upload(**ids)
        return await complete(**parameters)

    monkeypatch.setattr(store._bucket.client, "complete_multipart_upload", late)
    with pytest.raises(OperationFailed, match="NoSuchUpload"):
        await put(store, "packs/1", pattern(2 * PART + 3))


async def test_a_committed_writer_that_lives_on_holds_no_part(store: S3Store) -> None:
    async with store.create("packs/1") as writer:
        await writer.write(pattern(PART))
        await writer.commit()
        assert len(writer._part) == 0


async def test_a_large_piece_is_kept_as_it_came_and_small_ones_are_joined() -> None:
    part, large = Part(), bytes(MIB)
    for _ in range(10_000):
        part.append(memoryview(b"x" * 100))
    part.append(memoryview(large))
    part.append(memoryview(b"end"))
    pieces = [piece async for piece in part]
    assert len(part) == sum(map(len, pieces)) == MIB + 1_000_003
    assert len(pieces) == (3 + 1) + 4 + 1
    assert max(map(len, pieces)) == 256 * 1024
    assert sum(piece.obj is large for piece in pieces) == 4
    assert [bytes(piece) async for piece in part] == [bytes(piece) for piece in pieces]  # again


async def test_bytes_that_their_owner_changes_later_are_stored_as_they_were(store: S3Store) -> None:
    block = bytearray(pattern(MIB))
    async with store.create("packs/1") as writer:
        await writer.write(block)
        await writer.write(memoryview(block))
        block[:] = bytes(MIB)
        await writer.commit()
    assert await get(store, "packs/1") == 2 * pattern(MIB)


async def test_bodies_announce_their_length_and_are_not_hashed(config: S3Config) -> None:
    assert config.endpoint_url is not None
    async with (
        cutting_proxy(config.endpoint_url, after=0, times=0) as proxy,
        s3_store(replace(config, endpoint_url=proxy.url)) as distant,
    ):
        await put(distant, "packs/1", pattern(2 * PART + 3))
        await put(distant, "packs/2", pattern(3))
        await put(distant, "packs/3", b"")
    sent = [head.lower() for head in proxy.heads if head.startswith("PUT")]
    lengths = [size for size in (PART, PART, 3, 3, 0) if f"content-length: {size}\r" in "".join(sent)]
    assert (len(sent), len(lengths)) == (5, 5)
    for head in sent:
        assert "transfer-encoding" not in head  # Amazon S3 answers 411
        assert "x-amz-signature=" in head
        assert "x-amz-content-sha256" not in head


async def test_a_server_that_refuses_presigned_addresses_is_asked_by_the_client_and_sent_no_body_twice(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = store._presigned._address
    asked: list[str] = []

    async def wrong(operation: str, key: str, **parameters: Any) -> URL:
        asked.append(operation)
        return (await address(operation, key, **parameters)).update_query({"X-Amz-Signature": "0" * 64})

    monkeypatch.setattr(store._presigned, "_address", wrong)
    sent = Calls(store, monkeypatch, "put_object", of=store._bucket.client)
    parts = Calls(store, monkeypatch, "upload_part", of=store._bucket.client)
    await put(store, "packs/1", pattern(7))
    await put(store, "packs/2", pattern(PART + 1))
    assert (sent.done, parts.done, asked) == (1, 2, ["put_object"])
    for key, data in (("packs/1", pattern(7)), ("packs/2", pattern(PART + 1))):
        assert await get(store, key, start=2, length=4) == data[2:6]
        assert await get(store, key) == data
        assert (await store.stat(key)).size == len(data)


async def test_a_part_whose_connection_breaks_is_sent_again_from_its_beginning(
    store: S3Store, config: S3Config
) -> None:
    assert config.endpoint_url is not None
    async with (
        cutting_proxy(config.endpoint_url, after=2 * MIB, times=2, method="PUT") as proxy,
        s3_store(replace(config, endpoint_url=proxy.url)) as distant,
    ):
        await put(distant, "packs/1", pattern(2 * PART + 3))
        assert proxy.cuts == 2
    assert await get(store, "packs/1") == pattern(2 * PART + 3)


async def test_a_part_is_sent_no_more_often_than_calls_are_tried(config: S3Config) -> None:
    assert config.endpoint_url is not None
    async with (
        cutting_proxy(config.endpoint_url, after=MIB, times=99, method="PUT") as proxy,
        s3_store(replace(config, endpoint_url=proxy.url, attempts=2)) as distant,
    ):
        with pytest.raises(OperationFailed, match="put_object of 'packs/1'"):
            await put(distant, "packs/1", pattern(PART))
        assert [head.partition(" ")[0] for head in proxy.heads] == ["PUT"] * (1 + 2)  # of the client


async def test_memory_of_an_upload_is_bounded(store: S3Store) -> None:
    process, block = psutil.Process(), pattern(MIB)
    before = peak = process.memory_info().rss
    async with store.create("packs/1") as writer:
        for _ in range(300):
            await writer.write(block)
            peak = max(peak, process.memory_info().rss)
        assert await writer.commit() == 300 * MIB
    assert peak - before < 100 * MIB


@pytest.mark.parametrize(("spared", "requests"), [("", 3), ("127.0.0.1", 0)])
async def test_the_proxy_of_the_environment_is_used_as_the_client_uses_it(
    config: S3Config, monkeypatch: pytest.MonkeyPatch, spared: str, requests: int
) -> None:
    assert config.endpoint_url is not None
    async with cutting_proxy(config.endpoint_url, after=0, times=0) as proxy:
        for name, value in {"http_proxy": proxy.url, "no_proxy": spared}.items():
            monkeypatch.setenv(name, value)
        async with s3_store(config) as distant:
            await put(distant, "packs/1", pattern(3))
            assert await get(distant, "packs/1") == pattern(3)
            await distant.stat("packs/1")
    assert len(proxy.heads) == requests


async def test_a_size_costs_a_signature_and_a_request_and_no_call_of_the_client(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "packs/1", pattern(7))
    calls = Calls(store, monkeypatch, "head_object", of=store._bucket.client)
    assert (await store.stat("packs/1")).size == 7
    assert calls.done == 0
    with pytest.raises(ObjectMissing):
        await store.stat("packs/2")
    assert calls.done == 1


async def test_a_size_that_is_not_told_at_once_is_asked_for_again(store: S3Store, config: S3Config) -> None:
    assert config.endpoint_url is not None
    await put(store, "packs/1", pattern(7))
    async with (
        cutting_proxy(config.endpoint_url, after=0, times=1, method="HEAD", abruptly=True) as proxy,
        s3_store(replace(config, endpoint_url=proxy.url)) as distant,
    ):
        assert (await distant.stat("packs/1")).size == 7
        assert proxy.cuts == 1


async def test_every_request_names_the_correlation_id_to_the_server_and_stays_signed(
    config: S3Config,
) -> None:
    assert config.endpoint_url is not None
    async with (
        cutting_proxy(config.endpoint_url, after=0, times=0) as proxy,
        s3_store(replace(config, endpoint_url=proxy.url)) as distant,
    ):
        with bound_contextvars(correlation_id="request-7"):
            await put(distant, "packs/1", pattern(2 * PART + 3))
            await get(distant, "packs/1")
        assert len(proxy.agents) >= 6  # begin, three parts, complete, read
        assert all(agent.endswith(" correlation-id/request-7") for agent in proxy.agents)

        proxy.heads.clear()
        await distant.stat("packs/1")
        assert "correlation-id" not in proxy.agents[0]
        with bound_contextvars(correlation_id="request-8"):
            await distant.stat("packs/1")
        assert proxy.agents[1].endswith(" correlation-id/request-8")


async def test_a_correlation_id_from_elsewhere_cannot_end_the_header(config: S3Config) -> None:
    assert config.endpoint_url is not None
    async with (
        cutting_proxy(config.endpoint_url, after=0, times=0) as proxy,
        s3_store(replace(config, endpoint_url=proxy.url)) as distant,
    ):
        with bound_contextvars(correlation_id="a\r\nX-Other: \u00fc" + "x" * 500):
            await distant.check()
        [agent] = proxy.agents
    assert agent.partition(" correlation-id/")[2] == "a__X-Other:__" + "x" * 115
