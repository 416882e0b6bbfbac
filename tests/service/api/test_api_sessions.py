from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from io import BytesIO

import pytest

from services.api.crossdock import event_stream
from services.api.http.places import PlaceNumbers
from shared.accounts.expiry import Expiry
from shared.accounts.models import AccessLevel, Scope, User
from shared.accounts.tokens import create_token, revoke_token
from shared.gitlab.visibility import Visibility
from shared.usecases import browser_sessions, credential_watch, events
from tests.support.api import ARCHIVE, EXTERNAL_URL, Answer, Api
from tests.support.pages import is_safe

PAGE = "/ann/project/download_export"
SIGN_IN = "/users/sign_in"
OWN = {"Origin": EXTERNAL_URL}


@pytest.fixture
async def ann(api: Api) -> User:
    """The owner of a project whose export is finished."""
    user = await api.user("ann")
    await api.archive(await api.project(user), user)
    return user


async def _post(api: Api, path: str, *, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    headers = OWN if headers is None else headers
    return await api.call("POST", path, data=fields, headers=headers, allow_redirects=False)


async def _cookie(api: Api, token: str) -> dict[str, str]:
    """The header of a browser that has signed in."""
    answer = await _post(api, SIGN_IN, token=token)
    assert answer.status == 303
    (morsel,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return {"Cookie": f"{morsel.key}={morsel.value}"}


async def _sessions(api: Api) -> int:
    count: int = await api.pool.fetchval("SELECT count(*) FROM web_sessions")
    return count


async def _status(api: Api, headers: dict[str, str]) -> int:
    return (await api.call("GET", PAGE, headers=headers)).status


@pytest.mark.usefixtures("ann")
async def test_who_has_signed_in_gets_the_file(api: Api) -> None:
    asked = await api.call("GET", PAGE)
    links = re.findall(r'href="([^"]*)"', asked.body.decode())
    assert asked.status == 401
    assert f"{SIGN_IN}?return_to={PAGE}" in links
    form = await api.call("GET", f"{SIGN_IN}?return_to={PAGE}")
    assert form.status == 200
    assert is_safe(form)
    assert f'name="return_to" value="{PAGE}"'.encode() in form.body

    answer = await _post(api, SIGN_IN, token=f" {api.tokens['ann']} ", return_to=PAGE)

    assert (answer.status, answer.headers["Location"]) == (303, PAGE)
    (morsel,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    file = await api.call("GET", PAGE, headers={"Cookie": f"{morsel.key}={morsel.value}"})
    assert (file.status, file.body) == (200, ARCHIVE)


@pytest.mark.usefixtures("ann")
async def test_the_cookie_is_for_this_server_alone_and_kept_by_digest(api: Api) -> None:
    answer = await _post(api, SIGN_IN, token=api.tokens["ann"])

    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (cookie["path"], cookie["samesite"], cookie["max-age"]) == ("/", "Lax", "43200")
    assert cookie["httponly"]
    assert cookie["secure"]
    assert len(cookie.value) >= 43
    assert cookie.value not in str(await api.pool.fetch("SELECT * FROM web_sessions"))
    assert api.tokens["ann"] not in str(answer.headers)


@pytest.mark.parametrize("site", [None, "same-origin", "none"])
@pytest.mark.usefixtures("ann")
async def test_a_session_counts_for_reading_the_api(api: Api, site: str | None) -> None:
    headers = await _cookie(api, api.tokens["ann"]) | ({"Sec-Fetch-Site": site} if site else {})

    assert await _status(api, headers) == 200
    assert (await api.get("/user", headers=headers)).body["username"] == "ann"
    assert (await api.get("/projects/ann%2Fproject/export/download", headers=headers)).body == ARCHIVE


@pytest.mark.parametrize("site", ["cross-site", "same-site", "x"])
@pytest.mark.usefixtures("ann")
async def test_a_session_does_not_count_for_what_another_site_reads(api: Api, site: str) -> None:
    headers = await _cookie(api, api.tokens["ann"]) | {"Sec-Fetch-Site": site}

    assert (await api.get("/user", headers=headers)).status == 401
    assert (await api.get("/projects/ann%2Fproject/export/download", headers=headers)).status == 404


OURS = {"X-Crossdock-Console": "1"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OURS | {"Sec-Fetch-Site": "same-origin"}, 201),
        (OURS | OWN, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 401),  # a form of a page of ours that somebody has injected
        (OWN, 401),
        (OURS, 401),
        (OURS | {"Sec-Fetch-Site": "none"}, 401),
        (OURS | OWN | {"Sec-Fetch-Site": "same-site"}, 401),
        (OURS | {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}, 401),
        (OURS | {"Origin": "https://evil.test"}, 401),
    ],
)
@pytest.mark.usefixtures("ann")
async def test_a_session_counts_for_writes_of_our_own_pages_alone(
    api: Api, headers: dict[str, str], status: int
) -> None:
    given = await _cookie(api, api.tokens["ann"]) | headers
    answer = await api.call("POST", "/api/v4/groups", json={"name": "g", "path": "g"}, headers=given)
    assert answer.status == status


async def test_a_session_may_do_what_its_token_may(api: Api, ann: User) -> None:
    reads = await create_token(api.pool, ann.id, name="reads", scopes=[Scope.READ_API])
    given = await _cookie(api, reads) | OURS | OWN
    assert (await api.get("/user", headers=given)).status == 200
    refused = await api.call("POST", "/api/v4/groups", json={"name": "g", "path": "g"}, headers=given)
    assert (refused.status, refused.body["error"]) == (403, "insufficient_scope")


async def test_a_token_counts_before_a_session(api: Api, ann: User) -> None:
    bob = await api.user("bob")
    given = await _cookie(api, api.tokens["ann"]) | {"PRIVATE-TOKEN": api.tokens["bob"]}
    assert (await api.get("/user", headers=given)).body["id"] == bob.id != ann.id
    assert (await api.get("/user", headers=given | {"PRIVATE-TOKEN": "wrong"})).status == 401


@pytest.mark.parametrize("cookie", ["x", "", '""', "a=b=c", "%00", "x" * 4000])
async def test_a_cookie_of_no_session_is_nobody(api: Api, ann: User, cookie: str) -> None:
    await api.project(ann, "public", visibility=Visibility.PUBLIC)
    headers = {"Cookie": f"_crossdock_session={cookie}"}
    assert (await api.get("/user", headers=headers)).status == 401
    assert (await api.get("/projects/ann%2Fpublic", headers=headers)).status == 200


@pytest.mark.usefixtures("ann")
async def test_of_two_cookies_none_counts_as_a_neighbour_may_have_set_one(api: Api) -> None:
    await api.user("eve")
    own, evil = [(await _cookie(api, api.tokens[name]))["Cookie"] for name in ("ann", "eve")]
    for given in (f"{own}; {evil}", f"{evil}; {own}"):
        assert (await api.get("/user", headers={"Cookie": given})).status == 401
        assert (await api.call("GET", SESSION, headers={"Cookie": given})).body["user"] is None
    assert (await api.get("/user", headers={"Cookie": f"a=1; {own}; b=2"})).body["username"] == "ann"


@pytest.mark.parametrize("api", [{"external_url": "https://example.com/my%20tools/dock"}], indirect=True)
async def test_the_cookie_has_the_path_of_the_external_url_as_browsers_send_it(api: Api) -> None:
    own = {"Origin": "https://example.com"}
    await api.user("ann")

    come_in = await _post(api, SIGN_IN, headers=own, token=api.tokens["ann"])
    go_out = await _post(api, "/users/sign_out", headers=own)

    for answer in (come_in, go_out):
        assert SimpleCookie(answer.headers["Set-Cookie"])["_crossdock_session"]["path"] == "/my%20tools/dock"


@pytest.mark.parametrize("origin", ["https://evil.test", "https://evil.example.com", "null"])
@pytest.mark.usefixtures("ann")
async def test_a_session_does_not_count_for_a_script_of_another_origin_where_there_is_no_tls(
    api: Api, origin: str
) -> None:
    headers = await _cookie(api, api.tokens["ann"])  # without TLS, browsers send no Sec-Fetch-Site
    assert (await api.get("/user", headers=headers | {"Origin": origin})).status == 401
    assert (await api.get("/user", headers=headers | OWN)).status == 200


async def test_a_session_ends_with_its_token(api: Api, ann: User) -> None:
    short = await create_token(
        api.pool, ann.id, name="short", expires_at=datetime.now(UTC) + timedelta(hours=1)
    )
    by_short, by_long = await _cookie(api, short), await _cookie(api, api.tokens["ann"])
    assert (await _status(api, by_short), await _status(api, by_long)) == (200, 200)

    await revoke_token(api.pool, api.tokens["ann"])
    await api.pool.execute("UPDATE tokens SET expires_at = now() WHERE name = 'short'")

    assert (await _status(api, by_short), await _status(api, by_long)) == (401, 401)


async def test_a_session_ends_with_its_user(api: Api, ann: User) -> None:
    headers = await _cookie(api, api.tokens["ann"])

    await api.pool.execute("DELETE FROM users WHERE id = $1", ann.id)

    assert await _status(api, headers) == 401
    assert await _sessions(api) == 0


@pytest.mark.usefixtures("ann")
async def test_a_session_ends_by_itself_and_is_swept(api: Api) -> None:
    headers = await _cookie(api, api.tokens["ann"])
    assert await Expiry(api.pool).remove_sessions() == 0

    await api.pool.execute("UPDATE web_sessions SET expires_at = now()")

    assert await _status(api, headers) == 401
    assert await Expiry(api.pool).remove_sessions() == 1
    assert await _sessions(api) == 0


@pytest.mark.usefixtures("ann")
async def test_signing_out_ends_the_session_on_the_server_too(api: Api) -> None:
    headers = await _cookie(api, api.tokens["ann"])
    shown = await api.call("GET", SIGN_IN, headers=headers)
    assert b"You are signed in as ann." in shown.body
    assert is_safe(shown)

    answer = await _post(api, "/users/sign_out", headers=headers | OWN)

    assert (answer.status, answer.headers["Location"]) == (303, SIGN_IN)
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (cookie.value, cookie["max-age"]) == ("", "0")
    assert (await _status(api, headers), await _sessions(api)) == (401, 0)
    assert (await _post(api, "/users/sign_out")).status == 303


@pytest.mark.usefixtures("ann")
async def test_signing_in_again_makes_a_new_session_and_ends_the_old_one(api: Api) -> None:
    old = await _cookie(api, api.tokens["ann"])

    answer = await _post(api, SIGN_IN, headers=old | OWN, token=api.tokens["ann"])

    assert answer.status == 303
    assert (await _status(api, old), await _sessions(api)) == (401, 1)


@pytest.mark.parametrize("scopes", [[Scope.READ_USER], [Scope.SUDO]])
async def test_a_token_that_may_not_read_signs_nobody_in(api: Api, ann: User, scopes: list[Scope]) -> None:
    token = await create_token(api.pool, ann.id, name="small", scopes=scopes)

    answer = await _post(api, SIGN_IN, token=token, return_to=PAGE)

    assert (answer.status, "Set-Cookie" in answer.headers, await _sessions(api)) == (401, False, 0)
    assert is_safe(answer)
    assert f'value="{PAGE}"'.encode() in answer.body
    assert token.encode() not in answer.body


@pytest.mark.parametrize("token", ["", "unknown", "revoked", "<b>", "\0"])
@pytest.mark.usefixtures("ann")
async def test_a_token_that_does_not_hold_signs_nobody_in(api: Api, token: str) -> None:
    if token == "revoked":
        token = api.tokens["ann"]
        await revoke_token(api.pool, token)

    answer = await _post(api, SIGN_IN, token=token)

    assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)
    assert b"<b>" not in answer.body


