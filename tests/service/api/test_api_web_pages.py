from __future__ import annotations

import pytest

from shared.accounts.models import AccessLevel
from shared.gitlab.visibility import Visibility
from tests.support.api import ARCHIVE, Answer, Api
from tests.support.pages import is_safe

PAGE = "/ann/project/download_export"


def _is_page(answer: Answer, status: int) -> bool:
    text = answer.body.decode()
    assert is_safe(answer)
    assert "/users/sign_in?return_to=/" in text
    assert "PRIVATE-TOKEN" in text
    return answer.status == status and answer.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_a_token_gets_the_file(api: Api) -> None:
    ann = await api.user("ann")
    await api.archive(await api.project(ann), ann)
    for path in (PAGE, "/Ann/PROJECT/download_export"):
        answer = await api.call("GET", path, by="ann")
        assert (answer.status, answer.body) == (200, ARCHIVE)
    answer = await api.call("GET", f"{PAGE}?private_token={api.tokens['ann']}")
    assert (answer.status, answer.body) == (200, ARCHIVE)
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.PUBLIC])
async def test_who_has_no_token_learns_what_to_do_and_nothing_else(api: Api, visibility: Visibility) -> None:
    await api.project(await api.user("ann"), visibility=visibility)
    answer = await api.call("GET", PAGE)
    assert _is_page(answer, 401)
    other = await api.call("GET", "/ann/absent/download_export")
    assert other.body.replace(b"absent", b"project") == answer.body
    assert _is_page(await api.call("GET", PAGE, headers={"PRIVATE-TOKEN": "wrong"}), 401)


async def test_where_there_is_no_file_a_page_says_so(api: Api) -> None:
    made = await api.project(await api.user("ann"))
    await api.member("dev", made, AccessLevel.DEVELOPER)
    await api.user("bob")
    assert _is_page(await api.call("GET", PAGE, by="ann"), 404)
    assert _is_page(await api.call("GET", PAGE, by="bob"), 404)
    assert _is_page(await api.call("GET", PAGE, by="dev"), 403)


async def test_an_old_path_leads_nowhere(api: Api) -> None:
    made = await api.project(await api.user("ann"))
    renamed = await api.call("PUT", f"/api/v4/projects/{made.id}", by="ann", json={"path": "renamed"})
    assert renamed.status == 200
    assert _is_page(await api.call("GET", PAGE, by="ann", allow_redirects=False), 404)


async def test_a_page_holds_nothing_of_the_address_as_markup_nor_a_token(api: Api) -> None:
    answer = await api.call("GET", "/a/<script>x/download_export?private_token=secret")
    assert b"<script" not in answer.body
    assert b"secret" not in answer.body


@pytest.mark.parametrize("api", [{"project_download_export_limit": 1}], indirect=True)
async def test_a_page_counts_as_a_download(api: Api) -> None:
    ann = await api.user("ann")
    await api.archive(await api.project(ann), ann)
    assert (await api.call("GET", PAGE, by="ann")).status == 200
    answer = await api.call("GET", PAGE, by="ann")
    assert _is_page(answer, 429)
    assert answer.headers["Retry-After"]


async def test_the_api_has_no_pages(api: Api) -> None:
    answer = await api.call("GET", "/api/v4/projects/download_export")
    assert answer.headers["Content-Type"] == "application/json"
