from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import msgspec
import pytest

from shared.archive.errors import LimitExceeded
from shared.database.pool import Pool
from shared.errors import CrossdockError, LeaseLost
from shared.github.errors import RateLimited, RecordMissing, TokenRefused
from shared.github_import import list_fetcher
from shared.github_import.expiry import PageExpiry
from shared.github_import.fetcher import Fetcher
from shared.github_import.list_fetcher import FetchLimits
from shared.github_import.pages import FetchedPage, PageStore
from shared.jobs import store
from shared.jobs.models import (
    GitHubOrder,
    GitHubStages,
    ImportOrder,
    Lease,
    RemoteSource,
    SourceForm,
)
from shared.jobs.progress import Progress
from shared.remote.errors import StatusFailing
from tests.support.github.clients import github_client
from tests.support.github.github import GitHub
from tests.support.github.records import Stamp
from tests.support.github.repositories import Protection, Repository
from tests.support.github.samples import everything
from tests.support.jobs import claimed
from tests.support.waiting import until_locked

LIMITS = FetchLimits(size=0, pages=100_000, may_have_members=True)


class Attempts:
    """Attempts at fetching one repository for one job."""

    def __init__(self, pool: Pool, lease: Lease, github: GitHub, repository: Repository) -> None:
        self.pages = PageStore(pool, lease)
        self.progress = Progress()
        self.order = GitHubOrder(full_name=repository.path, repository_id=repository.stamp.id)
        self.limits = LIMITS
        self._pool, self._lease, self._github = pool, lease, github

    async def fetch(self) -> None:
        """One attempt, which knows what the rows know."""
        self.pages, self.progress = PageStore(self._pool, self._lease), Progress()
        client = github_client(self._github, page_size=self.order.page_size)
        await Fetcher(client, self.pages, self.order, limits=self.limits, progress=self.progress).fetch()

    def staged(self, **stages: bool) -> None:
        self.order = replace(self.order, stages=GitHubStages(**stages))

    async def kept(self, name: str) -> list[dict[str, object]]:
        """The items of a list."""
        return [msgspec.json.decode(item) async for items in self.pages.pages(name) for item in items]

    async def errors(self) -> dict[str, str]:
        rows = await self._pool.fetch("SELECT list, error FROM github_pages WHERE error IS NOT NULL")
        return {row["list"]: row["error"] for row in rows}


@pytest.fixture
def attempts(pool: Pool, lease: Lease, github: GitHub, repository: Repository) -> Attempts:
    return Attempts(pool, lease, github, repository)


def paths(github: GitHub) -> Counter[str]:
    """How often each path was asked for, without queries."""
    return Counter(each.path.partition("?")[0] for each in github.asked)


async def test_all_that_there_is_of_a_repository_is_kept(pool: Pool, lease: Lease, github: GitHub) -> None:
    attempts = Attempts(pool, lease, github, everything(github))
    attempts.staged(collaborators_import=True)
    await attempts.fetch()
    names = [row["list"] for row in await pool.fetch("SELECT DISTINCT list FROM github_pages")]
    assert {name for name in names if "/" not in name} == {
        "repository", "labels", "milestones", "releases", "pulls", "collaborators", "outside_collaborators",
        "issues", "review_comments", "branches",
    }  # fmt: skip
    assert [each["body"] for each in await attempts.kept("pulls/3/comments")] == [
        "A line", "A reply", "Outdated", "Of the file"
    ]  # fmt: skip
    assert len(await attempts.kept("protections/1")) == 1
    assert attempts.progress.stats == {
        "fetched": {
            "diff_note": 4, "issue": 2, "issue_event": 27, "label": 2, "milestone": 2, "note": 2,
            "protected_branch": 2, "pull_request": 4, "pull_request_merged_by": 1, "pull_request_review": 2,
            "release": 2,
        },
        "imported": {},
    }  # fmt: skip
    assert attempts.progress.requests_left is not None
    assert await attempts.errors() == {}


