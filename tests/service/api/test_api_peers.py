"""Crossdock as the peer of another Crossdock: the client of peers against our own API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from shared.jobs import store as jobs
from shared.jobs.models import JobKind, PeerExportOrder, UploadTarget
from shared.jobs.sealed_orders import OrderSealer
from shared.peers.client import PeerClient, api_of
from shared.peers.errors import PeerLimited, PeerRefused, PeerTokenRefused
from shared.remote.addresses import Policy
from shared.remote.api_address import ApiAddress
from tests.support.api import Api, running_api
from tests.support.jobs import claimed
from tests.support.projects import project
from tests.support.remote import client_of
from tests.support.sealing import opened, sealer

LOCAL = Policy(schemes=("http",), allow_local=True)
ARCHIVE = project()


@pytest.fixture
async def api(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    config = getattr(request, "param", {})
    async with running_api(database_url, tmp_path / "objects", **config) as running:
        await running.user("ann")
        yield running


@pytest.fixture
def peer(api: Api) -> PeerClient:
    return PeerClient(client_of(policy=LOCAL), ApiAddress(api_of(api.url), api.tokens["ann"]))


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


async def test_a_crossdock_says_that_it_is_one_and_who_the_token_is(peer: PeerClient) -> None:
    token = await peer.token()
    assert token is not None
    assert (await peer.version()).is_crossdock
    assert ((await peer.user()).username, token.scopes) == ("ann", ("api",))


async def test_an_archive_that_is_sent_is_queued_to_be_imported(api: Api, peer: PeerClient) -> None:
    made = await peer.start_import({"path": "one"}, pieces(ARCHIVE), size=len(ARCHIVE))
    assert (made.path_with_namespace, made.import_status) == ("ann/one", "scheduled")
    assert (await peer.import_("ann/one")).id == made.id
    assert (await peer.project("ann/one")).last_activity_at is not None
    assert [each.id async for each in peer.exportable()] == [made.id]
    stored = await api.pool.fetchval("SELECT o.size FROM jobs j JOIN objects o ON o.id = j.object_id")
    assert stored == len(ARCHIVE)


async def test_a_path_that_is_taken_is_told_in_the_words_of_the_peer(peer: PeerClient) -> None:
    await peer.start_import({"path": "one"}, pieces(ARCHIVE), size=len(ARCHIVE))
    with pytest.raises(PeerRefused, match="has already been taken"):
        await peer.start_import({"path": "one"}, pieces(ARCHIVE), size=len(ARCHIVE))


async def test_an_export_is_started_once(api: Api) -> None:
    project_id = (await api.project(await api.user("bob"))).id
    bob = PeerClient(client_of(policy=LOCAL), ApiAddress(api_of(api.url), api.tokens["bob"]))
    assert await bob.start_export(project_id)
    assert not await bob.start_export(project_id)
    assert (await bob.export(project_id)).export_status == "queued"
    assert await api.pool.fetchval("SELECT count(*) FROM jobs WHERE kind = $1", JobKind.EXPORT.value) == 1


@pytest.mark.parametrize("api", [{"project_import_limit": 1}], indirect=True)
async def test_the_limit_of_imports_says_when_the_next_is_taken(peer: PeerClient) -> None:
    await peer.start_import({"path": "one"}, pieces(ARCHIVE), size=len(ARCHIVE))
    with pytest.raises(PeerLimited) as caught:
        await peer.start_import({"path": "two"}, pieces(ARCHIVE), size=len(ARCHIVE))
    assert 1 <= (caught.value.wait or 0) <= 60


async def test_a_project_that_was_not_sent_to_a_peer_is_sent_by_a_retry(api: Api) -> None:
    """The address that is sealed in the row of the failed job is in that of the new one, sealed as well."""
    bob = await api.user("bob")
    project_id = (await api.project(bob)).id
    target = UploadTarget(url=ApiAddress(URL("https://gitlab.test/api/v4"), "glpat-x").write())
    order = PeerExportOrder(path="one", namespace="vault", upload=target)
    sealed = OrderSealer(sealer()).seal(order, project_id=project_id)
    job = await jobs.enqueue(
        api.pool, sealed, project_id=project_id, user_id=bob.id, correlation_id="c", max_attempts=1
    )
    await jobs.fail(api.pool, await claimed(api.pool, job), error="no", code="peer_refused")
    answer = await api.call("POST", f"/api/crossdock/v1/jobs/{job.id}/retry", by="bob")
    assert (answer.status, answer.body["kind"]) == (201, "upload")
    again = await jobs.find(api.pool, answer.body["id"])
    assert again is not None
    assert (again.kind, opened(again)) == (JobKind.PEER_EXPORT, order)


async def test_an_unknown_token_is_refused(api: Api) -> None:
    with pytest.raises(PeerTokenRefused, match="does not accept the token"):
        await PeerClient(client_of(policy=LOCAL), ApiAddress(api_of(api.url), "glpat-none")).user()
