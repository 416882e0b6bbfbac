from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from shared.accounts.models import AccessLevel, User
from shared.gitlab.portable_relations import PORTABLE_RELATIONS
from shared.gitlab.visibility import Visibility
from shared.projects.models import Project
from tests.support.api import Answer, Api
from tests.support.imported import bundle_of, imported
from tests.support.projects import Dock, archive, files, ndjson, project
from tests.support.samples.table import packed

pytestmark = pytest.mark.parametrize("api", [{"bulk_import_enabled": True}], indirect=True)

LABELS = ndjson(b'{"title":"a"}', b'{"title":"b"}')
SECRET = "a" * 32
OBJECT = b"an LFS object"
OID = hashlib.sha256(OBJECT).hexdigest()
BUNDLE = bundle_of(refs__heads__main="1" * 40)


async def _start(api: Api, made: Project, *, by: str = "ann", **form: str) -> None:
    answer = await api.post(f"/projects/{made.id}/export_relations", by=by, data=form)
    assert (answer.status, answer.body) == (202, {"message": "202 Accepted"})


async def _status(api: Api, made: Project, query: str = "", *, by: str = "ann") -> Answer:
    return await api.get(f"/projects/{made.id}/export_relations/status{query}", by=by)


async def _download(api: Api, made: Project, query: str, *, by: str = "ann", **headers: str) -> Answer:
    path = f"/projects/{made.id}/export_relations/download?{query}"
    return await api.get(
        path, by=by, headers={name.replace("_", "-"): each for name, each in headers.items()}
    )


def _lose(api: Api, kind: str) -> None:
    for file in (api.folder / kind).rglob("*"):
        if file.is_file():
            file.unlink()


@pytest.mark.parametrize("method", ["POST", "GET status", "GET download?relation=labels"])
async def test_relation_exports_are_for_maintainers(api: Api, ann: User, method: str) -> None:
    made = await imported(api, ann, project(labels=LABELS))
    public = await api.project(ann, "public", visibility=Visibility.PUBLIC)
    for name, level in (("mia", AccessLevel.MAINTAINER), ("dev", AccessLevel.DEVELOPER)):
        await api.member(name, made, level)
    await api.user("bob")
    verb, _, rest = method.partition(" ")
    path = f"export_relations/{rest}".rstrip("/")

    async def ask(wanted: Project, by: str | None) -> tuple[int, object]:
        answer = await api.call(verb, f"/api/v4/projects/{wanted.id}/{path}", by=by)
        return answer.status, answer.body

    assert (await ask(made, "mia"))[0] == {"POST": 202, "GET status": 200}.get(method, 404)
    assert await ask(made, "dev") == (403, {"message": "403 Forbidden"})
    assert await ask(made, "bob") == (404, {"message": "404 Project Not Found"})
    assert await ask(made, None) == (404, {"message": "404 Project Not Found"})
    assert await ask(public, None) == (403, {"message": "403 Forbidden"})


async def test_status_tells_every_relation_or_the_one_asked_for(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(labels=LABELS, auto_devops=b"null"))
    await _start(api, made)
    answer = await _status(api, made)
    assert answer.status == 200
    assert [each["relation"] for each in answer.body] == list(PORTABLE_RELATIONS)
    counts = {each["relation"]: each["total_objects_count"] for each in answer.body}
    expected = dict.fromkeys(PORTABLE_RELATIONS, 0) | {"labels": 2, "self": 1}
    assert counts == expected
    one = await _status(api, made, "?relation=labels")
    assert one.body in answer.body
    assert one.body == {
        "relation": "labels", "status": 1, "error": None, "updated_at": one.body["updated_at"],
        "batched": False, "batches_count": 0, "total_objects_count": 2,
    }  # fmt: skip
    unknown = await _status(api, made, "?relation=project_members")
    assert (unknown.status, unknown.body) == (404, {"message": "Export not found"})


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "relation is missing"),
        ("relation=project_members", "relation is not portable"),
        ("relation=none", "relation is not portable"),
        ("relation=labels&batched=true", "batched, batch_number provide all or none of parameters"),
        ("relation=labels&batch_number=1", "batched, batch_number provide all or none of parameters"),
        ("relation=labels&batched=perhaps&batch_number=1", "batched is invalid"),
        ("relation=labels&batched=true&batch_number=x", "batch_number is invalid"),
    ],
)
async def test_what_is_not_portable_is_refused(api: Api, ann: User, query: str, error: str) -> None:
    # That all or none of the batch's parameters must be there is an inference of the reference.
    made = await imported(api, ann)
    await _start(api, made)
    answer = await _download(api, made, query)
    assert (answer.status, answer.body) == (400, {"error": error})


