"""The REST API and the web site's attachments of the GitHub for tests.

Every answer is held to GitHub's own description; what is not as it says is kept, and answered with 418.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from aiohttp import web

from tests.support.github.issue_rendering import Rendering
from tests.support.github.limits import Asked, Token, problem
from tests.support.github.lists import LISTS, RECORDS, REPO, Absent, Ask, Listing
from tests.support.github.paging import CursorRefused, links, page_of
from tests.support.github.records import Asset
from tests.support.github.repositories import Repository

if TYPE_CHECKING:
    from tests.support.github.github import GitHub

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_NAMES = {"branch": "{branch:.+}"} | {
    name: f"{{{name}:[0-9]+}}" for name in ("issue_number", "pull_number", "asset_id")
}
_FILE = f"{REPO}/releases/assets/{{asset_id}}"
_PROTECTED = {"/collaborators": "read:org", "/protection": "repo"}
"""What only administrators read, and the scope that their tokens need for it."""


class Refused(Exception):  # it is an answer
    """The answer is an error, or a redirect."""

    def __init__(self, answer: web.Response) -> None:
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Server:
    """Answers requests for a GitHub."""

    github: GitHub

    def app(self) -> web.Application:
        """Make the routes, of the API by the paths of the description."""
        app = web.Application(middlewares=[self._spoil, self._limit])
        prefix = self.github.prefix
        for path in (*LISTS, *RECORDS):
            rest = re.sub(r"\{(\w+)\}", lambda found: _NAMES.get(found[1], found[0]), path.removeprefix(REPO))
            for start in (REPO, "/repositories/{id:[0-9]+}"):
                app.router.add_get(f"{prefix}{start}{rest}", _handler(partial(self._of_repository, path)))
        for path, answer in {"/user": self._me, "/users/{username}": self._user}.items():
            app.router.add_get(prefix + path, _handler(answer))
        app.router.add_get(f"{prefix}/rate_limit", _handler(self._limits))
        app.router.add_get("/stored/{kind}/{key:.+}", _handler(self._stored))
        app.router.add_get("/{path:.+}", _handler(self._attached))
        return app

    @web.middleware
    async def _spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Remember the request, and let go wrong what is to."""
        self.github.asked.append(Asked(request.host, request.path_qs, dict(request.headers)))
        for hold in self.github.holds:
            if hold.applies(request):
                await hold.keep()
        fault = next((each for each in self.github.faults if each.applies(request)), None)
        is_cut = fault is not None and fault.cut_after is not None
        answer = fault.answer() if fault and not is_cut else await handler(request)
        self.github.statuses[answer.status] += 1
        return await _broken(request, answer, fault.cut_after or 0) if fault and is_cut else answer

    @web.middleware
    async def _limit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count what is asked of the API, and refuse it where the limit is used up. A 304 costs nothing."""
        answer = await self._answer_or_refuse(request, handler)
        limit = self.github.limit
        if limit is not None and answer.status != 304 and not self._is_free(request.path):
            answer = answer if limit.take() else problem(403, "API rate limit exceeded for user ID 1.")
        answer.headers.update(limit.headers() if limit else {})
        return answer

    def _is_free(self, path: str) -> bool:
        """Tell whether a path is outside the limit: what is left of it, and files."""
        return path.endswith("/rate_limit") or path.startswith("/stored/") or path in self.github.attachments

    async def _answer_or_refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        scopes: dict[str, str] = {}
        try:
            token = self._token(request)
            scopes = {"X-OAuth-Scopes": ", ".join(token.scopes)} if token else {}
            answer = await handler(request)
        except Refused as refused:
            answer = refused.answer
            self._hold("", refused.answer.status, msgspec.json.decode(refused.answer.text or ""))
        answer.headers.update(scopes)
        return answer

    def _of_repository(self, path: str, request: web.Request) -> web.Response:
        """Answer a path below a repository."""
        repository = self._repository(request)
        self._check_rights(request, repository)
        ask = Ask(repository, Rendering(self.github.site), request.match_info, request.query)
        try:
            if path in RECORDS:
                return self._record(request, path, RECORDS[path](ask))
            return self._page(request, path, repository, LISTS[path](ask))
        except Absent:
            raise Refused(problem(404, "Not Found")) from None
        except CursorRefused:
            raise Refused(problem(422, "The cursor is not valid.")) from None

    def _repository(self, request: web.Request) -> Repository:
        """Give the repository that a path names, if the token may see it. Raises Refused."""
        token, names = self._token(request), request.match_info
        if "id" in names:
            numbered = {str(each.stamp.id): each for each in self.github.repositories.values()}
            found = numbered.get(names["id"])
        else:
            found = self.github.repositories.get(f"{names['owner']}/{names['repo']}".lower())
        if found is None or (found.is_private and (token is None or "repo" not in token.scopes)):
            raise Refused(problem(404, "Not Found"))
        if names.get("repo", found.name).lower() != found.name.lower():
            rest = request.raw_path.split(f"/{names['repo']}", 1)[1]
            raise Refused(_moved(f"{self.github.site.api}/repositories/{found.stamp.id}{rest}"))
        return found

    def _check_rights(self, request: web.Request, repository: Repository) -> None:
        """Refuse what only administrators read, or tokens of a scope. Raises Refused."""
        scope = next((each for end, each in _PROTECTED.items() if request.path.endswith(end)), None)
        if scope is None:
            return
        token = self._token(request)
        if token is None or scope not in token.scopes:
            needs = {"X-Accepted-OAuth-Scopes": scope}
            raise Refused(problem(403, "Resource not accessible by personal access token", needs))
        admins = {each.user.login for each in repository.collaborators if each.role == "admin"}
        if token.user.login not in admins | {repository.owner.login, self.github.me.login}:
            raise Refused(problem(403, "Must have admin rights to Repository."))

    def _page(
        self, request: web.Request, path: str, repository: Repository, listing: Listing
    ) -> web.Response:
        """Answer a page of a list. No other item is read."""
        if "page" in request.query:
            self.github.violations.append(f"{request.path_qs}: a page number was made up")
        page = page_of(request)
        answer = self._json(request, path, [listing.write(each) for each in listing.items[page]])
        if page.stop < len(listing.items) and answer.status != 304:
            number, prefix = repository.stamp.id, self.github.prefix
            answer.headers["Link"] = links(request, prefix=prefix, repository=number, position=page.stop)
        return answer

    def _record(self, request: web.Request, path: str, record: Mapping[str, Any]) -> web.Response:
        if path == _FILE and request.headers.get("Accept") == "application/octet-stream":
            return self._elsewhere(f"assets/{record['id']}")
        return self._json(request, path, record)

    def _me(self, request: web.Request) -> web.Response:
        token = self._token(request)
        if token is None:
            raise Refused(problem(401, "Requires authentication"))
        return self._json(request, "/user", Rendering(self.github.site).public_user(token.user))

    def _user(self, request: web.Request) -> web.Response:
        user = self.github.users.get(request.match_info["username"])
        if user is None:
            raise Refused(problem(404, "Not Found"))
        return self._json(request, "/users/{username}", Rendering(self.github.site).public_user(user))

    def _limits(self, request: web.Request) -> web.Response:
        if self.github.limit is None:
            raise Refused(problem(404, "Rate limiting is not enabled."))
        core = self.github.limit.as_json()
        body = {"resources": {"core": core, "search": core}, "rate": core}
        return self._json(request, "/rate_limit", body)

    def _attached(self, request: web.Request) -> web.Response:
        """Answer an attachment, for who has a token: it is somewhere else."""
        if request.path not in self.github.attachments or self._token(request) is None:
            return web.Response(status=404)
        return self._elsewhere(f"attachments{request.path}")

    def _elsewhere(self, key: str) -> web.Response:
        there = f"{self.github.objects}/stored/{key}?signature=once"
        return web.Response(status=302, headers={"Location": there})

    def _stored(self, request: web.Request) -> web.Response:
        """Answer the bytes of a file at its signed address; who sends a token there is refused, as by S3.

        An Enterprise Server has its files itself.
        """
        is_refused = "Authorization" in request.headers and not self.github.enterprise
        if is_refused or "signature" not in request.query:
            return web.Response(status=400)
        kind, key = request.match_info["kind"], request.match_info["key"]
        found = self.github.attachments.get(f"/{key}") if kind == "attachments" else self._released(key)
        return (
            web.Response(body=found.content, content_type=found.kind) if found else web.Response(status=404)
        )

    def _released(self, number: str) -> Asset | None:
        releases = (each for one in self.github.repositories.values() for each in one.releases)
        return next((one for each in releases for one in each.assets if str(one.stamp.id) == number), None)

    def _json(self, request: web.Request, path: str, body: object) -> web.Response:
        """Answer with JSON, or that it has not changed, which is told without tag and links."""
        wrong = self._hold(path, 200, body)
        if wrong:
            return problem(418, wrong[0])
        text = msgspec.json.encode(body)
        tag = f'W/"{hashlib.sha256(text).hexdigest()}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=text, content_type="application/json", headers={"ETag": tag})

    def _hold(self, path: str, status: int, body: object) -> list[str]:
        """Hold an answer to the description; keep and give what is not as it says."""
        description = self.github.description
        wrong = description.problems(path, status, body) if description else []
        self.github.violations += [f"{path} {status} {each}" for each in wrong]
        return wrong

    def _token(self, request: web.Request) -> Token | None:
        """Give what the token may do; None without one. Raises Refused where it is none of ours."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() not in ("bearer", "token"):
            return None
        if token not in self.github.tokens:
            raise Refused(problem(401, "Bad credentials"))
        return self.github.tokens[token]


def _handler(answer: Callable[[web.Request], web.Response]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request)

    return handle


def _moved(there: str) -> web.Response:
    answer = problem(301, "Moved Permanently")
    answer.headers["Location"] = there
    return answer


async def _broken(request: web.Request, whole: web.StreamResponse, after: int) -> web.StreamResponse:
    """Send the beginning of an answer, and end the connection."""
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    answer = web.StreamResponse(status=whole.status, headers=whole.headers)
    answer.content_length = len(whole.body)
    await answer.prepare(request)
    await answer.write(whole.body[:after])
    if request.transport:
        request.transport.close()
    return answer
