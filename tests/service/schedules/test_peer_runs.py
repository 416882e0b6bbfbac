"""Runs that fetch projects from a GitLab, and that send them there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.exporter.wiring import make_exporters
from services.importer.wiring import make_importers
from shared.destinations import store as destinations
from shared.destinations.models import DestinationKind, PeerCredentials, PeerSettings
from shared.destinations.sealed_credentials import CredentialSealer
from shared.projects import store as projects
from shared.schedules import store
from shared.schedules.models import ProjectState, Run, RunProject, RunState
from shared.schedules.runs import ENDS
from tests.support.imported import imported
from tests.support.peers import ADDRESS, TOKEN, PeerGitLab
from tests.support.projects import files, ndjson, project
from tests.support.sealing import sealer
from tests.support.seaweedfs import S3Server
from tests.support.secrets import columns_with
from tests.support.vault import Vault, running_vault
from tests.support.waiting import until_row
from tests.support.workers import at_work

ARCHIVE = project(("uploads/a", bytes(3000)), issues=ndjson(b'{"iid":1,"title":"One"}'))
EXPORT, IMPORT = "POST /projects/N/export", "POST /projects/import"
_IDLE = "SELECT count(*) = 0 FROM jobs WHERE finished_at IS NULL"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PeerVault:
    """A vault with a group of ann's, and a GitLab as a destination."""

    vault: Vault
    gitlab: PeerGitLab
    destination: int

    async def fetching(self, **more: Any) -> int:
        """A schedule that fetches all projects, unless something else is said."""
        place = {"destination_id": None, "source_id": self.destination, "into": "vault"}
        return await self.vault.new_schedule("fetching", **(place | more))

    async def sending(self, **more: Any) -> int:
        """A schedule that sends all projects, unless something else is said."""
        return await self.vault.new_schedule("sending", destination_id=self.destination, **more)

    async def run(self, schedule: int) -> tuple[Run, dict[str, RunProject]]:
        """Run a schedule to its end: the run, and its projects by their paths."""
        number = await self.vault.start(schedule)
        ports, settings = self.vault.ports, self.vault.settings
        async with at_work([*make_importers(ports, settings), *make_exporters(ports, settings)]):
            while (run := await self.vault.find(number)).state not in ENDS:
                await self.vault.keeper.make_round()
                await self.vault.keeper.close_all()
                await until_row(self.vault.api.pool, _IDLE)
        return run, {each.path: each for each in await self.vault.projects(run)}

    async def path_of(self, project: RunProject) -> str:
        """The full path of a project that was fetched."""
        found = await projects.find_by_id(self.vault.api.pool, project.project_id or 0)
        assert found is not None
        return found.full_path


@pytest.fixture
async def peer(
    database_url: str, tmp_path: Path, s3_server: S3Server, request: pytest.FixtureRequest
) -> AsyncIterator[PeerVault]:
    settings = {
        "outbound_local_requests_allowlist": f"127.0.0.1,{ADDRESS}",
        "allow_http_remote_imports": True,
    }
    async with (
        PeerGitLab("acme/one", "acme/sub/two", "other/three").serve() as gitlab,
        running_vault(database_url, tmp_path, s3_server, **settings) as vault,
    ):
        for each in gitlab.projects.values():
            each.archive = ARCHIVE
        settings_ = PeerSettings(url=gitlab.url, namespace="vault", overwrite=True)
        kind = DestinationKind(getattr(request, "param", "gitlab"))
        sealed = CredentialSealer(sealer()).seal(PeerCredentials(token=TOKEN), user_id=vault.ann.id)
        made = await destinations.create(
            vault.api.pool, user_id=vault.ann.id, name="forge", kind=kind, settings=settings_,
            sealed_credentials=sealed, limit=100,
        )  # fmt: skip
        await vault.api.post("/groups", by="ann", json={"name": "vault", "path": "vault"})
        yield PeerVault(vault, gitlab, made.id)