async def test_a_read_api_token_suffices(api: Api, ann: User) -> None:
    token = await create_token(api.pool, ann.id, name="reads", scopes=[Scope.READ_API])
    assert await _status(api, await _cookie(api, token)) == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.test", "/\\evil.test", "\\\\evil.test", "https://evil.test", "https:evil.test", "evil.test",
        "javascript:alert(1)", "/\t/evil.test", "/\n/evil.test", "\t//evil.test", " //evil.test",
        "///evil.test", "", "/\u2215evil.test", "/a\r\nSet-Cookie: x=1", "/a\\b",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("ann")
async def test_signing_in_leads_nowhere_else(api: Api, elsewhere: str) -> None:
    answer = await _post(api, SIGN_IN, token=api.tokens["ann"], return_to=elsewhere)

    assert (answer.status, answer.headers["Location"]) == (303, SIGN_IN)
    form = await api.call("GET", SIGN_IN, params={"return_to": elsewhere})
    assert b'name="return_to" value=""' in form.body


async def test_what_the_form_says_again_is_text(api: Api) -> None:
    given = '/"><script>alert(1)</script>'
    form = await api.call("GET", f"{SIGN_IN}?return_to=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E")

    assert given.encode() not in form.body
    assert b"&quot;&gt;&lt;script&gt;" in form.body
    assert is_safe(form)


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.test", "https://gitlab.example.com.evil.test", "http://gitlab.example.com"],
)
@pytest.mark.parametrize("path", [SIGN_IN, "/users/sign_out"])
@pytest.mark.usefixtures("ann")
async def test_forms_of_other_sites_do_nothing(api: Api, path: str, origin: str | None) -> None:
    headers = await _cookie(api, api.tokens["ann"])
    given = headers | ({} if origin is None else {"Origin": origin})

    answer = await _post(api, path, headers=given, token=api.tokens["ann"])

    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    assert is_safe(answer)
    assert (await _status(api, headers), await _sessions(api)) == (200, 1)


