"""What a request makes and its kept answer are one: whenever the process dies, there are both or neither."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.database.pool import Pool, database
from shared.database.transactions import after_commit, current, postponed_commit, transaction
from shared.idempotency import store as keys
from shared.idempotency.models import KeyedRequest
from tests.support.api import ARCHIVE, Answer, Api, running_api
from tests.support.cut_at_commit import Moment, Wire, severable
from tests.support.forms import BOUNDARY, Part, form_body
from tests.support.jobs import migrated, queued
from tests.support.tus import PIECE, TUS, UPLOADS
from tests.support.waiting import until_row

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
REPLAYED = "Idempotency-Replayed"
NO_LIFE = """SELECT true WHERE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""
UPLOAD = {
    "data": form_body([Part("path", "p"), Part("file", ARCHIVE, "x.tar.gz")]),
    "headers": {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
}


async def _post(api: Api, path: str, *, key: str = KEY, **more: Any) -> Answer:
    headers = {"Idempotency-Key": key, **more.pop("headers", {})}
    address = path if path.startswith("/api/") else f"/api/v4{path}"
    return await api.call("POST", address, by="ann", headers=headers, **more)


@asynccontextmanager
async def _two_processes(wire: Wire, url: str, folder: Path) -> AsyncIterator[tuple[Api, Api]]:
    """Give an api behind the wire, and one that is not, with the same user and project."""
    async with AsyncExitStack() as stack:
        dying = await stack.enter_async_context(running_api(wire.url, folder, shows_life=True))
        await until_row(dying.pool, NO_LIFE.replace("NOT EXISTS", "EXISTS"))
        other = await stack.enter_async_context(running_api(url, folder))
        ann = await dying.user("ann")
        other.tokens = dying.tokens
        await other.project(ann)  # not by the one that dies, which would have prepared the statement
        yield dying, other


# The path, what else is sent, the statement that has the effect, its table, and what is in it afterwards.
REQUESTS = {
    "import": ("/projects/import", UPLOAD, "INSERT INTO jobs", "jobs", 1),
    "export": ("/projects/ann%2Fproject/export", {}, "INSERT INTO jobs", "jobs", 1),
    "project": ("/projects", {"json": {"path": "p"}}, "INSERT INTO projects", "projects", 2),
    "group": ("/groups", {"json": {"path": "g", "name": "g"}}, "INSERT INTO namespaces", "namespaces", 3),
    "member": (
        "/projects/ann%2Fproject/members", {"json": {"user_id": 2, "access_level": 30}},
        "INSERT INTO memberships", "memberships", 1,
    ),
    "first bytes": (
        UPLOADS, {"data": b"x", "headers": {**TUS, **PIECE, "Upload-Length": "1"}},
        "INSERT INTO uploads", "uploads", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.value)
async def test_a_key_gets_one_effect_and_one_answer_though_the_process_dies(
    database_url: str, tmp_path: Path, moment: Moment, request_: tuple[str, dict[str, Any], str, str, int]
) -> None:
    path, more, statement, table, rows = request_
    async with (
        severable(database_url) as wire,
        _two_processes(wire, database_url, tmp_path) as (dying, other),
    ):
        await other.user("bob")
        wire.cut_at(moment, of=statement)
        unheard = await _post(dying, path, **more)
        assert wire.is_cut.is_set()
        await until_row(other.pool, NO_LIFE)

        first = await _post(other, path, **more)
        again = await _post(other, path, **more)

        assert unheard.status >= 500
        assert (first.status, again.status) in ((201, 201), (202, 202))
        assert (REPLAYED in first.headers) is (moment is Moment.AFTER_COMMIT)
        assert again.headers[REPLAYED] == "true"
        assert again.body == first.body
        assert await other.pool.fetchval(f"SELECT count(*) FROM {table}") == rows  # noqa: S608  # fixed names
        if table == "jobs":
            assert first.headers["X-Crossdock-Job"] == str(await other.pool.fetchval("SELECT id FROM jobs"))


async def test_a_process_that_lives_keeps_its_key_and_one_that_died_does_not(database_url: str) -> None:
    async with migrated(database_url) as pool, database(database_url, size=1) as living:
        asked = KeyedRequest(user_id=1, key=KEY, method="POST", path="/x")
        await living.execute(f"SELECT pg_advisory_lock({int.from_bytes(b'keys', 'big')}, 7)")
        assert await keys.claim(pool, asked, fingerprint=b"f", limit=9, life=7)
        assert await keys.claim(pool, asked, fingerprint=b"f", limit=9) is None
        await living.execute("SELECT pg_advisory_unlock_all()")
        assert await keys.claim(pool, asked, fingerprint=b"f", limit=9)


async def test_who_lost_its_key_while_it_worked_changes_nothing(api: Api, project: object) -> None:
    await api.pool.execute(
        """CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               UPDATE idempotency_keys SET holder = gen_random_uuid(); RETURN NULL; END $$"""
    )
    await api.pool.execute("CREATE TRIGGER lose AFTER INSERT ON jobs EXECUTE FUNCTION lose()")

    answer = await _post(api, "/projects/ann%2Fproject/export")

    assert answer.status == 409
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0


async def test_what_is_done_after_a_commit_is_done_once_the_caller_has_committed(database_url: str) -> None:
    done: list[str] = []
    async with migrated(database_url) as pool, migrated_twice(database_url) as outside:
        async with postponed_commit(pool):
            async with transaction(pool) as db:
                job = await queued(db)
            after_commit(lambda: done.append("first"))
            assert await current(pool).fetchval("SELECT id FROM jobs") == job.id
            assert await outside.fetchval("SELECT id FROM jobs") is None
            assert not done
        assert await outside.fetchval("SELECT id FROM jobs") == job.id
        assert done == ["first"]
        after_commit(lambda: done.append("second"))
        assert done == ["first", "second"]


async def test_a_caller_that_fails_undoes_all_and_nothing_is_done_after(database_url: str) -> None:
    done: list[str] = []

    async def fail(pool: Pool) -> None:
        async with postponed_commit(pool):
            async with transaction(pool) as db:
                await queued(db)
            after_commit(lambda: done.append("never"))
            raise ZeroDivisionError

    async with migrated(database_url) as pool:
        with pytest.raises(ZeroDivisionError):
            await fail(pool)
        assert await pool.fetchval("SELECT count(*) FROM jobs") == 0
        assert not done


async def test_what_is_committed_early_stays_where_the_caller_fails_later(database_url: str) -> None:
    done: list[str] = []

    async def fail(pool: Pool) -> None:
        async with postponed_commit(pool) as effect:
            async with transaction(pool) as db:
                await queued(db)
            after_commit(lambda: done.append("early"))
            await effect.commit()
            assert done == ["early"]
            async with transaction(pool) as db:
                await db.execute("UPDATE jobs SET error = 'late'")
            after_commit(lambda: done.append("never"))
            raise ZeroDivisionError

    async with migrated(database_url) as pool:
        with pytest.raises(ZeroDivisionError):
            await fail(pool)
        assert await pool.fetchval("SELECT count(*) FROM jobs WHERE error IS NULL") == 1
    assert done == ["early"]


@asynccontextmanager
async def migrated_twice(url: str) -> AsyncIterator[Any]:
    """Give another pool on the same database."""
    async with database(url, size=1) as pool:
        yield pool
