from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyrage import x25519
from yarl import URL

from shared.accounts.models import User
from shared.destinations import store
from shared.destinations.models import BucketCredentials, BucketSettings
from shared.destinations.sealed_credentials import CredentialSealer, DestinationSecrets
from shared.errors import StorageError
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.resolver import TableResolver
from shared.sealing.canary import check_keys
from shared.sealing.tables import Resealer
from shared.storage.s3 import S3Config, s3_store
from tests.support.api import EXTERNAL_URL, Answer, Api, running_api
from tests.support.buckets import made_bucket
from tests.support.sealing import KEY, OTHER_KEY, sealer
from tests.support.seaweedfs import S3Server
from tests.support.secrets import columns_with

HERE = "/api/crossdock/v1/destinations"
KEYS = {"access_key_id": "hunter2-id", "secret_access_key": "hunter2-secret"}
S3: dict[str, Any] = {"name": "vault", "kind": "s3", "bucket": "backups", **KEYS}
ALLOWED = {"outbound_local_requests_allowlist": ("127.0.0.1", "vault.test")}


@pytest.fixture
async def api(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    resolver = TableResolver({"vault.test": ["127.0.0.1"], "inside.test": ["10.0.0.1"]})
    remote = RemoteImportPolicy(resolver=resolver)
    more = getattr(request, "param", {})
    async with running_api(database_url, tmp_path / "objects", remote=remote, **(ALLOWED | more)) as running:
        yield running


def refusal(answer: Answer) -> Any:
    return json.loads(answer.body)


async def made(api: Api, *, by: str = "ann", **fields: Any) -> Answer:
    answer = await api.call("POST", HERE, by=by, json=S3 | fields)
    assert answer.status == 201, answer.body
    return answer


def in_bucket(server: S3Server, **more: object) -> dict[str, Any]:
    return {
        "endpoint": server.endpoint, "bucket": server.bucket, "prefix": uuid4().hex,
        "access_key_id": server.access_key, "secret_access_key": server.secret_key, **more,
    }  # fmt: skip


async def keys_in(server: S3Server, prefix: object) -> list[str]:
    config = S3Config(
        endpoint_url=server.endpoint, bucket=server.bucket, prefix=f"{prefix}/",
        access_key=server.access_key, secret_key=server.secret_key,
    )  # fmt: skip
    async with s3_store(config) as bucket:
        return [found.key async for found in bucket.list()]


async def test_a_destination_is_shown_and_listed_without_its_keys(api: Api, ann: User) -> None:
    answer = await made(api, endpoint="http://vault.test:1", prefix="/a/b/")
    assert answer.headers["Location"] == f"{EXTERNAL_URL}{HERE}/{answer.body['id']}"
    assert {name: answer.body[name] for name in ("user_id", "name", "prefix", "path_style", "region")} == {
        "user_id": ann.id, "name": "vault", "prefix": "a/b/", "path_style": True, "region": "us-east-1",
    }  # fmt: skip
    assert "hunter2" not in str(answer.body)
    shown = await api.call("GET", f"{HERE}/{answer.body['id']}", by="ann")
    listed = await api.call("GET", HERE, by="ann")
    assert (shown.body, listed.body) == (answer.body, [answer.body])


async def test_recipients_of_a_destination_are_public_settings(api: Api, ann: User) -> None:
    keys = sorted(str(x25519.Identity.generate().to_public()) for _ in range(3))
    answer = await made(api, recipients=[keys[1], f"# ops\n{keys[0]}\n{keys[1]}"])
    assert answer.body["recipients"] == keys[:2]
    here = f"{HERE}/{answer.body['id']}"
    changed = await api.call("PUT", here, by="ann", data={"recipients[]": keys[2]})
    assert changed.body["recipients"] == [keys[2]]
    assert (await api.call("PUT", here, by="ann", json={"name": "n"})).body["recipients"] == [keys[2]]
    assert (await api.call("PUT", here, by="ann", json={"recipients": []})).body["recipients"] == []


@pytest.mark.parametrize(
    ("recipients", "problem"),
    [
        (["age1x"], "recipients is invalid: 'age1x' is no recipient"),
        (["AGE-SECRET-KEY-1X"], "recipients is invalid: a recipient is a secret key"),
        ([None], "recipients is invalid"),
        ([f"age1{n}" for n in range(101)], "recipients is invalid: there are 101 recipients"),
    ],
)
async def test_what_is_no_recipient_is_refused(
    api: Api, ann: User, recipients: list[object], problem: str
) -> None:
    answer = await api.call("POST", HERE, by="ann", json=S3 | {"recipients": recipients})
    assert answer.status == 400
    assert problem in refusal(answer)["detail"]


async def test_nothing_in_the_database_has_the_keys_in_clear(api: Api, ann: User) -> None:
    number = (await made(api)).body["id"]
    assert await columns_with(api.pool, *KEYS.values()) == []
    assert "destinations.settings" in await columns_with(api.pool, "backups")
    found = await store.find(api.pool, number)
    assert found is not None
    assert CredentialSealer(sealer()).open(found) == BucketCredentials(**KEYS)
    assert "hunter2" not in repr(BucketCredentials(**KEYS))


async def test_the_keys_are_sealed_anew_by_a_rotation(api: Api, ann: User) -> None:
    number = (await made(api)).body["id"]
    await check_keys(api.pool, sealer())
    rotation = await Resealer(api.pool, sealer(OTHER_KEY, KEY), [DestinationSecrets()]).rotate()
    assert (rotation.renewed, rotation.unreadable) == (1, {})
    found = await store.find(api.pool, number)
    assert found is not None
    assert CredentialSealer(sealer(OTHER_KEY)).open(found) == BucketCredentials(**KEYS)


async def test_a_destination_is_there_for_its_user_and_administrators_alone(api: Api, ann: User) -> None:
    await api.user("bob")
    await api.user("root", is_admin=True)
    here = f"{HERE}/{(await made(api)).body['id']}"
    for method, path in (("GET", here), ("PUT", here), ("DELETE", here), ("POST", f"{here}/test")):
        assert (await api.call(method, path, by="bob", json={})).status == 404
        assert (await api.call(method, path, json={})).status == 401
    assert (await api.call("GET", HERE, by="bob")).body == []
    assert [each["name"] for each in (await api.call("GET", HERE, by="root")).body] == ["vault"]
    assert (await api.call("GET", here, by="root")).status == 200
    assert (await api.call("GET", HERE)).status == (await api.call("POST", HERE, json=S3)).status == 401


async def test_names_of_one_user_differ(api: Api, ann: User) -> None:
    await made(api)
    again = await api.call("POST", HERE, by="ann", json=S3 | {"name": "VAULT"})
    assert (again.status, refusal(again)["code"]) == (409, "destination_name_taken")
    await api.user("bob")
    await made(api, by="bob")
    other = (await made(api, name="other")).body["id"]
    assert (await api.call("PUT", f"{HERE}/{other}", by="ann", json={"name": "vault"})).status == 409


@pytest.mark.parametrize("api", [{"destinations_limit": 2}], indirect=True)
async def test_a_user_has_a_limited_number_of_destinations(api: Api, ann: User) -> None:
    await made(api, name="one")
    await made(api, name="two")
    answer = await api.call("POST", HERE, by="ann", json=S3)
    assert (answer.status, refusal(answer)["code"]) == (409, "too_many_destinations")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "ftp"}, "kind does not have a valid value"),
        ({"name": ""}, "name must have 1 to 255 characters"),
        ({"bucket": "A"}, "bucket is no name of a bucket"),
        ({"region": "x.evil.com/"}, "region is no region"),
        ({"prefix": "a/.b"}, "prefix must be names"),
        ({"prefix": "a" * 401}, "prefix is too long (maximum is 400 characters)"),
        ({"endpoint": "http://u:p@vault.test"}, "endpoint must have a scheme, a host and a path at most"),
        ({"endpoint": "x" * 2049}, "endpoint is too long"),
        ({"endpoint": "http://inside.test"}, "endpoint is blocked"),
        ({"endpoint": "http://10.0.0.1"}, "endpoint is blocked"),
        ({"endpoint": "ftp://vault.test"}, "endpoint is blocked"),
        ({"secret_access_key": None}, "secret_access_key is missing"),
        ({"access_key_id": "a\nb"}, "access_key_id must have 1 to 1024 printable characters"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, ann: User, fields: dict[str, object], problem: str) -> None:
    answer = await api.call("POST", HERE, by="ann", json=S3 | fields)
    assert answer.status == 400
    assert problem in refusal(answer)["detail"]


