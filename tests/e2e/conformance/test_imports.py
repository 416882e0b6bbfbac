"""Cases 31 to 49, 68, 69, 85 and 102 of GitLab's project import: what is asked for, where to, by whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Answer
from tests.support.forms import Part
from tests.support.instance import ARCHIVE, Instance

TOO_MANY = {"message": {"error": "This endpoint has been requested too many times. Try again later."}}
NO_NAMESPACE = (404, {"message": "404 Namespace Not Found"})
KEYS = [
    "id", "description", "name", "name_with_namespace", "path", "path_with_namespace", "created_at",
    "import_status", "import_type", "correlation_id", "failed_relations", "import_error", "stats",
]  # fmt: skip
ILLEGAL = (
    "Project namespace path can only include non-accented letters, digits, '_', '-' and '.'. It must not "
    "start with '-', '_', or '.', nor end with '-', '_', '.', '.git', or '.atom'."
)


def _of(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.body


async def _import(
    gitlab: Instance, by: str | None, *, path: str = "test-import", file: Any = None, **fields: Any
) -> Answer:
    """Import a minimal archive; a field ``a__b`` is sent as ``a[b]``."""
    named = {name.replace("__", "[") + "]" if "__" in name else name: text for name, text in fields.items()}
    parts = [Part("path", path), *(Part(name, str(text)) for name, text in named.items())]
    return await gitlab.upload(*parts, by=by, file=file)


async def test_case_31_a_stranger_imports_nothing(gitlab: Instance) -> None:
    assert _of(await _import(gitlab, None)) == (401, {"message": "401 Unauthorized"})


async def test_case_32_the_source_is_disabled(gitlab: Instance, ann: str) -> None:
    async with gitlab.settings(import_sources=[]):
        assert _of(await _import(gitlab, ann)) == (403, {"message": "403 Forbidden"})


async def test_case_33_without_a_namespace_it_is_ones_own(gitlab: Instance, ann: str) -> None:
    answer = await _import(gitlab, ann)
    assert (answer.status, list(answer.body)) == (201, KEYS)
    assert answer.body["path_with_namespace"] == f"{ann}/test-import"
    assert answer.body["correlation_id"] == answer.headers["X-Request-Id"]
    rest: dict[str, Any] = {
        "description": None,
        "name": "test-import",
        "name_with_namespace": f"{ann.title()} / test-import",
        "path": "test-import",
        "import_type": "gitlab_project",
        "import_status": "scheduled",
        "stats": None,
        "failed_relations": [],
        "import_error": None,
    }
    assert {name: answer.body[name] for name in rest} == rest
    ended = await gitlab.import_ended(answer.body["id"], by=ann)
    assert (ended["import_status"], ended["stats"]) == ("finished", None)


@pytest.mark.parametrize("way", ["namespace", "namespace_id", "namespace_path"])
async def test_cases_34_35_36_the_namespace_is_an_id_or_a_path(gitlab: Instance, ann: str, way: str) -> None:
    group = await gitlab.group(ann)
    named = {"id": str(group["id"]), "path": group["full_path"]}
    texts = named.values() if way == "namespace" else [named[way.removeprefix("namespace_")]]
    for number, text in enumerate(texts):
        answer = await _import(gitlab, ann, path=f"p{number}", **{way: text})
        assert (answer.status, answer.body["import_type"]) == (201, "gitlab_project")
        assert answer.body["path_with_namespace"] == f"{group['full_path']}/p{number}"


@pytest.mark.parametrize(
    "names",
    [("namespace_id", "namespace_path"), ("namespace", "namespace_id", "namespace_path")],
)
async def test_case_37_one_namespace_at_the_most(gitlab: Instance, ann: str, names: tuple[str, ...]) -> None:
    answer = await _import(gitlab, ann, **dict.fromkeys(names, "1"))
    assert _of(answer) == (400, {"error": f"{', '.join(names)} are mutually exclusive"})


async def test_case_38_a_name_or_else_the_path(gitlab: Instance, ann: str) -> None:
    named = await _import(gitlab, ann, path="one", name="My Name")
    blank = await _import(gitlab, ann, path="two", name="")
    assert [each.body["name"] for each in (named, blank)] == ["My Name", "two"]


@pytest.mark.parametrize(
    ("fields", "existing"), [({"name": "given"}, False), ({"name": "given"}, True)], ids=["new", "existing"]
)
async def test_case_39_the_name_is_kept_with_overwrite(
    gitlab: Instance, ann: str, fields: dict[str, str], *, existing: bool
) -> None:
    if existing:
        await gitlab.imported(ann, path="test-import")
    answer = await _import(gitlab, ann, overwrite="true", **fields)
    assert (answer.status, answer.body["name"]) == (201, "given")


async def test_case_40_an_unknown_namespace(gitlab: Instance, ann: str) -> None:
    assert _of(await _import(gitlab, ann, namespace_id="99999999")) == NO_NAMESPACE
    assert _of(await _import(gitlab, ann, namespace_path="no/where")) == NO_NAMESPACE


async def test_case_41_a_namespace_of_others(gitlab: Instance, ann: str) -> None:
    group = await gitlab.group(await gitlab.user("bob"))
    assert _of(await _import(gitlab, ann, namespace=group["full_path"])) == NO_NAMESPACE


async def test_a_developer_may_not_import(gitlab: Instance, ann: str) -> None:
    group = await gitlab.group(ann)
    dev = await gitlab.user("dev")
    added = {"user_id": await gitlab.user_id(dev), "access_level": 30}
    await gitlab.made(f"/groups/{group['id']}/members", ann, **added)
    answer = await _import(gitlab, dev, namespace=group["full_path"])
    assert _of(answer) == (400, {"message": "User is not allowed to import projects"})


async def test_case_42_a_bot_has_no_place_of_its_own(gitlab: Instance) -> None:
    answer = await _import(gitlab, await gitlab.user("bot", bot=True))
    assert _of(answer) == (400, {"message": "Namespace is not valid"})


@pytest.mark.parametrize("file", ["README.md", "x.tgz", "x.zip"])
async def test_case_43_a_file_of_another_kind(gitlab: Instance, ann: str, file: str) -> None:
    text = "You need to upload a GitLab project export archive (ending in .gz)."
    answer = await _import(gitlab, ann, file=Part("file", ARCHIVE, file))
    assert _of(answer) == (422, {"message": {"error": text}})


async def test_case_44_a_file_as_a_text(gitlab: Instance, ann: str) -> None:
    answer = await _import(gitlab, ann, file=Part("file", "text"))
    assert _of(answer) == (400, {"error": "file is invalid"})


async def test_cases_45_46_a_path_is_taken_or_its_project_replaced_at_the_end(
    gitlab: Instance, ann: str
) -> None:
    old = await gitlab.imported(ann, path="test-import")
    assert _of(await _import(gitlab, ann)) == (400, {"message": "Path has already been taken"})
    answer = await _import(gitlab, ann, overwrite="true")
    stem, _, suffix = answer.body["path"].rpartition("-")
    assert (answer.status, stem, len(suffix)) == (201, "test-import", 32)
    assert answer.body["id"] != old
    assert (await gitlab.import_ended(answer.body["id"], by=ann))["path"] == "test-import"
    assert (await gitlab.get(f"/projects/{old}", by=ann)).status == 404
    assert (await gitlab.get(f"/projects/{ann}%2Ftest-import", by=ann)).body["id"] == answer.body["id"]


async def test_case_47_override_params_win_in_the_end(gitlab: Instance, ann: str) -> None:
    answer = await _import(gitlab, ann, override_params__description="Hello world")
    assert (answer.status, answer.body["description"]) == (201, None)
    assert (await gitlab.import_ended(answer.body["id"], by=ann))["description"] == "Hello world"


async def test_case_48_undeclared_override_params_are_ignored(gitlab: Instance, ann: str) -> None:
    answer = await _import(gitlab, ann, override_params__not_allowed="x")
    assert answer.status == 201
    assert (await gitlab.import_ended(answer.body["id"], by=ann))["import_status"] == "finished"


async def test_case_49_the_seventh_import_of_a_minute(gitlab: Instance, ann: str) -> None:
    async with gitlab.settings(project_import_limit=6):
        for number in range(6):
            assert (await _import(gitlab, ann, path=f"p{number}")).status == 201
        answer = await _import(gitlab, ann)
    assert _of(answer) == (429, TOO_MANY)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_cases_68_69_a_path_that_is_none(gitlab: Instance, ann: str) -> None:
    assert _of(await _import(gitlab, ann, path=" ")) == (400, {"message": "Path can't be blank"})
    assert _of(await _import(gitlab, ann, path="_ an invalid path _")) == (400, {"message": ILLEGAL})
    assert _of(await _import(gitlab, ann, path="tree")) == (400, {"message": "Path tree is a reserved name"})


@pytest.mark.parametrize("path", ["import", "import-relation"])
async def test_case_85_only_gitlabs_own_proxy_may_ask(gitlab: Instance, ann: str, path: str) -> None:
    assert (await gitlab.post(f"/projects/{path}/authorize", by=ann)).status == 403


@pytest.mark.parametrize(("text", "taken"), [("True", False), ("False", True), ("1", False), ("off", True)])
async def test_case_102_booleans_in_the_spelling_of_clients(
    gitlab: Instance, ann: str, text: str, *, taken: bool
) -> None:
    # That GitLab reads them so is an inference of the reference.
    await gitlab.imported(ann, path="test-import")
    assert (await _import(gitlab, ann, overwrite=text)).status == (400 if taken else 201)
