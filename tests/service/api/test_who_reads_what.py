"""Every route by every role, visibility and feature level: who is answered, and with what."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import product

import pytest

from shared.accounts.memberships import add_project_member
from shared.accounts.models import AccessLevel
from shared.gitlab.features import NAMES, FeatureLevel, attribute
from shared.gitlab.visibility import Visibility
from shared.jobs.models import JobKind
from tests.support.api import Api
from tests.support.imported import bundle_of
from tests.support.projects import Dock, ndjson, project
from tests.support.routes import routed


class Role(IntEnum):
    """Who asks; each sees at least what those before see."""

    ANONYMOUS = 0
    STRANGER = 1
    GUEST = 2
    PLANNER = 3
    REPORTER = 4
    DEVELOPER = 5
    MAINTAINER = 6
    OWNER = 7
    ADMIN = 8
    NOBODY = 9


AT_ONCE = 8
"""Requests at a time: the database and the api have a core each then."""

ROLES = [role for role in Role if role is not Role.NOBODY]
MEMBERS = [Role.GUEST, Role.PLANNER, Role.REPORTER, Role.DEVELOPER, Role.MAINTAINER]
PRIVATE, INTERNAL, PUBLIC = Visibility

Least = Mapping[Visibility, tuple[Role, Role, Role, Role]]
"""The least role that reads something, by the project's visibility and the feature's level: 0, 10, 20, 30."""

SEEN: Least = {
    PRIVATE: (Role.GUEST, Role.GUEST, Role.GUEST, Role.GUEST),
    INTERNAL: (Role.STRANGER, Role.STRANGER, Role.STRANGER, Role.STRANGER),
    PUBLIC: (Role.ANONYMOUS, Role.ANONYMOUS, Role.ANONYMOUS, Role.ANONYMOUS),
}
OPEN: Least = {
    PRIVATE: (Role.NOBODY, Role.GUEST, Role.GUEST, Role.GUEST),
    INTERNAL: (Role.NOBODY, Role.GUEST, Role.STRANGER, Role.STRANGER),
    PUBLIC: (Role.NOBODY, Role.GUEST, Role.ANONYMOUS, Role.ANONYMOUS),
}
CODE: Least = {
    PRIVATE: (Role.NOBODY, Role.PLANNER, Role.PLANNER, Role.PLANNER),
    INTERNAL: (Role.NOBODY, Role.PLANNER, Role.STRANGER, Role.STRANGER),
    PUBLIC: (Role.NOBODY, Role.PLANNER, Role.ANONYMOUS, Role.ANONYMOUS),
}


@dataclass(frozen=True, slots=True)
class Case:
    """Who asks, and what is asked for."""

    role: Role
    visibility: Visibility
    feature: FeatureLevel

    def reads(self, least: Least) -> bool:
        """Tell whether this role is high enough."""
        return self.role >= least[self.visibility][list(FeatureLevel).index(self.feature)]


@dataclass(frozen=True, slots=True)
class Expected:
    """The status, and the number of records of a list, on the page and in all."""

    status: int
    total: int | None = None


Expectation = Callable[[Case], Expected]
NO_PROJECT = Expected(404)


def seen(found: int = 200) -> Expectation:
    """Whoever sees the project."""
    return lambda case: Expected(found) if case.reads(SEEN) else NO_PROJECT


def signed_in(then: Expectation) -> Expectation:
    """The same, but who is not signed in is told so first."""
    return lambda case: then(case) if case.role else Expected(401)


def least(role: Role, found: int = 200) -> Expectation:
    """Those of this role; others who see the project are denied."""
    return lambda case: NO_PROJECT if not case.reads(SEEN) else Expected(found if case.role >= role else 403)


def job(found: int = 200) -> Expectation:
    """Maintainers; to others there is no such job."""
    return signed_in(lambda case: Expected(found if case.role >= Role.MAINTAINER else 404))


def content(who: Least, hidden: int, total: Callable[[Case], int] | None = None) -> Expectation:
    """Readers get it, with so many records; from others who see the project it is hidden by this status."""

    def expect(case: Case) -> Expected:
        if not case.reads(SEEN):
            return NO_PROJECT
        if not case.reads(who):
            return Expected(hidden, 0 if hidden == 200 else None)
        return Expected(200, total and total(case))

    return expect


def hidden_below(role: Role, then: Expectation) -> Expectation:
    """A record that only this role and higher ones may see; to others it does not exist."""
    return lambda case: Expected(404) if then(case).status == 200 and case.role < role else then(case)


def branches(case: Case) -> Expected:
    """GitLab tells first that there is no repository, then that the code is not for guests."""
    if case.reads(SEEN) and case.reads(OPEN) and not case.reads(CODE):
        return Expected(403)
    return content(CODE, 404)(case)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is expected of a route; ``ids`` are those of its address that are not as usual."""

    expect: Expectation
    ids: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] | None = None