def states(found: dict[str, RunProject]) -> dict[str, str]:
    return {path: each.state.value for path, each in found.items()}


async def test_all_projects_of_a_peer_come_with_their_whole_paths(peer: PeerVault) -> None:
    run, found = await peer.run(await peer.fetching())
    assert (run.state, run.error) == (RunState.FINISHED, None)
    assert {path: await peer.path_of(each) for path, each in found.items()} == {
        path: f"vault/{path}" for path in ("acme/one", "acme/sub/two", "other/three")
    }
    one = found["acme/one"]
    assert (one.state, one.remote_id, one.size) == (ProjectState.DONE, 1, len(ARCHIVE))
    assert one.sha256 is not None
    issues = await peer.vault.api.get(f"/projects/{one.project_id}/issues", by="ann")
    assert [each["title"] for each in issues.body] == ["One"]
    assert await columns_with(peer.vault.api.pool, TOKEN) == []


@pytest.mark.parametrize(
    ("selection", "paths"),
    [
        ({"group": "acme"}, ["acme/one", "acme/sub/two"]),
        ({"projects": ["acme/one", "3"]}, ["acme/one", "other/three"]),
        ({"patterns": ["*/t*"]}, ["acme/sub/two", "other/three"]),
    ],
)
async def test_a_selection_is_of_projects_of_the_peer(
    peer: PeerVault, selection: dict[str, Any], paths: list[str]
) -> None:
    _, found = await peer.run(await peer.fetching(**selection))
    assert sorted(found) == paths


async def test_what_has_not_changed_at_the_peer_is_skipped(peer: PeerVault) -> None:
    schedule = await peer.fetching()
    await peer.run(schedule)
    peer.gitlab.projects["acme/one"].changed = LONG_AGO + timedelta(days=1)
    run, found = await peer.run(schedule)
    assert states(found) == {"acme/one": "done", "acme/sub/two": "skipped", "other/three": "skipped"}
    assert (found["other/three"].why, run.state) == ("unchanged", RunState.FINISHED)
    assert await peer.path_of(found["acme/one"]) == "vault/acme/one"
    assert peer.gitlab.asked[EXPORT] == 4


async def test_a_gitlab_that_may_not_have_noted_a_change_is_asked_again(peer: PeerVault) -> None:
    """It notes an activity at most once an hour."""
    for each in peer.gitlab.projects.values():
        each.changed = datetime.now(UTC) - timedelta(minutes=10)
    schedule = await peer.fetching(projects=["acme/one"])
    await peer.run(schedule)
    assert states((await peer.run(schedule))[1]) == {"acme/one": "done"}


@pytest.mark.parametrize("peer", ["crossdock"], indirect=True)
async def test_a_crossdock_notes_each_change_at_once(peer: PeerVault) -> None:
    peer.gitlab.projects["acme/one"].changed = datetime.now(UTC) - timedelta(minutes=10)
    schedule = await peer.fetching(projects=["acme/one"])
    await peer.run(schedule)
    assert states((await peer.run(schedule))[1]) == {"acme/one": "skipped"}


async def test_a_project_that_is_gone_here_is_fetched_again(peer: PeerVault) -> None:
    schedule = await peer.fetching(projects=["acme/one"])
    _, found = await peer.run(schedule)
    number = found["acme/one"].project_id
    assert (await peer.vault.api.call("DELETE", f"/api/v4/projects/{number}", by="ann")).status == 202
    assert states((await peer.run(schedule))[1]) == {"acme/one": "done"}


async def test_a_project_that_the_peer_does_not_export_fails_with_its_words(peer: PeerVault) -> None:
    peer.gitlab.fail("POST /projects/2/export", 403, message="403 Forbidden")
    run, found = await peer.run(await peer.fetching())
    assert (run.state, run.error) == (RunState.PARTIAL, "1 of 3 projects failed")
    failed = found["acme/sub/two"]
    assert (failed.state, failed.code) == (ProjectState.FAILED, "peer_forbidden")
    assert "403 Forbidden" in (failed.why or "")


