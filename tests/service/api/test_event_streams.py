from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.api.crossdock import event_stream
from services.api.http.places import PlaceNumbers
from shared.accounts.models import AccessLevel, User
from shared.accounts.tokens import Valid, find_valid
from shared.database.pool import Database
from shared.events.live_progress import LiveProgress, ProgressTeller
from shared.events.store import event_of
from shared.events.stream import Horizon
from shared.jobs import store as jobs
from shared.jobs.models import Lease
from shared.projects.models import Project
from shared.usecases import credential_watch, events
from tests.support.api import Api, running_api

SOON = 20.0
ALL = "/api/crossdock/v1/events"


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it was sent; the id of a live one is None."""

    id: int | None
    event: str | None
    data: Any


class Stream:
    """A stream as a browser reads it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.comments = 0

    async def take(self, count: int) -> list[Sent]:
        """The next events."""
        async with asyncio.timeout(SOON):
            return [await self._next() for _ in range(count)]

    async def position(self) -> int:
        """Where the reader is, as the server says before anything happens."""
        async with asyncio.timeout(SOON):
            while not (line := (await self.response.content.readline()).decode()).startswith("id: "):
                pass
        return int(line.removeprefix("id: "))

    async def rest(self) -> list[Sent]:
        """All that comes before the server ends the stream."""
        found = []
        async with asyncio.timeout(SOON):
            while not self.response.content.at_eof():
                if sent := await self._block():
                    found.append(sent)
        return found

    async def _next(self) -> Sent:
        while True:
            if sent := await self._block():
                return sent

    async def _block(self) -> Sent | None:
        fields: dict[str, str] = {}
        while line := (await self.response.content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            fields[name] = value
        if "data" not in fields:
            return None
        number = fields.get("id")
        return Sent(int(number) if number else None, fields.get("event"), json.loads(fields["data"]))


@asynccontextmanager
async def following(api: Api, path: str, *, by: str, after: int | None = None) -> AsyncIterator[Stream]:
    headers = {"PRIVATE-TOKEN": api.tokens[by]}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    async with api.session.get(f"{str(api.url).rstrip('/')}{path}", headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


def names(found: list[Sent]) -> list[str | None]:
    return [each.event for each in found]


async def test_a_job_is_followed_from_its_beginning_to_its_end(api: Api, ann: User, project: Project) -> None:
    job = await api.job(project, ann)
    async with following(api, f"/api/crossdock/v1/jobs/{job.id}/events", by="ann") as stream:
        assert names(await stream.take(1)) == ["export.queued"]
        await api.finished(job)
        assert names(await stream.rest()) == ["export.started", "export.finished"]
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "no-store"


async def test_a_stream_that_does_not_follow_ends_with_the_events_that_there_are(
    api: Api, ann: User, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "AT_ONCE", 1)  # so that what there is comes in several batches
    job = await api.job(project, ann)
    await api.started(job)
    path = f"/api/crossdock/v1/jobs/{job.id}/events?follow=false"
    async with following(api, path, by="ann") as stream:
        assert names(await stream.rest()) == ["export.queued", "export.started"]


async def test_whether_to_follow_is_a_boolean(api: Api, ann: User, project: Project) -> None:
    job = await api.job(project, ann)
    answer = await api.call("GET", f"/api/crossdock/v1/jobs/{job.id}/events?follow=later", by="ann")
    assert (answer.status, json.loads(answer.body)["detail"]) == (400, "follow is invalid")


async def test_an_event_of_a_stream_is_the_cloud_event_that_is_published(
    api: Api, ann: User, project: Project
) -> None:
    job = await api.job(project, ann)
    async with following(api, f"/api/crossdock/v1/jobs/{job.id}/events", by="ann") as stream:
        (sent,) = await stream.take(1)
    assert sent.data["id"] == str(sent.id)
    assert sent.data["type"] == "com.crossdock.export.queued.v1"
    assert sent.data["subject"] == "ann/project"
    assert sent.data["data"]["job"]["id"] == job.id


async def test_who_comes_back_goes_on_after_what_was_seen(api: Api, ann: User, project: Project) -> None:
    job = await api.job(project, ann)
    path = f"/api/crossdock/v1/jobs/{job.id}/events"
    async with following(api, path, by="ann") as stream:
        (first,) = await stream.take(1)
    await api.finished(job)
    async with following(api, path, by="ann", after=first.id) as stream:
        rest = await stream.rest()
    assert names(rest) == ["export.started", "export.finished"]
    headers = {"Last-Event-ID": str(rest[-1].id)}
    assert (await api.call("GET", path, by="ann", headers=headers)).status == 204


async def test_all_events_are_followed_from_now_on_or_from_what_was_seen(
    api: Api, ann: User, project: Project
) -> None:
    await api.finished(await api.job(project, ann))
    async with following(api, ALL, by="ann") as stream:
        await api.job(project, ann)
        (sent,) = await stream.take(1)
    assert sent.event == "export.queued"
    async with following(api, ALL, by="ann", after=0) as stream:
        assert names(await stream.take(4)) == [
            "export.queued", "export.started", "export.finished", "export.queued"
        ]  # fmt: skip


async def test_a_reader_begins_with_now_whatever_is_being_written(
    api: Api, ann: User, project: Project
) -> None:
    await api.finished(await api.job(project, ann))
    async with api.pool.acquire() as db, db.transaction():
        await db.execute("UPDATE users SET name = name")
        async with following(api, ALL, by="ann") as stream:
            here = await stream.position()
            assert here == await api.pool.fetchval("SELECT max(id) FROM events")
    async with following(api, ALL, by="ann") as stream:
        await stream.position()
        job = await api.job(project, ann)
        (sent,) = await stream.take(1)
    assert sent.data["data"]["job"]["id"] == job.id


async def test_who_has_seen_nothing_yet_misses_nothing_when_he_comes_back(
    api: Api, ann: User, project: Project
) -> None:
    async with following(api, ALL, by="ann") as stream:
        here = await stream.position()
    job = await api.job(project, ann)
    async with following(api, ALL, by="ann", after=here) as stream:
        (sent,) = await stream.take(1)
    assert sent.data["data"]["job"]["id"] == job.id


async def test_the_end_of_a_job_whose_project_was_deleted_is_seen_by_who_asked_for_it(
    api: Api, ann: User, project: Project
) -> None:
    bob = await api.user("bob")
    await api.job(project, ann)
    await api.pool.execute("DELETE FROM projects WHERE id = $1", project.id)
    async with following(api, ALL, by="ann", after=0) as stream:
        assert names(await stream.take(2)) == ["export.queued", "export.canceled"]
    await api.finished(await api.job(await api.project(bob), bob))
    async with following(api, ALL, by="bob", after=0) as stream:
        assert {each.data["subject"] for each in await stream.take(3)} == {"bob/project"}


async def test_the_last_word_of_a_job_is_kept_when_its_project_is_deleted(
    api: Api, ann: User, project: Project
) -> None:
    await api.user("bob")
    await api.user("root", is_admin=True)
    job = await api.job(project, ann)
    await api.call("DELETE", f"/api/v4/projects/{project.id}", by="ann")
    path = f"/api/crossdock/v1/jobs/{job.id}/events"
    for reader in ("ann", "root"):
        async with following(api, path, by=reader) as stream:
            sent = await stream.rest()
        assert names(sent) == ["export.queued", "export.canceled"]
        assert sent[-1].data["data"]["error_code"] == "project_deleted"
    seen = {"Last-Event-ID": str(sent[-1].id)}
    assert (await api.call("GET", path, by="ann", headers=seen)).status == 204
    assert (await api.call("GET", path, by="bob")).status == 404


async def test_only_events_of_projects_that_one_administers_are_seen(
    api: Api, ann: User, project: Project
) -> None:
    bob = await api.member("bob", project, AccessLevel.DEVELOPER)
    await api.user("root", is_admin=True)
    his = await api.project(bob, "his")
    job = await api.job(project, ann)
    await api.job(his, bob)
    subjects = {}
    for reader, count in (("ann", 1), ("bob", 1), ("root", 2)):
        async with following(api, ALL, by=reader, after=0) as stream:
            subjects[reader] = [each.data["subject"] for each in await stream.take(count)]
    assert subjects == {
        "ann": ["ann/project"], "bob": ["bob/his"], "root": ["ann/project", "bob/his"]
    }  # fmt: skip
    answer = await api.call("GET", f"/api/crossdock/v1/jobs/{job.id}/events", by="bob")
    assert answer.status == 404


async def test_an_event_whose_transaction_ends_later_is_not_passed_over(
    api: Api, ann: User, project: Project
) -> None:
    async with following(api, ALL, by="ann", after=0) as stream:
        async with api.pool.acquire() as db, db.transaction():
            slow = await jobs.enqueue(
                db, (await api.job(project, ann)).order, project_id=project.id, user_id=ann.id,
                correlation_id="slow",
            )  # fmt: skip
            quick = await api.job(project, ann)
            assert quick.id > slow.id
        found = await stream.take(3)
    assert [each.data["data"]["job"]["id"] for each in found] == [slow.id - 1, slow.id, quick.id]


async def test_the_horizon_stays_before_what_is_not_settled(api: Api, ann: User, project: Project) -> None:
    horizon = Horizon()
    assert await horizon.look(api.pool) == 0
    async with api.pool.acquire() as db, db.transaction():
        await jobs.enqueue(
            db, (await api.job(project, ann)).order, project_id=project.id, user_id=ann.id, correlation_id="c"
        )
        await api.job(project, ann)
        assert await horizon.look(api.pool) == 0
    assert await horizon.look(api.pool) == await api.pool.fetchval("SELECT max(id) FROM events")


async def test_the_horizon_stays_before_the_newest_transaction_of_all(
    api: Api, ann: User, project: Project
) -> None:
    """A running transaction with a higher number than all that have ended is in no snapshot."""
    horizon, order = Horizon(), (await api.job(project, ann)).order
    settled = await api.pool.fetchval("SELECT max(id) FROM events")
    async with api.pool.acquire() as newest, newest.transaction():
        async with api.pool.acquire() as older, older.transaction():
            await older.execute("UPDATE users SET name = name")
            for db in (newest, older):
                await jobs.enqueue(db, order, project_id=project.id, user_id=ann.id, correlation_id="c")
        assert await api.pool.fetchval("SELECT max(id) FROM events") > settled + 1
        assert await horizon.look(api.pool) <= settled


async def test_readers_share_a_look_for_a_while(api: Api) -> None:
    number = "SELECT pg_current_xact_id()::text::bigint"
    lasting, before = Horizon(lasts=timedelta(hours=1)), await api.pool.fetchval(number)
    for _ in range(100):
        await lasting.look(api.pool)
    assert await api.pool.fetchval(number) - before < 50


@pytest.mark.parametrize("given", ["x", "-1", "1.5"])
async def test_a_bad_last_event_id_is_refused(api: Api, ann: User, given: str) -> None:
    answer = await api.call("GET", ALL, by="ann", headers={"Last-Event-ID": given})
    assert answer.status == 400
    assert json.loads(answer.body)["detail"] == "Last-Event-ID is invalid"


@pytest.mark.parametrize("headers", [{}, {"Last-Event-ID": "x"}])
async def test_a_stranger_follows_nothing(api: Api, headers: dict[str, str]) -> None:
    assert (await api.call("GET", ALL, headers=headers)).status == 401


async def test_a_silent_stream_says_that_it_is_there(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_HEARTBEAT", timedelta(0))
    monkeypatch.setattr(events, "EVERY", timedelta(seconds=0.01))
    async with following(api, ALL, by="ann") as stream, asyncio.timeout(SOON):
        while stream.comments < 2:
            await stream._block()


async def test_streams_end_when_the_process_stops(api: Api, ann: User) -> None:
    async with following(api, ALL, by="ann") as stream:
        api.readiness.drain()
        assert await stream.rest() == []


async def test_a_stream_ends_after_its_time(database_url: str, tmp_path: Path) -> None:
    async with running_api(database_url, tmp_path, longest_stream=timedelta(0)) as api:
        await api.user("ann")
        async with following(api, ALL, by="ann") as stream:
            assert await stream.rest() == []


END_TOKEN = "UPDATE tokens SET revoked_at = now()"


@pytest.mark.parametrize(
    "end",
    [
        END_TOKEN,
        "UPDATE tokens SET expires_at = now()",
        "DELETE FROM users WHERE username = 'ann'",
        "UPDATE users SET is_admin = NOT is_admin",
    ],
)
async def test_a_stream_ends_when_its_token_does_or_its_user_is_another(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(event_stream, "_HEARTBEAT", timedelta(0))
    monkeypatch.setattr(events, "EVERY", timedelta(seconds=0.01))
    monkeypatch.setattr(credential_watch, "LASTS", timedelta(seconds=0.01))
    async with following(api, ALL, by="ann") as stream:
        await stream.position()
        await api.pool.execute(end)
        assert await stream.rest() == []


async def test_a_stream_ends_within_seconds_and_tells_nothing_that_happens_then(
    api: Api, ann: User, project: Project
) -> None:
    assert (events.EVERY + credential_watch.LASTS).total_seconds() < 4
    async with following(api, ALL, by="ann") as stream:
        await stream.position()
        await api.pool.execute(END_TOKEN)
        assert await stream.rest() == []


async def test_streams_of_a_process_share_a_look_at_what_still_holds(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    async def counted(db: Database, token_ids: Sequence[int], sessions: Sequence[bytes]) -> Valid:
        looks.append(len(token_ids))
        return await find_valid(db, token_ids, sessions)

    monkeypatch.setattr(credential_watch, "find_valid", counted)
    monkeypatch.setattr(credential_watch, "LASTS", timedelta(minutes=1))
    watch = credential_watch.CredentialWatch(api.pool)
    credentials = [credential_watch.Credential(number, is_admin=False) for number in range(1, 100)]
    async with AsyncExitStack() as watching:
        for each in credentials:
            await watching.enter_async_context(watch.watching(each))
        held = await asyncio.gather(*(watch.holds(each) for each in credentials * 3))
    assert looks == [99]
    assert held == [each.token_id == 1 for each in credentials] * 3


STREAMS = PlaceNumbers(streams=10, streams_each=3)


@pytest.mark.parametrize("api", [{"places": STREAMS}], indirect=True)
async def test_a_user_has_so_many_streams_and_leaves_the_rest_to_others(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_HEARTBEAT", timedelta(0))
    monkeypatch.setattr(events, "EVERY", timedelta(seconds=0.01))
    await api.user("ben")
    async with AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(following(api, ALL, by=ann.username)) for _ in range(3)]
        refused = await api.call("GET", ALL, by="ann")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
        assert refused.headers["RateLimit-Name"] == json.loads(refused.body)["limit"] == "event_streams"
        await opened.enter_async_context(following(api, ALL, by="ben"))
        streams[0].response.close()
        async with asyncio.timeout(SOON):
            while (await api.call("HEAD", ALL, by="ann")).status == 429:
                pass


@pytest.mark.parametrize("api", [{"places": STREAMS}], indirect=True)
async def test_users_who_hold_all_the_streams_they_can_leave_one_to_who_has_none(api: Api) -> None:
    for name in ("a", "b", "c", "d", "ben"):
        await api.user(name)
    async with AsyncExitStack() as opened:
        for name in "aaabbbccc":
            await opened.enter_async_context(following(api, ALL, by=name))
        await opened.enter_async_context(following(api, ALL, by="d"))
        full = await api.call("GET", ALL, by="ben")
        assert (full.status, full.headers["Retry-After"]) == (503, "10")
        assert json.loads(full.body)["code"] == "places_taken"


@pytest.mark.parametrize("api", [{"places": PlaceNumbers(streams=20, streams_each=20)}], indirect=True)
async def test_the_last_streams_are_for_those_who_have_none(api: Api) -> None:
    for name in ("ann", "ben"):
        await api.user(name)
    async with AsyncExitStack() as opened:
        for _ in range(18):
            await opened.enter_async_context(following(api, ALL, by="ann"))
        assert (await api.call("GET", ALL, by="ann")).status == 503
        await opened.enter_async_context(following(api, ALL, by="ben"))


async def test_head_tells_that_there_is_a_stream(api: Api, ann: User) -> None:
    answer = await api.call("HEAD", ALL, by="ann")
    assert (answer.status, answer.body) == (200, b"")


PACE = {"bytes_done": 7, "rate_bytes_per_second": 3, "relations": {"issues": {"lines": 1, "failed": 0}}}


async def _beat(api: Api, lease: Lease, done: int) -> None:
    progress = PACE | {"bytes_done": done}
    await jobs.heartbeat(api.pool, lease, ttl=timedelta(minutes=1), progress=progress)


async def _until_live(stream: Stream) -> Sent:
    """The next event that is not stored."""
    async with asyncio.timeout(SOON):
        while (sent := await stream._next()).id is not None:
            pass
    return sent


async def test_streams_tell_the_progress_of_each_second_that_is_kept_nowhere(
    api: Api, ann: User, project: Project
) -> None:
    job = await api.job(project, ann)
    lease = await api.started(job)
    await _beat(api, lease, 1)  # the event of five seconds
    kept = await api.pool.fetch("SELECT id FROM events ORDER BY id")
    path = f"/api/crossdock/v1/jobs/{job.id}/events"
    async with following(api, path, by="ann") as own, following(api, ALL, by="ann") as every:
        await own.take(3)
        await _beat(api, lease, 2)
        of_job, of_all = await _until_live(own), await _until_live(every)
        await jobs.finish(api.pool, lease, progress={})
        assert names(await own.rest())[-1] == "export.finished"

    assert (of_job.event, of_job.data["type"]) == ("export.progress", "com.crossdock.export.progress.v1")
    assert of_job.data["data"]["progress"] == PACE | {"bytes_done": 2}
    assert "relations" not in of_all.data["data"]["progress"]
    assert of_all.data["data"]["progress"]["rate_bytes_per_second"] == 3
    assert of_job.data["id"] not in {str(row["id"]) for row in kept}
    assert await api.pool.fetchval("SELECT count(*) FROM events") == len(kept) + 1


async def test_progress_is_seen_by_those_alone_who_administer_the_project(
    api: Api, ann: User, project: Project
) -> None:
    bob = await api.user("bob")
    lease = await api.started(await api.job(project, ann))
    await _beat(api, lease, 1)
    his = await api.started(await api.job(await api.project(bob), bob))
    await _beat(api, his, 1)
    seen = await api.pool.fetchval("SELECT max(id) FROM events")
    async with following(api, ALL, by="bob", after=seen) as stream:
        await _beat(api, lease, 2)
        await _beat(api, his, 2)
        assert (await _until_live(stream)).data["subject"] == "bob/project"


async def test_all_streams_of_a_process_read_progress_by_one_statement(api: Api, ann: User) -> None:
    live = LiveProgress(api.pool, every=timedelta(hours=1))
    readings = await asyncio.gather(*(live.read() for _ in range(20)))
    assert all(each is readings[0] for each in readings)
    again = LiveProgress(api.pool, every=timedelta(0))
    assert await again.read() is not await again.read()


async def test_progress_is_never_told_of_a_job_whose_end_may_have_been_told(
    api: Api, ann: User, project: Project
) -> None:
    lease = await api.started(await api.job(project, ann))
    await _beat(api, lease, 1)
    live = LiveProgress(api.pool, every=timedelta(hours=1))
    reading = await live.read()
    (event,) = reading.events
    teller = ProgressTeller(live, shows=lambda _event: True)

    assert await teller.tell(since=reading.began + 0.001, up_to=event.id) == []
    assert await teller.tell(since=reading.began, up_to=event.id - 1) == []
    assert await teller.tell(since=reading.began, up_to=event.id) == [event]
    assert await teller.tell(since=reading.began, up_to=event.id) == []


async def test_a_first_request_says_what_was_seen_in_its_address(
    api: Api, ann: User, project: Project
) -> None:
    job = await api.job(project, ann)
    (queued,) = await api.pool.fetch("SELECT id FROM events")
    await api.finished(job)
    path = f"/api/crossdock/v1/jobs/{job.id}/events?after={queued['id']}"
    async with following(api, path, by="ann") as stream:
        rest = await stream.rest()
    assert names(rest) == ["export.started", "export.finished"]
    async with following(api, path, by="ann", after=rest[0].id) as stream:
        assert names(await stream.rest()) == ["export.finished"]
    refused = await api.call("GET", f"{ALL}?after=x", by="ann")
    assert (refused.status, json.loads(refused.body)["detail"]) == (400, "after is invalid")


async def test_events_can_be_messages_without_a_name(api: Api, ann: User, project: Project) -> None:
    job = await api.job(project, ann)
    path = f"/api/crossdock/v1/jobs/{job.id}/events?follow=false&as=message"
    async with following(api, path, by="ann") as stream:
        (sent,) = await stream.rest()
    assert (sent.event, sent.data["type"]) == (None, "com.crossdock.export.queued.v1")
    refused = await api.call("GET", f"{ALL}?as=x", by="ann")
    assert (refused.status, json.loads(refused.body)["detail"]) == (400, "as does not have a valid value")


async def test_a_list_says_up_to_which_event_it_is_true(api: Api, ann: User, project: Project) -> None:
    await api.job(project, ann)
    newest = await api.pool.fetchval("SELECT max(id) FROM events")
    async with asyncio.timeout(SOON):  # what writes beside the requests has to end
        while await _position_of_list(api) != newest:
            pass
    async with api.pool.acquire() as db, db.transaction():
        await jobs.enqueue(
            db, (await api.job(project, ann)).order, project_id=project.id, user_id=ann.id, correlation_id="c"
        )
        assert await _position_of_list(api) <= newest + 1  # the committed one may count


async def _position_of_list(api: Api) -> int:
    listed = await api.call("GET", "/api/crossdock/v1/jobs", by="ann")
    return int(listed.headers.get("Last-Event-ID", 0))


async def test_whose_events_are_seen_is_asked_once_for_a_whole_batch(api: Api, ann: User) -> None:
    bob = await api.user("bob")
    mine, theirs = [await api.project(ann, f"p{n}") for n in range(5)], await api.project(bob, "his")
    gone = await api.project(ann, "gone")
    for each in (*mine, theirs, gone):
        await api.job(each, ann)
    await api.pool.execute("DELETE FROM projects WHERE id = $1", gone.id)
    every = [event_of(row) for row in await api.pool.fetch("SELECT * FROM events ORDER BY id")]
    sent: list[str] = []
    async with api.pool.acquire() as db:
        await events._select_visible(db, ann, every)  # asyncpg asks for types the first time
        with db.query_logger(lambda logged: sent.append(logged.query)):
            seen = await events._select_visible(db, ann, every)
    assert {each.project_id for each in seen} == {project.id for project in (*mine, gone)}
    assert len(sent) == 1