def one(_: Case) -> int:
    """Every list has one record, but for those with something to hide."""
    return 1


def issues(case: Case) -> int:
    """One of two is confidential."""
    return 2 if case.role >= Role.PLANNER else 1


def snippets(case: Case) -> int:
    """One for members, one for who is signed in, one for all."""
    return 3 if case.role >= Role.GUEST else 2 if case.role else 1


MAINTAINS = least(Role.MAINTAINER)
MAINTAINS_SIGNED_IN = signed_in(MAINTAINS)
MAINTAINS_WHAT_IS_NOT_THERE = least(Role.MAINTAINER, 404)
OWNS = signed_in(least(Role.OWNER))
HOOKS = signed_in(MAINTAINS_WHAT_IS_NOT_THERE)
ISSUE = content(OPEN, 404)
SNIPPET = content(OPEN, 403)

TABLE: dict[str, list[Expectation | Entry]] = {
    "GET /api/v4/projects/{id}": [seen()],
    "PUT /api/v4/projects/{id}": [Entry(MAINTAINS_SIGNED_IN, body={"description": "d"})],
    "DELETE /api/v4/projects/{id}": [OWNS],
    "POST /api/v4/projects/{id}/archive": [OWNS],
    "POST /api/v4/projects/{id}/unarchive": [OWNS],
    "GET /api/v4/projects/{id}/members": [seen()],
    "POST /api/v4/projects/{id}/members": [MAINTAINS_SIGNED_IN],
    "GET /api/v4/projects/{id}/members/all": [seen()],
    "GET /api/v4/projects/{id}/members/all/{user_id}": [seen()],
    "GET /api/v4/projects/{id}/members/{user_id}": [seen()],
    "PUT /api/v4/projects/{id}/members/{user_id}": [MAINTAINS_SIGNED_IN],
    "DELETE /api/v4/projects/{id}/members/{user_id}": [MAINTAINS_SIGNED_IN],
    "GET /api/v4/projects/{id}/import": [signed_in(seen())],
    "GET /api/v4/projects/{id}/relation-imports": [MAINTAINS_SIGNED_IN],
    "POST /api/v4/projects/{id}/export": [MAINTAINS],
    "GET /api/v4/projects/{id}/export": [MAINTAINS],
    "GET /api/v4/projects/{id}/export/download": [MAINTAINS_WHAT_IS_NOT_THERE],
    "POST /api/v4/projects/{id}/export_relations": [MAINTAINS],
    "GET /api/v4/projects/{id}/export_relations/status": [MAINTAINS],
    "GET /api/v4/projects/{id}/export_relations/download": [least(Role.MAINTAINER, 400)],
    "GET /api/v4/projects/{id}/issues": [content(OPEN, 200, issues)],
    "GET /api/v4/projects/{id}/issues/{issue_iid}": [
        ISSUE,
        Entry(hidden_below(Role.PLANNER, ISSUE), {"issue_iid": "2"}),
    ],
    "GET /api/v4/projects/{id}/labels": [content(OPEN, 200, one)],
    "GET /api/v4/projects/{id}/labels/{name}": [content(OPEN, 404)],
    "GET /api/v4/projects/{id}/merge_requests": [content(CODE, 403, one)],
    "GET /api/v4/projects/{id}/merge_requests/{merge_request_iid}": [content(CODE, 403)],
    "GET /api/v4/projects/{id}/milestones": [content(OPEN, 403, one)],
    "GET /api/v4/projects/{id}/milestones/{milestone_id}": [content(OPEN, 403)],
    "GET /api/v4/projects/{id}/releases": [content(OPEN, 403, one)],
    "GET /api/v4/projects/{id}/releases/{tag_name}": [content(CODE, 403)],
    "GET /api/v4/projects/{id}/snippets": [content(OPEN, 403, snippets)],
    "GET /api/v4/projects/{id}/snippets/{snippet_id}": [
        Entry(hidden_below(Role.GUEST, SNIPPET), {"snippet": "1"}),
        Entry(hidden_below(Role.STRANGER, SNIPPET), {"snippet": "2"}),
        Entry(SNIPPET, {"snippet": "3"}),
    ],
    "GET /api/v4/projects/{id}/repository/branches": [branches],
    "GET /api/v4/projects/{id}/repository/branches/{branch}": [branches],
    "GET /api/v4/projects/{id}/repository/tags": [content(CODE, 403)],
    "GET /api/v4/projects/{id}/repository/tags/{tag}": [content(CODE, 403)],
    "GET /api/crossdock/v1/jobs/{id}": [job()],
    "GET /api/crossdock/v1/jobs/{id}/events": [job()],
    "GET /api/crossdock/v1/jobs/{id}/failures": [job()],
    "POST /api/crossdock/v1/jobs/{id}/cancel": [job()],
    "POST /api/crossdock/v1/jobs/{id}/retry": [job()],
    "GET /api/crossdock/v1/projects/{id}/export/manifest": [MAINTAINS_WHAT_IS_NOT_THERE],
    "GET /api/crossdock/v1/projects/{id}/export/manifest/signature": [MAINTAINS_WHAT_IS_NOT_THERE],
    "GET /api/crossdock/v1/projects/{id}/quarantine": [MAINTAINS_SIGNED_IN],
    "POST /api/crossdock/v1/projects/{id}/quarantine": [MAINTAINS_SIGNED_IN],
    "DELETE /api/crossdock/v1/projects/{id}/quarantine": [signed_in(least(Role.MAINTAINER, 204))],
    "GET /api/crossdock/v1/projects/{id}/quarantine/lines": [MAINTAINS_SIGNED_IN],
    "DELETE /api/crossdock/v1/projects/{id}/quarantine/lines/{line_id}": [Entry(HOOKS, {"line_id": "1"})],
    "GET /api/crossdock/v1/projects/{id}/users": [MAINTAINS_SIGNED_IN],
    "GET /api/crossdock/v1/projects/{id}/people": [HOOKS],
    "PUT /api/crossdock/v1/projects/{id}/people": [MAINTAINS_SIGNED_IN],
    "DELETE /api/crossdock/v1/projects/{id}/people": [HOOKS],
    "GET /api/crossdock/v1/projects/{id}/webhooks": [MAINTAINS_SIGNED_IN],
    "POST /api/crossdock/v1/projects/{id}/webhooks": [MAINTAINS_SIGNED_IN],
    "GET /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}": [HOOKS],
    "PUT /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}": [HOOKS],
    "DELETE /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}": [HOOKS],
    "POST /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}/rotate": [HOOKS],
    "POST /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}/test": [HOOKS],
    "GET /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}/deliveries": [HOOKS],
    "GET /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}/deliveries/{delivery_id}": [HOOKS],
    "POST /api/crossdock/v1/projects/{id}/webhooks/{webhook_id}/deliveries/{delivery_id}/retry": [HOOKS],
}
"""What each route of a project answers to whom."""

