from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from services.api.gitlab.group_archives import LEFT_OUT
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group, find_namespace_by_path
from shared.gitlab.visibility import Visibility
from shared.group_archives.importing import DEEPEST
from shared.group_archives.outline import MOST_GROUPS
from shared.group_archives.reading import LARGEST, LARGEST_DOCUMENTS, LARGEST_INDEX, LIMITS, MOST_LINES
from tests.support.api import Answer, Api
from tests.support.archives import file, header, packed
from tests.support.forms import HEADERS, Part, form_body
from tests.support.groups import archive_of, group, group_archive, group_files

TREE = (group(5), group(7, 5, "a"), group(9, 7, "b"))
ACCEPTED = {"message": "202 Accepted"}
FORM = {"path": "moved", "name": "Moved"}


async def send(api: Api, archive: bytes | Part = b"", by: str | None = "ann", **fields: str) -> Answer:
    file = archive if isinstance(archive, Part) else Part("file", archive, "x.tar.gz")
    parts = [*(Part(name, value) for name, value in (FORM | fields).items() if value), file]
    return await api.post("/groups/import", by=by, data=BytesIO(form_body(parts)), headers=HEADERS)


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def reasons(answer: Answer) -> list[str]:
    told: list[str] = json.loads(answer.headers[LEFT_OUT])["reasons"]
    return told


async def paths(api: Api) -> list[str]:
    rows = await api.pool.fetch("SELECT full_path FROM namespaces WHERE kind = 'group' ORDER BY 1")
    return [row["full_path"] for row in rows]


async def kept(api: Api) -> list[tuple[str, str, bytes]]:
    rows = await api.pool.fetch(
        """SELECT full_path, relation, line FROM group_lines JOIN namespaces n ON n.id = namespace_id
           ORDER BY full_path, relation, number"""
    )
    return [tuple(row.values()) for row in rows]


@pytest.mark.usefixtures("ann")
async def test_groups_are_made_from_an_archive_below_the_path_of_the_request(api: Api) -> None:
    answer = await send(api, group_archive(TREE))

    assert (answer.status, answer.body, answer.headers.get(LEFT_OUT)) == (202, ACCEPTED, None)
    assert await paths(api) == ["moved", "moved/a", "moved/a/b"]
    shown = (await api.get("/groups/moved%2Fa%2Fb", by="ann")).body
    assert (shown["name"], shown["full_name"]) == ("B", "Moved / A / B")
    assert await api.objects_left() == 0
    member = await api.get("/groups/moved/members", by="ann")
    assert [(each["username"], each["access_level"]) for each in member.body] == [("ann", 50)]


async def test_the_first_group_is_made_below_a_group_that_the_user_maintains(api: Api, ann: User) -> None:
    above = await create_group(api.pool, "above", name="Above", visibility=Visibility.INTERNAL)
    await add_member(api.pool, ann.id, namespace_id=above.id, level=AccessLevel.MAINTAINER)
    levels = (
        group(1, visibility_level=20),
        group(2, 1, "p", visibility_level=0),
        group(3, 1, "q", visibility_level=20),
    )

    assert (await send(api, group_archive(levels), parent_id=str(above.id))).status == 202

    for path, visibility in (("moved", "internal"), ("moved/p", "private"), ("moved/q", "internal")):
        shown = await api.get(f"/groups/{f'above/{path}'.replace('/', '%2F')}", by="ann")
        assert shown.body["visibility"] == visibility


@pytest.mark.usefixtures("ann")
async def test_a_group_at_the_top_has_the_visibility_of_the_archive(api: Api) -> None:
    await send(api, group_archive([group(1, visibility_level=20)]))

    assert (await api.get("/groups/moved", by="ann")).body["visibility"] == "public"


async def test_an_import_of_groups_is_refused_in_the_order_of_gitlab(api: Api, ann: User) -> None:
    hidden = await create_group(api.pool, "hidden", name="Hidden")
    mine = await create_group(api.pool, "mine", name="Mine")
    await add_member(api.pool, ann.id, namespace_id=mine.id, level=AccessLevel.DEVELOPER)
    archive, text, named = group_archive(TREE), Part("file", b"x"), Part("file", b"x", "x.zip")
    missing = {"message": "404 Group Not Found"}
    for answer, status, body in (
        (await send(api, text, path="", name="", parent_id="x"), 400, None),
        (await send(api, archive, path=""), 400, {"error": "path is missing"}),
        (await send(api, archive, name=""), 400, {"error": "name is missing"}),
        (await send(api, Part("other", b"x")), 400, {"error": "file is missing"}),
        (await send(api, text), 400, {"error": "file is invalid"}),
        (await send(api, named, parent_id="4711"), 404, missing),
        (await send(api, archive, parent_id=str(hidden.id)), 404, missing),
        (await send(api, named, parent_id=str(mine.id)), 403, {"message": "403 Forbidden"}),
        (await send(api, named), 422, None),
        (await send(api, archive, path="mine"), 400, None),
        (await send(api, archive, by=None), 401, {"message": "401 Unauthorized"}),
    ):  # fmt: skip
        assert answer.status == status, answer
        assert body is None or answer.body == body
    assert await paths(api) == ["hidden", "mine"]
    assert await api.objects_left() == 0