async def test_a_name_that_the_peer_does_not_know_fails_alone(peer: PeerVault) -> None:
    run, found = await peer.run(await peer.fetching(projects=["acme/one", "acme/none"]))
    assert (run.state, states(found)) == (RunState.PARTIAL, {"acme/one": "done", "acme/none": "failed"})
    assert found["acme/none"].code == "peer_missing"


async def test_a_token_that_the_peer_refuses_fails_the_run(peer: PeerVault) -> None:
    peer.gitlab.fail("GET /user", 401, message="401 Unauthorized")
    run, found = await peer.run(await peer.fetching())
    assert (run.state, run.error_code, found) == (RunState.FAILED, "peer_token_refused", {})


async def test_a_peer_that_is_away_is_asked_again_later(peer: PeerVault) -> None:
    peer.gitlab.fail("GET /user", 502)
    number = await peer.vault.start(await peer.fetching())
    keeper = peer.vault.keeper
    await keeper.make_round()
    await keeper.close_all()
    asked = peer.gitlab.asked.total()
    await keeper.make_round()
    await keeper.close_all()
    assert ((await peer.vault.find(number)).state, peer.gitlab.asked.total()) == (RunState.QUEUED, asked)
    await peer.vault.api.pool.execute("UPDATE schedule_runs SET created_at = now() - interval '2 hours'")
    keeper._later.clear()
    peer.gitlab.fail("GET /user", 502)
    await keeper.make_round()
    await keeper.close_all()
    run = await peer.vault.find(number)
    assert (run.state, run.error_code) == (RunState.FAILED, "peer_failing")


async def test_projects_are_sent_below_the_group_with_their_whole_paths(peer: PeerVault) -> None:
    for path in ("one", "two"):
        await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path=path)
    run, found = await peer.run(await peer.sending())
    assert (run.state, states(found)) == (RunState.FINISHED, {"ann/one": "done", "ann/two": "done"})
    assert sorted(each.path for each in peer.gitlab.imports) == ["vault/ann/one", "vault/ann/two"]
    assert list(peer.gitlab.groups) == ["vault", "vault/ann"]
    assert found["ann/one"].size == len(peer.gitlab.imports[0].archive)


async def test_what_has_not_changed_here_is_sent_once(peer: PeerVault) -> None:
    await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path="one")
    schedule = await peer.sending()
    await peer.run(schedule)
    assert states((await peer.run(schedule))[1]) == {"ann/one": "skipped"}
    assert len(peer.gitlab.imports) == 1


async def test_relations_that_a_schedule_names_are_sent_and_others_make_it_send_again(
    peer: PeerVault,
) -> None:
    await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path="one")
    schedule = await peer.sending(relations=["issues"])
    await peer.run(schedule)
    assert "uploads/a" not in files(peer.gitlab.imports[0].archive)
    assert states((await peer.run(schedule))[1]) == {"ann/one": "skipped"}
    await peer.vault.call("PUT", f"/schedules/{schedule}", excluded_relations=[])
    assert states((await peer.run(schedule))[1]) == {"ann/one": "done"}
    assert "uploads/a" in files(peer.gitlab.imports[1].archive)


async def test_relations_that_a_schedule_names_are_fetched_and_others_make_it_fetch_again(
    peer: PeerVault,
) -> None:
    schedule = await peer.fetching(projects=["acme/one"], excluded_relations=["uploads"])
    changes: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"done"}), ({}, {"skipped"}), ({"relations": ["uploads"]}, {"done"}),
    ]  # fmt: skip
    for given, expected in changes:
        if given:
            await peer.vault.call("PUT", f"/schedules/{schedule}", **given)
        _, found = await peer.run(schedule)
        assert {each.state.value for each in found.values()} == expected
        if expected == {"done"}:
            assert await _has_uploads(peer) is bool(given)