SNAPSHOTS = "/api/crossdock/v1/projects/{id}/snapshots"
"""Every route from here on is for maintainers."""

OF_NO_PROJECT = re.compile(
    r"\S+ (/-/.*|/api/(openapi|asyncapi)\.json|/api/(docs.*|asyncapi|licences)"
    r"|/problems.*|/api/v3\{rest\}|/users/(sign_(in|out)|auth/.*)"
    r"|/api/v4/(version|metadata|user|application|namespaces|groups|users|personal_access_tokens)(/.*|$)"
    r"|/api/crossdock/v1/(limits|sessions?(/.*)?|signing-keys|webhooks.*|namespaces.*))"
)
TESTED_ELSEWHERE = {
    "GET /": "test_console.py",
    "GET /{project}": "test_console.py",
    "GET /api/v4/projects": "test_api_projects.py",
    "POST /api/v4/projects": "test_api_projects.py",
    "POST /api/v4/projects/import": "test_api_import_refusals.py",
    "POST /api/v4/projects/import/authorize": "test_api_imports.py",
    "POST /api/v4/projects/import-relation": "test_api_relation_imports.py",
    "POST /api/v4/projects/import-relation/authorize": "test_api_relation_imports.py",
    "POST /api/v4/projects/{id}/import/git": "test_api_git_imports.py",
    "POST /api/v4/projects/remote-import": "test_api_remote_imports.py",
    "POST /api/v4/projects/remote-import-s3": "test_api_remote_imports_s3.py",
    **{f"POST /api/v4/import/github{end}": "github/test_imports.py" for end in ("", "/cancel", "/gists")},
    "GET /api/crossdock/v1/events": "test_event_streams.py",
    "GET /api/crossdock/v1/jobs": "test_crossdock_lists.py",
    "GET /api/crossdock/v1/jobs/summary": "test_job_summary.py",
    "GET /api/crossdock/v1/system": "test_system.py",
    "GET /api/crossdock/v1/system/dead-letters": "test_dead_letters.py",
    "POST /api/crossdock/v1/system/dead-letters/replay": "test_dead_letters.py",
    "POST /api/crossdock/v1/system/dead-letters/discard": "test_dead_letters.py",
    "GET /api/crossdock/v1/projects": "test_project_overviews.py",
    "POST /api/crossdock/v1/jobs/retry": "test_bulk_retries.py",
    **{
        f"{method} /api/crossdock/v1/destinations{end}": "test_destinations.py"
        for method, end in (
            ("GET", ""),
            ("POST", ""),
            ("GET", "/{destination_id}"),
            ("PUT", "/{destination_id}"),
            ("DELETE", "/{destination_id}"),
            ("POST", "/{destination_id}/test"),
        )
    },
    **{
        f"POST /api/crossdock/v1/destinations/{{destination_id}}/{verb}": "test_peer_destinations.py"
        for verb in ("import", "export")
    },
    **{
        f"{method} /api/crossdock/v1/schedules{end}": "test_schedules.py"
        for method, end in (
            ("GET", ""),
            ("POST", ""),
            ("GET", "/{schedule_id}"),
            ("PUT", "/{schedule_id}"),
            ("DELETE", "/{schedule_id}"),
            ("POST", "/{schedule_id}/pause"),
            ("POST", "/{schedule_id}/resume"),
        )
    },
    **dict.fromkeys(
        (
            "POST /api/crossdock/v1/schedules/{schedule_id}/run",
            "GET /api/crossdock/v1/schedules/{schedule_id}/runs",
            "GET /api/crossdock/v1/runs/{run_id}",
            "GET /api/crossdock/v1/runs/{run_id}/projects",
            "POST /api/crossdock/v1/runs/{run_id}/cancel",
        ),
        "../schedules/test_runs.py",
    ),
    **{
        f"{method} /api/crossdock/v1/uploads{end}": "test_resumable_uploads.py"
        for method, end in (
            ("OPTIONS", ""),
            ("GET", ""),
            ("POST", ""),
            *((method, "/{upload_id}") for method in ("OPTIONS", "GET", "PATCH", "DELETE", "POST")),
        )
    },
    "POST /api/crossdock/v1/imports": "test_uploaded_imports.py",
    "GET /api/crossdock/v1/uploads/{upload_id}/parts": "test_direct_uploads.py",
    "POST /api/crossdock/v1/uploads/{upload_id}/complete": "test_direct_uploads.py",
    "GET /{id}/download_export": "test_api_web_pages.py",
}
"""Routes without a project in their address, and the pages of browsers: where it is tested who gets what."""


