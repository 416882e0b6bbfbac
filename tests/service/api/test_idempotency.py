from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from shared.accounts.models import Scope
from shared.accounts.tokens import create_token
from shared.idempotency import store as keys
from shared.idempotency.expiry import AnswerExpiry
from shared.idempotency.models import KeptAnswer, KeyedRequest
from shared.jobs.models import JobKind
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.forms import BOUNDARY, Part, form_body
from tests.support.waiting import until_row

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
REPLAYED = "Idempotency-Replayed"
OTHER = {"message": "422 Unprocessable Entity - another request had this Idempotency-Key"}
AT_WORK = {"message": "409 Conflict - a request with this Idempotency-Key is at work"}
DEAD = "UPDATE idempotency_keys SET locked_until = now()"
A_DAY_LATER = "UPDATE idempotency_keys SET expires_at = now()"


async def _post(api: Api, path: str, *, key: str = KEY, by: str = "ann", **more: Any) -> Answer:
    headers = {"Idempotency-Key": key, **more.pop("headers", {})}
    return await api.post(path, by=by, headers=headers, **more)


def _form(archive: bytes, path: str) -> bytes:
    return form_body([Part("path", path), Part("file", archive, "x.tar.gz")])


async def _import(
    api: Api, *, archive: bytes = ARCHIVE, path: str = "p", boundary: str = BOUNDARY, key: str = KEY
) -> Answer:
    body = _form(archive, path).replace(BOUNDARY.encode(), boundary.encode())
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return await _post(api, "/projects/import", key=key, data=body, headers=headers)


async def _count(api: Api, table: str) -> int:
    number: int = await api.pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # a fixed name
    return number


async def test_the_same_post_with_the_same_key_is_answered_again_and_done_once(api: Api) -> None:
    await api.user("ann")

    first = await _post(api, "/projects", json={"path": "p", "name": "P"})
    again = await _post(api, "/projects", data={"name": "P", "path": "p"})  # in another form

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert await _count(api, "projects") == 1


async def test_an_answer_again_names_the_same_job_and_counts_against_no_limit(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    path = f"/projects/{project.id}/export"

    first, again = [await _post(api, path) for _ in range(2)]
    await api.finished(await api.newest(project, JobKind.EXPORT))
    after = await _post(api, path)

    assert {answer.headers["X-Crossdock-Job"] for answer in (first, again, after)} == {
        first.headers["X-Crossdock-Job"]
    }
    assert await _count(api, "jobs") == 1


async def test_a_key_counts_for_one_user_and_one_path(api: Api) -> None:
    await api.user("ann")
    await api.user("bob")

    answers = [
        await _post(api, "/projects", json={"path": "p"}),
        await _post(api, "/groups", json={"path": "g", "name": "g"}),
        await _post(api, "/projects", by="bob", json={"path": "p"}),
    ]

    assert [(answer.status, REPLAYED in answer.headers) for answer in answers] == [(201, False)] * 3


async def test_another_body_with_the_same_key_is_refused(api: Api) -> None:
    await api.user("ann")
    await _post(api, "/projects", json={"path": "p"})

    for body, query in (({"path": "q"}, ""), ({"path": "p"}, "?description=x")):
        answer = await _post(api, f"/projects{query}", json=body)
        assert (answer.status, answer.body) == (422, OTHER)


async def test_a_quoted_key_is_that_key_and_another_token_the_same_user(api: Api) -> None:
    ann = await api.user("ann")
    await _post(api, "/projects", json={"path": "p"})
    token = await create_token(api.pool, ann.id, name="other")

    answer = await api.post(
        "/projects", headers={"Idempotency-Key": f'"{KEY}"'}, json={"path": "p", "private_token": token}
    )

    assert (answer.status, REPLAYED in answer.headers) == (201, True)


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "käse", '"'])
async def test_what_is_no_key_is_refused(api: Api, key: str) -> None:
    await api.user("ann")
    answer = await _post(api, "/projects", key=key, json={"path": "p"})
    assert (answer.status, await _count(api, "projects")) == (400, 0)
    assert "Idempotency-Key is invalid (1 to 255 visible characters)" in answer.body["error"]


