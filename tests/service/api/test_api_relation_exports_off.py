from __future__ import annotations

import pytest

from tests.support.api import Api


@pytest.mark.parametrize("path", ["", "/status", "/download?relation=labels"])
async def test_relation_exports_are_hidden_unless_the_instance_allows_them(api: Api, path: str) -> None:
    made = await api.project(await api.user("ann"))
    answer = await api.call(
        "GET" if path else "POST", f"/api/v4/projects/{made.id}/export_relations{path}", by="ann"
    )
    assert (answer.status, answer.body) == (404, {"message": "404 Not Found"})
