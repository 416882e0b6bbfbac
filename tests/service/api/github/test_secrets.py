from __future__ import annotations

import json

from structlog.testing import capture_logs

from tests.support.api import Api
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.imports import asking, create, job_of, projects
from tests.support.github.repositories import Repository


async def whole_database(api: Api) -> str:
    """All rows, as one text."""
    tables = await api.pool.fetch("SELECT relname FROM pg_stat_user_tables")
    rows = [
        row["t"]
        for table in tables
        for row in await api.pool.fetch(f"SELECT t::text FROM {table['relname']} t")  # noqa: S608  # ours
    ]
    return " ".join(rows)


async def test_the_token_is_in_no_row_no_log_and_no_answer(
    api: Api, github: GitHub, repository: Repository
) -> None:
    with capture_logs() as logs:
        answers = [
            await create(api, asking(github, repository)),
            await api.post("/import/github", by="ann", params=asking(github, repository, new_name="b")),
            await create(api, asking(github, repository)),
            await create(api, asking(github, repository, repo_id=1)),
        ]
    assert [answer.status for answer in answers] == [201, 201, 422, 422]
    job = await job_of(api, answers[0])
    rows = await whole_database(api)
    shown = [str(each.body) + str(each.headers) for each in answers]
    assert TOKEN not in "".join([rows, *shown, repr(job), json.dumps(logs, default=repr)])


async def test_one_key_makes_one_project_and_asks_github_once(
    api: Api, github: GitHub, repository: Repository
) -> None:
    headers = {"Idempotency-Key": "once"}
    given = asking(github, repository)
    answers = [await api.post("/import/github", by="ann", json=given, headers=headers) for _ in range(2)]
    other = asking(github, repository, personal_access_token="ghp_other")
    reused = await api.post("/import/github", by="ann", json=other, headers=headers)
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert (await projects(api), github.requests) == (1, 1)
    assert (reused.status, reused.body["message"][:6]) == (422, "422 Un")