async def test_batches_are_asked_for_where_there_are_batches(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(labels=LABELS))
    await _start(api, made, batched="true")
    answer = await _download(api, made, "relation=labels")
    assert (answer.status, answer.body) == (400, {"message": "Export is batched"})
    for single in ("self", "repository", "design", "auto_devops"):
        answer = await _download(api, made, f"relation={single}&batched=true&batch_number=1")
        assert (answer.status, answer.body) == (400, {"message": "Export is not batched"})
    await _start(api, made)
    answer = await _download(api, made, "relation=labels&batched=true&batch_number=1")
    assert (answer.status, answer.body) == (400, {"message": "Export is not batched"})


@pytest.mark.parametrize("relation", ["labels", "issues", "uploads"])
async def test_a_batch_that_is_not_there_is_told(api: Api, ann: User, relation: str) -> None:
    made = await imported(api, ann, project(labels=LABELS))
    await _start(api, made, batched="true")
    for number in (-1, 0, 2, 10**18 - 1):
        answer = await _download(api, made, f"relation={relation}&batched=true&batch_number={number}")
        assert (answer.status, answer.body) == (404, {"message": "Batch not found"})


async def test_a_file_that_the_store_lost_is_told(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(labels=LABELS))
    _lose(api, "packs")
    await _start(api, made)
    answer = await _download(api, made, "relation=labels")
    assert (answer.status, answer.body) == (404, {"message": "Export file not found"})
    await _start(api, made, batched="true")
    answer = await _download(api, made, "relation=labels&batched=true&batch_number=1")
    assert (answer.status, answer.body) == (404, {"message": "Batch file not found"})


async def test_batches_are_together_the_relation(api: Api, ann: User) -> None:
    lines = ndjson(*(b'{"iid":%d,"title":"%s"}' % (number, b"x" * 200) for number in range(12_000)))
    made = await imported(api, ann, project(issues=lines))
    await _start(api, made, batched="true")
    status = (await _status(api, made, "?relation=issues")).body
    assert (status["batched"], status["total_objects_count"]) == (True, 12_000)
    assert status["batches_count"] == len(status["batches"]) > 2
    assert [batch["batch_number"] for batch in status["batches"]] == list(
        range(1, len(status["batches"]) + 1)
    )
    found = b""
    for batch in status["batches"]:
        query = f"relation=issues&batched=true&batch_number={batch['batch_number']}"
        answer = await _download(api, made, query)
        assert "issues.ndjson.gz" in answer.headers["Content-Disposition"]
        raw = gzip.decompress(answer.body)
        assert raw.count(b"\n") == batch["objects_count"]
        found += raw
    assert found == lines


async def test_an_empty_relation_is_a_file_of_nothing_and_one_batch(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(labels=b""))
    new = await api.project(ann, "new")
    for each in (made, new):
        for relation in ("labels", "issues"):
            await _start(api, each)
            assert gzip.decompress((await _download(api, each, f"relation={relation}")).body) == b""
            await _start(api, each, batched="1")
            status = (await _status(api, each, f"?relation={relation}")).body
            assert [batch["objects_count"] for batch in status["batches"]] == [0]
            answer = await _download(api, each, f"relation={relation}&batched=true&batch_number=1")
            assert gzip.decompress(answer.body) == b""


async def test_self_is_the_projects_own_attributes_with_what_was_overridden(api: Api, ann: User) -> None:
    made = await imported(api, ann, archive([("VERSION", b"0.2.4"), ("tree/project.json", b'{"a":1}')]))
    await _start(api, made)
    answer = await _download(api, made, "relation=self")
    assert "self.json.gz" in answer.headers["Content-Disposition"]
    assert gzip.decompress(answer.body) == b'{"a":1}'
    await api.pool.execute("UPDATE projects SET overrides = $1", {"description": "<d>"})
    document = gzip.decompress((await _download(api, made, "relation=self")).body)
    assert document == b'{"a":1,"description":"\\u003cd\\u003e"}'
    new = await api.project(ann, "new")
    await _start(api, new)
    document = gzip.decompress((await _download(api, new, "relation=self")).body)
    assert json.loads(document) == {"description": None, "visibility_level": 0}