async def test_an_upload_is_the_same_with_another_token_in_its_query(api: Api) -> None:
    ann = await api.user("ann")
    first = await _import(api)
    token = await create_token(api.pool, ann.id, name="other")
    again = await api.post(
        f"/projects/import?private_token={token}", data=_form(ARCHIVE, "p"),
        headers={"Idempotency-Key": KEY, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )  # fmt: skip
    assert (again.status, again.body, REPLAYED in again.headers) == (201, first.body, True)


async def test_what_was_refused_may_be_sent_again_with_its_key(api: Api) -> None:
    await api.user("ann")

    refused = [await _import(api, path=""), await _post(api, "/projects", json={"path": "-"})]
    answers = [await _import(api), await _post(api, "/projects", json={"path": "q"})]

    assert [answer.status for answer in refused] == [400, 400]
    assert [(answer.status, REPLAYED in answer.headers) for answer in answers] == [(201, False)] * 2


async def test_what_failed_for_a_fault_of_ours_may_be_sent_again_with_its_key(api: Api) -> None:
    await api.user("ann")
    await api.pool.execute("ALTER TABLE projects RENAME TO away")
    assert (await _post(api, "/projects", json={"path": "p"})).status == 500
    await api.pool.execute("ALTER TABLE away RENAME TO projects")

    assert (await _post(api, "/projects", json={"path": "p"})).status == 201


async def test_an_upload_is_the_same_by_its_fields_and_its_file_whatever_its_boundary(api: Api) -> None:
    await api.user("ann")

    first = await _import(api)
    again = await _import(api, boundary="--another-boundary")

    assert (first.status, again.status, again.headers[REPLAYED]) == (201, 201, "true")
    assert again.body == first.body
    assert again.headers["X-Crossdock-Job"] == first.headers["X-Crossdock-Job"]
    assert (await _count(api, "jobs"), await _count(api, "objects")) == (1, 1)


@pytest.mark.parametrize("other", [{"archive": ARCHIVE[:-1] + b"x"}, {"path": "q"}])
async def test_another_upload_of_the_same_length_with_the_same_key_is_refused(
    api: Api, other: dict[str, Any]
) -> None:
    await api.user("ann")
    await _import(api)

    answer = await _import(api, **other)

    assert (answer.status, answer.body) == (422, OTHER)
    assert (await _count(api, "projects"), await _count(api, "objects")) == (1, 1)


async def test_parallel_imports_with_one_key_make_one_project(api: Api) -> None:
    await api.user("ann")

    answers = await asyncio.gather(*(_import(api) for _ in range(6)))

    assert await _count(api, "projects") == 1
    assert await _count(api, "jobs") == 1
    assert {answer.status for answer in answers} <= {201, 409}
    assert [answer.status for answer in answers if REPLAYED not in answer.headers].count(201) == 1
    assert (await _import(api)).headers[REPLAYED] == "true"


async def test_parallel_imports_with_keys_of_their_own_are_different_ones(api: Api) -> None:
    """What the key is there for: without it, the others are refused for the path of the first."""
    await api.user("ann")
    answers = await asyncio.gather(*(_import(api, key=f"key-{number}") for number in range(3)))
    assert sorted(answer.status for answer in answers) == [201, 400, 400]


async def _slowly(body: bytes, go_on: asyncio.Event) -> AsyncGenerator[bytes, None]:
    yield body[: len(body) // 2]
    await go_on.wait()
    yield body[len(body) // 2 :]


async def test_while_the_first_is_at_work_the_second_waits_for_its_turn(api: Api) -> None:
    await api.user("ann")
    go_on = asyncio.Event()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    first = asyncio.create_task(
        _post(api, "/projects/import", data=_slowly(_form(ARCHIVE, "p"), go_on), headers=headers)
    )
    await until_row(api.pool, "SELECT count(*) FROM objects")

    second = await _import(api)
    go_on.set()

    assert (second.status, second.body, second.headers["Retry-After"]) == (409, AT_WORK, "1")
    assert (await first).status == 201
    assert (await _import(api)).body == (await first).body


async def test_an_answer_that_was_lost_on_its_way_is_given_to_who_asks_again(api: Api) -> None:
    await api.user("ann")
    body = _form(ARCHIVE, "p")
    head = (
        f"POST /api/v4/projects/import HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {api.tokens['ann']}\r\n"
        f"Idempotency-Key: {KEY}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(api.url.host, api.url.port)
    writer.write(head.encode() + body)
    await writer.drain()
    await until_row(api.pool, "SELECT true FROM idempotency_keys WHERE status IS NOT NULL")
    writer.close()  # nothing was read of the answer
    await writer.wait_closed()

    again = await _import(api)

    assert (again.status, again.headers[REPLAYED]) == (201, "true")
    assert again.body["id"] == await api.pool.fetchval("SELECT id FROM projects")
    assert again.headers["X-Crossdock-Job"] == str(await api.pool.fetchval("SELECT id FROM jobs"))


async def test_a_process_that_died_holds_its_key_for_a_minute_and_not_for_ever(api: Api) -> None:
    await api.user("ann")
    await _post(api, "/projects", json={"path": "p"})
    await api.pool.execute("UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL")
    await api.pool.execute("DELETE FROM projects")

    held = await _post(api, "/projects", json={"path": "p"})
    await api.pool.execute(DEAD)
    taken = await _post(api, "/projects", json={"path": "p"})

    assert (held.status, held.body) == (409, AT_WORK)
    assert (taken.status, REPLAYED in taken.headers) == (201, False)


async def test_who_works_for_long_keeps_the_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "BELIEVED_FOR", timedelta(milliseconds=200))
    ann = await api.user("ann")
    request = KeyedRequest(user_id=ann.id, key=KEY, method="POST", path="/x")
    hold = await keys.claim(api.pool, request, fingerprint=b"f", limit=9)
    assert hold is not None
    first = await api.pool.fetchval("SELECT locked_until FROM idempotency_keys")
    async with keys.keep_held(api.pool, hold), asyncio.timeout(20):
        while not await api.pool.fetchval("SELECT now() > $1::timestamptz + interval '0.2 s'", first):
            assert await keys.claim(api.pool, request, fingerprint=b"f", limit=9) is None


async def test_who_lost_the_key_to_another_writes_nothing(api: Api) -> None:
    ann = await api.user("ann")
    request = KeyedRequest(user_id=ann.id, key=KEY, method="POST", path="/x")
    lost = await keys.claim(api.pool, request, fingerprint=b"f", limit=9)
    await api.pool.execute(DEAD)
    taken = await keys.claim(api.pool, request, fingerprint=b"f", limit=9)
    assert lost is not None
    assert taken is not None

    await keys.release(api.pool, lost)
    answer = KeptAnswer(status=201, headers={}, body=b"lost")
    await keys.keep(api.pool, lost, answer, content=None)

    found = await keys.find_earlier(api.pool, request)
    assert found is not None
    assert found.answer is None


async def test_a_key_counts_for_a_day_and_is_removed_then(api: Api) -> None:
    await api.user("ann")
    await _post(api, "/projects", json={"path": "p"})
    assert await AnswerExpiry(api.pool).remove_answers() == 0
    left = await api.pool.fetchval("SELECT extract(epoch FROM expires_at - now()) FROM idempotency_keys")
    assert 86_000 < left <= 86_400

    await api.pool.execute(A_DAY_LATER)
    assert (await _post(api, "/projects", json={"path": "q"})).status == 201
    await api.pool.execute(A_DAY_LATER)
    assert await AnswerExpiry(api.pool).remove_answers() == 1


async def test_a_token_is_not_kept_for_the_sake_of_its_request(api: Api) -> None:
    root = await api.user("root", is_admin=True)
    path = f"/users/{root.id}/personal_access_tokens"
    body = {"name": "t", "scopes": [Scope.API.value]}

    first, again = [await _post(api, path, by="root", json=body) for _ in range(2)]

    assert (first.status, again.status) == (201, 409)
    assert "is not kept" in again.body["message"]
    assert await api.pool.fetchval("SELECT body FROM idempotency_keys") is None
    assert await _count(api, "tokens") == 2


async def test_other_methods_and_strangers_have_no_keys(api: Api) -> None:
    await api.user("ann")
    headers = {"Idempotency-Key": KEY}
    assert (await api.get("/projects", by="ann", headers=headers)).status == 200
    assert (await api.post("/projects", headers=headers, json={"path": "p"})).status == 401
    assert await _count(api, "idempotency_keys") == 0


async def test_on_our_own_api_the_refusals_are_problems(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    path = f"/api/crossdock/v1/jobs/{job.id}/cancel"
    headers = {"Idempotency-Key": KEY}
    await api.call("POST", path, by="ann", headers=headers)

    again = await api.call("POST", path, by="ann", headers=headers)
    other = await api.call("POST", path, by="ann", headers=headers, json={"x": 1})

    assert (again.status, again.headers[REPLAYED]) == (200, "true")
    assert (other.status, other.headers["Content-Type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("api", [{"idempotency_keys_limit": 2}], indirect=True)
async def test_a_user_has_a_limited_number_of_keys_and_those_go_on_to_be_answered(api: Api) -> None:
    await api.user("ann")
    await api.user("bob")
    for name in ("a", "b"):
        assert (await _post(api, "/projects", key=name, json={"name": name})).status == 201

    refused = await _post(api, "/projects", key="c", json={"name": "c"})
    again = await _post(api, "/projects", key="a", json={"name": "a"})
    other = await _post(api, "/projects", key="c", by="bob", json={"name": "c"})

    assert (refused.status, again.status, other.status) == (429, 201, 201)
    assert again.headers[REPLAYED] == "true"
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 60 * 60
    assert await _count(api, "projects") == 3
