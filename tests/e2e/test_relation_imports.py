"""One relation of an archive goes into a project that is there, in both forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from tests.support.gitlab import GitLab
from tests.support.projects import files, ndjson, project
from tests.support.waiting import until


def _issue(iid: int, title: str) -> bytes:
    return json.dumps({"iid": iid, "title": title}).encode()


async def _import_issues(gitlab: GitLab, path: str, archive: bytes) -> dict[str, Any]:
    form = aiohttp.FormData({"path": path, "relation": "issues"})
    form.add_field("file", archive, filename="again.tar.gz")
    started = await gitlab.call("POST", "/projects/import-relation", data=form)
    assert started.status == 201, started
    tracker: dict[str, Any] = started.body
    return tracker


async def _ended(gitlab: GitLab, number: int) -> dict[str, Any]:
    async def ended() -> dict[str, Any]:
        answer = await gitlab.call("GET", f"/projects/{number}/relation-imports")
        assert answer.status == 200, answer
        (tracker,) = answer.body
        return dict(tracker) if tracker["status"] in {"finished", "failed"} else {}

    return await until(ended)


async def test_issues_that_went_missing_are_brought_back(gitlab: GitLab, tmp_path: Path) -> None:
    name = f"relation-{uuid4().hex}"
    before = tmp_path / "before.tar.gz"
    before.write_bytes(project(issues=ndjson(_issue(1, "kept")), labels=b'{"title":"bug"}\n'))
    number = (await gitlab.import_file(before, name))["id"]
    again = project(issues=ndjson(_issue(1, "other"), _issue(2, "back")))
    tracker = await _import_issues(gitlab, f"root/{name}", again)
    ended = await _ended(gitlab, number)
    assert ended == tracker | {"status": "finished", "updated_at": ended["updated_at"]}
    issues = (await gitlab.call("GET", f"/projects/{number}/issues")).body
    assert {(issue["iid"], issue["title"]) for issue in issues} == {(1, "kept"), (2, "back")}
    await gitlab.export(number)
    await gitlab.download(number, tmp_path / "after.tar.gz")
    out = files((tmp_path / "after.tar.gz").read_bytes())
    assert out["tree/project/issues.ndjson"] == ndjson(_issue(1, "kept"), _issue(2, "back"))
    assert out["tree/project/labels.ndjson"] == b'{"title":"bug"}\n'