@pytest.mark.parametrize("at", range(1, 12, 2))
async def test_an_attempt_goes_on_behind_the_last_page_of_the_one_before(
    attempts: Attempts, github: GitHub, repository: Repository, at: int
) -> None:
    attempts.order = replace(attempts.order, page_size=2)
    for number in range(5):
        issue = repository.issue(str(number))
        for comment in range(3):
            issue.comment(str(comment))
    assert github.limit
    github.limit.remaining = 50 + at
    with pytest.raises(RateLimited) as limited:
        await attempts.fetch()
    assert not limited.value.counts
    github.limit.remaining = 5000
    await attempts.fetch()
    assert [each["title"] for each in await attempts.kept("issues")] == ["0", "1", "2", "3", "4"]
    assert [each["body"] for each in await attempts.kept("issues/3/timeline")] == ["0", "1", "2"]
    assert attempts.progress.stats == {"fetched": {"issue": 5, "note": 15}, "imported": {}}
    assert len(await attempts.kept("issues/1/timeline")) == 3
    asked = Counter(each.path for each in github.asked)
    assert max(asked.values()) == 1


async def test_an_attempt_that_gets_nothing_counts(attempts: Attempts, github: GitHub) -> None:
    github.slow_down("^/repositories/", seconds=30)
    with pytest.raises(RateLimited) as limited:
        await attempts.fetch()
    assert limited.value.counts


async def test_a_wait_is_as_long_as_github_says(attempts: Attempts, github: GitHub) -> None:
    github.slow_down("issues", seconds=600)
    with pytest.raises(RateLimited) as limited:
        await attempts.fetch()
    assert limited.value.wait is not None
    assert 590 < limited.value.wait <= 600


