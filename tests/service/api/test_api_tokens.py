from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.accounts.models import Scope, User
from shared.accounts.tokens import create_token
from tests.support.api import EXTERNAL_URL, Api
from tests.support.forms import HEADERS, Part, form_body

TOO_SMALL = {
    "error": "insufficient_scope",
    "error_description": "The request requires higher privileges than provided by the access token.",
}
UNAUTHORIZED = {"message": "401 Unauthorized"}


@pytest.fixture
async def root(api: Api) -> User:
    """An administrator whose token may impersonate."""
    root = await api.user("root", is_admin=True)
    await _only(api, root, Scope.API, Scope.SUDO)
    return root


async def _only(api: Api, user: User, *scopes: Scope) -> None:
    """Let the user come with a token of these scopes from now on."""
    api.tokens[user.username] = await create_token(api.pool, user.id, name="scoped", scopes=scopes)


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        (Scope.READ_API, "/user", 200),
        (Scope.READ_USER, "/user", 200),
        (Scope.READ_USER, "/users", 200),
        (Scope.READ_USER, "/projects", 403),
        (Scope.SUDO, "/user", 403),
        (Scope.SUDO, "/personal_access_tokens/self", 200),
        (Scope.READ_USER, "/personal_access_tokens/self", 200),
        (Scope.READ_USER, "/personal_access_tokens", 403),
    ],
)
async def test_a_token_reads_what_its_scope_covers(
    api: Api, ann: User, scope: Scope, path: str, status: int
) -> None:
    await _only(api, ann, scope)

    assert (await api.get(path, by="ann")).status == status


@pytest.mark.parametrize(
    ("method", "path", "accepted"),
    [
        ("GET", "/projects", "api read_api"),
        ("GET", "/user", "read_user api read_api"),
        ("POST", "/projects", "api"),
        ("POST", "/users", "api"),
    ],
)
async def test_a_scope_that_is_too_small_names_those_that_would_do(
    api: Api, ann: User, method: str, path: str, accepted: str
) -> None:
    await _only(api, ann, Scope.SUDO)

    answer = await api.call(method, f"/api/v4{path}", by="ann")

    assert (answer.status, answer.body) == (403, TOO_SMALL | {"scope": accepted})


@pytest.mark.usefixtures("root", "ann")
@pytest.mark.parametrize(
    "carrier", [{"headers": {"Sudo": "ANN"}}, {"headers": {"SUDO": "ann"}}, {"params": {"sudo": "ann"}}]
)
async def test_an_administrator_acts_as_another_user(api: Api, carrier: dict[str, Any]) -> None:
    answer = await api.get("/user", by="root", **carrier)

    assert (answer.status, answer.body["username"]) == (200, "ann")


@pytest.mark.usefixtures("root")
async def test_whoever_is_impersonated_may_do_no_more_than_before(api: Api, ann: User) -> None:
    sudo = {"Sudo": str(ann.id)}

    assert (await api.get("/application/settings", by="root", headers=sudo)).status == 403
    made = await api.post("/projects", by="root", json={"name": "p"}, headers=sudo)
    assert (made.status, made.body["creator_id"]) == (201, ann.id)
    assert made.body["path_with_namespace"] == "ann/p"


async def test_only_administrators_with_the_scope_act_as_others(api: Api, ann: User, root: User) -> None:
    sudo = {"Sudo": "ann"}
    await _only(api, ann, Scope.API, Scope.SUDO)

    refused = await api.get("/user", by="ann", headers=sudo)
    assert (refused.status, refused.body) == (403, {"message": "403 Forbidden - Must be admin to use sudo"})
    await _only(api, root, Scope.API)
    small = await api.get("/user", by="root", headers=sudo)
    assert (small.status, small.body) == (403, TOO_SMALL | {"scope": "sudo"})
    nobody = await api.get("/user", headers=sudo)
    assert (nobody.status, nobody.body) == (401, UNAUTHORIZED)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("reference", ["nobody", "4711", "9" * 30])
