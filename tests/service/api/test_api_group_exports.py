from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from secrets import token_hex

import pytest

from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group, find_namespace_by_path
from shared.group_archives import store
from shared.group_archives.errors import GroupGone
from shared.group_archives.store import GroupExportExpiry
from shared.group_archives.writing import archive_pieces
from tests.support.api import Answer, Api
from tests.support.forms import HEADERS, Part, form_body
from tests.support.groups import archive_of, group, group_files
from tests.support.projects import files as unpacked

MISSING = {"message": "404 Not found or has expired"}


async def load(api: Api, archive: bytes, path: str = "moved") -> int:
    parts = [Part("path", path), Part("name", "Moved"), Part("file", archive, "x.tar.gz")]
    answer = await api.post("/groups/import", by="ann", data=BytesIO(form_body(parts)), headers=HEADERS)
    assert answer.body == {"message": "202 Accepted"}
    made = await find_namespace_by_path(api.pool, path)
    assert made is not None
    return made.id


async def exported(api: Api, group_id: int, by: str = "ann") -> dict[str, bytes]:
    asked = await api.post(f"/groups/{group_id}/export", by=by)
    assert (asked.status, asked.body) == (202, {"message": "202 Accepted"})
    answer = await api.get(f"/groups/{group_id}/export/download", by=by)
    assert answer.status == 200
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
    return unpacked(answer.body)


def tree_of(found: dict[str, bytes]) -> list[tuple[str, str, dict[str, bytes]]]:
    """Paths of groups with that of their parent, and their lines, whatever their ids are."""
    ids = found["tree/groups/_all.ndjson"].split()
    documents = {each: json.loads(found[f"tree/groups/{each.decode()}.json"]) for each in ids}
    paths = {each["id"]: each["path"] for each in documents.values()}
    return [
        (
            document["path"],
            paths.get(document["parent_id"], ""),
            {
                name.rpartition("/")[2]: data
                for name, data in found.items()
                if name.startswith(f"tree/groups/{number.decode()}/") and not name.endswith("/")
            },
        )
        for number, document in documents.items()
    ]


@pytest.mark.usefixtures("ann")
async def test_what_an_archive_had_comes_out_with_all_its_lines_and_attributes(api: Api) -> None:
    member = b'{"access_level":50,"user":{"id":9,"public_email":"x@example.com","username":"xia"}}'
    lines = [b'{"title":"%d"}' % number for number in range(2500)]
    relations = {
        (5, "labels"): lines,
        (7, "members"): [member],
        (7, "namespace_settings"): [b"null"],
        (9, "epics"): [b"{}"],
    }
    groups = (group(5, odd={"a": 1.5}, lfs_enabled=None), group(7, 5, "a", description="d"), group(9, 7, "b"))

    root = await load(api, archive_of(group_files(groups, relations)))
    found = await exported(api, root)

    (path, above, first), (_, _, second), (_, _, third) = tree_of(found)
    assert (path, above, [each[:2] for each in tree_of(found)[1:]]) == (
        "moved",
        "",
        [("a", "moved"), ("b", "a")],
    )
    assert first["labels.ndjson"] == b"".join(line + b"\n" for line in lines)
    assert second["namespace_settings.ndjson"] == b"null\n"
    assert third["epics.ndjson"] == b"{}\n"
    assert set(third) == {
        f"{each}.ndjson" for each in ("milestones", "badges", "labels", "boards", "members", "epics")
    }
    users = [json.loads(line)["user"]["username"] for line in second["members.ndjson"].splitlines()]
    assert users == ["xia", "ann"]
    document = json.loads(found[f"tree/groups/{root}.json"])
    assert (document["odd"], document["lfs_enabled"], document["id"]) == ({"a": 1.5}, None, root)
    assert (document["name"], document["path"], document["parent_id"]) == ("Moved", "moved", None)
    assert found["VERSION"] == b"0.2.4"


@pytest.mark.usefixtures("ann")
async def test_what_is_exported_is_imported_again_the_same(api: Api) -> None:
    first = await load(
        api, archive_of(group_files([group(1), group(2, 1)], {(2, "boards"): [b'{"name":"b"}']}))
    )
    before = await exported(api, first)

    again = await load(api, archive_of(before.items()), path="moved-again")
    after = await exported(api, again)

    assert tree_of(after)[1:] == [("group-2", "moved-again", tree_of(before)[1][2])]
    assert tree_of(after)[0][2] == tree_of(before)[0][2]


