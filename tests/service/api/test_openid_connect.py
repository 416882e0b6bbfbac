from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from yarl import URL

from services.process.openid_connect import make_provider, openid_rules
from shared.accounts.expiry import Expiry
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import create_group
from shared.settings.environment import Settings
from tests.support.api import EXTERNAL_URL, Answer, Api, running_api
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider, prepare, run_provider
from tests.support.pages import is_safe

PATH = "/users/auth/openid_connect"
SESSION = "/api/crossdock/v1/session"
BELOW = f"{EXTERNAL_URL}/x"
CALLBACKS = (f"{EXTERNAL_URL}{PATH}/callback", f"{BELOW}{PATH}/callback")


@pytest.fixture(scope="module")
def lend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], OpenIdProvider]]:
    """Gives one provider to all, as it takes a second to start; where a test has ended it, another."""
    script = prepare(tmp_path_factory.mktemp("openid"))
    begun: list[OpenIdProvider] = []
    with ExitStack() as running:

        def give() -> OpenIdProvider:
            if not begun or begun[-1].process.poll() is not None:
                begun.append(running.enter_context(run_provider(script, redirect_uris=CALLBACKS)))
            return begun[-1]

        yield give


@pytest.fixture
async def provider(lend: Callable[[], OpenIdProvider]) -> OpenIdProvider:
    """It knows nothing of the tests before."""
    given = lend()
    await given.tell(account="ann", claims={}, denies=False)
    return given


@pytest.fixture
async def api(
    database_url: str, tmp_path: Path, provider: OpenIdProvider, request: pytest.FixtureRequest
) -> AsyncIterator[Api]:
    given = {
        "issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "name": "The <Firm>",
        "admin_groups": "admins", "group_roles": "devs=infra:developer, leads=infra:owner",
    } | getattr(request, "param", {})  # fmt: skip
    async with running_api(database_url, tmp_path / "objects", openid=_settings(**given)) as running:
        yield running


def _settings(**given: Any) -> Settings:
    return Settings(**{f"openid_connect_{name}": value for name, value in given.items()})


@dataclass
class Browser:
    """A browser's cookies."""

    api: Api
    cookies: dict[str, str]

    async def get(self, path: str) -> Answer:
        given = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = await self.api.call("GET", path, headers=given, allow_redirects=False)
        for text in answer.headers.getall("Set-Cookie", []):
            for name, morsel in SimpleCookie(text).items():
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
        return answer

    async def begin(self, query: str = "") -> str:
        answer = await self.get(PATH + query)
        assert answer.status == 303
        where: str = answer.headers["Location"]
        return where

    async def sign_in(self, provider: OpenIdProvider, query: str = "") -> Answer:
        return await self.get(_path(await provider.sign_in(await self.begin(query))))

    async def user(self) -> dict[str, object] | None:
        user: dict[str, object] | None = (await self.get(SESSION)).body["user"]
        return user


def _path(url: URL) -> str:
    assert str(url.origin()) == EXTERNAL_URL
    return url.raw_path_qs


@pytest.fixture
def browser(api: Api) -> Browser:
    return Browser(api, {})


async def _rows(api: Api, table: str) -> int:
    count: int = await api.pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # fixed texts only
    return count