async def test_nobody_cannot_be_impersonated(api: Api, reference: str) -> None:
    answer = await api.get("/user", by="root", headers={"Sudo": reference})

    expected = {"message": f"404 User with ID or username '{reference}' Not Found"}
    assert (answer.status, answer.body) == (404, expected)


async def test_a_form_may_have_the_token(api: Api, ann: User) -> None:
    for name in ("private_token", "access_token"):
        project = await api.project(ann, path=name)
        body = form_body([Part(name, api.tokens["ann"])])
        answer = await api.post(f"/projects/{project.id}/export", data=body, headers=HEADERS)
        assert answer.status == 202


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("path", ["import", "import-relation"])
async def test_an_upload_is_made_by_whom_its_form_names(api: Api, root: User, path: str) -> None:
    await api.project(root, "p")
    file = Part("file", b"x", "x.tar.gz")
    body = form_body([Part("path", "root/p"), Part("relation", "issues"), file, Part("sudo", "ann")])

    answer = await api.post(f"/projects/{path}", by="root", data=body, headers=HEADERS)

    assert answer.status == (400 if path == "import" else 404)  # of ann, who does not see it
    assert await api.pool.fetchval("SELECT count(*) FROM jobs") == 0
    await _only(api, root, Scope.API)
    answer = await api.post(f"/projects/{path}", by="root", data=body, headers=HEADERS)
    assert (answer.status, answer.body) == (403, TOO_SMALL | {"scope": "sudo"})
    assert await api.objects_left() == 0


async def test_a_job_token_opens_nothing(api: Api, ann: User) -> None:
    project = await api.project(ann)
    headers = {"JOB-TOKEN": api.tokens["ann"]}

    for path in ("/user", "/namespaces", f"/projects/{project.id}/import"):
        answer = await api.get(path, headers=headers)
        assert (answer.status, answer.body) == (401, UNAUTHORIZED)
    assert (await api.post("/projects/import", headers=headers)).status == 401
    # Exports do not ask for a user first, so that who is none cannot see the project.
    assert (await api.get(f"/projects/{project.id}/export", headers=headers)).status == 404


async def test_a_token_tells_of_itself_and_ends_itself(api: Api, ann: User) -> None:
    ends = datetime(2100, 1, 31, tzinfo=UTC)
    api.tokens["ann"] = await create_token(
        api.pool, ann.id, name="mine", scopes=[Scope.READ_API], expires_at=ends
    )

    shown = await api.get("/personal_access_tokens/self", by="ann")

    expected = {
        "name": "mine",
        "revoked": False,
        "active": True,
        "scopes": ["read_api"],
        "user_id": ann.id,
        "expires_at": "2100-01-31",
    }
    assert {key: shown.body[key] for key in expected} == expected
    assert api.tokens["ann"] not in str(shown.body)
    ended = await api.call("DELETE", "/api/v4/personal_access_tokens/self", by="ann")
    assert (ended.status, ended.body) == (204, b"")
    assert (await api.get("/personal_access_tokens/self", by="ann")).status == 401
    assert (await api.get("/personal_access_tokens/self")).status == 401


@pytest.mark.usefixtures("root")
async def test_an_administrator_makes_a_token_that_works(api: Api, ann: User) -> None:
    body = {"name": "new", "scopes": ["read_user", "api"], "expires_at": "2100-01-01"}

    made = await api.post(f"/users/{ann.id}/personal_access_tokens", by="root", json=body)

    assert (made.status, made.body["scopes"], made.body["active"]) == (201, ["read_user", "api"], True)
    api.tokens["ann"] = made.body["token"]
    assert (await api.get("/user", by="ann")).body["id"] == ann.id
    refused = await api.post(f"/users/{ann.id}/personal_access_tokens", by="ann", json=body)
    assert (refused.status, refused.body) == (403, {"message": "403 Forbidden"})


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "name is missing, scopes is missing"),
        ({"name": "x", "scopes": ["all"]}, "scopes does not have a valid value"),
        ({"name": "x", "scopes": ["api"], "expires_at": "tomorrow"}, "expires_at is invalid"),
    ],
)
async def test_a_token_that_cannot_be_made_is_refused(
    api: Api, ann: User, given: dict[str, Any], error: str
) -> None:
    answer = await api.post(f"/users/{ann.id}/personal_access_tokens", by="root", json=given)

    assert (answer.status, answer.body) == (400, {"error": error})


