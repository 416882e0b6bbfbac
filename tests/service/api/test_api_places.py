from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice

import aiohttp
import pytest

from services.api.http.places import PLACES, PlaceNumbers
from shared.accounts.models import User
from shared.admission import PlaceRules
from shared.projects.models import Project
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.forms import HEADERS, Part, form_body

SOON = 20.0
LARGE = bytes(12 * 1024 * 1024)
"""More than the buffers between a server and a client that reads nothing."""

IMPATIENT = PlaceNumbers(rules=PlaceRules(patience=timedelta(0)))
ONE_AT_ONCE = PlaceNumbers(uploads=1)


def _places(numbers: PlaceNumbers) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("api", [{"places": numbers}], indirect=True)


class SlowUpload:
    """An import whose last byte is sent when a test says so."""

    def __init__(self, api: Api, path: str, *, by: str = "ann") -> None:
        self._body = form_body([Part("path", path), Part("file", ARCHIVE, "x.tar.gz")])
        self.asked, self.complete = asyncio.Event(), asyncio.Event()
        self.answer = asyncio.create_task(
            api.post("/projects/import", by=by, data=self._pieces(), headers=HEADERS, expect100=True)
        )

    async def _pieces(self) -> AsyncIterator[bytes]:
        self.asked.set()
        yield self._body[:-1]
        await self.complete.wait()
        yield self._body[-1:]


async def _import(api: Api, path: str, *, by: str = "ann", **headers: str) -> Answer:
    body = form_body([Part("path", path), Part("file", ARCHIVE, "x.tar.gz")])
    return await api.post("/projects/import", by=by, data=body, headers=HEADERS | headers)


