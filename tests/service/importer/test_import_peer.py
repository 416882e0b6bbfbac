"""Imports of projects that a peer, another GitLab or Crossdock, is asked to export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.broker.memory import MemoryBroker
from shared.errors import CrossdockError, LeaseLost
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, JobKind, JobState, Lease, PeerOrder, RemoteSource, SourceForm
from shared.jobs.progress import Progress
from shared.jobs.worker import Worker, WorkerLimits
from shared.outbound.remote_imports import RemoteImportPolicy, RemoteTooLarge
from shared.peer_transfers.errors import PeerAtWork, PeerExportFailed, PeerOverdue
from shared.peer_transfers.opener import MOST_ASKS
from shared.peers.errors import PeerFailing, PeerForbidden, PeerLimited, PeerRecordMissing, PeerTokenRefused
from shared.remote.api_address import ApiAddress
from shared.remote.errors import BlockedUrl, Unreachable
from shared.settings.application import ApplicationSettings
from tests.support.jobs import MINUTE, claimed, state_of
from tests.support.peers import ADDRESS, SLOWLY, TOKEN, PeerGitLab
from tests.support.projects import Dock, files, ndjson, project
from tests.support.waiting import until_row
from tests.support.workers import at_work

ARCHIVE = project(("uploads/a", bytes(3000)), issues=ndjson(b'{"iid":1}', b'{"iid":2}'))
EXPORT = "POST /projects/N/export"


@pytest.fixture
async def gitlab(dock: Dock) -> AsyncIterator[PeerGitLab]:
    """A GitLab with one project, which the importer may ask."""
    dock.settings = ApplicationSettings(outbound_local_requests_allowlist=(ADDRESS,))
    dock.remote = RemoteImportPolicy(schemes=("http",))
    async with PeerGitLab("acme/one").serve() as serving:
        serving.projects["acme/one"].archive = ARCHIVE
        yield serving


async def ordered(dock: Dock, gitlab: PeerGitLab, *, token: str = TOKEN) -> Job:
    address = ApiAddress(gitlab.address.api, token)
    order = ImportOrder(
        source=RemoteSource(url=address.write(), form=SourceForm.PEER),
        peer=PeerOrder(full_path="acme/one", project_id=1, api=str(address.api)),
    )
    return await jobs.enqueue(dock.pool, order, project_id=1, user_id=1, correlation_id="c")


async def attempt(dock: Dock, job: Job) -> CrossdockError | None:
    """One attempt; the job is due again at once where it has not ended."""
    lease = await claimed(dock.pool, job)
    try:
        await dock.importer.run(job, lease, Progress())
    except CrossdockError as error:
        told = {"error": error.shown, "code": error.code}
        await jobs.postpone(dock.pool, lease, delay=timedelta(0), **told)
        return error
    return None


async def later(dock: Dock, column: str, passed: timedelta) -> None:
    """Let time have passed since what the row says."""
    await dock.pool.execute(f"UPDATE peer_transfers SET {column} = {column} - $1::interval", passed)  # noqa: S608  # the tests' own


async def expected(dock: Dock, job: Job, error: type[CrossdockError]) -> Any:
    """One attempt that ends by this error."""
    raised = await attempt(dock, job)
    assert type(raised) is error, raised
    return raised


async def test_a_project_is_exported_at_the_peer_and_imported_from_there(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    job = await ordered(dock, gitlab)
    assert await attempt(dock, job) is None
    assert await state_of(dock.pool, job.id) == "finished"
    assert files(await dock.run_export()) == await dock.round_trip(ARCHIVE)
    row = await dock.pool.fetchrow("SELECT kind, payload::text AS payload FROM jobs WHERE id = $1", job.id)
    assert row is not None
    assert row["kind"] == "peer_import"
    assert TOKEN not in row["payload"]
    assert '"acme/one"' in row["payload"]
    assert {each["name"] for each in await dock.pool.fetch("SELECT name FROM events")} == {
        "export.finished", "export.queued", "export.started",
        "import.finished", "import.queued", "import.started",
    }  # fmt: skip


async def test_while_the_peer_exports_the_job_waits_in_the_queue_and_costs_no_attempt(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    gitlab.projects["acme/one"].course = SLOWLY
    job = await ordered(dock, gitlab)
    waits = [await expected(dock, job, PeerAtWork) for _ in SLOWLY[:-1]]
    assert [(each.counts, each.wait) for each in waits] == [(False, 5)] * 3
    assert await attempt(dock, job) is None
    found = await jobs.find(dock.pool, job.id)
    assert found is not None
    assert (found.attempt, found.error) == (1, None)
    assert gitlab.asked[EXPORT] == 1


async def test_the_looks_at_a_long_export_come_seldom(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.projects["acme/one"].course = ("started",)
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    await later(dock, "asked_at", timedelta(seconds=100))
    assert (await expected(dock, job, PeerAtWork)).wait == 25
    await later(dock, "asked_at", timedelta(hours=5))
    assert (await expected(dock, job, PeerAtWork)).wait == 60


async def test_a_worker_gives_its_slot_back_while_the_peer_exports(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.projects["acme/one"].course = SLOWLY
    job = await ordered(dock, gitlab)
    limits = WorkerLimits(concurrency=1, ttl=MINUTE, drain=MINUTE)
    worker = Worker(
        dock.pool, MemoryBroker(), kind=JobKind.PEER_IMPORT, work=dock.importer, name="w", limits=limits
    )
    async with at_work([worker]):
        await until_row(
            dock.pool,
            """SELECT state = 'queued' AND attempt = 0 AND error_code = 'peer_at_work' AND worker IS NOT NULL
                      AND not_before > now() + interval '3 seconds' FROM jobs WHERE id = $1""",
            job.id,
        )  # fmt: skip


async def test_an_export_that_is_never_begun_is_asked_for_again_and_then_given_up(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    gitlab.projects["acme/one"].course = ("none",)
    job = await ordered(dock, gitlab)
    for _ in range(MOST_ASKS - 1):
        await expected(dock, job, PeerAtWork)
        await later(dock, "asked_at", timedelta(minutes=3))
        await expected(dock, job, PeerAtWork)
    await expected(dock, job, PeerAtWork)
    await later(dock, "asked_at", timedelta(minutes=3))
    failed = await expected(dock, job, PeerExportFailed)
    assert str(failed).endswith("gave no export of the project: its status is 'none' after 3 tries")
    assert (gitlab.asked[EXPORT], failed.retryable) == (MOST_ASKS, False)


async def test_an_export_that_fails_at_the_peer_is_asked_for_again(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.projects["acme/one"].course = ("failed",)
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    gitlab.projects["acme/one"].course = ("finished",)
    assert await attempt(dock, job) is None
    assert gitlab.asked[EXPORT] == 2


async def test_an_export_that_expired_before_its_download_is_asked_for_again(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    gitlab.fail("GET .*/download", 404, message="404 Not found or has expired")
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    assert await attempt(dock, job) is None
    assert gitlab.asked[EXPORT] == 2


@pytest.mark.parametrize("pattern", ["POST .*/export", "GET .*/export", "GET .*/download"])
async def test_a_limit_of_requests_has_the_job_wait_for_as_long_as_the_peer_says(
    dock: Dock, gitlab: PeerGitLab, pattern: str
) -> None:
    gitlab.fail(pattern, 429, headers={"Retry-After": "48"})
    job = await ordered(dock, gitlab)
    limited = await expected(dock, job, PeerLimited)
    assert (limited.counts, limited.wait) == (False, 48)
    assert await attempt(dock, job) is None
    assert gitlab.asked[EXPORT] == (2 if pattern.startswith("POST") else 1)


async def test_a_peer_that_is_away_costs_no_attempt_for_an_hour(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.projects["acme/one"].course = SLOWLY
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    gitlab.fail("GET .*/export", 502, times=2)
    assert not (await expected(dock, job, PeerFailing)).counts
    await later(dock, "heard_at", timedelta(hours=1))
    assert (await expected(dock, job, PeerFailing)).counts


async def test_a_peer_that_cannot_be_reached_is_told_without_the_token(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    job = await ordered(dock, gitlab)
    away = await ordered(dock, PeerGitLab())
    unreachable = await expected(dock, away, Unreachable)
    assert (unreachable.counts, unreachable.wait, TOKEN in str(unreachable)) == (False, 30, False)
    assert await attempt(dock, job) is None


async def test_a_job_does_not_wait_for_a_peer_for_longer_than_a_day(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.projects["acme/one"].course = ("started",)
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    await later(dock, "begun_at", timedelta(hours=24, minutes=1))
    overdue = await expected(dock, job, PeerOverdue)
    assert not overdue.retryable
    assert "has not come to an end within 24 hours" in str(overdue)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (403, "403 Forbidden", PeerForbidden),
        (404, "404 Project Not Found", PeerRecordMissing),
    ],
)
async def test_what_the_peer_refuses_fails_the_import_with_its_words(
    dock: Dock, gitlab: PeerGitLab, status: int, message: str, error: type[CrossdockError]
) -> None:
    gitlab.fail("POST .*/export", status, message=message)
    job = await ordered(dock, gitlab)
    refused = await expected(dock, job, error)
    assert (refused.retryable, f"({status}: {message})" in str(refused)) == (False, True)
    told = await dock.importer.explain(job, refused)
    assert told.startswith("Error importing repository  into ann/p - http://127.0.0.2:")


async def test_a_token_that_the_peer_does_not_know_fails_the_import(dock: Dock, gitlab: PeerGitLab) -> None:
    await expected(dock, await ordered(dock, gitlab, token="glpat-none"), PeerTokenRefused)


async def test_the_rules_for_addresses_hold_when_the_peer_is_asked(dock: Dock, gitlab: PeerGitLab) -> None:
    dock.settings = ApplicationSettings()
    job = await ordered(dock, gitlab)
    blocked = await expected(dock, job, BlockedUrl)
    assert "Import url is blocked: Requests to" in await dock.importer.explain(job, blocked)
    assert not gitlab.asked


async def test_an_archive_over_the_limit_is_not_imported(dock: Dock, gitlab: PeerGitLab) -> None:
    dock.settings = ApplicationSettings(
        outbound_local_requests_allowlist=(ADDRESS,), max_import_remote_file_size=1
    )
    gitlab.projects["acme/one"].archive = bytes(2 * 1024 * 1024)
    await expected(dock, await ordered(dock, gitlab), RemoteTooLarge)


async def test_an_attempt_after_a_killed_one_goes_on_with_the_same_export(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    gitlab.projects["acme/one"].course = SLOWLY
    job = await ordered(dock, gitlab)
    lease = await claimed(dock.pool, job)
    with pytest.raises(PeerAtWork):
        await dock.importer.run(job, lease, Progress())
    await jobs.hand_back(dock.pool, lease)  # what the sweeper does for a dead worker
    gitlab.projects["acme/one"].states = ["finished"]
    assert await attempt(dock, job) is None
    assert gitlab.asked[EXPORT] == 1


async def test_a_worker_that_was_overtaken_asks_the_peer_for_nothing(dock: Dock, gitlab: PeerGitLab) -> None:
    job = await ordered(dock, gitlab)
    lease = await claimed(dock.pool, job)
    with pytest.raises(LeaseLost):
        await dock.importer.run(job, Lease(lease.job_id, lease.token + 1), Progress())
    assert not gitlab.asked


async def test_a_canceled_import_asks_the_peer_no_more(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.projects["acme/one"].course = ("started",)
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    asked = gitlab.asked.total()
    assert await jobs.cancel(dock.pool, job.id)
    found = await jobs.find(dock.pool, job.id)
    assert found is not None
    assert (found.state, gitlab.asked.total()) == (JobState.CANCELED, asked)