@pytest.mark.usefixtures("root")
async def test_tokens_of_others_are_for_administrators(api: Api, ann: User) -> None:
    await api.user("bob")
    old = datetime.now(UTC) - timedelta(days=1)
    await create_token(api.pool, ann.id, name="old", expires_at=old)
    listed = await api.get("/personal_access_tokens", by="ann")
    assert [each["name"] for each in listed.body] == ["test", "old"]
    active = await api.get("/personal_access_tokens?state=active", by="ann")
    assert [each["name"] for each in active.body] == ["test"]
    assert active.headers["X-Total"] == "1"
    path = f"/personal_access_tokens/{listed.body[0]['id']}"

    assert (await api.get(path, by="bob")).status == 404
    assert (await api.get(f"/personal_access_tokens?user_id={ann.id}", by="bob")).status == 401
    assert (await api.call("DELETE", f"/api/v4{path}", by="bob")).status == 404
    assert (await api.get(path, by="root")).body == listed.body[0]
    assert (await api.call("DELETE", f"/api/v4{path}", by="root")).status == 204
    assert (await api.get("/user", by="ann")).status == 401


@pytest.mark.usefixtures("ann")
async def test_users_are_found_by_name_and_administrators_see_more(api: Api, root: User) -> None:
    await api.user("annabel")

    listed = await api.get("/users?search=ann", by="ann")
    assert [user["username"] for user in listed.body] == ["annabel", "ann"]
    assert listed.headers["X-Total"] == "2"
    (exact,) = (await api.get("/users?username=ANN", by="ann")).body
    assert (exact["web_url"], exact["state"]) == (f"{EXTERNAL_URL}/ann", "active")
    assert "is_admin" not in exact
    (seen,) = (await api.get("/users?username=root", by="root")).body
    assert (seen["is_admin"], seen["id"]) == (True, root.id)
    assert (await api.get(f"/users/{root.id}", by="ann")).body["username"] == "root"
    assert (await api.get("/users/4711", by="ann")).body == {"message": "404 User Not Found"}
    for name in ("x", "-1", "%2B1"):
        answer = await api.get(f"/users/{name}", by="ann")
        assert (answer.status, answer.body) == (404, {"error": "404 Not Found"})
    assert (await api.get(f"/users/{'9' * 30}", by="ann")).body == {"message": "404 User Not Found"}
    assert (await api.get("/users")).body == {
        "message": "403 Forbidden - Not authorized to access /api/v4/users"
    }


@pytest.mark.usefixtures("root", "ann")
async def test_administrators_make_users(api: Api) -> None:
    given = {"username": "eve", "name": "Eve", "email": "eve@example.com", "password": "s3cret-s3cret"}

    made = await api.post("/users", by="root", json=given)

    assert (made.status, made.body["username"], made.body["email"]) == (201, "eve", "eve@example.com")
    again = await api.post("/users", by="root", json=given)
    assert (again.status, again.body) == (409, {"message": "Username has already been taken"})
    assert (await api.post("/users", by="ann", json=given)).status == 403
    missing = await api.post("/users", by="root", json={"email": "x@example.com"})
    assert missing.body["error"].startswith("name is missing, username is missing, password, ")
    bad = await api.post("/users", by="root", json=given | {"username": "../eve"})
    assert (bad.status, list(bad.body["message"])) == (400, ["username"])