ADDRESSES = [f"{method} {address}" for method, address in routed()]


def entries_of(address: str) -> list[Entry]:
    """What is expected of a route of a project."""
    if SNAPSHOTS in address:
        return [Entry(MAINTAINS_SIGNED_IN)]
    return [each if isinstance(each, Entry) else Entry(each) for each in TABLE.get(address, [])]


def test_it_is_written_who_gets_what_of_every_route() -> None:
    known = TESTED_ELSEWHERE.keys()
    unknown = [
        address
        for address in ADDRESSES
        if not (entries_of(address) or address in known or OF_NO_PROJECT.fullmatch(address))
    ]
    assert unknown == []
    assert set(ADDRESSES) >= TABLE.keys() | known


_ISSUABLE = {"title": "t", "state": "opened"}
_RECORDS: dict[str, list[dict[str, object]]] = {
    "issues": [_ISSUABLE | {"iid": 1, "confidential": False}, _ISSUABLE | {"iid": 2, "confidential": True}],
    "labels": [{"title": "bug"}],
    "merge_requests": [_ISSUABLE | {"iid": 1, "source_branch": "a", "target_branch": "b"}],
    "milestones": [{"iid": 1, "title": "one"}],
    "releases": [{"tag": "v1", "name": "one"}],
    "snippets": [{"title": "s", "visibility_level": int(level)} for level in Visibility],
}


