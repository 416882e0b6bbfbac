from __future__ import annotations

import hashlib

import pytest

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import create_group
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.models import ImportOrder, JobKind
from shared.projects import store
from shared.projects.models import Project
from shared.usecases.imports import Archive, ImportRequest
from shared.usecases.job_origin import JobOrigin
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.forms import HEADERS, Part, form_body

FILE = Part("file", ARCHIVE, "x.tar.gz")


@pytest.fixture
async def group(api: Api, ann: User) -> Namespace:
    """A subgroup of a group that ann maintains."""
    top = await create_group(api.pool, "grp", name="Grp")
    await add_member(api.pool, ann.id, namespace_id=top.id, level=AccessLevel.MAINTAINER)
    return await create_group(api.pool, "sub", name="Sub", parent=top)


async def send(api: Api, *parts: Part, by: str | None = "ann") -> Answer:
    return await api.post("/projects/import", by=by, data=form_body(parts), headers=HEADERS)


async def send_file(api: Api, *, by: str | None = "ann", file: Part = FILE, **fields: str) -> Answer:
    """Import FILE to ``test-import``; a field ``a__b`` is sent as ``a[b]``."""
    given = {"path": "test-import"} | fields
    parts = [Part(f"{name.replace('__', '[')}]" if "__" in name else name, given[name]) for name in given]
    return await send(api, *parts, file, by=by)


async def order_of(api: Api, answer: Answer) -> ImportOrder:
    assert answer.status == 201, answer
    project = await store.find_by_id(api.pool, answer.body["id"])
    assert project is not None
    order = (await api.newest(project, JobKind.IMPORT)).order
    assert isinstance(order, ImportOrder)
    return order


async def left_by(api: Api, answer: Answer) -> tuple[int, int, int]:
    """The status, and how many objects and projects there are."""
    return answer.status, await api.objects_left(), await api.pool.fetchval("SELECT count(*) FROM projects")


async def test_an_import_tells_its_job_in_a_header(api: Api, ann: User) -> None:
    answer = await send_file(api, by=ann.username)

    project = await store.find_by_id(api.pool, answer.body["id"])
    assert project is not None
    assert answer.headers["X-Crossdock-Job"] == str((await api.newest(project, JobKind.IMPORT)).id)


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ({"small_import": len(ARCHIVE)}, JobKind.SMALL_IMPORT),
        ({"small_import": len(ARCHIVE) - 1}, JobKind.IMPORT),
    ],
    indirect=["api"],
)
async def test_an_archive_of_few_bytes_is_imported_in_slots_of_its_own_and_shown_as_any(
    api: Api, ann: User, kind: JobKind
) -> None:
    answer = await send_file(api, by=ann.username)

    number = answer.headers["X-Crossdock-Job"]
    assert await api.pool.fetchval("SELECT kind FROM jobs") == kind.value
    assert (await api.get(f"/projects/{answer.body['id']}/import", by="ann")).body[
        "import_status"
    ] == "scheduled"
    job = await api.call("GET", f"/api/crossdock/v1/jobs/{number}", by="ann")
    assert job.body["kind"] == "import"
    assert await api.pool.fetchval("SELECT name FROM events") == "import.queued"
    assert (await api.call("POST", f"/api/crossdock/v1/jobs/{number}/cancel", by="ann")).status == 200
    assert (await api.call("POST", f"/api/crossdock/v1/jobs/{number}/retry", by="ann")).status == 201
    assert await api.pool.fetchval("SELECT array_agg(DISTINCT kind) FROM jobs") == [kind.value]


async def test_the_archive_lies_in_the_store_and_the_job_names_it(api: Api, ann: User) -> None:
    answer = await send_file(api)

    row = await api.pool.fetchrow(
        """SELECT o.* FROM jobs j JOIN objects o ON o.id = j.object_id
           WHERE j.project_id = $1 AND j.user_id = $2""",
        answer.body["id"],
        ann.id,
    )
    assert row is not None
    assert b"".join([chunk async for chunk in api.store.read(row["key"])]) == ARCHIVE
    assert (row["state"], row["size"], row["sha256"]) == (
        "stored",
        len(ARCHIVE),
        hashlib.sha256(ARCHIVE).digest(),
    )


@pytest.mark.usefixtures("ann")
async def test_the_worker_is_told_of_the_import(api: Api) -> None:
    await send_file(api)

    job_id = await api.pool.fetchval("SELECT id FROM jobs")
    async with api.broker.consume("import", prefetch=1) as deliveries:
        assert (await anext(deliveries)).message.body == str(job_id).encode()