@pytest.mark.usefixtures("ann")
async def test_a_form_of_the_server_under_the_name_it_was_reached_by_is_its_own(api: Api) -> None:
    own = {"Origin": str(api.url.origin())}
    assert (await _post(api, SIGN_IN, headers=own, token=api.tokens["ann"])).status == 303


@pytest.mark.usefixtures("ann")
async def test_61_wrong_tokens_from_an_address_shut_out_no_good_one(api: Api) -> None:
    for number in range(60):
        assert (await _post(api, SIGN_IN, token=f"wrong{number}")).status == 401
    refused = await _post(api, SIGN_IN, token="wrong")
    assert (refused.status, "Set-Cookie" in refused.headers) == (429, False)
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert is_safe(refused)

    assert (await _post(api, SIGN_IN, token=api.tokens["ann"])).status == 303
    assert (await api.get("/user", by="ann")).status == 200
    await api.pool.execute("UPDATE rate_limits SET window_end = now()")
    assert await Expiry(api.pool).remove_counts() == 1
    assert (await _post(api, SIGN_IN, token="wrong")).status == 401


@pytest.mark.parametrize("api", [{"failed_sign_ins": 2}], indirect=True)
async def test_a_known_token_that_does_not_hold_counts_for_its_account(api: Api, ann: User) -> None:
    small = await create_token(api.pool, ann.id, name="small", scopes=[Scope.SUDO])
    revoked = await create_token(api.pool, ann.id, name="old")
    await revoke_token(api.pool, revoked)

    answers = [await _post(api, SIGN_IN, token=token) for token in (small, revoked, small, "unknown")]

    assert [answer.status for answer in answers] == [401, 401, 429, 401]
    assert (await _post(api, SIGN_IN, token=api.tokens["ann"])).status == 303