async def test_keys_are_not_taken_to_another_endpoint(api: Api, ann: User) -> None:
    here = f"{HERE}/{(await made(api, endpoint='http://vault.test')).body['id']}"
    moved = {"endpoint": "http://vault.test:8000"}
    refused = await api.call("PUT", here, by="ann", json=moved)
    assert (refused.status, refusal(refused)["code"]) == (400, "fields_invalid")
    changed = await api.call("PUT", here, by="ann", json=moved | KEYS)
    assert (changed.status, changed.body["endpoint"]) == (200, moved["endpoint"])
    renamed = await api.call("PUT", here, by="ann", json={"name": "cellar", "prefix": "x"})
    assert (renamed.body["name"], renamed.body["prefix"], renamed.body["bucket"]) == (
        "cellar", "x/", "backups",
    )  # fmt: skip


async def test_a_destination_is_deleted_with_its_keys(api: Api, ann: User) -> None:
    here = f"{HERE}/{(await made(api)).body['id']}"
    assert (await api.call("DELETE", here, by="ann")).status == 204
    assert (await api.call("GET", here, by="ann")).status == 404
    assert await api.pool.fetchval("SELECT count(*) FROM destinations") == 0


async def test_a_test_leaves_nothing_in_the_bucket(api: Api, ann: User, s3_server: S3Server) -> None:
    await made_bucket(s3_server)
    answer = await made(api, **in_bucket(s3_server))
    tested = await api.call("POST", f"{HERE}/{answer.body['id']}/test", by="ann")
    assert tested.status == 204, tested.body
    assert await keys_in(s3_server, answer.body["prefix"].rstrip("/")) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret_access_key": "hunter2"}, "SignatureDoesNotMatch"),
        ({"access_key_id": "hunter2"}, "InvalidAccessKeyId"),
    ],
)
async def test_a_test_tells_what_the_server_says(
    api: Api, ann: User, s3_server: S3Server, wrong: dict[str, Any], said: str
) -> None:
    await made_bucket(s3_server)
    answer = await made(api, **in_bucket(s3_server, **wrong))
    tested = await api.call("POST", f"{HERE}/{answer.body['id']}/test", by="ann")
    assert (tested.status, refusal(tested)["code"]) == (422, "destination_failed")
    assert said in refusal(tested)["detail"]
    assert "hunter2" not in refusal(tested)["detail"]


