"""Projects that are sent to a peer, another GitLab or Crossdock, which imports them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import CrossdockError, LeaseLost
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease, PeerExportOrder, UploadTarget
from shared.jobs.progress import Progress
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.peer_transfers.errors import PeerAtWork, PeerImportFailed, PeerOverdue, PeerPathTaken
from shared.peers.errors import PeerFailing, PeerLimited, PeerRefused
from shared.remote.errors import BlockedUrl, Unreachable
from shared.settings.application import ApplicationSettings
from tests.support.jobs import claimed, state_of
from tests.support.peers import ADDRESS, TOKEN, PeerGitLab
from tests.support.projects import Dock, ndjson, project

CONTENT = project(("uploads/a", bytes(3000)), issues=ndjson(b'{"iid":1}'))
IMPORT = "POST /projects/import"


@pytest.fixture
async def gitlab(dock: Dock) -> AsyncIterator[PeerGitLab]:
    """A GitLab that the exporter may ask, and a project that has content."""
    dock.settings = ApplicationSettings(outbound_local_requests_allowlist=(ADDRESS,))
    dock.remote = RemoteImportPolicy(schemes=("http",))
    assert (await dock.run_import(CONTENT)).error is None
    async with PeerGitLab("acme/one").serve() as serving:
        yield serving


async def ordered(dock: Dock, gitlab: PeerGitLab, **fields: Any) -> Job:
    order = PeerExportOrder(
        **({"path": "p", "namespace": "vault"} | fields), upload=UploadTarget(url=gitlab.address.write())
    )
    return await jobs.enqueue(dock.pool, order, project_id=1, user_id=1, correlation_id="c")


async def attempt(dock: Dock, job: Job) -> CrossdockError | None:
    """One attempt; the job is due again at once where it has not ended."""
    lease = await claimed(dock.pool, job)
    try:
        await dock.peer_exporter.run(job, lease, Progress())
    except CrossdockError as error:
        told = {"error": error.shown, "code": error.code}
        await jobs.postpone(dock.pool, lease, delay=timedelta(0), **told)
        return error
    return None


async def expected(dock: Dock, job: Job, error: type[CrossdockError]) -> Any:
    """One attempt that ends by this error."""
    raised = await attempt(dock, job)
    assert type(raised) is error, raised
    return raised


async def test_a_project_is_sent_and_imported_there(dock: Dock, gitlab: PeerGitLab) -> None:
    job = await ordered(dock, gitlab)
    assert await attempt(dock, job) is None
    (came,) = gitlab.imports
    assert came.fields == {"path": "p", "namespace": "vault", "overwrite": "false"}
    assert came.archive == await dock.run_export()
    report = await jobs.find_report(dock.pool, job.id)
    assert report is not None
    assert report.outcome is not None
    assert report.outcome.upload is not None
    told = report.outcome.upload
    assert (told.url, told.status, told.bytes) == (f"{gitlab.url}/*****", 201, len(came.archive))
    row = await dock.pool.fetchrow("SELECT kind, payload::text AS payload FROM jobs WHERE id = $1", job.id)
    assert row is not None
    assert (row["kind"], TOKEN in row["payload"]) == ("peer_export", False)
    events = await dock.pool.fetch("SELECT name FROM events WHERE job_id = $1 ORDER BY id", job.id)
    assert [each["name"] for each in events] == ["upload.queued", "upload.started", "upload.finished"]


async def test_while_the_peer_imports_the_job_waits_in_the_queue_and_sends_nothing_again(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    gitlab.import_course = ("scheduled", "started", "finished")
    job = await ordered(dock, gitlab)
    waits = [await expected(dock, job, PeerAtWork) for _ in range(2)]
    assert [(each.counts, each.wait) for each in waits] == [(False, 5)] * 2
    assert await attempt(dock, job) is None
    assert gitlab.asked[IMPORT] == 1


async def test_a_path_that_is_taken_there_is_told_before_anything_is_sent(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    assert await attempt(dock, await ordered(dock, gitlab)) is None
    taken = await expected(dock, await ordered(dock, gitlab), PeerPathTaken)
    assert "has a project vault/p already" in str(taken)
    assert (gitlab.asked[IMPORT], taken.retryable) == (1, False)


async def test_a_project_there_is_overwritten_where_that_is_said(dock: Dock, gitlab: PeerGitLab) -> None:
    assert await attempt(dock, await ordered(dock, gitlab)) is None
    assert await attempt(dock, await ordered(dock, gitlab, overwrite=True)) is None
    assert gitlab.imports[1].fields["overwrite"] == "true"


async def test_without_a_namespace_it_goes_to_that_of_the_user_there(dock: Dock, gitlab: PeerGitLab) -> None:
    assert await attempt(dock, await ordered(dock, gitlab, namespace=None)) is None
    assert gitlab.imports[0].path == "root/p"
    assert "namespace" not in gitlab.imports[0].fields
    assert "root/p" in str(await expected(dock, await ordered(dock, gitlab, namespace=None), PeerPathTaken))


async def test_groups_are_made_there_where_the_order_says_so(dock: Dock, gitlab: PeerGitLab) -> None:
    job = await ordered(dock, gitlab, namespace="vault/acme", makes_groups=True)
    assert await attempt(dock, job) is None
    assert "vault/acme" in gitlab.groups
    assert gitlab.imports[0].path == "vault/acme/p"


async def test_what_the_peer_left_out_is_told_as_failures_of_the_job(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.import_failures = [
        {"relation_name": "iss\0ues", "exception_class": "E\0", "exception_message": f"odd {TOKEN}\0"},
        {"id": 7},
    ]  # fmt: skip
    job = await ordered(dock, gitlab)
    assert await attempt(dock, job) is None
    rows = await dock.pool.fetch(
        "SELECT relation, exception_class, exception_message FROM failed_relations WHERE job_id = $1", job.id
    )
    assert [tuple(row) for row in rows] == [
        ("iss ues", "E", "odd *****"), ("project", "PeerFailure", "the peer does not say why"),
    ]  # fmt: skip


async def test_an_import_that_fails_there_fails_the_job_with_the_words_of_the_peer(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    gitlab.import_course, gitlab.import_error = ("started", "failed"), f"no room for {TOKEN}"
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    failed = await expected(dock, job, PeerImportFailed)
    assert str(failed).endswith("has not imported the project, its import is failed: no room for *****")
    assert not failed.retryable


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (400, {"limit_reached": ["You have too many projects"]}, "too many projects"),
        (413, "", "refuses the request (413)"),
        (422, {"error": "You need to upload a GitLab project export archive"}, "project export archive"),
    ],
)
async def test_what_the_peer_refuses_fails_the_job_with_its_words(
    dock: Dock, gitlab: PeerGitLab, status: int, message: object, told: str
) -> None:
    gitlab.fail("POST /projects/import", status, message=message)
    refused = await expected(dock, await ordered(dock, gitlab), PeerRefused)
    assert (refused.retryable, told in str(refused)) == (False, True)


async def test_a_limit_of_imports_has_the_job_wait_for_as_long_as_the_peer_says(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    gitlab.fail("POST /projects/import", 429, headers={"Retry-After": "48"})
    job = await ordered(dock, gitlab)
    limited = await expected(dock, job, PeerLimited)
    assert (limited.counts, limited.wait) == (False, 48)
    assert await attempt(dock, job) is None
    assert len(gitlab.imports) == 1


async def test_an_import_whose_answer_was_lost_is_found_and_not_sent_again(
    dock: Dock, gitlab: PeerGitLab
) -> None:
    """An exporter that is killed behind the answer leaves an import there that no row names."""
    job = await ordered(dock, gitlab)
    assert await attempt(dock, job) is None
    again = await ordered(dock, gitlab)
    lease = await claimed(dock.pool, again)
    await dock.pool.execute(
        "INSERT INTO peer_transfers (job_id, asked_at, asks) VALUES ($1, now(), 1)", again.id
    )
    await dock.peer_exporter.run(again, lease, Progress())
    assert (gitlab.asked[IMPORT], await state_of(dock.pool, again.id)) == (1, "finished")


async def test_a_peer_that_fails_within_the_archive_gets_it_again(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.fail("POST /projects/import", 502)
    job = await ordered(dock, gitlab)
    assert not (await expected(dock, job, PeerFailing)).counts
    assert await attempt(dock, job) is None
    assert (gitlab.asked[IMPORT], len(gitlab.imports)) == (2, 1)


async def test_a_peer_that_is_away_costs_no_attempt_for_an_hour(dock: Dock, gitlab: PeerGitLab) -> None:
    job = await ordered(dock, PeerGitLab())
    assert not (await expected(dock, job, Unreachable)).counts
    await dock.pool.execute("UPDATE peer_transfers SET heard_at = heard_at - interval '1 hour'")
    assert (await expected(dock, job, Unreachable)).counts


async def test_a_peer_that_still_imports_has_answered(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.import_course = ("started",)
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    await dock.pool.execute("UPDATE peer_transfers SET heard_at = heard_at - interval '2 hours'")
    await expected(dock, job, PeerAtWork)
    gitlab.fail("GET .*/import", 502)
    assert not (await expected(dock, job, PeerFailing)).counts


async def test_a_job_does_not_wait_for_a_peer_for_longer_than_a_day(dock: Dock, gitlab: PeerGitLab) -> None:
    gitlab.import_course = ("started",)
    job = await ordered(dock, gitlab)
    await expected(dock, job, PeerAtWork)
    await dock.pool.execute("UPDATE peer_transfers SET begun_at = begun_at - interval '25 hours'")
    await expected(dock, job, PeerOverdue)


async def test_the_rules_for_addresses_hold_when_the_peer_is_asked(dock: Dock, gitlab: PeerGitLab) -> None:
    dock.settings = ApplicationSettings()
    await expected(dock, await ordered(dock, gitlab), BlockedUrl)
    assert not gitlab.asked


async def test_a_worker_that_was_overtaken_sends_nothing(dock: Dock, gitlab: PeerGitLab) -> None:
    job = await ordered(dock, gitlab)
    lease = await claimed(dock.pool, job)
    with pytest.raises(LeaseLost):
        await dock.peer_exporter.run(job, Lease(lease.job_id, lease.token + 1), Progress())
    assert not gitlab.asked