def archive(feature: FeatureLevel) -> bytes:
    """A project with something of every kind, and all features at that level."""
    records = _RECORDS | {"project_feature": [{attribute(name): int(feature) for name in NAMES}]}
    bundle = bundle_of(refs__heads__main="1" * 40, refs__tags__v1="1" * 40)
    lines = {name: ndjson(*(json.dumps(each).encode() for each in of)) for name, of in records.items()}
    return project(("project.bundle", bundle), **lines)


@dataclass(slots=True)
class World:
    """A project of each visibility and feature level, all with the same members."""

    api: Api
    ids: dict[tuple[Visibility, FeatureLevel], dict[str, str]]

    def path(self, address: str, case: Case, ids: Mapping[str, str]) -> str:
        """Fill in an address."""
        known = self.ids[case.visibility, case.feature]
        given = {**known, **ids}
        if "/jobs/" in address:
            given["id"] = known["job"]
        given["snippet_id"] = str((int(known["id"]) << 32) + int(given.get("snippet", 1)))
        return re.sub(r"\{(\w+)\}", lambda found: given[found[1]], address)


async def make_world(api: Api) -> World:
    """Import the projects."""
    owner = await api.user("owner")
    await api.user("admin", is_admin=True)
    await api.user("stranger")
    members = {role: await api.user(role.name.lower()) for role in MEMBERS}
    dock, ids = Dock(api.pool, api.folder), {}
    for visibility, feature in product(Visibility, FeatureLevel):
        made = await api.project(owner, f"{visibility.word}-{feature.name.lower()}", visibility=visibility)
        done = await dock.run_import(archive(feature), project_id=made.id, user_id=owner.id)
        assert done.error is None
        for role, user in members.items():
            await add_project_member(api.pool, user.id, project_id=made.id, level=AccessLevel[role.name])
        opened = await api.call("POST", SNAPSHOTS.format(id=made.id), by="owner", json={})
        ids[visibility, feature] = {
            "id": str(made.id), "job": str((await api.newest(made, JobKind.IMPORT)).id), "issue_iid": "1",
            "merge_request_iid": "1", "milestone_id": str((made.id << 32) + 1), "name": "bug",
            "user_id": str(members[Role.MAINTAINER].id), "tag_name": "v1", "tag": "v1", "branch": "main",
            "snapshot_id": str(opened.body["id"]), "webhook_id": "1", "delivery_id": "1",
            "relation": "issues", "secret": "0" * 32, "oid": "0" * 64,
        }  # fmt: skip
    return World(api, ids)


def cases(entry: Entry) -> Iterator[Case]:
    """Every combination; of feature levels one after another where they make no difference."""
    for number, (role, visibility) in enumerate(product(ROLES, Visibility)):
        of_levels = [Case(role, visibility, level) for level in FeatureLevel]
        if len({entry.expect(case) for case in of_levels}) == 1:
            of_levels = [of_levels[number % len(FeatureLevel)]]
        yield from of_levels


async def ask(world: World, address: str, entry: Entry, case: Case) -> str | None:
    """Ask, and tell what is otherwise than expected. Who may change something does not do so here."""
    method, template = address.split(" ")
    expected = entry.expect(case)
    if method != "GET" and expected.status < 400:
        return None
    by = case.role.name.lower() if case.role else None
    answer = await world.api.call(method, world.path(template, case, entry.ids), by=by, json=entry.body)
    found = Expected(answer.status)
    if expected.total is not None and answer.status == expected.status:
        assert answer.headers["X-Total"] == str(len(answer.body))
        found = Expected(answer.status, len(answer.body))
    return None if found == expected else f"{address} {dict(entry.ids)} {case}: {found}, not {expected}"


@pytest.mark.parametrize("api", [{"bulk_import_enabled": True}], indirect=True)
async def test_each_role_gets_of_each_project_what_the_table_says(api: Api) -> None:
    world = await make_world(api)
    asked = [
        (address, entry, case)
        for address in ADDRESSES
        for entry in entries_of(address)
        for case in cases(entry)
    ]
    wrong: list[str | None] = []
    for at in range(0, len(asked), AT_ONCE):
        wrong += await asyncio.gather(*(ask(world, *each) for each in asked[at : at + AT_ONCE]))
    assert [said for said in wrong if said is not None] == []