async def _has_uploads(peer: PeerVault) -> bool:
    found: bool = await peer.vault.api.pool.fetchval(
        """SELECT EXISTS (SELECT FROM entries e JOIN projects p ON p.snapshot_id = e.snapshot_id
                          WHERE e.name LIKE 'uploads/%')"""
    )
    return found


async def test_a_project_that_is_gone_there_is_sent_again(peer: PeerVault) -> None:
    await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path="one")
    schedule = await peer.sending()
    await peer.run(schedule)
    peer.gitlab.imports.clear()
    assert states((await peer.run(schedule))[1]) == {"ann/one": "done"}


async def test_a_peer_that_does_not_tell_what_it_has_is_asked_once_and_jobs_find_out(peer: PeerVault) -> None:
    for path in ("one", "two"):
        await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path=path)
    schedule = await peer.sending()
    await peer.run(schedule)
    peer.gitlab.fail("GET /projects/100[01]", 502, times=2)
    _, found = await peer.run(schedule)
    assert states(found) == {"ann/one": "done", "ann/two": "done"}
    assert peer.gitlab.asked["GET /projects/N"] == 1


async def test_what_the_peer_says_of_an_import_is_why_it_failed(peer: PeerVault) -> None:
    await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path="one")
    peer.gitlab.import_course, peer.gitlab.import_error = ("failed",), "no such luck"
    run, found = await peer.run(await peer.sending())
    assert (run.state, found["ann/one"].code) == (RunState.FAILED, "peer_import_failed")
    assert "no such luck" in (found["ann/one"].why or "")


async def test_a_token_that_cannot_be_read_any_more_fails_each_project(peer: PeerVault) -> None:
    await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path="one")
    await peer.vault.api.pool.execute(
        "UPDATE destinations SET sealed_credentials = $2 WHERE id = $1", peer.destination, b"unreadable"
    )
    run, found = await peer.run(await peer.sending())
    assert (run.state, found["ann/one"].code) == (RunState.FAILED, "secret_unreadable")


async def test_a_project_that_waits_no_more_gets_no_job_and_leaves_no_project(peer: PeerVault) -> None:
    """A run may be canceled while the keeper queues its jobs."""
    await imported(peer.vault.api, peer.vault.ann, ARCHIVE, path="one")
    pool, keeper = peer.vault.api.pool, peer.vault.keeper
    for schedule in (await peer.fetching(projects=["acme/one"]), await peer.sending()):
        number = await peer.vault.start(schedule)
        await keeper.make_round()
        await keeper.close_all()
        run = await peer.vault.find(number)
        (each,) = await peer.vault.projects(run)
        await peer.vault.call("POST", f"/runs/{number}/cancel")
        before = await pool.fetchrow("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM projects)")
        order = await store.find(pool, schedule)
        assert order is not None
        place = await keeper._peers.find_place(order)
        assert place is not None
        assert await keeper._peers.queue(each, order, place, peer.vault.ann) is None
        after = await pool.fetchrow("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM projects)")
        assert after == before


async def test_a_run_that_is_canceled_fetches_no_more(peer: PeerVault) -> None:
    peer.gitlab.projects["acme/one"].course = ("started",)
    number = await peer.vault.start(await peer.fetching(projects=["acme/one"]))
    keeper, pool = peer.vault.keeper, peer.vault.api.pool
    for _ in range(2):
        await keeper.make_round()
        await keeper.close_all()
    assert await pool.fetchval("SELECT count(*) FROM jobs WHERE kind = 'peer_import'") == 1
    await peer.vault.call("POST", f"/runs/{number}/cancel")
    while (run := await peer.vault.find(number)).state not in ENDS:
        await keeper.make_round()
        await keeper.close_all()
    assert (run.state, run.counts) == (RunState.CANCELED, {ProjectState.CANCELED: 1})
    assert await pool.fetchval("SELECT state FROM jobs WHERE kind = 'peer_import'") == "canceled"
