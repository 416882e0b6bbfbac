"""Cases 93 to 97: repositories of GitHub."""

from __future__ import annotations

from typing import Any

from tests.support.api import Answer
from tests.support.github.hub import Hub
from tests.support.instance import Instance

STATS = {
    "diff_note": 4, "issue": 2, "issue_event": 27, "label": 2, "milestone": 2, "note": 2,
    "protected_branch": 2, "pull_request": 4, "pull_request_merged_by": 1, "pull_request_review": 2,
    "release": 2,
}  # fmt: skip


def _of(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.body


async def _ordered(gitlab: Instance, ann: str, given: dict[str, object]) -> Answer:
    return await gitlab.post("/import/github", by=ann, json=given)


async def test_case_93_a_repository_is_imported_with_all_that_github_has_of_it(
    gitlab: Instance, ann: str, hub: Hub
) -> None:
    answer = await _ordered(gitlab, ann, hub.asking(ann, new_name="mine"))

    assert answer.status == 201
    told = ("name", "full_path", "import_source", "import_status", "provider_link")
    assert tuple(answer.body[name] for name in told) == (
        "mine", f"/{ann}/mine", "octo/everything", "scheduled", "/octo/everything",
    )  # fmt: skip
    status = await gitlab.import_ended(answer.body["id"])
    assert (status["import_status"], status["import_type"]) == ("finished", "github")
    assert (status["import_error"], status["failed_relations"]) == (None, [])
    assert status["stats"] == {"fetched": STATS, "imported": STATS}
    issues = await gitlab.get(f"/projects/{answer.body['id']}/issues", by=ann)
    assert [issue["title"] for issue in issues.body] == ["Events", "It stops"]


async def test_case_94_the_namespace_is_not_blank(gitlab: Instance, ann: str, hub: Hub) -> None:
    answer = await _ordered(gitlab, ann, hub.asking(""))
    assert _of(answer) == (400, {"error": "target_namespace is empty"})


async def test_case_95_a_namespace_without_rights_is_refused(gitlab: Instance, ann: str, hub: Hub) -> None:
    bob = await gitlab.user("bob")
    answer = await _ordered(gitlab, ann, hub.asking(bob))
    assert _of(answer) == (422, {"errors": "You are not allowed to import projects in this namespace."})


async def test_case_96_strangers_and_where_github_is_no_import_source(
    gitlab: Instance, ann: str, hub: Hub
) -> None:
    given = hub.asking(ann)
    assert (await gitlab.post("/import/github", json=given)).status == 401
    async with gitlab.settings(import_sources=["gitlab_project"]):
        answer = await _ordered(gitlab, ann, given)
    assert _of(answer) == (403, {"errors": ["github import source is disabled"]})


async def test_case_97_an_import_is_canceled_until_it_has_ended(gitlab: Instance, ann: str, hub: Hub) -> None:
    # GitHub takes no more requests for a while, and the import waits in the queue.
    hub.github.slow_down("/milestones", seconds=600)
    number = (await _ordered(gitlab, ann, hub.asking(ann))).body["id"]
    anonymous = await gitlab.post("/import/github/cancel", json={"project_id": number})
    canceled = await gitlab.post("/import/github/cancel", by=ann, json={"project_id": number})
    again = await gitlab.post("/import/github/cancel", by=ann, json={"project_id": number})
    assert anonymous.status == 401
    assert (canceled.status, canceled.body["import_status"]) == (200, "canceled")
    told = {"message": "The import cannot be canceled because it is canceled"}
    assert _of(again) == (400, told)

    hub.github.faults.clear()
    done = (await _ordered(gitlab, ann, hub.asking(ann, new_name="whole"))).body["id"]
    assert (await gitlab.import_ended(done))["import_status"] == "finished"
    refused = await gitlab.post("/import/github/cancel", by=ann, json={"project_id": done})
    assert _of(refused) == (400, {"message": "The import cannot be canceled because it is finished"})


async def test_the_limit_of_a_minute_is_githubs_own(gitlab: Instance, ann: str, hub: Hub) -> None:
    given = hub.asking("no/such")
    async with gitlab.settings(github_import_limit=1):
        answers = [await _ordered(gitlab, ann, given) for _ in range(2)]
    assert [answer.status for answer in answers] == [422, 429]
    assert answers[1].body == {"errors": "This endpoint has been requested too many times. Try again later."}