async def test_permissions_of_pages_are_those_of_the_api(api: Api, ann: User) -> None:
    public = await api.project(ann, "public", visibility=Visibility.PUBLIC)
    await api.member("dev", public, AccessLevel.DEVELOPER)
    headers = await _cookie(api, api.tokens["dev"])
    for path, status in (("ann/public", 403), ("ann/project", 404), ("ann/none", 404)):
        answer = await api.call("GET", f"/{path}/download_export", headers=headers)
        assert answer.status == status
        assert is_safe(answer)


@pytest.mark.parametrize("api", [{"project_download_export_limit": 1}], indirect=True)
@pytest.mark.usefixtures("ann")
async def test_a_download_by_session_counts_as_a_download(api: Api) -> None:
    headers = await _cookie(api, api.tokens["ann"])
    assert await _status(api, headers) == 200
    assert await _status(api, headers) == 429
    assert (await api.get("/projects/ann%2Fproject/export/download", by="ann")).status == 429


@pytest.mark.parametrize(("kind", "size", "status"), [("text/csv", 1, 415), ("application/json", 2**21, 413)])
async def test_a_body_that_is_no_form_is_refused_with_a_page(
    api: Api, kind: str, size: int, status: int
) -> None:
    headers = OWN | {"Content-Type": kind}
    answer = await api.call("POST", SIGN_IN, data=BytesIO(b"x" * size), headers=headers)
    assert answer.status == status
    assert is_safe(answer)