async def test_a_test_tells_that_nobody_listens(api: Api, ann: User) -> None:
    number = (await made(api, endpoint="http://127.0.0.1:1")).body["id"]
    tested = await api.call("POST", f"{HERE}/{number}/test", by="ann")
    assert (tested.status, refusal(tested)["code"]) == (422, "destination_failed")


@pytest.mark.parametrize("api", [{"outbound_local_requests_allowlist": ()}], indirect=True)
async def test_an_endpoint_that_may_not_be_asked_any_more_is_not_asked(
    api: Api, ann: User, s3_server: S3Server
) -> None:
    number = (await made(api, endpoint="https://1.1.1.1")).body["id"]
    await api.pool.execute(
        "UPDATE destinations SET settings = settings || $1", {"endpoint": s3_server.endpoint}
    )
    tested = await api.call("POST", f"{HERE}/{number}/test", by="ann")
    assert tested.status == 422
    assert "its endpoint is blocked" in refusal(tested)["detail"]


async def test_a_name_is_judged_at_each_connection(
    api: Api, ann: User, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads elsewhere once its first answer has been judged."""
    await made_bucket(s3_server)
    port = URL(s3_server.endpoint).port
    endpoint = f"http://rebinding.test:{port}"
    answers = iter([["1.1.1.1"], ["1.1.1.1"]])

    async def resolve(self: TableResolver, host: str) -> Any:
        return await plain(TableResolver({host: next(answers, ["127.0.0.2"])}), host)

    plain = TableResolver.resolve
    monkeypatch.setattr(TableResolver, "resolve", resolve)
    number = (await made(api, **in_bucket(s3_server, endpoint=endpoint))).body["id"]
    tested = await api.call("POST", f"{HERE}/{number}/test", by="ann")
    assert tested.status == 422
    assert "blocked" in refusal(tested)["detail"]


async def test_the_environment_has_no_say_in_the_bucket_of_a_user(
    api: Api, ann: User, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made_bucket(s3_server)
    number = (await made(api, **in_bucket(s3_server))).body["id"]
    for name in ("HTTP_PROXY", "http_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await api.call("POST", f"{HERE}/{number}/test", by="ann")).status == 204


async def test_the_keys_of_the_service_never_open_the_bucket_of_a_user(
    api: Api, ann: User, s3_server: S3Server
) -> None:
    number = (await made(api, **in_bucket(s3_server))).body["id"]
    found = await store.find(api.pool, number)
    assert found is not None
    assert isinstance(found.settings, BucketSettings)
    empty = BucketCredentials(access_key_id="", secret_access_key="")
    with pytest.raises(StorageError, match="without keys of its own"):
        async with api.uses.destinations._buckets.open(found.settings, empty):
            pass