@pytest.mark.usefixtures("ann")
async def test_what_gitlab_says_of_a_path_that_is_taken_is_said(api: Api) -> None:
    await send(api, group_archive(TREE))

    answer = await send(api, group_archive(TREE))

    assert (answer.status, answer.body) == (
        400, {"message": 'Failed to save group {:path=>["has already been taken"]}'}
    )  # fmt: skip


@pytest.mark.usefixtures("ann")
async def test_a_group_that_is_refused_is_left_out_and_the_others_go_on(api: Api) -> None:
    refused = (group(2, 1, "-bad"), group(4, 2, "below"), group(5, 1, "good"), group(6, 7), group(7, 6))
    long = group(10, 1, description="x" * 2001)
    files = [
        *group_files((group(1), group(3, 1, "good"), *refused, long)),
        ("tree/groups/8.json", json.dumps(group(88, 1)).encode()),
        ("tree/groups/90.json", json.dumps(group(90, 1)).encode()),
        ("repositories/1.wiki.bundle", b"bundle"),
    ]
    index = b"1\n3\n2\n4\n5\n6\n7\n8\n10\n11\nx\n3\n"
    files[1] = ("tree/groups/_all.ndjson", index)

    answer = await send(api, archive_of(files))

    assert await paths(api) == ["moved", "moved/good"]
    left_out = json.loads(answer.headers[LEFT_OUT])
    told = "\n".join(left_out["reasons"])
    assert (answer.status, answer.body, left_out["count"]) == (202, ACCEPTED, len(left_out["reasons"]))
    for part in (
        "group 2: Project namespace path can only",
        "group 4: Parent group not found",
        "group 5: ",
        "group 6: Parent group not found",
        "group 7: Parent group not found",
        "Invalid group_id for 8",
        "group 10: Description is too long",
        "group 11: ",
        "line 11 of the index",
        "tree/groups/90.json: the index does not name this group",
        "repositories/1.wiki.bundle: no import of groups keeps this file",
    ):
        assert part in told


@pytest.mark.usefixtures("ann")
async def test_relations_and_attributes_are_kept_with_their_group_and_go_with_it(api: Api) -> None:
    document = json.dumps(group(5, odd={"deep": [1]})).encode()
    files = group_files(
        TREE, {(7, "boards"): [b'{"name":"b"}', b"null"], (5, "epics"): [b'{"x":1}'], (99, "boards"): [b"{}"]}
    )
    files[2] = ("tree/groups/5.json", document)

    # Relations may come before the groups that they are of.
    assert (await send(api, archive_of(reversed(files)))).body == ACCEPTED

    assert await kept(api) == [
        ("moved", "epics", b'{"x":1}'),
        ("moved/a", "boards", b'{"name":"b"}'),
        ("moved/a", "boards", b"null"),
    ]
    assert document in [
        row["document"] for row in await api.pool.fetch("SELECT document FROM group_documents")
    ]
    await api.call("DELETE", "/api/v4/groups/moved", by="ann")
    for table in ("group_lines", "group_documents"):
        assert await api.pool.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608  # fixed names


@pytest.mark.usefixtures("ann")
async def test_records_that_gitlab_refuses_are_left_out(api: Api) -> None:
    deep = b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"
    lines = [
        b'{"title":"good"}',
        b"",
        b"{",
        deep,
        b'{"title":"\xff"}',
        b'{"title":"' + b"x" * LIMITS.line + b'"}',
    ]

    answer = await send(api, group_archive([group(1)], {(1, "labels"): lines}))

    assert await kept(api) == [("moved", "labels", b'{"title":"good"}')]
    assert [each.partition(":")[0] for each in reasons(answer)] == [
        f"line {number} of labels of group 1" for number in (3, 4, 5, 6)
    ]


@pytest.mark.usefixtures("ann")
async def test_what_is_left_out_is_told_in_a_header_that_clients_take(api: Api) -> None:
    lines = [b"{"] * 150
    files = [*group_files([group(1)], {(1, "labels"): lines}), ("\xfc" * 300, b"x")]

    answer = await send(api, archive_of(files))

    told = json.loads(answer.headers[LEFT_OUT])
    assert len(answer.headers[LEFT_OUT]) <= 4096
    assert told["count"] == 151
    assert told["reasons"][0].startswith("\xfc" * 256 + ": ")
    assert 10 < len(told["reasons"]) < 100


