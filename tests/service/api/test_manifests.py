from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pytest

from services.api.http.download_places import DOWNLOADS
from services.api.http.places import PlaceNumbers
from shared.accounts.models import AccessLevel, User
from shared.admission import Holder, PlaceRules
from shared.database.pool import Pool
from shared.ledger.collector import Collector
from shared.manifest.format import ManifestFile
from shared.projects.models import Project
from shared.signing.signer import has_signed
from shared.snapshots import contents
from shared.usecases import manifests
from tests.support.api import Answer, Api
from tests.support.described_contents import content_of, digest_of, manifest_of
from tests.support.imported import imported
from tests.support.projects import Dock, project

KEYS = "/api/crossdock/v1/signing-keys"
PACKED = project(("uploads/b", b"1"), ("uploads/a", b""), issues=b'{"title":"t"}\nnull\n')


async def _exported(api: Api, owner: User) -> tuple[Project, bytes]:
    made = await imported(api, owner, PACKED)
    return made, await Dock(api.pool, api.folder).run_export(project_id=made.id, user_id=owner.id)


async def _ask(
    api: Api, made: Project, *, method: str = "GET", by: str | None = "ann", **headers: str
) -> Answer:
    """Ask for the manifest, whose bytes the answer has as they were sent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if by is not None:
        named["PRIVATE-TOKEN"] = api.tokens[by]
    address = api.url / f"api/crossdock/v1/projects/{made.id}/export/manifest"
    async with api.session.request(method, address, headers=named) as response:
        return Answer(response.status, response.headers, await response.read())


async def test_the_manifest_of_an_export_is_told_with_its_digest(api: Api, ann: User) -> None:
    made, exported = await _exported(api, ann)
    answer = await _ask(api, made)
    assert (answer.status, answer.body.decode()) == (200, manifest_of(exported))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.body).hexdigest()}"'
    assert (await _ask(api, made, by=None)).status == 404


async def test_head_has_the_digest_and_no_body(api: Api, ann: User) -> None:
    made, _ = await _exported(api, ann)
    whole, head = await _ask(api, made), await _ask(api, made, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "ETag", "Last-Modified"):
        assert head.headers[name] == whole.headers[name]


async def test_who_has_the_manifest_is_not_sent_it_again(api: Api, ann: User) -> None:
    made, _ = await _exported(api, ann)
    etag = (await _ask(api, made)).headers["ETag"]
    assert (await _ask(api, made, If_None_Match=etag)).status == 304
    assert (await _ask(api, made, If_Match='"other"')).status == 412


async def test_the_manifest_is_for_those_who_may_download_the_archive(api: Api, ann: User) -> None:
    made, _ = await _exported(api, ann)
    await api.member("dev", made, AccessLevel.DEVELOPER)
    await api.member("mia", made, AccessLevel.MAINTAINER)
    assert (await _ask(api, made, by="dev")).status == 403
    answer = await _ask(api, made, by="mia")  # who has no archive of her own
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


async def test_a_manifest_that_is_read_ends_whole_though_its_project_is_deleted(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(*((f"uploads/{n}", b"") for n in range(1500))))
    exported = await Dock(api.pool, api.folder).run_export(project_id=made.id, user_id=ann.id)
    uses = api.uses.manifests
    async with uses.open(await uses.find(ann, str(made.id))) as manifest:
        pieces = manifest.read()
        read = [await anext(pieces), await anext(pieces)]
        await api.pool.execute("DELETE FROM projects")
        assert await Collector(api.pool, api.store, grace=timedelta(0)).collect_snapshots() == 0
        read += [piece async for piece in pieces]
    assert b"".join(read).decode() == manifest_of(exported)


@pytest.mark.parametrize(
    "api", [{"places": PlaceNumbers(downloads=1, rules=PlaceRules(patience=timedelta(0)))}], indirect=True
)
@pytest.mark.parametrize("what", ["", "/signature"])
async def test_a_manifest_takes_a_place_of_a_download(api: Api, ann: User, what: str) -> None:
    made, _ = await _exported(api, ann)
    address = f"/api/crossdock/v1/projects/{made.id}/export/manifest{what}"
    async with api.app[DOWNLOADS].hold(Holder.of_user(ann.id), "another file"):
        assert (await api.call("GET", address, by="ann")).status in (429, 503)
    assert (await api.call("GET", address, by="ann")).status == 200


async def test_an_archive_of_an_older_version_has_no_manifest(api: Api, ann: User, project: Project) -> None:
    await api.archive(project, ann)
    answer = await _ask(api, project)
    assert answer.status == 404
    assert b'"code":"manifest_missing"' in answer.body


@pytest.mark.parametrize("api", [{"project_download_export_limit": 1}], indirect=True)
async def test_the_manifest_does_not_count_as_a_download(api: Api, ann: User) -> None:
    made, exported = await _exported(api, ann)
    for _ in range(3):
        assert (await _ask(api, made)).status == 200
    answer = await api.get(f"/projects/{made.id}/export/download", by="ann")
    assert (answer.status, answer.body) == (200, exported)


async def test_a_digest_that_nobody_has_made_is_made_once(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = await _exported(api, ann)
    before = await _ask(api, made)
    await api.pool.execute("UPDATE archives SET manifest_sha256 = NULL")
    made_digests: list[int | None] = []
    make = contents.make_manifest_digest

    async def counted(db: Pool, snapshot_id: int | None, documents: Sequence[ManifestFile]) -> bytes:
        made_digests.append(snapshot_id)
        return await make(db, snapshot_id, documents)

    monkeypatch.setattr(manifests, "make_manifest_digest", counted)
    for _ in range(2):
        assert (await _ask(api, made)).body == before.body
    assert len(made_digests) == 1
    job = await api.pool.fetchval("SELECT max(job_id) FROM archives")
    data = await api.pool.fetchval("SELECT archive_of_job(j) FROM jobs j WHERE id = $1", job)
    assert f'"{data["manifest_sha256"]}"' == before.headers["ETag"]


async def test_the_signature_of_a_manifest_is_verified_by_the_public_key(api: Api, ann: User) -> None:
    made, _ = await _exported(api, ann)
    manifest = (await _ask(api, made)).body
    address = f"/api/crossdock/v1/projects/{made.id}/export/manifest/signature"
    signature, keys = await api.call("GET", address, by="ann"), await api.call("GET", KEYS)
    assert (signature.headers["Content-Type"], keys.headers["Content-Type"]) == (
        "application/octet-stream", "application/x-pem-file",
    )  # fmt: skip
    assert has_signed(keys.body, hashlib.sha256(manifest).hexdigest().encode() + b"\n", signature.body)
    await api.user("bob")
    assert (await api.call("GET", address, by="bob")).status == 404


@pytest.mark.parametrize("api", [{"signing_keys": ""}], indirect=True)
async def test_without_a_key_nothing_is_signed(api: Api, ann: User) -> None:
    made, _ = await _exported(api, ann)
    for address in (KEYS, f"/api/crossdock/v1/projects/{made.id}/export/manifest/signature"):
        answer = await api.call("GET", address, by="ann")
        assert answer.status == 404
        assert b'"code":"signing_off"' in answer.body
    assert (await _ask(api, made)).status == 200


async def test_jobs_tell_the_digests_of_content_and_manifest(api: Api, ann: User) -> None:
    made, exported = await _exported(api, ann)
    manifest, content = await _ask(api, made), digest_of(content_of(exported))
    listed = (await api.call("GET", "/api/crossdock/v1/jobs", by="ann")).body
    assert [(each["kind"], each["content_sha256"]) for each in listed] == [
        ("export", content),
        ("import", content),
    ]
    job = (await api.call("GET", f"/api/crossdock/v1/jobs/{listed[0]['id']}", by="ann")).body
    assert (job["content_sha256"], job["archive"]) == (content, listed[0]["archive"])
    assert manifest.headers["ETag"] == f'"{job["archive"]["manifest_sha256"]}"'