async def test_who_the_provider_knows_is_signed_in(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    await provider.tell(claims={"preferred_username": "ann.lee", "name": "Ann Lee"})
    asked = await api.call("GET", SESSION)
    assert asked.body["sign_in"]["openid_connect"] == {"name": "The <Firm>", "path": PATH}
    where = await browser.begin("?return_to=/ann/project%3Fa=b")
    query = parse_qs(URL(where).raw_query_string)
    assert (query["code_challenge_method"], query["response_type"]) == (["S256"], ["code"])
    (name,) = browser.cookies
    assert name.startswith("__Host-")

    answer = await browser.get(_path(await provider.sign_in(where)))

    assert (answer.status, answer.headers["Location"]) == (303, "/ann/project?a=b")
    assert list(browser.cookies) == ["_crossdock_session"]
    user = await browser.user()
    assert user
    assert (user["username"], user["name"], user["administrator"]) == ("ann.lee", "Ann Lee", False)
    again = Browser(api, {})
    await again.sign_in(provider)
    assert await again.user() == user


async def test_the_form_leads_to_the_provider(api: Api) -> None:
    form = await api.call("GET", "/users/sign_in?return_to=/ann/project")
    assert f'href="{PATH}?return_to=/ann/project">Sign in with The &lt;Firm&gt;</a>'.encode() in form.body
    assert is_safe(form)


async def test_nobody_is_known_by_name_or_e_mail(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    ann = await api.user("ann")
    await api.pool.execute("UPDATE users SET email = 'ann@x.test', is_admin = true")
    claims = {"preferred_username": "ann", "email": "ann@x.test", "email_verified": False}
    await provider.tell(account="eve", claims=claims)

    await browser.sign_in(provider)

    user = await browser.user()
    assert user
    assert (user["username"], user["administrator"], user["id"] != ann.id) == ("ann1", False, True)
    assert await api.pool.fetchval("SELECT email FROM users WHERE username = 'ann1'") is None


async def _subject(api: Api, user: User, subject: str, **more: Any) -> Answer:
    body = {"provider": "openid_connect", "extern_uid": subject, **more}
    return await api.call("PUT", f"/api/v4/users/{user.id}", by="root", json=body)


async def test_an_administrator_says_who_a_user_of_before_is_at_the_provider(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    await api.user("root", is_admin=True)
    ann = await api.user("ann")
    changed = await _subject(api, ann, "a-7", name="Ann Lee")
    assert (changed.status, changed.body["name"]) == (200, "Ann Lee")
    assert changed.body["identities"] == [{"provider": "openid_connect", "extern_uid": "a-7"}]
    await provider.tell(account="a-7", claims={"preferred_username": "annika"})

    await browser.sign_in(provider)

    user = await browser.user()
    assert user
    assert (user["id"], user["username"]) == (ann.id, "ann")
    listed = (await api.get("/users?username=ann", by="root")).body
    assert listed[0]["identities"] == changed.body["identities"]
    assert "identities" not in (await api.get(f"/users/{ann.id}", by="ann")).body


async def test_a_new_subject_takes_the_place_of_the_former_and_is_one_user_s_alone(api: Api) -> None:
    await api.user("root", is_admin=True)
    ann, bob = await api.user("ann"), await api.user("bob")
    for subject in ("a-7", "a-8", "a-8"):
        assert (await _subject(api, ann, subject)).status == 200
    assert (await _subject(api, bob, "a-8", name="Robert")).status == 409
    assert (await _subject(api, bob, "a-7")).status == 200
    shown = (await api.get(f"/users/{bob.id}", by="root")).body
    assert (shown["name"], shown["identities"][0]["extern_uid"]) == (bob.name, "a-7")


async def test_a_user_is_made_with_a_subject_that_can_be_taken_away(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    await api.user("root", is_admin=True)
    given = {"username": "cat", "name": "Cat", "email": "c@x.test", "force_random_password": True}
    subject = {"provider": "openid_connect", "extern_uid": "c-1"}
    made = await api.post("/users", by="root", json=given | subject)
    assert (made.status, made.body["identities"]) == (201, [subject])
    where = f"/api/v4/users/{made.body['id']}/identities"
    answers = [
        (await api.call("DELETE", f"{where}/{name}", by="root")).status
        for name in ("saml", "openid_connect", "openid_connect")
    ]
    assert answers == [404, 204, 404]
    await provider.tell(account="c-1", claims={})

    await browser.sign_in(provider)

    user = await browser.user()
    assert user
    assert user["id"] != made.body["id"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"extern_uid": "a"}, "provider is missing"),
        ({"provider": "openid_connect"}, "extern_uid is missing"),
        ({"provider": "saml", "extern_uid": "a"}, "provider does not have a valid value"),
        ({"provider": "openid_connect", "extern_uid": "a" * 256}, "extern_uid has over 255 characters"),
        ({}, "at least one parameter must be provided"),
    ],
)
async def test_a_change_of_a_user_that_is_wrong_is_refused_by_name(
    api: Api, given: dict[str, str], message: str
) -> None:
    root = await api.user("root", is_admin=True)
    answer = await api.call("PUT", f"/api/v4/users/{root.id}", by="root", json=given)
    assert answer.status == 400
    assert message in answer.body["error"]


async def test_only_administrators_change_users(api: Api) -> None:
    ann = await api.user("ann")
    for method, path in (("PUT", ""), ("DELETE", "/identities/openid_connect")):
        answer = await api.call(method, f"/api/v4/users/{ann.id}{path}", by="ann", json={"admin": True})
        assert answer.status == 403
    assert not await api.pool.fetchval("SELECT is_admin FROM users WHERE id = $1", ann.id)


async def test_a_session_has_a_token_that_nobody_sees_and_that_goes_with_it(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    await browser.sign_in(provider)
    user = await browser.user()
    assert user
    assert (await browser.get(f"/api/v4/personal_access_tokens?user_id={user['id']}")).body == []
    assert await Expiry(api.pool).remove_sessions() == 0
    assert await browser.user()

    secret = browser.cookies["_crossdock_session"]
    await api.uses.browser_sessions.end(secret)

    assert await browser.user() is None
    await Expiry(api.pool).remove_sessions()
    assert await _rows(api, "tokens") == 0


async def test_an_answer_counts_for_the_browser_that_asked_and_once(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    back = _path(await provider.sign_in(await browser.begin()))
    cookies = dict(browser.cookies)
    other = Browser(api, {})
    await other.begin()

    for stranger in (Browser(api, {}), other):
        refused = await stranger.get(back)
        assert (refused.status, stranger.cookies) == (400, {})
        assert is_safe(refused)
    assert (await browser.get(back)).status == 303
    assert (await Browser(api, {}).get(back)).status == 400
    replayed = Browser(api, cookies)
    assert (await replayed.get(back)).status == 403
    assert "_crossdock_session" not in replayed.cookies


@pytest.mark.parametrize("elsewhere", ["//evil.test", "/\\evil.test", "https://evil.test", "%09//evil.test"])
async def test_signing_in_by_a_provider_leads_nowhere_else(
    provider: OpenIdProvider, browser: Browser, elsewhere: str
) -> None:
    answer = await browser.sign_in(provider, f"?return_to={elsewhere}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize(
    ("asked", "led"),
    [("/x/-/console/jobs", "/x/-/console/jobs"), ("/ann/p", "/x/ann/p"), ("//evil.test", "/x/"), ("", "/x/")],
)
async def test_a_sign_in_goes_on_below_an_external_url_with_a_path(
    database_url: str, tmp_path: Path, provider: OpenIdProvider, asked: str, led: str
) -> None:
    settings = _settings(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET)
    async with running_api(database_url, tmp_path / "objects", openid=settings, external_url=BELOW) as api:
        browser = Browser(api, {})
        back = _path(await provider.sign_in(await browser.begin(f"?return_to={asked}")))
        answer = await browser.get(back.removeprefix("/x"))
    assert (answer.status, answer.headers["Location"]) == (303, led)


async def test_a_path_that_a_cookie_was_given_leads_nowhere_else(
    provider: OpenIdProvider, browser: Browser
) -> None:
    back = _path(await provider.sign_in(await browser.begin()))
    ((name, value),) = browser.cookies.items()
    browser.cookies[name] = value.partition(".")[0] + ".Ly9ldmlsLnRlc3Q="
    assert (await browser.get(back)).headers["Location"] == "/"


async def test_who_the_provider_refuses_is_told(provider: OpenIdProvider, browser: Browser) -> None:
    await provider.tell(denies=True)
    refused = await browser.sign_in(provider)
    assert (refused.status, browser.cookies) == (403, {})
    assert b"access_denied" in refused.body
    assert is_safe(refused)


async def test_another_provider_cannot_answer(provider: OpenIdProvider, browser: Browser) -> None:
    back = await provider.sign_in(await browser.begin())
    assert (await browser.get(_path(back.update_query(iss="https://evil.test")))).status == 403


@pytest.fixture
async def infra(api: Api) -> Namespace:
    group = await create_group(api.pool, "infra", name="Infra")
    root = await api.user("root", is_admin=True)
    await add_member(api.pool, root.id, namespace_id=group.id, level=AccessLevel.OWNER)
    return group


async def test_roles_are_those_of_the_providers_groups_at_each_sign_in(
    api: Api, provider: OpenIdProvider, browser: Browser, infra: Namespace
) -> None:
    async def _level(*groups: str) -> tuple[object, object]:
        await provider.tell(claims={"groups": list(groups)})
        assert (await browser.sign_in(provider)).status == 303
        user = await browser.user()
        assert user
        level = await api.pool.fetchval(
            "SELECT access_level FROM memberships WHERE user_id = $1 AND namespace_id = $2",
            user["id"], infra.id,
        )  # fmt: skip
        return level, user["administrator"]

    assert await _level("devs", "others") == (AccessLevel.DEVELOPER, False)
    assert await _level("devs", "leads", "admins") == (AccessLevel.OWNER, True)
    assert await _level("devs") == (AccessLevel.DEVELOPER, False)
    assert await _level() == (None, False)


async def test_the_last_owner_of_a_group_stays(api: Api, provider: OpenIdProvider, browser: Browser) -> None:
    await create_group(api.pool, "infra", name="Infra")
    await provider.tell(claims={"groups": ["leads"]})
    await browser.sign_in(provider)
    for groups in (["devs"], []):
        await provider.tell(claims={"groups": groups})
        assert (await browser.sign_in(provider)).status == 303
        assert await api.pool.fetchval("SELECT access_level FROM memberships") == AccessLevel.OWNER


@pytest.mark.parametrize("api", [{"creates_users": False}], indirect=True)
async def test_nobody_is_created_where_that_is_off(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    refused = await browser.sign_in(provider)
    assert (refused.status, browser.cookies, await _rows(api, "users")) == (403, {}, 0)
    assert is_safe(refused)


async def test_a_user_who_is_blocked_here_is_told_and_not_signed_in(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    await browser.sign_in(provider)
    browser.cookies.clear()
    await api.pool.execute("UPDATE users SET blocked = true")
    refused = await browser.sign_in(provider)
    assert (refused.status, browser.cookies) == (403, {})
    assert b"Your account has been blocked." in refused.body
    assert is_safe(refused)
    assert await _rows(api, "users") == 1


async def test_a_user_who_is_deleted_here_is_signed_out_and_comes_back_as_another(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    await browser.sign_in(provider)
    before = await browser.user()
    await api.pool.execute("DELETE FROM users")
    assert await browser.user() is None
    await browser.sign_in(provider)
    after = await browser.user()
    assert before
    assert after
    assert before["id"] != after["id"]


async def test_a_provider_that_changes_its_key_is_asked_for_the_new_one(
    provider: OpenIdProvider, browser: Browser
) -> None:
    assert (await browser.sign_in(provider)).status == 303
    await provider.tell(rotate="second")
    assert (await browser.sign_in(provider)).status == 303


async def test_a_provider_that_is_away_keeps_out_nobody_with_a_token(
    api: Api, provider: OpenIdProvider, browser: Browser
) -> None:
    await api.user("ann")
    back = _path(await provider.sign_in(await browser.begin()))
    provider.process.kill()
    provider.process.wait()

    away = await browser.get(back)

    assert (away.status, away.headers["Retry-After"]) == (503, "10")
    assert b"Try again later" in away.body
    assert is_safe(away)
    form = {"token": api.tokens["ann"]}
    own = {"Origin": EXTERNAL_URL}
    signed = await api.call("POST", "/users/sign_in", data=form, headers=own, allow_redirects=False)
    assert signed.status == 303


async def test_a_provider_that_stands_still_is_waited_for_within_bounds(
    provider: OpenIdProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.openid.provider.DEADLINE", 0.5)
    monkeypatch.setattr("shared.openid.provider.AT_ONCE", 1)
    provider.process.send_signal(signal.SIGSTOP)
    first, second = await asyncio.gather(browser.get(PATH), browser.get(PATH))
    provider.process.send_signal(signal.SIGCONT)
    assert (first.status, second.status) == (503, 503)
    assert (await browser.get(PATH)).status == 303


async def test_answers_that_were_made_up_are_counted(browser: Browser) -> None:
    made_up = [(await browser.get(f"{PATH}/callback?state=x&code={number}")).status for number in range(61)]
    assert made_up == [400] * 60 + [429]


@pytest.mark.parametrize("api", [{"client_secret": "wrong"}], indirect=True)
async def test_a_secret_that_is_wrong_is_no_fault_of_the_user(
    provider: OpenIdProvider, browser: Browser
) -> None:
    assert (await browser.sign_in(provider)).status == 503


async def test_without_a_provider_there_is_no_button(open_api: Api) -> None:
    assert (await open_api.call("GET", SESSION)).body["sign_in"]["openid_connect"] is None
    for path in (PATH, f"{PATH}/callback"):
        assert (await open_api.call("GET", path)).status == 404
    assert b"Sign in with" not in (await open_api.call("GET", "/users/sign_in")).body


def test_what_settings_say_of_groups() -> None:
    rules = openid_rules(Settings(openid_connect_group_roles="cn=a=x/y:Owner,b=z:guest".replace("O", "o")))
    assert [(each.group, each.path, each.level.name) for each in rules.roles] == [
        ("cn=a", "x/y", "OWNER"), ("b", "z", "GUEST"),
    ]  # fmt: skip
    quoted = openid_rules(
        Settings(
            openid_connect_admin_groups='ops, "cn=root,dc=a"',
            openid_connect_group_roles='"cn=d,ou=""x"",dc=a"=infra/apps:developer, b=z:guest',
        )
    )
    assert quoted.administrators == {"ops", "cn=root,dc=a"}
    assert [(each.group, each.path) for each in quoted.roles] == [
        ('cn=d,ou="x",dc=a', "infra/apps"), ("b", "z"),
    ]  # fmt: skip
    assert make_provider(Settings()) is None
    for wrong in (
        {"group_roles": "a=b"}, {"group_roles": "a=b:king"}, {"group_roles": '"a,b=c:guest'}, {"issuer": "https://x.test"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="openid_connect"):
            _settings(**wrong)