@_places(ONE_AT_ONCE)
@pytest.mark.usefixtures("ann")
async def test_an_upload_waits_for_a_free_place_with_its_body_unread(api: Api) -> None:
    async with asyncio.timeout(SOON):
        first, second = SlowUpload(api, "p"), SlowUpload(api, "q")
        await asyncio.wait(
            [asyncio.create_task(each.asked.wait()) for each in (first, second)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert (await api.get("/projects", by="ann")).status == 200
        begun, waiting = (first, second) if first.asked.is_set() else (second, first)
        assert not waiting.asked.is_set()
        waiting.complete.set()
        begun.complete.set()
        assert ((await begun.answer).status, (await waiting.answer).status) == (201, 201)


@_places(replace(IMPATIENT, uploads=1))
@pytest.mark.usefixtures("ann")
async def test_who_waits_in_vain_is_told_when_to_come_back_and_which_limit_it_is(api: Api) -> None:
    await api.user("ben")
    async with asyncio.timeout(SOON):
        slow = SlowUpload(api, "p")
        await slow.asked.wait()
        over, full = await _import(api, "q"), await _import(api, "q", by="ben")
        slow.complete.set()
        assert (await slow.answer).status == 201
    for refused, status in ((over, 429), (full, 503)):
        assert (refused.status, refused.headers["Retry-After"]) == (status, "10")
        assert refused.headers["RateLimit-Name"] == "uploads"
    assert over.body == {"message": "429 Too Many Requests - your share of uploads is in use: 1 of 1"}
    assert full.body == {"message": "503 Service Unavailable: all uploads are in use"}


@_places(ONE_AT_ONCE)
@pytest.mark.usefixtures("ann")
async def test_a_refused_upload_leaves_its_place(api: Api) -> None:
    for _ in range(3):
        assert (await _import(api, "-")).status == 400
    assert (await _import(api, "p")).status == 201


@_places(IMPATIENT)
@pytest.mark.usefixtures("ann")
async def test_one_user_with_32_slow_uploads_takes_a_quarter_of_the_places(api: Api) -> None:
    await api.user("ben")
    async with asyncio.timeout(SOON):
        slow = [SlowUpload(api, f"p{number}") for number in range(32)]
        soonest = asyncio.as_completed([each.answer for each in slow])
        refused = [(await each).status for each in islice(soonest, 24)]
        assert refused == [429] * 24
        assert (await _import(api, "q", by="ben")).status == 201
        for each in slow:
            each.complete.set()
        assert sorted([(await each.answer).status for each in slow]) == [201] * 8 + [429] * 24


@_places(replace(IMPATIENT, uploads=4))
async def test_who_acts_for_others_by_sudo_uses_the_share_of_one(api: Api) -> None:
    await api.user("root", is_admin=True)
    await api.user("ann")
    await api.pool.execute("UPDATE tokens SET scopes = '{api,sudo}'")
    async with asyncio.timeout(SOON):
        slow = SlowUpload(api, "p", by="root")
        await slow.asked.wait()
        answers = [await _import(api, "q", by=by, sudo="ann") for by in ("root", "ann")]
        slow.complete.set()
        assert (await slow.answer).status == 201
    assert [answer.status for answer in answers] == [429, 403]  # ann got a place, and may not act for others


@asynccontextmanager
async def _unread(
    api: Api, project: Project, *, by: str, wanted: str = ""
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A download that is not read."""
    url = f"{str(api.url).rstrip('/')}/api/v4/projects/{project.id}/export/download"
    headers = {"PRIVATE-TOKEN": api.tokens[by]} | ({"Range": wanted} if wanted else {})
    async with api.session.get(url, headers=headers) as response:
        yield response
        response.close()


async def _exported(api: Api, user: User, path: str) -> Project:
    project = await api.project(user, path)
    await api.archive(project, user, content=LARGE + path.encode())
    return project


@_places(replace(IMPATIENT, downloads=4))
async def test_a_download_that_finds_no_place_is_told_when_to_come_back(api: Api, ann: User) -> None:
    first, second = [await _exported(api, ann, path) for path in ("one", "two")]
    path = f"/projects/{second.id}/export/download"
    async with asyncio.timeout(SOON):
        async with _unread(api, first, by="ann") as slow:
            assert slow.status == 200
            refused = await api.get(path, by="ann")
            assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
            assert refused.headers["RateLimit-Name"] == "downloads"
            head = await api.call("HEAD", f"/api/v4{path}", by="ann")
            assert (head.status, head.headers["Content-Length"]) == (200, str(len(LARGE) + 3))
        while (await api.get(path, by="ann", headers={"Range": "bytes=0-9"})).status == 429:
            pass


@_places(replace(IMPATIENT, downloads=16, connections_each=2))
async def test_ranges_of_a_file_share_a_place_and_two_connections_may_read_it(api: Api, ann: User) -> None:
    project, other = [await _exported(api, ann, path) for path in ("one", "two")]
    async with AsyncExitStack() as opened, asyncio.timeout(SOON):
        for wanted in ("bytes=1-", "bytes=2-"):
            slow = await opened.enter_async_context(_unread(api, project, by="ann", wanted=wanted))
            assert slow.status == 206
        third = await api.get(f"/projects/{project.id}/export/download", by="ann")
        assert (third.status, third.headers["RateLimit-Name"]) == (429, "download_connections")
        places = api.app[PLACES]
        assert (places.downloads.used, places.ranges.used) == (1, 1)
        await opened.enter_async_context(_unread(api, other, by="ann"))
        assert (places.downloads.used, places.ranges.used) == (2, 1)
    async with asyncio.timeout(SOON):
        while places.downloads.used or places.ranges.used:
            await asyncio.sleep(0)


@_places(IMPATIENT)
async def test_one_user_with_32_unread_ranges_leaves_places_to_others(api: Api, ann: User) -> None:
    ben = await api.user("ben")
    projects = [await _exported(api, ann, f"p{number}") for number in range(16)]
    other = await _exported(api, ben, "q")
    async with AsyncExitStack() as opened, asyncio.timeout(SOON):
        statuses = []
        for project in projects * 2:
            slow = await opened.enter_async_context(_unread(api, project, by="ann", wanted="bytes=1-"))
            statuses.append(slow.status)
        assert (statuses.count(206), statuses.count(429)) == (12, 20)  # eight files, four of them twice
        answer = await api.get(f"/projects/{other.id}/export/download", by="ben")
        assert (answer.status, len(answer.body)) == (200, len(LARGE) + 1)