SESSION = "/api/crossdock/v1/session"
SESSIONS = "/api/crossdock/v1/sessions"
EVENTS = "/api/crossdock/v1/events"
BROWSER = {"User-Agent": "Some browser"} | OURS | OWN


async def _signed_in(api: Api, token: str) -> dict[str, str]:
    """The headers of a page of ours that has signed in."""
    answer = await api.call("POST", SESSION, json={"token": token}, headers=BROWSER)
    assert answer.status == 201
    return BROWSER | _cookie_of(answer)


def _cookie_of(answer: Answer) -> dict[str, str]:
    (morsel,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return {"Cookie": f"{morsel.key}={morsel.value}"}


async def test_who_is_signed_in_is_told_without_an_error(api: Api, ann: User) -> None:
    nobody = await api.call("GET", SESSION)
    headers = await _signed_in(api, api.tokens["ann"])
    somebody = await api.call("GET", SESSION, headers=headers)

    assert (nobody.status, nobody.body["user"], nobody.body["sign_in"]["token"]) == (200, None, True)
    assert somebody.body["user"] == {
        "id": ann.id, "username": "ann", "name": "Ann", "administrator": False,
    }  # fmt: skip
    assert somebody.body["scopes"] == ["api"]
    assert [each.body["standalone"] for each in (nobody, somebody)] == [None, None]
    assert datetime.fromisoformat(somebody.body["expires_at"]) > datetime.now(UTC) + timedelta(hours=11)
    assert [each.headers["Cache-Control"] for each in (nobody, somebody)] == ["no-store"] * 2
    for site in ("cross-site", "same-site"):
        assert (await api.call("GET", SESSION, headers=headers | {"Sec-Fetch-Site": site})).body[
            "user"
        ] is None


async def test_a_page_signs_in_by_a_token_and_the_session_before_ends(api: Api, ann: User) -> None:
    fixed = await _signed_in(api, api.tokens["ann"])
    answer = await api.call("POST", SESSION, json={"token": api.tokens["ann"]}, headers=fixed)
    assert (answer.status, answer.body["user"]["id"]) == (201, ann.id)
    assert _cookie_of(answer)["Cookie"] != fixed["Cookie"]
    assert (await api.get("/user", headers=fixed)).status == 401
    assert await _sessions(api) == 1


@pytest.mark.parametrize("token", ["", "wrong", None, 7, "\0"])
@pytest.mark.usefixtures("ann")
async def test_a_token_that_does_not_hold_signs_no_page_in(api: Api, token: object) -> None:
    answer = await api.call("POST", SESSION, json={"token": token}, headers=BROWSER)
    assert (answer.status, json.loads(answer.body)["code"]) == (401, "sign_in_refused")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{}, OURS, OWN, OURS | {"Origin": "https://evil.test"}, OURS | {"Sec-Fetch-Site": "same-site"}]
)
@pytest.mark.usefixtures("ann")
async def test_another_site_signs_nobody_in_or_out(api: Api, headers: dict[str, str]) -> None:
    cookie = {"Cookie": (await _signed_in(api, api.tokens["ann"]))["Cookie"]}
    come_in = await api.call("POST", SESSION, json={"token": api.tokens["ann"]}, headers=headers | cookie)
    go_out = await api.call("DELETE", SESSION, headers=headers | cookie)
    assert (come_in.status, go_out.status, await _sessions(api)) == (403, 403, 1)
    assert json.loads(come_in.body)["code"] == "foreign_form"