@pytest.mark.usefixtures("ann")
async def test_the_path_of_a_namespace_may_be_written_otherwise(api: Api, group: Namespace) -> None:
    answer = await send_file(api, path="c", namespace="GRP/Sub")

    assert (answer.status, answer.body["path_with_namespace"]) == (201, f"{group.full_path}/c")


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("field", "value"),
    [("namespace_id", "4711"), ("namespace_path", "no/where"), ("namespace", "99999999999999999999")],
)
async def test_an_unknown_namespace_is_not_found(api: Api, field: str, value: str) -> None:
    answer = await send(api, Part("path", "test-import"), Part(field, value), FILE)

    assert (answer.status, answer.body) == (404, {"message": "404 Namespace Not Found"})
    assert await left_by(api, answer) == (404, 0, 0)


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (AccessLevel.REPORTER, "Namespace is not valid"),
        (AccessLevel.DEVELOPER, "User is not allowed to import projects"),
    ],
)
async def test_who_is_no_maintainer_may_not_import_into_a_group(
    api: Api, group: Namespace, level: AccessLevel, text: str
) -> None:
    eve = await api.user("eve")
    await add_member(api.pool, eve.id, namespace_id=group.id, level=level)

    answer = await send_file(api, by="eve", namespace=str(group.id))

    assert (answer.status, answer.body) == (400, {"message": text})


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("name", ["README.md", "x.tgz", "x.zip", "gz"])
async def test_a_file_that_does_not_end_in_gz_is_unprocessable(api: Api, name: str) -> None:
    answer = await send_file(api, file=Part("file", ARCHIVE, name))

    text = "You need to upload a GitLab project export archive (ending in .gz)."
    assert answer.body == {"message": {"error": text}}
    assert await left_by(api, answer) == (422, 0, 0)


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([FILE], "path is missing"),
        ([Part("path", "p")], "file is missing"),
        ([Part("avatar")], "path is missing, file is missing"),
        ([Part("path", "p"), FILE, Part("overwrite", "maybe")], "overwrite is invalid"),
    ],
)
async def test_what_is_missing_or_invalid_is_told_and_leaves_nothing(
    api: Api, parts: list[Part], error: str
) -> None:
    answer = await send(api, *parts)

    assert answer.body == {"error": error}
    assert await left_by(api, answer) == (400, 0, 0)


@pytest.mark.usefixtures("ann")
async def test_a_request_without_a_form_misses_everything(api: Api) -> None:
    answer = await api.post("/projects/import", by="ann", json={})

    assert (answer.status, answer.body) == (400, {"error": "path is missing, file is missing"})


async def test_a_path_is_taken_once(api: Api, ann: User) -> None:
    await api.project(ann, "test-import")

    answer = await send_file(api, path="Test-Import")

    assert answer.body == {"message": "Path has already been taken"}
    assert await left_by(api, answer) == (400, 0, 1)


async def test_a_name_is_taken_once(api: Api, ann: User) -> None:
    await api.project(ann, "other")

    answer = await send_file(api, name="other")

    assert (answer.status, answer.body) == (400, {"message": "Name has already been taken"})


async def test_overwrite_goes_to_a_temporary_path_first(api: Api, ann: User) -> None:
    old = await api.project(ann, "test-import")

    answer = await send_file(api, overwrite="true")

    order = await order_of(api, answer)
    assert order.replaces == "ann/test-import"
    temporary = answer.body["path"]
    assert temporary.startswith("test-import-")
    assert len(temporary) == len("test-import-") + 32
    assert answer.body["name"] == temporary
    assert answer.body["id"] != old.id
    assert await store.find_by_path(api.pool, "ann/test-import") == old


@pytest.mark.usefixtures("ann")
async def test_overwrite_of_nothing_is_an_import(api: Api) -> None:
    answer = await send_file(api, overwrite="true")

    assert (await order_of(api, answer)).replaces is None
    assert answer.body["path"] == "test-import"


async def test_overwrite_may_keep_the_name(api: Api, ann: User) -> None:
    await api.project(ann, "test-import")

    answer = await send_file(api, overwrite="true", name="test-import")

    assert (answer.status, answer.body["name"]) == (201, answer.body["path"])


@pytest.mark.parametrize("spelling", ["true", "on", "t"])
async def test_overwrite_is_true_in_every_spelling(api: Api, ann: User, spelling: str) -> None:
    await api.project(ann, "test-import")

    assert (await order_of(api, await send_file(api, overwrite=spelling))).replaces == "ann/test-import"


@pytest.mark.parametrize("spelling", ["0", ""])
async def test_overwrite_is_false_in_every_spelling(api: Api, ann: User, spelling: str) -> None:
    await api.project(ann, "test-import")

    assert (await send_file(api, overwrite=spelling)).status == 400