async def test_groups_that_were_made_here_are_exported_with_their_members(api: Api, ann: User) -> None:
    made = (
        await api.post("/groups", by="ann", json={"name": "Grp", "path": "grp", "description": "<d>"})
    ).body
    bob = await api.user("bob")
    await add_member(api.pool, bob.id, namespace_id=made["id"], level=AccessLevel.DEVELOPER)

    found = await exported(api, made["id"])

    members = [json.loads(line) for line in found[f"tree/groups/{made['id']}/members.ndjson"].splitlines()]
    assert [(each["user"]["username"], each["access_level"]) for each in members] == [
        ("ann", 50),
        ("bob", 30),
    ]
    assert {each["user"]["id"] for each in members} == {ann.id, bob.id}
    document = found[f"tree/groups/{made['id']}.json"]
    assert b'"description":"\\u003cd\\u003e"' in document
    assert json.loads(document)["visibility_level"] == 0


async def test_exports_of_groups_are_for_their_owners(api: Api, ann: User) -> None:
    made = await create_group(api.pool, "grp", name="Grp")
    await add_member(api.pool, ann.id, namespace_id=made.id, level=AccessLevel.MAINTAINER)
    await api.user("bob")

    async def both(by: str | None) -> list[Answer]:
        return [
            await api.post("/groups/grp/export", by=by),
            await api.get("/groups/grp/export/download", by=by),
        ]

    for by, status, body in (
        ("ann", 403, {"message": "403 Forbidden"}),
        ("bob", 404, {"message": "404 Group Not Found"}),
        (None, 401, {"message": "401 Unauthorized"}),
    ):
        assert [(each.status, each.body) for each in await both(by)] == [(status, body)] * 2


async def test_an_export_that_nobody_asked_for_or_that_has_expired_is_not_found(api: Api, ann: User) -> None:
    made = (await api.post("/groups", by="ann", json={"name": "Grp", "path": "grp"})).body["id"]
    absent = await api.get("/groups/grp/export/download", by="ann")
    await store.ask_for_export(api.pool, made, ann.id, lasting=timedelta(0))
    expired = await api.get("/groups/grp/export/download", by="ann")

    assert [(each.status, each.body) for each in (absent, expired)] == [(404, MISSING)] * 2
    assert await GroupExportExpiry(api.pool).remove_exports() == 1
    await exported(api, made)
    assert await GroupExportExpiry(api.pool).remove_exports() == 0


@pytest.mark.parametrize(
    "api", [{"project_export_limit": 2, "project_download_export_limit": 1}], indirect=True
)
@pytest.mark.usefixtures("ann")
async def test_exports_of_groups_and_their_downloads_are_limited(api: Api) -> None:
    await api.post("/groups", by="ann", json={"name": "Grp", "path": "grp"})
    await api.post("/groups", by="ann", json={"name": "Two", "path": "two"})

    asked = [(await api.post(f"/groups/{path}/export", by="ann")).status for path in ("grp", "two", "grp")]
    head = await api.call("HEAD", "/api/v4/groups/grp/export/download", by="ann")
    read = [
        (await api.get(f"/groups/{path}/export/download", by="ann")).status for path in ("grp", "two", "grp")
    ]

    assert (asked, head.status, read) == ([202, 202, 429], 200, [200, 200, 429])


@pytest.mark.usefixtures("ann")
async def test_an_archive_breaks_off_where_a_group_is_deleted_among_its_lines(api: Api) -> None:
    lines = [b'{"x":"%s"}' % token_hex(250_000).encode() for _ in range(4)]
    root = await load(api, archive_of(group_files([group(1)], {(1, "epics"): lines})))
    made = await find_namespace_by_path(api.pool, "moved")
    assert made is not None

    pieces = archive_pieces(api.pool, made, mtime=0)
    await anext(pieces)
    await api.call("DELETE", f"/api/v4/groups/{root}", by="ann")

    with pytest.raises(GroupGone):
        async for _ in pieces:
            pass