@pytest.mark.usefixtures("ann")
async def test_of_two_files_of_one_name_the_last_counts(api: Api) -> None:
    files = group_files(TREE[:1], {(5, "labels"): [b'{"title":"one"}']})
    again = [
        ("tree/groups/5/labels.ndjson", b'{"title":"two"}\n'),
        ("tree/groups/5.json", json.dumps(group(5, description="two")).encode()),
    ]

    assert (await send(api, archive_of([*files, *again]))).status == 202

    assert await kept(api) == [("moved", "labels", b'{"title":"two"}')]
    assert (await api.get("/groups/moved", by="ann")).body["description"] == "two"


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("archive", "status"),
    [
        (b"no archive", 422),
        (archive_of([("group.json", b"{}")]), 422),
        (archive_of([("tree/groups/_all.ndjson", b"")]), 422),
        (archive_of([("tree/groups/_all.ndjson", b"1\n")]), 422),
        (archive_of([("tree/groups/_all.ndjson", b"1\n"), ("tree/groups/1.json", b"[" * 500)]), 422),
        (
            archive_of([("tree/groups/_all.ndjson", b"".join(b"%d\n" % n for n in range(MOST_GROUPS + 1)))]),
            422,
        ),
        (gzip.compress(file("other", bytes(LIMITS.decompressed)), 1), 422),
        (packed(header(b"./tree/groups/1.json", kind=b"2", link=b"/etc/passwd")), 422),
        (archive_of([("../1.json", b"{}")]), 422),
        (bytes(LARGEST), 413),
        (group_archive([group(1, description="a\0")]), 422),
        (group_archive([group(1, odd=nested(LIMITS.depth))]), 422),
        (group_archive([group(1)], {(1, "epics"): [b"{}"] * (MOST_LINES + 1)}), 422),
    ],
)
async def test_a_hostile_archive_of_groups_makes_nothing(api: Api, archive: bytes, status: int) -> None:
    answer = await send(api, archive)

    assert answer.status == status
    assert await paths(api) == []
    assert await api.objects_left() == 0


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("name", "size", "what"),
    [
        ("tree/groups/_all.ndjson", LARGEST_INDEX, "bytes of the index"),
        ("tree/groups/1.json", LARGEST_DOCUMENTS, "bytes of attributes"),
    ],
)
async def test_what_is_held_of_an_archive_is_bounded(api: Api, name: str, size: int, what: str) -> None:
    answer = await send(api, archive_of([(name, bytes(size + 1))]))

    assert answer.body["message"].startswith(f"over the limit of {size} {what}")


@pytest.mark.usefixtures("ann")
async def test_groups_are_made_as_deep_and_with_as_long_paths_as_the_index_takes(api: Api) -> None:
    deep = [group(0), *(group(number, number - 1) for number in range(1, 30))]
    long = [group(0), *(group(number, number - 1, "x" * 250) for number in range(1, 20))]

    assert "group 21" in reasons(await send(api, group_archive(deep)))[0]
    assert len(await paths(api)) == DEEPEST + 1
    assert "Full path is too long" in reasons(await send(api, group_archive(long), path="long"))[0]
    assert await find_namespace_by_path(api.pool, "long/" + "/".join(["x" * 250] * 7)) is not None


@pytest.mark.parametrize("api", [{"groups_limit": 2}], indirect=True)
@pytest.mark.usefixtures("ann")
async def test_groups_over_the_limit_of_their_owner_are_left_out(api: Api) -> None:
    answer = await send(api, group_archive(TREE))

    assert await paths(api) == ["moved", "moved/a"]
    assert reasons(answer) == ["group 9: over the limit of 2 groups of one owner"]
    assert (await send(api, group_archive(TREE), path="more")).status == 409


@pytest.mark.usefixtures("ann")
async def test_an_archive_that_breaks_off_among_relations_makes_no_group(api: Api) -> None:
    whole = group_archive(TREE, {(5, "labels"): [b'{"title":"%d"}' % number for number in range(500)]})

    assert (await send(api, whole[:-20])).status == 422
    assert await paths(api) == []


@pytest.mark.usefixtures("ann")
async def test_a_form_whose_length_is_not_said_is_read_to_the_limit_alone(api: Api) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield form_body([Part("path", "p"), Part("name", "P"), Part("file", b"x", "x.tar.gz")], closed=False)
        for _ in range(LARGEST // 2**16):
            yield bytes(2**16)

    answer = await api.post("/groups/import", by="ann", data=body(), headers=HEADERS)

    assert answer.status == 413
    assert await api.objects_left() == 0