@pytest.mark.usefixtures("ann")
async def test_override_params_are_ordered_and_not_shown_yet(api: Api) -> None:
    answer = await send_file(
        api,
        override_params__description="Hello world",
        override_params__visibility="public",
        override_params__issues_enabled="False",
        override_params__build_timeout="600",
        override_params__topics="a, b",
        override_params__merge_method="",
    )

    assert (await order_of(api, answer)).override_params == {
        "description": "Hello world",
        "visibility": "public",
        "issues_enabled": False,
        "build_timeout": 600,
        "topics": ["a", "b"],
    }
    assert answer.body["description"] is None


@pytest.mark.usefixtures("ann")
async def test_relations_of_an_import_are_ordered(api: Api) -> None:
    answer = await send_file(api, relations="issues,design")
    expected = RelationSelection(relations=("design_repository", "issues"))
    assert (await order_of(api, answer)).selection == expected


@pytest.mark.usefixtures("ann")
async def test_a_relation_that_does_not_exist_is_refused_and_leaves_nothing(api: Api) -> None:
    answer = await send_file(api, excluded_relations="isues")
    assert answer.body["error"].startswith("excluded_relations does not have a valid value: isues (possible")
    assert await left_by(api, answer) == (400, 0, 0)


@pytest.mark.usefixtures("ann")
async def test_undeclared_override_params_are_dropped(api: Api) -> None:
    answer = await send_file(api, override_params__not_allowed="x", override_params__creator_id="1")

    assert (await order_of(api, answer)).override_params == {}


@pytest.mark.usefixtures("ann")
async def test_a_bad_override_param_is_refused(api: Api) -> None:
    answer = await send_file(api, override_params__visibility="secret", override_params__build_timeout="soon")

    assert answer.status == 400
    assert answer.body == {
        "error": "override_params[visibility] does not have a valid value, "
        "override_params[build_timeout] is invalid"
    }


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "Path can't be blank"),
        (" ", "Path can't be blank"),
        ("_ an invalid path _", "Project namespace path can only include non-accented letters"),
        ("tree", "Path tree is a reserved name"),
        ("a.git", "Project namespace path can only include non-accented letters"),
    ],
)
async def test_a_bad_path_is_refused(api: Api, path: str, text: str) -> None:
    answer = await send_file(api, path=path)

    assert answer.body["message"].startswith(text)
    assert await left_by(api, answer) == (400, 0, 0)


@pytest.mark.usefixtures("ann")
async def test_parts_come_in_any_order_and_the_last_of_a_name_wins(api: Api) -> None:
    answer = await send(
        api,
        Part("path", "first"),
        FILE,
        Part("overrideParams", "[object Object]"),
        Part("avatar", b"\x89PNG", "avatar.png"),
        Part("avatar"),
        Part("path", "last"),
    )

    assert (answer.status, answer.body["path"]) == (201, "last")


@pytest.mark.usefixtures("ann")
async def test_the_last_of_two_files_is_kept_alone(api: Api) -> None:
    answer = await send(api, FILE, Part("file", b"second", "y.gz"), Part("path", "p"))

    assert answer.status == 201
    key = await api.pool.fetchval("SELECT key FROM objects")
    assert await left_by(api, answer) == (201, 2, 1)
    assert b"".join([chunk async for chunk in api.store.read(key)]) == b"second"


@pytest.mark.parametrize("existing", [True, False])
async def test_a_path_is_answered_with_the_newest_import_for_it(
    api: Api, ann: User, *, existing: bool
) -> None:
    if existing:
        await api.project(ann, "test-import")
    started = await send_file(api, overwrite="True")

    answer = await api.get("/projects/ann%2Ftest-import/import", by="ann")

    assert (answer.body["id"], answer.body["import_status"]) == (started.body["id"], "scheduled")


async def test_projects_of_the_same_beginning_are_not_mistaken_for_imports(api: Api, ann: User) -> None:
    old: Project = await api.project(ann, "test")
    await send_file(api, path="test-import")

    answer = await api.get("/projects/ann%2Ftest/import", by="ann")

    assert (answer.body["id"], answer.body["import_status"]) == (old.id, "none")


async def test_of_two_overwrites_that_both_create_one_path_the_second_overwrites_the_first(api: Api) -> None:
    ann = await api.user("ann")
    wanted = ImportRequest(path="p", name=None, namespace=None, overwrite=True, override_params={})
    origin, imports = JobOrigin(correlation_id="c"), api.uses.imports
    places = [await imports.find_destination(ann, wanted) for _ in range(2)]

    for to in places:
        assert to.replaces is None
        async with api.pool.acquire() as db, db.transaction():
            await imports.insert(db, ann, wanted, to=to, archive=Archive(), origin=origin)

    rows = await api.pool.fetch(
        """SELECT p.path, payload ->> 'replaces' AS replaces
           FROM jobs j JOIN projects p ON p.id = j.project_id ORDER BY j.id"""
    )
    assert [(row["path"][:2], row["replaces"]) for row in rows] == [("p", None), ("p-", "ann/p")]