async def test_the_comments_that_github_cuts_off_its_list_are_all_there(
    attempts: Attempts, github: GitHub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.github.lists.BULK", 4)
    monkeypatch.setattr(list_fetcher, "CUT", 4)
    attempts.order = replace(attempts.order, page_size=3)
    for number in range(3):
        pull = repository.pull(str(number)).review("COMMENTED")
        for remark in range(5):
            pull.remark(str(remark))
    await attempts.fetch()
    for number in (1, 2, 3):
        found = {each["id"]: each["body"] for each in await attempts.kept(f"pulls/{number}/comments")}
        assert sorted(map(str, found.values())) == ["0", "1", "2", "3", "4"]
    assert not any("/pulls/1/comments" in path for path in paths(github))


async def test_comments_on_lines_are_asked_of_each_pull_request_where_that_is_wanted(
    attempts: Attempts, github: GitHub, repository: Repository
) -> None:
    repository.pull("One").review("COMMENTED").remark("A line")
    attempts.staged(single_endpoint_notes_import=True)
    await attempts.fetch()
    assert [each["body"] for each in await attempts.kept("pulls/1/comments")] == ["A line"]
    assert not any(path.endswith("/pulls/comments") for path in paths(github))


@pytest.mark.parametrize(("status", "message"), [(404, "Not Found"), (410, "This issue was deleted")])
async def test_what_one_list_lacks_is_its_error_and_the_rest_is_fetched(
    attempts: Attempts, github: GitHub, repository: Repository, status: int, message: str
) -> None:
    repository.issue("Gone")
    repository.issue("There").comment("Here")
    github.fail("issues/1/timeline", status, message=message)
    await attempts.fetch()
    [(name, error)] = (await attempts.errors()).items()
    assert name == "issues/1/timeline"
    assert message in error
    assert len(await attempts.kept("issues/2/timeline")) == 1
    before = github.requests
    await attempts.fetch()
    assert github.requests == before


async def test_a_timeline_that_github_fails_at_is_replaced_by_the_comments(
    attempts: Attempts, github: GitHub, repository: Repository
) -> None:
    repository.issue("Broken").comment("Here")
    github.fail("issues/1/timeline", times=100)
    await attempts.fetch()
    assert [each["body"] for each in await attempts.kept("issues/1/comments")] == ["Here"]
    assert list(await attempts.errors()) == ["issues/1/timeline"]


async def test_a_github_that_fails_at_everything_ends_the_attempt(
    attempts: Attempts, github: GitHub, repository: Repository
) -> None:
    repository.issue("One")
    github.fail("issues/1/timeline", times=100)
    github.fail(rf"^/repositories/{repository.stamp.id}$", times=100)
    with pytest.raises(StatusFailing):
        await attempts.fetch()
    assert await attempts.errors() == {}


@pytest.mark.parametrize(
    ("status", "error"), [(404, RecordMissing), (401, TokenRefused)], ids=["missing", "token"]
)
async def test_a_repository_that_cannot_be_read_ends_the_attempt(
    attempts: Attempts, github: GitHub, status: int, error: type[CrossdockError]
) -> None:
    github.fail("^/repositories/", status, message="No")
    with pytest.raises(error):
        await attempts.fetch()


async def test_branches_of_any_name_have_their_protections(
    attempts: Attempts, repository: Repository
) -> None:
    for name in ("main", "a/b", "100%"):
        repository.branch(name, Protection())
    await attempts.fetch()
    assert [each["name"] for each in await attempts.kept("branches")] == ["main", "a/b", "100%"]
    for place, name in enumerate(("main", "a/b", "100%")):
        (protection,) = await attempts.kept(f"protections/{place}")
        assert str(protection["url"]).endswith(f"/branches/{quote(name)}/protection")


async def test_more_bytes_than_an_archive_may_have_are_refused(
    attempts: Attempts, repository: Repository
) -> None:
    repository.issue("Long", body="x" * 20_000)
    attempts.limits = replace(LIMITS, size=20_000)
    with pytest.raises(LimitExceeded, match="20000 bytes"):
        await attempts.fetch()


async def test_more_pages_than_an_archive_may_have_entries_are_refused(
    attempts: Attempts, repository: Repository
) -> None:
    for number in range(20):
        repository.label(str(number))
    attempts.order = replace(attempts.order, page_size=1)
    attempts.limits = replace(LIMITS, pages=10)
    with pytest.raises(LimitExceeded, match="10 pages"):
        await attempts.fetch()
    assert attempts.pages.count == 11


async def test_a_number_that_is_none_is_asked_for_by_nobody_and_the_rest_goes_on(
    attempts: Attempts, repository: Repository, github: GitHub
) -> None:
    """GitHub's description allows it, and an index of Postgres takes no name of any length."""
    repository.issue("One").number = 10**3000
    repository.issue("Two").comment("here")
    await attempts.fetch()
    assert [each["body"] for each in await attempts.kept("issues/2/timeline")] == ["here"]
    assert max(len(each.path) for each in github.asked) < 500


async def test_nothing_is_kept_for_a_job_that_has_ended_and_what_was_kept_goes(
    attempts: Attempts, pool: Pool, lease: Lease
) -> None:
    await attempts.fetch()
    assert await pool.fetchval("SELECT count(*) FROM github_pages") > 5
    assert await store.cancel(pool, lease.job_id)
    assert await pool.fetchval("SELECT count(*) FROM github_pages") == 0
    with pytest.raises(LeaseLost):
        await attempts.fetch()
    assert await pool.fetchval("SELECT count(*) FROM github_pages") == 0


async def test_a_page_that_comes_while_its_job_is_canceled_is_not_kept(pool: Pool, lease: Lease) -> None:
    """Without the lock it would be committed behind the deletion, and stay."""
    page = FetchedPage(list="labels", number=0, items=[msgspec.Raw(b"{}")])
    async with pool.acquire() as db:
        async with db.transaction():
            assert await store.cancel(db, lease.job_id)
            adding = asyncio.create_task(PageStore(pool, lease).add(page))
            await until_locked(pool)
        with pytest.raises(LeaseLost):
            await adding
    assert await pool.fetchval("SELECT count(*) FROM github_pages") == 0


class Updates:
    """Imports of one repository into one project, of which each keeps its pages for the next."""

    def __init__(self, pool: Pool, github: GitHub, repository: Repository) -> None:
        self._pool, self._github = pool, github
        self.order = GitHubOrder(
            full_name=repository.path, repository_id=repository.stamp.id, keeps_pages=True
        )

    async def run(self) -> Attempts:
        """One import to its end; what it cost of the limit is in ``cost``."""
        order = ImportOrder(source=RemoteSource(url="sealed", form=SourceForm.GITHUB), github=self.order)
        job = await store.enqueue(self._pool, order, project_id=1, user_id=1, correlation_id="c")
        lease = await claimed(self._pool, job)
        attempts = Attempts(self._pool, lease, self._github, self._github.repositories["octo/one"])
        attempts.order = self.order
        await attempts.fetch()
        await store.finish(self._pool, lease, progress={})
        return attempts


@pytest.fixture
def updates(pool: Pool, github: GitHub, repository: Repository) -> Updates:
    return Updates(pool, github, repository)


async def test_a_later_import_asks_only_for_what_has_changed(
    updates: Updates, github: GitHub, repository: Repository, pool: Pool
) -> None:
    for number in range(150):
        repository.issue(str(number)).comment(f"of {number}")
    for number in range(5):
        pull = repository.pull(str(number)).review("COMMENTED")
        pull.remark("A line").remark("Another")
    first = await updates.run()
    assert github.limit
    left, unchanged = github.limit.remaining, github.statuses[304]
    repository.issues[120].comment("later")
    second = await updates.run()
    # The repository, the page of issues that counts one more comment, and the timeline that has it.
    assert left - github.limit.remaining == 3
    assert github.statuses[304] - unchanged > 150
    assert [each["body"] for each in await second.kept("issues/121/timeline")] == ["of 120", "later"]
    assert [each["body"] for each in await second.kept("issues/7/timeline")] == ["of 6"]
    assert [each["body"] for each in await second.kept("pulls/153/comments")] == ["A line", "Another"]
    assert first.progress.stats is not None
    assert second.progress.stats is not None
    assert second.progress.stats["fetched"] == {**first.progress.stats["fetched"], "note": 151}
    assert await pool.fetchval("SELECT count(DISTINCT job_id) FROM github_pages") == 1


async def test_an_import_of_another_repository_asks_for_all(
    updates: Updates, github: GitHub, repository: Repository
) -> None:
    repository.issue("One")
    await updates.run()
    github.repositories["octo/one"].stamp = Stamp.fresh()
    updates.order = replace(updates.order, repository_id=repository.stamp.id)
    await updates.run()
    assert github.statuses[304] == 0


@pytest.mark.parametrize("full", [False, True])
async def test_a_last_page_that_is_full_is_asked_for_again(
    updates: Updates, repository: Repository, *, full: bool
) -> None:
    for number in range(3 if full else 2):
        repository.label(str(number))
    updates.order = replace(updates.order, page_size=3)
    await updates.run()
    repository.label("new")
    again = await updates.run()
    assert [each["name"] for each in await again.kept("labels")][-1] == "new"


async def test_pages_that_were_kept_go_with_time(
    updates: Updates, pool: Pool, repository: Repository
) -> None:
    repository.issue("One")
    await updates.run()
    expiry = PageExpiry(pool, retention=timedelta(days=30))
    assert await expiry.remove_pages() == 0
    await pool.execute("UPDATE jobs SET finished_at = now() - interval '31 days'")
    assert await expiry.remove_pages() > 5
    assert await pool.fetchval("SELECT count(*) FROM github_pages") == 0


async def test_an_import_that_keeps_nothing_leaves_what_another_has_kept(
    updates: Updates, pool: Pool
) -> None:
    await updates.run()
    kept = await pool.fetchval("SELECT count(*) FROM github_pages")
    updates.order = replace(updates.order, keeps_pages=False)
    await updates.run()
    assert await pool.fetchval("SELECT count(*) FROM github_pages") == kept
