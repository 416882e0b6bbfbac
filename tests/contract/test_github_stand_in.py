"""The GitHub for tests answers as GitHub describes itself, so that it cannot agree with us alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from tests.support.github.clients import github_client, listed, remote_client
from tests.support.github.description import EXCEPTIONS, Description, Null
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.issues import Issue, Pull
from tests.support.github.large import large_repository
from tests.support.github.lists import LISTS, RECORDS, REPO
from tests.support.github.repositories import Repository
from tests.support.github.samples import everything

_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def _addresses(repository: Repository, path: str) -> list[str]:
    """The paths of a route for all that the repository has."""
    asset = repository.releases[0].assets[0].stamp.id
    names: dict[str, list[Any]] = {
        "issue_number": [each.number for each in repository.issues],
        "pull_number": [each.number for each in repository.pulls],
        "branch": [each.name for each in repository.branches if each.protection],
        "asset_id": [asset],
    }
    start = path.replace("{owner}", repository.owner.login).replace("{repo}", repository.name)
    named = [name for name in names if f"{{{name}}}" in path]
    return [start.replace(f"{{{name}}}", str(each)) for name in named for each in names[name]] or [start]


async def _answers(github: GitHub, repository: Repository) -> list[tuple[str, Any]]:
    """Every answer to questions about a repository, with the path of its description."""
    found = []
    async with ClientSession(headers=_HEADERS) as session:
        for path in (*LISTS, *RECORDS):
            for address in _addresses(repository, path):
                url = f"http://127.0.0.2:{github.port}{address}?state=all&per_page=100"
                async with session.get(url) as answer:
                    assert answer.status == 200, (address, await answer.text())
                    found.append((path, await answer.json()))
    return found


async def test_every_answer_is_as_github_describes_it(github: GitHub) -> None:
    answers = await _answers(github, everything(github))
    assert not {path for path in LISTS if all(body == [] for each, body in answers if each == path)}
    client = github_client(github)
    for path in ("/user", "/users/octo", "/rate_limit"):
        assert await client.record(path)


async def test_each_exception_from_the_description_is_of_something_that_the_sample_has(
    github: GitHub, github_description: Description
) -> None:
    answers = await _answers(github, everything(github))
    document = github_description.document
    for left_out in EXCEPTIONS:
        strict = Description(document, [each for each in EXCEPTIONS if each != left_out])
        assert any(strict.problems(path, 200, body) for path, body in answers), left_out


async def test_what_is_not_described_so_is_noticed(github: GitHub) -> None:
    repository = github.repository("octo/one")
    repository.issue("A", by=github.me).event("labeled", by=github.me)  # without its label
    repository.issue("B", by=github.me).event("renamed", by=github.me, rename={"from": "a"}, more=1)
    client = github_client(github)
    for number in (1, 2):
        with pytest.raises(Exception, match="418"):
            await client.record(f"/repos/octo/one/issues/{number}/timeline")
    wrong = " ".join(github.violations)
    assert '"label" is a required property' in wrong
    assert '"to" is a required property' in wrong
    assert "'more' was unexpected" in wrong
    github.violations.clear()


async def test_an_exception_allows_null_and_nothing_else(github_description: Description) -> None:
    schema = "pull-request-review-comment"
    with_line = Description(github_description.document, [Null(schema, "line", "")])
    path = f"{REPO}/pulls/comments"
    for value, is_wrong in ((1, False), (None, False), ("1", True)):
        told = with_line.problems(path, 200, [{"line": value}])
        assert any(each.startswith("0/line") for each in told) == is_wrong


async def test_next_pages_are_told_by_the_number_of_the_repository_and_a_cursor_of_that_list(
    github: GitHub,
) -> None:
    repository = github.repository("octo/one")
    for number in range(3):
        repository.label(str(number))
        repository.milestone(str(number))
    start = f"http://127.0.0.2:{github.port}"
    async with ClientSession(headers=_HEADERS) as session:
        async with session.get(f"{start}/repos/octo/one/labels?per_page=2") as answer:
            following = answer.links["next"]["url"]
        numbered = f"{start}/repositories/{repository.stamp.id}/labels"
        assert str(following).startswith(f"{numbered}?per_page=2&after=")
        async with session.get(following) as answer:
            assert [each["name"] for each in await answer.json()] == ["2"]
            assert "next" not in answer.links
        elsewhere = str(following).replace("labels", "milestones")
        async with session.get(elsewhere) as answer:
            assert answer.status == 422


async def test_page_numbers_that_are_made_up_are_noticed(github: GitHub) -> None:
    github.repository("octo/one")
    await listed(github_client(github), "/repos/octo/one/labels?page=2")
    assert github.violations == ["/repos/octo/one/labels?page=2&per_page=100: a page number was made up"]
    github.violations.clear()


async def test_lists_obey_state_since_and_direction(github: GitHub) -> None:
    repository = github.repository("octo/one")
    made: list[Issue] = [repository.issue(name) for name in "ABC"]
    made[0].close()
    client = github_client(github)

    async def titles(query: str) -> list[str]:
        return [each["title"] for each in await listed(client, f"/repos/octo/one/issues?{query}")]

    assert await titles("") == ["C", "B"]
    assert await titles("state=all&direction=asc") == ["A", "B", "C"]
    made[1].updated = made[2].stamp.at.replace(year=2027)
    since = "2027-01-01T00:00:00Z"
    assert await titles(f"state=all&since={since}") == ["B"]
    assert await titles("state=all&sort=updated&direction=asc") == ["A", "C", "B"]


async def test_attachments_lie_elsewhere_and_no_token_is_taken_there(github: GitHub) -> None:
    url = github.attachment("/user-attachments/assets/1", b"png").replace("github.test", "127.0.0.2")
    async with ClientSession() as session:
        async with session.get(url) as answer:
            assert answer.status == 404
        async with session.get(url, headers=_HEADERS, allow_redirects=False) as answer:
            there = answer.headers["Location"].replace("objects.github.test", "127.0.0.2")
        async with session.get(there, headers=_HEADERS) as answer:
            assert answer.status == 400
    async with remote_client().get(github.attachment("/o/r/files/1/a.txt", b"text"), headers=_HEADERS) as got:
        assert b"".join([chunk async for chunk in got]) == b"text"
    assert github.limit
    assert github.limit.remaining == github.limit.limit


async def test_assets_of_releases_are_fetched_by_their_media_type(github: GitHub) -> None:
    repository = everything(github)
    asset = repository.releases[0].assets[0]
    url = f"{github.site.api}/repos/octo/everything/releases/assets/{asset.stamp.id}"
    headers = _HEADERS | {"Accept": "application/octet-stream"}
    async with remote_client().get(url, headers=headers) as got:
        assert b"".join([chunk async for chunk in got]) == b"one"


async def test_the_bulk_list_of_comments_ends_before_those_of_all_issues_do(
    github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.github.lists.BULK", 150)
    github.add(large_repository(issues=2, comments_each=101))
    client = github_client(github)
    assert len(await listed(client, "/repos/octo/large/issues/comments")) == 150
    assert len(await listed(client, "/repos/octo/large/issues/2/comments")) == 101


async def test_a_large_repository_makes_what_a_page_has_and_nothing_else(github: GitHub) -> None:
    repository = large_repository(issues=10**9, comments_each=10**6)
    github.add(repository)
    client = github_client(github)
    pages = client.pages("/repos/octo/large/issues?state=all&direction=asc")
    page = await anext(pages)
    issues = msgspec.json.decode(page.items[99])
    assert (issues["number"], issues["comments"]) == (100, 10**6)
    await pages.aclose()


async def test_who_is_no_administrator_reads_no_protection(github: GitHub) -> None:
    everything(github)
    github.tokens[TOKEN].user = github.user("ann")
    with pytest.raises(Exception, match="admin rights"):
        await github_client(github).record("/repos/octo/everything/branches/main/protection")


async def test_the_sample_has_pull_requests_of_each_sort(github: GitHub) -> None:
    pulls: list[Pull] = everything(github).pulls
    assert [each.merged is not None for each in pulls] == [True, False, False, False]
    assert [each.head.repository is None for each in pulls] == [False, False, True, True]
    assert [each.head.owner is None for each in pulls] == [False, False, False, True]


async def test_a_limit_is_whole_again_after_its_reset(github: GitHub) -> None:
    assert github.limit
    github.limit.remaining, github.limit.reset = 0, 1
    client = github_client(github)
    await client.record("/user")
    assert client.quota
    assert client.quota.remaining == github.limit.limit - 1


async def test_a_private_repository_is_hidden_from_who_has_no_scope_for_it(github: GitHub) -> None:
    github.repository("octo/one", is_private=True)
    assert await github_client(github).record("/repos/octo/one")
    github.tokens[TOKEN].scopes = ()
    with pytest.raises(Exception, match="404"):
        await github_client(github).record("/repos/octo/one")
