"""Destinations that are a GitLab or another Crossdock."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.accounts.models import User
from shared.destinations import store
from shared.destinations.models import PeerCredentials
from shared.destinations.sealed_credentials import CredentialSealer
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, JobKind, PeerExportOrder, PeerOrder, RemoteSource, SourceForm
from shared.outbound.remote_imports import RemoteImportPolicy
from tests.support.api import Answer, Api, running_api
from tests.support.jobs import claimed
from tests.support.peers import ADDRESS, TOKEN, PeerGitLab
from tests.support.sealing import opened, sealer
from tests.support.secrets import columns_with

HERE = "/api/crossdock/v1/destinations"
ALLOWED: dict[str, Any] = {"outbound_local_requests_allowlist": (ADDRESS,)}


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    remote = RemoteImportPolicy(schemes=("http", "https"))
    async with running_api(database_url, tmp_path / "objects", remote=remote, **ALLOWED) as running:
        yield running


@pytest.fixture
async def gitlab() -> AsyncIterator[PeerGitLab]:
    async with PeerGitLab("acme/one").serve() as serving:
        yield serving


def refusal(answer: Answer) -> Any:
    return json.loads(answer.body)


async def made(api: Api, address: str, **fields: Any) -> Answer:
    given = {"name": "there", "kind": "gitlab", "url": address, "token": TOKEN} | fields
    return await api.call("POST", HERE, by="ann", json=given)


async def asked(api: Api, address: str, **fields: Any) -> Answer:
    answer = await made(api, address, **fields)
    assert answer.status == 201, answer.body
    return await api.call("POST", f"{HERE}/{answer.body['id']}/test", by="ann")


async def test_a_peer_is_shown_and_changed_without_its_token(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    answer = await made(api, f"{gitlab.url}/", namespace="/acme/vault/", overwrite=True)
    assert (answer.status, answer.body["user_id"]) == (201, ann.id)
    told = {name: answer.body[name] for name in ("kind", "url", "namespace", "overwrite")}
    assert told == {"kind": "gitlab", "url": gitlab.url, "namespace": "acme/vault", "overwrite": True}
    assert TOKEN not in str(answer.body)
    here = f"{HERE}/{answer.body['id']}"
    changed = await api.call("PUT", here, by="ann", json={"namespace": "", "overwrite": False})
    assert (changed.body["namespace"], changed.body["overwrite"]) == (None, False)
    assert (await api.call("GET", here, by="ann")).body == changed.body


async def test_nothing_in_the_database_has_the_token_in_clear(
    api: Api, ann: User, gitlab: PeerGitLab
) -> None:
    number = (await made(api, gitlab.url)).body["id"]
    assert await columns_with(api.pool, TOKEN) == []
    found = await store.find(api.pool, number)
    assert found is not None
    assert CredentialSealer(sealer()).open_token(found) == PeerCredentials(token=TOKEN)
    assert TOKEN not in repr(PeerCredentials(token=TOKEN))


async def test_a_test_says_who_the_token_is(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    answer = await asked(api, gitlab.url)
    assert answer.status == 200
    assert answer.body == {
        "version": "18.9.0", "username": "root", "is_admin": False, "token": "vault", "scopes": ["api"],
        "expires_at": "2027-01-01",
    }  # fmt: skip


async def test_a_token_that_does_not_know_its_scopes_may_suffice(
    api: Api, ann: User, gitlab: PeerGitLab
) -> None:
    gitlab.fail("GET /personal_access_tokens/self", 404)
    answer = await asked(api, gitlab.url)
    assert (answer.status, answer.body["scopes"]) == (200, None)


async def test_a_token_with_too_small_a_scope_is_told(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    gitlab.scopes = ["read_api", "read_repository"]
    answer = await asked(api, gitlab.url)
    assert (answer.status, refusal(answer)["code"]) == (422, "destination_failed")
    assert refusal(answer)["detail"].endswith("needs the scope api, and has read_api, read_repository")


async def test_a_token_that_the_peer_refuses_is_told_without_it(
    api: Api, ann: User, gitlab: PeerGitLab
) -> None:
    answer = await asked(api, gitlab.url, token="glpat-unknown")
    assert answer.status == 422
    assert "does not accept the token (401: 401 Unauthorized)" in refusal(answer)["detail"]
    assert "glpat-unknown" not in refusal(answer)["detail"]


async def test_a_peer_of_the_other_kind_is_told(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    answer = await asked(api, gitlab.url, kind="crossdock")
    assert (answer.status, refusal(answer)["detail"]) == (
        422, "the destination does not work: it is a GitLab",
    )  # fmt: skip


async def test_a_peer_that_does_not_answer_is_told(api: Api, ann: User) -> None:
    answer = await asked(api, f"http://{ADDRESS}:1")
    assert (answer.status, "cannot be reached" in refusal(answer)["detail"]) == (422, True)


async def test_a_project_of_a_peer_is_imported_by_a_job(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    number = (await made(api, gitlab.url)).body["id"]
    here = f"{HERE}/{number}/import"
    answer = await api.call("POST", here, by="ann", json={"project": "acme/one", "namespace": "ann"})
    assert (answer.status, answer.body["kind"], answer.body["state"]) == (201, "import", "queued")
    job = await jobs.find(api.pool, answer.body["id"])
    assert job is not None
    order = opened(job)
    assert isinstance(order, ImportOrder)
    assert order.source == RemoteSource(url=gitlab.address.write(), form=SourceForm.PEER)
    assert order.peer == PeerOrder(full_path="acme/one", project_id=1, api=f"{gitlab.url}/api/v4")
    assert await columns_with(api.pool, TOKEN) == []
    assert (await api.get("/projects/ann%2Fone/import", by="ann")).body["import_status"] == "scheduled"


async def test_an_import_from_a_peer_that_failed_is_done_again_by_a_retry(
    api: Api, ann: User, gitlab: PeerGitLab
) -> None:
    here = f"{HERE}/{(await made(api, gitlab.url)).body['id']}/import"
    number = (await api.call("POST", here, by="ann", json={"project": "acme/one"})).body["id"]
    before = await jobs.find(api.pool, number)
    assert before is not None
    await jobs.fail(api.pool, await claimed(api.pool, before), error="no", code="peer_refused")
    retried = await api.call("POST", f"/api/crossdock/v1/jobs/{number}/retry", by="ann")
    assert (retried.status, retried.body["kind"]) == (201, "import")
    again = await jobs.find(api.pool, retried.body["id"])
    assert again is not None
    assert (again.kind, opened(again)) == (JobKind.PEER_IMPORT, opened(before))


async def test_a_project_is_sent_to_a_peer_by_a_job(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    project = await api.project(ann)
    number = (await made(api, gitlab.url, namespace="vault")).body["id"]
    here = f"{HERE}/{number}/export"
    answer = await api.call("POST", here, by="ann", json={"project": project.id, "overwrite": True})
    assert (answer.status, answer.body["kind"], answer.body["state"]) == (201, "upload", "queued")
    job = await jobs.find(api.pool, answer.body["id"])
    assert job is not None
    order = opened(job)
    assert isinstance(order, PeerExportOrder)
    assert (order.path, order.namespace, order.overwrite) == ("project", "vault", True)
    assert await columns_with(api.pool, TOKEN) == []


async def test_what_a_peer_refuses_is_told_before_there_is_a_job(
    api: Api, ann: User, gitlab: PeerGitLab
) -> None:
    here = f"{HERE}/{(await made(api, gitlab.url)).body['id']}/import"
    missing = await api.call("POST", here, by="ann", json={"project": "acme/none"})
    assert (missing.status, refusal(missing)["code"]) == (422, "peer_request_failed")
    assert "404 Project Not Found" in refusal(missing)["detail"]
    gitlab.fail("GET /projects/.*", 429, headers={"Retry-After": "17"})
    busy = await api.call("POST", here, by="ann", json={"project": "acme/one"})
    assert (busy.status, refusal(busy)["code"], busy.headers["Retry-After"]) == (429, "peer_busy", "17")
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0


async def test_nobody_uses_the_token_of_another(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    await api.user("bob")
    await api.user("root", is_admin=True)
    here = f"{HERE}/{(await made(api, gitlab.url)).body['id']}"
    for verb in ("import", "export"):
        asked_by = {
            by: await api.call("POST", f"{here}/{verb}", by=by, json={"project": "x"})
            for by in ("bob", "root")
        }
        assert {by: answer.status for by, answer in asked_by.items()} == {"bob": 404, "root": 403}
        assert (await api.call("POST", f"{here}/{verb}", json={"project": "x"})).status == 401


async def test_nobody_sends_what_they_may_not_export(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    hidden = await api.project(await api.user("bob"))
    here = f"{HERE}/{(await made(api, gitlab.url)).body['id']}/export"
    assert (await api.call("POST", here, by="ann", json={"project": hidden.id})).status == 404


async def test_a_bucket_is_no_peer(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    bucket = {"name": "b", "kind": "s3", "bucket": "bucket", "access_key_id": "a", "secret_access_key": "s"}
    number = (await api.call("POST", HERE, by="ann", json=bucket)).body["id"]
    answer = await api.call("POST", f"{HERE}/{number}/import", by="ann", json={"project": "acme/one"})
    assert (answer.status, refusal(answer)["code"]) == (422, "destination_not_peer")


@pytest.mark.parametrize(
    ("verb", "fields", "problem"),
    [
        ("import", {}, "project is missing"),
        ("export", {}, "project is missing"),
        ("export", {"project": "ann/project", "namespace": "a b"}, "namespace is no full path of a group"),
        ("export", {"project": "ann/project", "path": "-x"}, "path can only include"),
    ],
)
async def test_a_wrong_parameter_is_named(
    api: Api, ann: User, gitlab: PeerGitLab, verb: str, fields: dict[str, object], problem: str
) -> None:
    await api.project(ann)
    number = (await made(api, gitlab.url)).body["id"]
    answer = await api.call("POST", f"{HERE}/{number}/{verb}", by="ann", json=fields)
    assert answer.status == 400
    assert problem in refusal(answer)["detail"]


async def test_a_token_is_not_taken_to_another_server(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    here = f"{HERE}/{(await made(api, gitlab.url)).body['id']}"
    moved = {"url": f"http://{ADDRESS}:1"}
    refused = await api.call("PUT", here, by="ann", json=moved)
    assert (refused.status, "url is another one" in refusal(refused)["detail"]) == (400, True)
    assert (await api.call("PUT", here, by="ann", json=moved | {"token": "new"})).status == 200


async def test_a_kind_stays_as_it_is(api: Api, ann: User, gitlab: PeerGitLab) -> None:
    here = f"{HERE}/{(await made(api, gitlab.url)).body['id']}"
    refused = await api.call("PUT", here, by="ann", json={"kind": "s3"})
    assert (refused.status, "kind cannot be changed" in refusal(refused)["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": None}, "url is missing"),
        ({"token": None}, "token is missing"),
        ({"token": "a b"}, "token must have 1 to 1024 printable characters"),
        ({"token": "x" * 1025}, "token must have 1 to 1024 printable characters"),
        ({"url": "http://u:p@127.0.0.2"}, "url must have a scheme, a host and a path at most"),
        ({"url": "https://x/" + "y" * 2048}, "url is too long (maximum is 2048 characters)"),
        ({"url": "http://10.0.0.1"}, "url is blocked: Requests to the local network are not allowed"),
        ({"url": "ftp://127.0.0.2"}, "url is blocked: Only allowed schemes are http, https"),
        ({"namespace": "a//b"}, "namespace is no full path of a group"),
        ({"overwrite": "maybe"}, "overwrite is invalid"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, ann: User, fields: dict[str, object], problem: str) -> None:
    answer = await made(api, f"http://{ADDRESS}:1", **fields)
    assert answer.status == 400
    assert problem in refusal(answer)["detail"]
