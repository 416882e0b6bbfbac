"""Cases 98 and 99: projects that were renamed, and tokens that only read."""

from __future__ import annotations

from tests.support.instance import Instance


async def test_case_98_an_old_path_leads_to_the_project(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    renamed = await gitlab.call("PUT", f"/projects/{number}", by=ann, json={"path": "renamed"})
    assert renamed.status == 200
    moved = await gitlab.get(f"/projects/{ann}%2Fapi-project/export", by=ann)
    assert moved.status == 301
    assert moved.headers["Location"] == f"{gitlab.url}/api/v4/projects/{number}/export"
    refused = await gitlab.post(f"/projects/{ann}%2Fapi-project/export", by=ann)
    text = "Non GET methods are not allowed for moved projects"
    assert (refused.status, refused.body) == (405, {"message": text})


async def test_case_99_a_token_that_only_reads(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    await gitlab.token(ann, await gitlab.user_id(ann), "read_api")
    assert (await gitlab.get(f"/projects/{number}/export", by=ann)).status == 200
    answer = await gitlab.post(f"/projects/{number}/export", by=ann)
    assert answer.status == 403
    assert (answer.body["error"], answer.body["scope"]) == ("insufficient_scope", "api")
