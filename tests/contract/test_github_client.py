from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import stamina
from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from shared.errors import CrossdockError
from shared.github.client import TRIES, GitHubClient
from shared.github.errors import (
    GitHubRefused,
    PageMalformed,
    RateLimited,
    RecordMissing,
    ScopeMissing,
    TokenRefused,
)
from shared.github.pages import Seen
from shared.remote.errors import AnswerMalformed, AnswerTooLarge, StatusFailing, StatusRefused, Unreachable
from tests.support.github.clients import github_client, listed, remote_client
from tests.support.github.description import Description
from tests.support.github.github import ENTERPRISE_HOST, HOSTS, TOKEN, GitHub
from tests.support.github.limits import Token
from tests.support.github.repositories import Repository
from tests.support.remote import Handler, Servers, client_of, names

LABELS = "/repos/octo/one/labels"
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    """Tries follow each other at once, and are no more than they are."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
async def enterprise(github_description: Description) -> AsyncIterator[GitHub]:
    async with GitHub(github_description, enterprise=ENTERPRISE_HOST).serve() as served:
        yield served
    assert served.violations == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    """A repository of 250 labels, which are three pages."""
    return labelled(github)


def labelled(github: GitHub) -> Repository:
    made = github.repository("octo/one")
    for number in range(250):
        made.label(str(number))
    return made


def client_at(port: int, *, token: str = TOKEN) -> GitHubClient:
    return GitHubClient(client_of(names()), URL(f"http://files.test:{port}"), token=token)


def answering(body: str, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(text=body, content_type="application/json", headers=named)

    return handler


async def test_a_list_is_read_100_at_a_time_by_the_links_of_its_pages(
    github: GitHub, repository: Repository
) -> None:
    found = await listed(github_client(github), f"{LABELS}?sort=created")
    assert [each["name"] for each in found] == [str(number) for number in range(250)]
    first, *others = (each.path for each in github.asked)
    assert first == f"{LABELS}?sort=created&per_page=100"
    start = f"/repositories/{repository.stamp.id}/labels?sort=created&per_page=100&after="
    assert len(others) == 2
    assert all(each.startswith(start) for each in others)


async def test_requests_say_who_asks_for_what_and_with_which_token(
    github: GitHub, repository: Repository
) -> None:
    await github_client(github).record("/repos/octo/one")
    headers = github.asked[0].headers
    assert headers["Accept"] == "application/vnd.github+json"
    assert headers["User-Agent"] == "crossdock"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert repository.path == "octo/one"


async def test_a_list_goes_on_from_the_cursor_of_its_last_page(
    github: GitHub, repository: Repository
) -> None:
    pages = github_client(github).pages(LABELS)
    cursor = (await anext(pages)).next
    await pages.aclose()
    assert cursor
    assert cursor.startswith(f"/repositories/{repository.stamp.id}/labels?")
    found = await listed(github_client(github), LABELS, cursor=cursor)
    assert [each["name"] for each in found] == [str(number) for number in range(100, 250)]
    assert github.requests == 3


async def test_pages_that_were_seen_and_have_not_changed_cost_nothing_but_the_last(
    github: GitHub, repository: Repository
) -> None:
    client = github_client(github)
    seen: dict[str, Seen] = {}
    at = LABELS
    async for page in client.pages(LABELS):
        if page.seen:
            seen[at] = page.seen
        at = page.next or ""
    assert github.limit
    left = github.limit.remaining
    again = [page async for page in client.pages(LABELS, seen=seen)]
    assert [page.is_changed for page in again] == [False, False, True]
    assert [len(page.items) for page in again] == [0, 0, 50]
    assert github.limit.remaining == left - 1
    repository.labels[150].name = "renamed"
    changed = [page async for page in client.pages(LABELS, seen=seen)]
    assert [page.is_changed for page in changed] == [False, True, True]


async def test_a_last_page_that_is_full_is_asked_for_again_as_it_may_have_a_successor(github: GitHub) -> None:
    made = github.repository("octo/one")
    for number in range(100):
        made.label(str(number))
    client = github_client(github)
    (page,) = [page async for page in client.pages(LABELS)]
    assert page.etag
    assert page.seen is None
    made.label("100")
    assert len(await listed(client, LABELS)) == 101


async def test_a_next_page_on_another_host_is_refused_and_not_asked_for(servers: Servers) -> None:
    port = await servers.http(answering("[]", Link='<http://other.test/labels?after=1>; rel="next"'))
    with pytest.raises(AnswerMalformed, match="on another host"):
        await listed(client_at(port), "/labels")


@pytest.mark.parametrize("cursor", ["//other.test/x", "/labels?x", "labels?x", "http://other.test/x"])
async def test_a_cursor_leads_to_no_other_host(servers: Servers, cursor: str) -> None:
    hosts: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        hosts.append(request.host)
        return web.json_response([])

    port = await servers.http(handler)
    assert await listed(client_at(port), "/labels", cursor=cursor) == []
    assert hosts == [f"files.test:{port}"]


async def test_a_renamed_repository_is_found_under_its_number(github: GitHub) -> None:
    made = labelled(github)
    github.rename(made, "two")
    assert len(await listed(github_client(github), LABELS)) == 250


async def test_the_token_is_not_sent_to_another_host_by_a_redirect(servers: Servers) -> None:
    tokens: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("Authorization"))
        if request.host.startswith("other.test"):
            return web.json_response([])
        there = f"http://other.test:{request.url.port}/"
        return web.Response(status=302, headers={"Location": there})

    port = await servers.http(handler)
    await listed(client_at(port), "/labels")
    assert tokens == [f"Bearer {TOKEN}", None]


async def test_an_answer_is_read_no_further_than_its_bound(github: GitHub, repository: Repository) -> None:
    with pytest.raises(AnswerTooLarge, match="more than 10000 bytes"):
        await listed(github_client(github, largest=10_000), LABELS)
    assert github.requests == 1
    assert repository.labels


@pytest.mark.parametrize(
    "body", ['{"message": "no list"}', "<html>", '[{"id": 1}', "[" * 100_000, '["\\ud800"', ""]
)
async def test_what_is_no_list_is_told_and_asked_for_again(servers: Servers, body: str) -> None:
    port = await servers.http(answering(body))
    with pytest.raises(PageMalformed, match="no JSON of the form that /labels") as caught:
        await listed(client_at(port), "/labels")
    assert caught.value.retryable


async def test_an_item_is_given_as_it_came(servers: Servers) -> None:
    port = await servers.http(answering('[{"a": 1.0}, {"b":\t"\\u00e9"}]'))
    page = await anext(client_at(port).pages("/labels"))
    assert [bytes(each) for each in page.items] == [b'{"a": 1.0}', b'{"b":\t"\\u00e9"}']


async def test_a_wrong_token_is_told(github: GitHub) -> None:
    with pytest.raises(TokenRefused) as caught:
        await github_client(github, token="ghp_wrong").record("/user")
    assert str(caught.value) == (
        f"http://api.github.test:{github.port}/ does not accept the token (401: Bad credentials)"
    )
    assert (caught.value.status, caught.value.reason) == (401, "Bad credentials")
    assert not caught.value.retryable


@pytest.mark.parametrize("token", ["", "two words", "new\nline", "\u2713", "tab\t"])
def test_what_can_be_no_token_is_refused_before_it_is_sent(token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        client_at(80, token=token)
    assert not token or token not in str(caught.value)


async def test_the_scope_that_a_token_lacks_is_told(github: GitHub, repository: Repository) -> None:
    github.tokens[TOKEN] = Token(github.me, scopes=("repo", "gist"))
    with pytest.raises(ScopeMissing) as caught:
        await listed(github_client(github), f"/repos/{repository.path}/collaborators")
    assert (caught.value.has, caught.value.needs) == ("repo, gist", "read:org")
    assert "which has repo, gist and needs read:org" in str(caught.value)
    assert caught.value.status == 403


async def test_what_is_not_there_is_told_with_its_path(github: GitHub) -> None:
    with pytest.raises(RecordMissing, match=r"has no /repos/octo/none, or hides it.*\(404: Not Found\)"):
        await github_client(github).record("/repos/octo/none")


@pytest.mark.parametrize("status", [400, 409, 418, 422, 451])
async def test_other_refusals_are_told_with_their_status_and_reason(github: GitHub, status: int) -> None:
    github.fail("/user", status, message="Some reason")
    with pytest.raises(StatusRefused) as caught:
        await github_client(github).record("/user")
    assert (caught.value.status, caught.value.reason) == (status, "Some reason")
    assert not caught.value.retryable
    assert github.requests == 1


async def test_nothing_says_the_token_though_github_repeats_it(github: GitHub) -> None:
    said: list[str] = []
    with capture_logs() as logs:
        for status in (401, 403, 404, 422, 429, 503):
            github.fail("/user", status, message=f"No {TOKEN} here", times=TRIES)
            with pytest.raises(CrossdockError) as caught:
                await github_client(github).record("/user")
            github.faults.clear()
            said += [str(caught.value), repr(caught.value), getattr(caught.value, "reason", "")]
    assert "No ***** here" in said[0]
    assert TOKEN not in f"{said}{logs}{github_client(github)!r}"


async def test_an_answer_of_5xx_is_asked_for_again_and_told_after_some_tries(
    github: GitHub, repository: Repository
) -> None:
    github.fail("/labels", 502, times=TRIES - 1)
    assert len(await listed(github_client(github), LABELS)) == 250
    github.fail("/labels", 503, times=TRIES)
    with pytest.raises(StatusFailing) as caught:
        await listed(github_client(github), LABELS)
    assert (caught.value.retryable, caught.value.status) == (True, 503)
    assert github.statuses == {200: 3, 502: TRIES - 1, 503: TRIES}
    assert repository.labels


async def test_a_page_that_is_cut_is_asked_for_again_and_no_item_comes_twice(
    github: GitHub, repository: Repository
) -> None:
    github.cut("/labels.*after", after=1000)
    found = await listed(github_client(github), LABELS)
    assert [each["name"] for each in found] == [each.name for each in repository.labels]
    github.cut("/labels", after=0, times=TRIES)
    with pytest.raises(Unreachable) as caught:
        await listed(github_client(github), LABELS)
    assert caught.value.retryable


async def test_requests_left_and_the_reset_are_known_after_an_answer(
    github: GitHub, repository: Repository
) -> None:
    client = github_client(github)
    assert client.quota is None
    await client.record("/repos/octo/one")
    assert github.limit
    assert client.quota
    assert (client.quota.limit, client.quota.remaining) == (5000, 4999)
    assert client.quota.reset == datetime.fromtimestamp(github.limit.reset, UTC)
    assert repository.path == "octo/one"


async def test_the_last_50_requests_are_left_to_others(github: GitHub, repository: Repository) -> None:
    assert github.limit
    github.limit.remaining = 52
    github.limit.reset = int(time.time()) + 600
    client = github_client(github)
    pages = client.pages(LABELS)
    assert [len((await anext(pages)).items) for _ in range(2)] == [100, 100]
    with pytest.raises(RateLimited) as caught:
        await anext(pages)
    assert github.requests == 2
    assert caught.value.until == datetime.fromtimestamp(github.limit.reset + 5, UTC)
    assert caught.value.retryable
    assert repository.labels


async def test_requests_go_on_after_the_reset(github: GitHub, repository: Repository) -> None:
    assert github.limit
    github.limit.remaining = 51
    now = datetime.fromtimestamp(github.limit.reset, UTC)
    times = [now - timedelta(minutes=1), now - timedelta(minutes=1), now + timedelta(seconds=5)]
    client = github_client(github, clock=lambda: times[0])
    await client.record("/user")
    with pytest.raises(RateLimited):
        await client.record("/user")
    times[0] = times[2]
    assert await client.record("/user")
    assert repository.labels


async def test_a_used_up_limit_says_when_it_goes_on(github: GitHub) -> None:
    assert github.limit
    github.limit.remaining = 0
    github.limit.reset = int(time.time()) + 600
    with pytest.raises(RateLimited) as caught:
        await github_client(github).record("/user")
    until = datetime.fromtimestamp(github.limit.reset + 5, UTC)
    assert caught.value.until == until
    assert f"until {until:%Y-%m-%d %H:%M:%S} UTC" in str(caught.value)
    assert github.requests == 1


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(("seconds", "pause"), [(7, timedelta(seconds=7)), (None, timedelta(minutes=1))])
async def test_a_secondary_limit_says_when_it_goes_on(
    github: GitHub, status: int, seconds: int | None, pause: timedelta
) -> None:
    github.slow_down("/user", seconds=seconds, status=status)
    client = github_client(github, clock=lambda: NOON)
    with pytest.raises(RateLimited) as caught:
        await client.record("/user")
    assert caught.value.until == NOON + pause
    assert github.requests == 1


async def test_an_enterprise_server_is_asked_below_its_path_and_may_have_no_limit(enterprise: GitHub) -> None:
    made = labelled(enterprise)
    client = github_client(enterprise)
    assert len(await listed(client, LABELS)) == 250
    assert client.quota is None
    assert enterprise.asked[0].host == f"{ENTERPRISE_HOST}:{enterprise.port}"
    assert enterprise.asked[0].path == f"/api/v3{LABELS}?per_page=100"
    assert enterprise.asked[1].path.startswith(f"/api/v3/repositories/{made.stamp.id}/labels")
    with pytest.raises(RecordMissing, match="Rate limiting is not enabled"):
        await client.record("/rate_limit")


async def test_an_address_that_leads_inside_is_refused(github: GitHub) -> None:
    inside = GitHubClient(client_of(names()), URL("http://127.0.0.1:1"), token=TOKEN)
    with pytest.raises(CrossdockError, match="Requests to localhost"):
        await inside.record("/user")
    assert await GitHubClient(remote_client(), URL(github.site.api), token=TOKEN).record("/user")
    assert HOSTS


async def test_a_record_is_given_as_it_came(github: GitHub, repository: Repository) -> None:
    record = await github_client(github).record(f"/repositories/{repository.stamp.id}")
    assert msgspec.json.decode(record)["full_name"] == "octo/one"


async def test_a_repository_is_given_by_its_number(github: GitHub, repository: Repository) -> None:
    found = await github_client(github).repository(repository.stamp.id)
    assert (found.id, found.full_name, found.private) == (repository.stamp.id, "octo/one", False)


@pytest.mark.parametrize("name", ["no-owner", "../../etc", "o/r\\u0000", "a/b/c", "o/" + "x" * 101])
async def test_a_repository_has_a_name_of_githubs(servers: Servers, name: str) -> None:
    port = await servers.http(answering(f'{{"id": 1, "full_name": "{name}"}}'))
    with pytest.raises(PageMalformed):
        await client_at(port).repository(1)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "x" * 1025])
def test_what_can_be_no_token_is_refused_unsent(token: str) -> None:
    with pytest.raises(TokenRefused):
        client_at(1, token=token)


def test_all_that_github_refuses_has_a_status_and_a_reason() -> None:
    for kind in (TokenRefused, ScopeMissing, RecordMissing):
        assert issubclass(kind, GitHubRefused)
