"""The table of all routes: address, handler and attributes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count

from aiohttp.typedefs import Handler

from services.api.console import handlers as console
from services.api.crossdock import (
    bulk_retries,
    dead_letters,
    destinations,
    events,
    failures,
    job_summary,
    jobs,
    limits,
    manifests,
    peer_transfers,
    people,
    quarantine,
    runs,
    schedules,
    session,
    snapshot_entries,
    snapshots,
    system,
    webhooks,
)
from services.api.crossdock import imports as own_imports
from services.api.crossdock import projects as overviews
from services.api.crossdock.uploads import direct as direct_uploads
from services.api.crossdock.uploads import handlers as uploads
from services.api.crossdock.uploads.dialects import render_upload_error
from services.api.gitlab import (
    exports,
    github_imports,
    group_archives,
    groups,
    health,
    imports,
    instance,
    members,
    projects,
    records,
    relation_exports,
    repository,
    users,
)
from services.api.gitlab.github_errors import render_github_error
from services.api.http.endpoint import BodyKind, Endpoint
from services.api.pages import documentation, download, home, openid_connect, problems, sign_in
from shared.accounts.models import Scope


@dataclass(frozen=True, slots=True)
class Route:
    """A route: its address as a pattern of aiohttp, its handler and its attributes.

    ``address`` is the address as the OpenAPI document has it.
    """

    method: str
    path: str
    handler: Handler
    endpoint: Endpoint
    address: str = ""


API = Endpoint()
PUBLIC = Endpoint(identifies=False)
READS_USERS = Endpoint(scopes=(Scope.READ_USER,))
OF_ANY_TOKEN = Endpoint(any_scope=True)
UPLOAD = Endpoint(body=BodyKind.UPLOAD)
CONTENT = Endpoint(body=BodyKind.CONTENT)
TUS = Endpoint(errors=render_upload_error)
TUS_PIECE = Endpoint(body=BodyKind.PIECE, errors=render_upload_error)
TUS_OPTIONS = Endpoint(identifies=False, errors=render_upload_error)
GITHUB_IMPORT = Endpoint(errors=render_github_error)
SHOWS_SECRET = Endpoint(keeps_answer=False)
SIGNS_IN = Endpoint(identifies=False, keeps_answer=False)
SIGN_IN = Endpoint(identifies=False, errors=sign_in.render_sign_in_error)
OPENID_CONNECT = Endpoint(identifies=False, errors=openid_connect.render_openid_error)
DOWNLOAD_PAGE = Endpoint(identifies=False, errors=download.render_download_error)
"""The handler identifies the caller itself, because it accepts tokens and browser sessions."""


def pattern(template: str) -> str:
    """Make a pattern of aiohttp from a template, in which ``:name`` is one segment that may contain ``%2F``.

    Several slashes in a row count as one, and slashes at the end are ignored: some clients send them.
    """
    number = count()
    tolerant = re.sub("/", lambda _: f"/{{_{next(number)}:/*}}", template)
    if not template.endswith(":rest"):
        tolerant += f"{{_{next(number)}:/*}}"
    return re.sub(r":(\w+)", r"{\1:[^/]+}", tolerant.replace(":rest", "{rest:(?:/.*)?}"))


def _route(method: str, template: str, handler: Handler, endpoint: Endpoint = API) -> Route:
    return Route(method, pattern(template), handler, endpoint, re.sub(r":(\w+)", r"{\1}", template))


def _member_routes(above: str, handlers: members.MemberHandlers) -> list[Route]:
    return [
        _route("GET", f"{above}/:id/members", handlers.index),
        _route("POST", f"{above}/:id/members", handlers.create),
        _route("GET", f"{above}/:id/members/all", handlers.index_all),
        _route("GET", f"{above}/:id/members/all/:user_id", handlers.show_any),
        _route("GET", f"{above}/:id/members/:user_id", handlers.show),
        _route("PUT", f"{above}/:id/members/:user_id", handlers.update),
        _route("DELETE", f"{above}/:id/members/:user_id", handlers.delete),
    ]


def _snapshot_routes(above: str) -> list[Route]:
    return [
        _route("GET", above, snapshots.index),
        _route("POST", above, snapshots.create),
        _route("GET", f"{above}/:snapshot_id", snapshots.show),
        _route("DELETE", f"{above}/:snapshot_id", snapshots.delete),
        _route("POST", f"{above}/:snapshot_id/commit", snapshots.commit),
        _route("GET", f"{above}/:snapshot_id/entries", snapshots.entries),
        _route("PUT", f"{above}/:snapshot_id/entries", snapshot_entries.replace_many, CONTENT),
        *(
            route
            for address, handlers in snapshot_entries.ADDRESSES.items()
            for route in (
                _route("PUT", f"{above}/:snapshot_id/{address}", handlers.replace, CONTENT),
                _route("DELETE", f"{above}/:snapshot_id/{address}", handlers.delete),
            )
        ),
    ]


def _webhook_routes(above: str, handlers: webhooks.WebhookHandlers) -> list[Route]:
    return [
        _route("GET", above, handlers.index),
        _route("POST", above, handlers.create, SHOWS_SECRET),
        _route("GET", f"{above}/:webhook_id", handlers.show),
        _route("PUT", f"{above}/:webhook_id", handlers.update),
        _route("DELETE", f"{above}/:webhook_id", handlers.delete),
        _route("POST", f"{above}/:webhook_id/rotate", handlers.rotate, SHOWS_SECRET),
        _route("POST", f"{above}/:webhook_id/test", handlers.test),
        _route("GET", f"{above}/:webhook_id/deliveries", handlers.deliveries),
        _route("GET", f"{above}/:webhook_id/deliveries/:delivery_id", handlers.delivery),
        _route("POST", f"{above}/:webhook_id/deliveries/:delivery_id/retry", handlers.send_again),
    ]


def _destination_routes(above: str) -> list[Route]:
    return [
        _route("GET", above, destinations.index),
        _route("POST", above, destinations.create),
        _route("GET", f"{above}/:destination_id", destinations.show),
        _route("PUT", f"{above}/:destination_id", destinations.update),
        _route("DELETE", f"{above}/:destination_id", destinations.delete),
        _route("POST", f"{above}/:destination_id/test", destinations.test),
        _route("POST", f"{above}/:destination_id/import", peer_transfers.fetch),
        _route("POST", f"{above}/:destination_id/export", peer_transfers.send),
    ]


def _schedule_routes(above: str) -> list[Route]:
    return [
        _route("GET", above, schedules.index),
        _route("POST", above, schedules.create),
        _route("GET", f"{above}/:schedule_id", schedules.show),
        _route("PUT", f"{above}/:schedule_id", schedules.update),
        _route("DELETE", f"{above}/:schedule_id", schedules.delete),
        _route("POST", f"{above}/:schedule_id/pause", schedules.pause),
        _route("POST", f"{above}/:schedule_id/resume", schedules.resume),
        _route("POST", f"{above}/:schedule_id/run", runs.create),
        _route("GET", f"{above}/:schedule_id/runs", runs.index),
    ]


def _upload_routes(above: str) -> list[Route]:
    return [
        _route("OPTIONS", above, uploads.options, TUS_OPTIONS),
        _route("GET", above, uploads.index),
        _route("POST", above, uploads.create, TUS_PIECE),
        _route("OPTIONS", f"{above}/:upload_id", uploads.options, TUS_OPTIONS),
        _route("GET", f"{above}/:upload_id", uploads.show, TUS),
        _route("PATCH", f"{above}/:upload_id", uploads.append, TUS_PIECE),
        _route("DELETE", f"{above}/:upload_id", uploads.delete, TUS),
        _route("POST", f"{above}/:upload_id", uploads.override, TUS_PIECE),
        _route("GET", f"{above}/:upload_id/parts", direct_uploads.parts),
        _route("POST", f"{above}/:upload_id/complete", direct_uploads.complete),
    ]


def _people_map_routes(above: str, handlers: people.PeopleMapHandlers) -> list[Route]:
    return [
        _route("GET", f"{above}/:id/people", handlers.show),
        _route("PUT", f"{above}/:id/people", handlers.replace),
        _route("DELETE", f"{above}/:id/people", handlers.delete),
    ]


def _quarantine_routes(above: str) -> list[Route]:
    return [
        _route("GET", above, quarantine.show),
        _route("POST", above, quarantine.repair, CONTENT),
        _route("DELETE", above, quarantine.discard),
        _route("GET", f"{above}/lines", quarantine.lines),
        _route("DELETE", f"{above}/lines/:line_id", quarantine.discard_line),
    ]


ROUTES = [
    _route("GET", "/-/health", health.health, PUBLIC),
    _route("GET", "/-/liveness", health.liveness, PUBLIC),
    _route("GET", "/-/readiness", health.readiness, PUBLIC),
    _route("GET", "/api/openapi.json", documentation.document, PUBLIC),
    _route("GET", "/api/asyncapi.json", documentation.queues, PUBLIC),
    _route("GET", "/api/asyncapi", documentation.read_queues, PUBLIC),
    _route("GET", "/api/licences", documentation.read_licences, PUBLIC),
    _route("GET", "/api/docs", documentation.read, PUBLIC),
    _route("GET", "/api/docs/:file", documentation.file, PUBLIC),
    _route("GET", "/problems", problems.index, PUBLIC),
    _route("GET", "/problems/:code", problems.show, PUBLIC),
    _route("GET", "/api/v4/version", instance.version),
    _route("GET", "/api/v4/metadata", instance.metadata),
    _route("GET", "/api/v4/user", users.current, READS_USERS),
    _route("GET", "/api/v4/users", users.index, READS_USERS),
    _route("POST", "/api/v4/users", users.create),
    _route("GET", "/api/v4/users/:id", users.show, READS_USERS),
    _route("PUT", "/api/v4/users/:id", users.update),
    _route("POST", "/api/v4/users/:id/block", users.block),
    _route("POST", "/api/v4/users/:id/unblock", users.unblock),
    _route("DELETE", "/api/v4/users/:id/identities/:provider", users.delete_identity),
    _route("POST", "/api/v4/users/:user_id/personal_access_tokens", users.create_token, SHOWS_SECRET),
    _route("GET", "/api/v4/personal_access_tokens", users.tokens),
    _route("GET", "/api/v4/personal_access_tokens/self", users.own_token, OF_ANY_TOKEN),
    _route("DELETE", "/api/v4/personal_access_tokens/self", users.revoke_own_token, OF_ANY_TOKEN),
    _route("GET", "/api/v4/personal_access_tokens/:id", users.token),
    _route("DELETE", "/api/v4/personal_access_tokens/:id", users.revoke_token),
    _route("GET", "/api/v4/application/settings", instance.settings),
    _route("PUT", "/api/v4/application/settings", instance.change_settings),
    _route("GET", "/api/v4/namespaces", groups.namespaces),
    _route("GET", "/api/v4/namespaces/:id", groups.namespace),
    _route("GET", "/api/v4/namespaces/:id/exists", groups.namespace_exists),
    _route("GET", "/api/v4/groups", groups.index),
    _route("POST", "/api/v4/groups", groups.create),
    _route("POST", "/api/v4/groups/import", group_archives.create, UPLOAD),
    _route("GET", "/api/v4/groups/:id", groups.show),
    _route("PUT", "/api/v4/groups/:id", groups.update),
    _route("DELETE", "/api/v4/groups/:id", groups.delete),
    _route("GET", "/api/v4/groups/:id/projects", groups.projects),
    _route("GET", "/api/v4/groups/:id/subgroups", groups.subgroups),
    _route("GET", "/api/v4/groups/:id/descendant_groups", groups.descendants),
    _route("POST", "/api/v4/groups/:id/export", group_archives.ask),
    _route("GET", "/api/v4/groups/:id/export/download", group_archives.download),
    *_member_routes("/api/v4/groups", members.OF_GROUP),
    _route("GET", "/api/v4/projects", projects.index),
    _route("POST", "/api/v4/projects", projects.create),
    _route("POST", "/api/v4/projects/import", imports.create, UPLOAD),
    _route("POST", "/api/v4/projects/import/authorize", imports.authorize),
    _route("POST", "/api/v4/projects/import-relation", imports.create_relation, UPLOAD),
    _route("POST", "/api/v4/projects/import-relation/authorize", imports.authorize),
    _route("POST", "/api/v4/projects/remote-import", imports.create_remote),
    _route("POST", "/api/v4/projects/remote-import-s3", imports.create_from_s3),
    _route("POST", "/api/v4/import/github", github_imports.create, GITHUB_IMPORT),
    _route("POST", "/api/v4/import/github/cancel", github_imports.cancel),
    _route("POST", "/api/v4/import/github/gists", github_imports.create_gists),
    _route("GET", "/api/v4/projects/:id", projects.show),
    _route("PUT", "/api/v4/projects/:id", projects.update),
    _route("DELETE", "/api/v4/projects/:id", projects.delete),
    _route("POST", "/api/v4/projects/:id/archive", projects.archive),
    _route("POST", "/api/v4/projects/:id/unarchive", projects.unarchive),
    *_member_routes("/api/v4/projects", members.OF_PROJECT),
    _route("GET", "/api/v4/projects/:id/import", imports.show),
    _route("POST", "/api/v4/projects/:id/import/git", imports.create_from_git),
    _route("GET", "/api/v4/projects/:id/relation-imports", imports.relation_imports),
    _route("POST", "/api/v4/projects/:id/export", exports.create),
    _route("GET", "/api/v4/projects/:id/export", exports.show),
    _route("GET", "/api/v4/projects/:id/export/download", exports.download),
    _route("POST", "/api/v4/projects/:id/export_relations", relation_exports.create),
    _route("GET", "/api/v4/projects/:id/export_relations/status", relation_exports.show),
    _route("GET", "/api/v4/projects/:id/export_relations/download", relation_exports.download),
    _route("GET", "/api/v4/projects/:id/issues", records.issues),
    _route("GET", "/api/v4/projects/:id/issues/:issue_iid", records.issue),
    _route("GET", "/api/v4/projects/:id/labels", records.labels),
    _route("GET", "/api/v4/projects/:id/labels/:name", records.label),
    _route("GET", "/api/v4/projects/:id/merge_requests", records.merge_requests),
    _route("GET", "/api/v4/projects/:id/merge_requests/:merge_request_iid", records.merge_request),
    _route("GET", "/api/v4/projects/:id/milestones", records.milestones),
    _route("GET", "/api/v4/projects/:id/milestones/:milestone_id", records.milestone),
    _route("GET", "/api/v4/projects/:id/releases", records.releases),
    _route("GET", "/api/v4/projects/:id/releases/:tag_name", records.release),
    _route("GET", "/api/v4/projects/:id/snippets", records.snippets),
    _route("GET", "/api/v4/projects/:id/snippets/:snippet_id", records.snippet),
    _route("GET", "/api/v4/projects/:id/repository/branches", repository.branches),
    _route("GET", "/api/v4/projects/:id/repository/branches/:branch", repository.branch),
    _route("GET", "/api/v4/projects/:id/repository/tags", repository.tags),
    _route("GET", "/api/v4/projects/:id/repository/tags/:tag", repository.tag),
    _route("GET", "/api/crossdock/v1/limits", limits.show),
    _route("GET", "/api/crossdock/v1/session", session.show, PUBLIC),
    _route("POST", "/api/crossdock/v1/session", session.create, SIGNS_IN),
    _route("DELETE", "/api/crossdock/v1/session", session.delete, PUBLIC),
    _route("GET", "/api/crossdock/v1/sessions", session.index),
    _route("DELETE", "/api/crossdock/v1/sessions/:session_id", session.revoke),
    _route("GET", "/api/crossdock/v1/events", events.index),
    _route("GET", "/api/crossdock/v1/jobs", jobs.index),
    _route("GET", "/api/crossdock/v1/jobs/summary", job_summary.show),
    _route("GET", "/api/crossdock/v1/jobs/:id", jobs.show),
    _route("GET", "/api/crossdock/v1/jobs/:id/events", events.of_one),
    _route("GET", "/api/crossdock/v1/jobs/:id/failures", failures.index),
    _route("POST", "/api/crossdock/v1/jobs/retry", bulk_retries.create),
    _route("POST", "/api/crossdock/v1/jobs/:id/cancel", jobs.cancel),
    _route("POST", "/api/crossdock/v1/jobs/:id/retry", jobs.retry),
    _route("GET", "/api/crossdock/v1/system", system.show),
    _route("GET", "/api/crossdock/v1/system/dead-letters", dead_letters.index),
    _route("POST", "/api/crossdock/v1/system/dead-letters/replay", dead_letters.replay),
    _route("POST", "/api/crossdock/v1/system/dead-letters/discard", dead_letters.discard),
    _route("GET", "/api/crossdock/v1/signing-keys", manifests.keys, PUBLIC),
    _route("GET", "/api/crossdock/v1/projects", overviews.index),
    _route("GET", "/api/crossdock/v1/projects/:id/export/manifest", manifests.show),
    _route("GET", "/api/crossdock/v1/projects/:id/export/manifest/signature", manifests.sign),
    _route("GET", "/api/crossdock/v1/projects/:id/users", people.index),
    *_people_map_routes("/api/crossdock/v1/projects", people.OF_PROJECT),
    *_people_map_routes("/api/crossdock/v1/namespaces", people.OF_NAMESPACE),
    *_quarantine_routes("/api/crossdock/v1/projects/:id/quarantine"),
    *_snapshot_routes("/api/crossdock/v1/projects/:id/snapshots"),
    *_webhook_routes("/api/crossdock/v1/projects/:id/webhooks", webhooks.OF_PROJECT),
    *_webhook_routes("/api/crossdock/v1/webhooks", webhooks.OF_ALL),
    *_destination_routes("/api/crossdock/v1/destinations"),
    *_schedule_routes("/api/crossdock/v1/schedules"),
    *_upload_routes("/api/crossdock/v1/uploads"),
    _route("POST", "/api/crossdock/v1/imports", own_imports.create),
    _route("GET", "/api/crossdock/v1/runs/:run_id", runs.show),
    _route("GET", "/api/crossdock/v1/runs/:run_id/projects", runs.projects),
    _route("POST", "/api/crossdock/v1/runs/:run_id/cancel", runs.cancel),
    _route("*", "/api/v3:rest", instance.old_version),
    _route("GET", "/users/sign_in", sign_in.show, SIGN_IN),
    _route("POST", "/users/sign_in", sign_in.sign_in, SIGN_IN),
    _route("POST", "/users/sign_out", sign_in.sign_out, SIGN_IN),
    _route("GET", "/users/auth/openid_connect", openid_connect.begin, OPENID_CONNECT),
    _route("GET", "/users/auth/openid_connect/callback", openid_connect.finish, OPENID_CONNECT),
    _route("GET", "/-/console/static:rest", console.own_file, PUBLIC),
    _route("GET", "/-/console/vendor:rest", console.vendor_file, PUBLIC),
    _route("GET", "/-/console:rest", console.show, PUBLIC),
    Route("GET", "/", home.show, PUBLIC),
    Route("GET", r"/{id:(?!api/|-/)[^/]+/.+}/download_export", download.download_export, DOWNLOAD_PAGE),
    Route("GET", r"/{project:(?!api/|-/)[^/]+(?:/[^/]+)+}", home.show_project, PUBLIC),
]
