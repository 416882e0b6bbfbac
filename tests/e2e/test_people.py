"""People are mapped on their way out, in both forms, and what comes out is as a GitLab wants it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from shared.gitlab.record_shapes import shape_faults
from shared.people.reading import COLUMNS
from tests.support.contents import assert_accepted_by_gnu
from tests.support.gitlab import GitLab
from tests.support.projects import files, ndjson, project

MAP = f"{','.join(COLUMNS.values())}\n,,7,,,jane.doe,jane@example.org\n"
MEMBERS, ISSUES = "tree/project/project_members.ndjson", "tree/project/issues.ndjson"
ISSUE = {
    "title": "t", "iid": 1, "author_id": 7, "description": "mine", "state": "opened",
    "notes": [{"note": "hello", "author_id": 8, "author": {"name": "Jo"}, "system": False}],
}  # fmt: skip


def lines(archive: Path, name: str) -> list[bytes]:
    return files(archive.read_bytes())[name].splitlines()


async def exported(gitlab: GitLab, status: dict[str, Any], target: Path) -> None:
    assert (await gitlab.export(status["id"]))["export_status"] == "finished"
    await gitlab.download(status["id"], target)


async def test_a_map_that_comes_with_an_import_maps_the_export(gitlab: GitLab, tmp_path: Path) -> None:
    source, target = tmp_path / "in.tar.gz", tmp_path / "out.tar.gz"
    source.write_bytes(project(("uploads/a/b", bytes(3000)), issues=ndjson(json.dumps(ISSUE).encode())))
    status = await gitlab.import_file(source, f"p{uuid4().hex}", people=MAP, import_members="true")
    assert (status["import_status"], status["failed_relations"]) == ("finished", [])
    await exported(gitlab, status, target)
    assert_accepted_by_gnu(target)
    [member] = lines(target, MEMBERS)
    assert json.loads(member)["user"] == {"id": 7, "username": "jane.doe", "public_email": "jane@example.org"}
    assert list(shape_faults(member, "project_members", depth=100)) == []
    [issue] = map(json.loads, lines(target, ISSUES))
    assert (issue["description"], issue["notes"][0]["note"]) == ("mine", "*Created by: Jo*\n\nhello")
    assert files(target.read_bytes())["uploads/a/b"] == bytes(3000)


async def test_what_was_mapped_goes_in_again_and_comes_out_the_same(gitlab: GitLab, tmp_path: Path) -> None:
    source, first, second = (tmp_path / f"{number}.tar.gz" for number in range(3))
    source.write_bytes(project(issues=ndjson(json.dumps(ISSUE).encode())))
    await exported(gitlab, await gitlab.import_file(source, f"p{uuid4().hex}", people=MAP), first)
    await exported(gitlab, await gitlab.import_file(first, f"p{uuid4().hex}", people=MAP), second)
    assert lines(first, ISSUES) == lines(second, ISSUES)
    assert lines(first, MEMBERS) == lines(second, MEMBERS)