@pytest.mark.usefixtures("ann")
async def test_a_page_signs_out_and_may_repeat_that(api: Api) -> None:
    headers = await _signed_in(api, api.tokens["ann"])
    answers = [await api.call("DELETE", SESSION, headers=headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [204, 204]
    assert SimpleCookie(answers[0].headers["Set-Cookie"])["_crossdock_session"]["max-age"] == "0"
    assert (await api.get("/user", headers=headers)).status == 401


@pytest.mark.usefixtures("ann")
async def test_a_secret_is_renewed_after_an_hour_and_the_former_one_counts_for_a_minute(api: Api) -> None:
    old = await _signed_in(api, api.tokens["ann"])
    assert "Set-Cookie" not in (await api.call("GET", SESSION, headers=old)).headers

    await api.pool.execute("UPDATE web_sessions SET renewed_at = now() - interval '1 hour'")
    new = old | _cookie_of(await api.call("GET", SESSION, headers=old))
    assert new["Cookie"] != old["Cookie"]
    assert [(await api.get("/user", headers=each)).status for each in (old, new)] == [200, 200]
    again = await api.call("GET", SESSION, headers=old)  # of a tab that was slow
    assert "Set-Cookie" not in again.headers

    await api.pool.execute("UPDATE web_sessions SET renewed_at = now() - interval '61 seconds'")
    assert [(await api.get("/user", headers=each)).status for each in (old, new)] == [401, 200]
    assert await _sessions(api) == 1


@pytest.mark.usefixtures("ann")
async def test_every_tab_is_told_who_is_signed_in_while_one_of_them_renews_the_secret(api: Api) -> None:
    old = await _signed_in(api, api.tokens["ann"])
    await api.pool.execute("UPDATE web_sessions SET renewed_at = now() - interval '1 hour'")

    tabs = await asyncio.gather(*(api.call("GET", SESSION, headers=old) for _ in range(4)))

    assert [tab.body["user"] and tab.body["user"]["username"] for tab in tabs] == ["ann"] * 4
    assert len([tab for tab in tabs if "Set-Cookie" in tab.headers]) == 1
    assert [each["current"] for each in (await api.call("GET", SESSIONS, headers=old)).body] == [True]


@pytest.mark.usefixtures("ann")
async def test_who_never_got_the_renewed_secret_stays_signed_in(api: Api) -> None:
    old = await _signed_in(api, api.tokens["ann"])
    await api.pool.execute("UPDATE web_sessions SET renewed_at = now() - interval '1 hour'")
    lost = old | _cookie_of(await api.call("GET", SESSION, headers=old))
    await api.pool.execute(
        "UPDATE web_sessions SET renewed_at = renewed_at - interval '61 seconds',"
        " last_used_at = last_used_at - interval '61 seconds'"
    )

    assert (await api.get("/user", headers=old)).status == 200
    new = old | _cookie_of(await api.call("GET", SESSION, headers=old))
    assert [(await api.get("/user", headers=each)).status for each in (lost, new)] == [401, 200]
    await api.pool.execute("UPDATE web_sessions SET renewed_at = renewed_at - interval '61 seconds'")
    assert [(await api.get("/user", headers=each)).status for each in (old, new)] == [401, 200]


async def test_sessions_are_listed_and_ended_one_by_one(api: Api, ann: User) -> None:
    await api.user("bob")
    here, there = [await _signed_in(api, api.tokens["ann"]) for _ in range(2)]
    others = await _signed_in(api, api.tokens["bob"])

    listed = (await api.call("GET", SESSIONS, headers=here)).body
    assert [each["current"] for each in listed].count(True) == 1
    assert {each["browser"] for each in listed} == {"Some browser"}
    assert len(listed) == 2
    assert (await api.call("GET", SESSIONS, by="ann")).body[0]["current"] is False
    (other,) = (each["id"] for each in listed if not each["current"])

    assert (await api.call("DELETE", f"{SESSIONS}/{other}", headers=others)).status == 404
    assert (await api.call("DELETE", f"{SESSIONS}/{other}", headers=here)).status == 204
    assert (await api.call("DELETE", f"{SESSIONS}/{other}", headers=here)).status == 404
    assert [(await api.get("/user", headers=each)).status for each in (here, there, others)] == [
        200,
        401,
        200,
    ]
    assert (await api.call("GET", SESSIONS)).status == 401
    assert ann.id


async def test_a_user_has_so_many_sessions_and_the_one_used_longest_ago_ends(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_sessions, "MOST_SESSIONS", 2)
    await api.user("bob")
    of_bob = await _signed_in(api, api.tokens["bob"])
    second = await create_token(api.pool, ann.id, name="second")
    first, unused = await _signed_in(api, api.tokens["ann"]), await _signed_in(api, second)
    await api.pool.execute("UPDATE web_sessions SET last_used_at = now() - interval '2 minutes'")
    await api.get("/user", headers=first)

    newest = await _signed_in(api, second)

    given = (first, unused, newest, of_bob)
    assert [(await api.get("/user", headers=each)).status for each in given] == [200, 401, 200, 200]


@pytest.mark.parametrize("api", [{"places": PlaceNumbers(streams_each=1)}], indirect=True)
@pytest.mark.usefixtures("ann")
async def test_a_session_follows_events_and_shares_the_places_of_its_token(api: Api) -> None:
    headers = await _cookie(api, api.tokens["ann"])
    async with api.session.get(api.url / EVENTS[1:], headers=headers) as stream:
        assert (stream.status, stream.content_type) == (200, "text/event-stream")
        assert (await api.call("GET", EVENTS, headers=headers)).status == 429
        assert (await api.call("GET", EVENTS, by="ann")).status == 429
    foreign = headers | {"Sec-Fetch-Site": "cross-site"}
    assert (await api.call("GET", EVENTS, headers=foreign)).status == 401


@pytest.mark.usefixtures("ann")
async def test_a_stream_outlives_a_new_secret_of_its_session_and_ends_with_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_HEARTBEAT", timedelta(0))
    monkeypatch.setattr(events, "EVERY", timedelta(seconds=0.01))
    monkeypatch.setattr(credential_watch, "LASTS", timedelta(0))
    headers = await _cookie(api, api.tokens["ann"])
    async with api.session.get(api.url / EVENTS[1:], headers=headers) as stream, asyncio.timeout(20):
        await api.pool.execute("UPDATE web_sessions SET renewed_at = now() - interval '2 hours'")
        assert "Set-Cookie" in (await api.call("GET", SESSION, headers=headers)).headers
        for _ in range(20):
            await stream.content.readline()
        assert not stream.content.at_eof()
        await api.pool.execute("DELETE FROM web_sessions")
        await stream.content.read()


@pytest.mark.usefixtures("ann")
async def test_when_a_session_was_used_is_noted_once_a_minute(api: Api) -> None:
    headers = await _signed_in(api, api.tokens["ann"])
    await api.pool.execute("UPDATE web_sessions SET last_used_at = now() - interval '59 seconds'")
    before = await api.pool.fetchval("SELECT last_used_at FROM web_sessions")
    await api.get("/user", headers=headers)
    same = await api.pool.fetchval("SELECT last_used_at FROM web_sessions")
    await api.pool.execute("UPDATE web_sessions SET last_used_at = now() - interval '61 seconds'")
    await api.get("/user", headers=headers)
    after = await api.pool.fetchval("SELECT last_used_at FROM web_sessions")
    assert before == same < after


@pytest.mark.usefixtures("ann")
async def test_what_a_browser_calls_itself_is_kept_short_and_clean(api: Api) -> None:
    answer = await api.call(
        "POST", SESSION, json={"token": api.tokens["ann"]}, headers=BROWSER | {"User-Agent": "x" * 1000}
    )
    assert answer.status == 201
    assert await api.pool.fetchval("SELECT length(browser) FROM web_sessions") == 200