async def test_files_are_archives_under_the_names_of_direct_transfer(api: Api, ann: User) -> None:
    content = [
        ("uploads/", b""), (f"uploads/{SECRET}/file.txt", b"upload"), ("avatar/a.png", b"png"),
        (f"lfs-objects/{OID}", OBJECT), ("lfs-objects.json", b'{"%s":[2]}' % OID.encode()),
        ("project.bundle", BUNDLE), ("project.design.bundle", BUNDLE + b""), ("uploads0", b"not one"),
    ]  # fmt: skip
    made = await imported(api, ann, project(*content))
    await _start(api, made)
    expected = {
        "uploads": {"./": b"", f"{SECRET}/file.txt": b"upload", "avatar/a.png": b"png"},
        "lfs_objects": {"./": b"", OID: OBJECT, "lfs_objects.json": b'{"%s":[2]}' % OID.encode()},
        "repository": {"./": b"", "repository.bundle": BUNDLE},
        "design": {"./": b"", "design.bundle": BUNDLE},
    }  # fmt: skip
    for relation, inside in expected.items():
        answer = await _download(api, made, f"relation={relation}")
        assert f'"{relation}.tar.gz"' in answer.headers["Content-Disposition"]
        assert {name.replace("./", "", 1) or "./" for name in files(answer.body)} | {"./"} == set(inside)
        found = {name: data for name, data in files(answer.body).items() if name not in ("./", "/", "")}
        assert {name: inside[name] for name in found} == found
    counts = {each["relation"]: each["total_objects_count"] for each in (await _status(api, made)).body}
    assert (counts["uploads"], counts["lfs_objects"], counts["repository"], counts["design"]) == (2, 1, 1, 1)


async def test_lfs_objects_that_the_archive_does_not_list_are_of_the_project(api: Api, ann: User) -> None:
    made = await imported(api, ann, project((f"lfs-objects/{OID}", OBJECT)))
    await _start(api, made)
    inside = files((await _download(api, made, "relation=lfs_objects")).body)
    assert json.loads(inside["lfs_objects.json"]) == {OID: [0]}


@pytest.mark.parametrize("relation", ["uploads", "lfs_objects", "repository", "design"])
async def test_files_that_there_are_none_of_are_an_archive_without_them(
    api: Api, ann: User, relation: str
) -> None:
    made = await imported(api, ann)
    new = await api.project(ann, "new")
    for each in (made, new):
        await _start(api, each)
        inside = files((await _download(api, each, f"relation={relation}")).body)
        assert {name for name in inside if not name.endswith("/")} <= {"lfs_objects.json"}


@pytest.mark.parametrize("query", ["relation=labels", "relation=uploads", "relation=self"])
async def test_any_part_can_be_fetched_and_is_what_the_whole_has(api: Api, ann: User, query: str) -> None:
    uploads = [(f"uploads/{SECRET}/{number}", bytes([number]) * number * 50) for number in range(40)]
    made = await imported(api, ann, project(*uploads, labels=LABELS * 1000))
    await _start(api, made)
    whole = await _download(api, made, query)
    size = len(whole.body)
    path = f"/api/v4/projects/{made.id}/export_relations/download?{query}"
    head = await api.call("HEAD", path, by="ann")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(size), b"")
    for start, end in [(0, 0), (5, size // 2), (size // 3, size - 1)]:
        answer = await _download(api, made, query, Range=f"bytes={start}-{end}")
        assert (answer.status, answer.body) == (206, whole.body[start : end + 1])
        assert answer.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
        assert answer.headers["ETag"] == whole.headers["ETag"]
    assert (await _download(api, made, query, Range=f"bytes={size}-")).status == 416
    assert (await _download(api, made, query, If_None_Match=whole.headers["ETag"])).status == 304
    stale = await _download(api, made, query, Range="bytes=1-", If_Range='"other"')
    assert (stale.status, stale.body) == (200, whole.body)


async def test_what_is_exported_stays_while_the_project_changes(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(labels=LABELS))
    await _start(api, made)
    dock = Dock(api.pool, api.folder)
    again = await dock.run_import(project(labels=LABELS * 2), project_id=made.id, user_id=ann.id)
    assert again.error is None
    await dock.collect()
    assert gzip.decompress((await _download(api, made, "relation=labels")).body) == LABELS
    await _start(api, made)
    await api.pool.execute("UPDATE snapshots SET read_until = now()")
    await dock.collect()
    assert gzip.decompress((await _download(api, made, "relation=labels")).body) == LABELS * 2
    assert len(await dock.snapshots()) == 1


async def test_an_export_that_has_expired_is_gone_with_its_snapshot(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(labels=LABELS))
    await _start(api, made)
    dock = Dock(api.pool, api.folder)
    await dock.run_import(project(), project_id=made.id, user_id=ann.id)
    await api.pool.execute("UPDATE relation_exports SET expires_at = now()")
    assert (await _status(api, made)).body == []
    await dock.collect()
    assert len(await dock.snapshots()) == 1


async def test_every_relation_of_a_whole_project_is_what_was_imported(api: Api, ann: User) -> None:
    made = await imported(api, ann, packed("every_relation"))
    await _start(api, made)
    exported = files(await _exported(api, made, ann))
    for relation in PORTABLE_RELATIONS.values():
        answer = await _download(api, made, f"relation={relation.name}")
        assert answer.status == 200
        if relation.file_name.endswith(".ndjson.gz"):
            assert gzip.decompress(answer.body) == exported.get(relation.entry, b"")


async def _exported(api: Api, made: Project, user: User) -> bytes:
    return await Dock(api.pool, api.folder).run_export(project_id=made.id, user_id=user.id)
