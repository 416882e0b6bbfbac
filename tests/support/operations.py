"""For every operation that needs more than ids: a request of it that succeeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.api import ARCHIVE, EXTERNAL_URL
from tests.support.described import World
from tests.support.groups import group, group_archive
from tests.support.projects import archive, bundle
from tests.support.upload_drafts import HEADER as DRAFT
from tests.support.upload_drafts import PARTIAL

Parts = dict[str, Any]
"""What of a request is not as for most of them: ``ids``, ``query``, ``headers``, ``body``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send."""

    path_parameters: dict[str, Any]
    query: dict[str, Any]
    headers: dict[str, str]
    body: dict[str, Any] | bytes | None


def _import(world: World) -> Parts:
    return {"body": {"path": world.new_name(), "file": ARCHIVE}}


def _group_import(world: World) -> Parts:
    return {"body": {"path": world.new_name(), "name": "new", "file": group_archive([group(1)])}}


def _relation_import(world: World) -> Parts:
    number = world.new_project()
    path = world.background.run(world.api.get(f"/projects/{number}", by="root")).body["path_with_namespace"]
    return {"body": {"path": path, "relation": "issues", "file": ARCHIVE}}


def _remote_import(world: World) -> Parts:
    return {"body": {"path": world.new_name(), "url": f"{world.files}/a.tar.gz"}}


def _git_import(world: World) -> Parts:
    return {"ids": {"id": world.new_project()}, "body": {"import_url": f"{world.files}/x.git"}}


def _s3_import(world: World) -> Parts:
    keys = ("region", "bucket_name", "file_key", "access_key_id", "secret_access_key")
    return {"body": {"path": world.new_name(), **dict.fromkeys(keys, "us-east-1")}}


def _github_import(world: World) -> Parts:
    given = {"personal_access_token": "ghp_1", "repo_id": 7, "target_namespace": "root"}
    return {"body": given | {"new_name": world.new_name(), "github_hostname": world.files}}


def _new_member(world: World) -> Parts:
    return {"body": {"user_id": world.new_user(), "access_level": 10}}


def _new_user(world: World) -> Parts:
    name = world.new_name()
    return {"body": {"email": f"{name}@example.com", "name": name, "username": name, "password": "secret"}}


def _as_usual(_: World) -> Parts:
    return {}


def _sign_in(world: World) -> Parts:
    return {"body": {"token": world.token}, "headers": _OWN_FORM}


def _opened(world: World) -> Parts:
    return {"ids": {"snapshot_id": world.new_snapshot()}}


def _to_open(world: World) -> Parts:
    world.new_snapshot()  # the others go
    return {"body": {"from": "current"}}


def _filled(world: World) -> Parts:
    return {"ids": {"snapshot_id": world.new_snapshot(*_ENTRIES)}}


def _sent(body: object) -> Callable[[World], Parts]:
    return lambda world: {**_opened(world), "body": body}


def _of_snippet(parts: Callable[[World], Parts]) -> Callable[[World], Parts]:
    def named(world: World) -> Parts:
        made = parts(world)
        return made | {"ids": made["ids"] | {"name": "a.bundle"}}

    return named


_OBJECT = b"an object"
_OID = hashlib.sha256(_OBJECT).hexdigest()
_ENTRIES = (
    "project.wiki.bundle", "project.design.bundle", "uploads/secret/bug", "lfs-objects.json",
    f"lfs-objects/{_OID}", "snippets/a.bundle", "bug",
)  # fmt: skip
_REMOVED = ("Project", "Relation", "Repository", "Wiki", "Design", "Upload", "LfsIndex", "LfsObject", "File")
_HOOK: Parts = {"body": {"url": "http://files.test/hook"}}
_KEYS = {"access_key_id": "key", "secret_access_key": "secret"}


def _new_destination(world: World) -> Parts:
    settings = {
        "kind": "s3",
        "endpoint": world.files,
        "bucket": "bucket",
        "prefix": "kept",
        "path_style": True,
    }
    return {"body": {"name": world.new_name(), "region": "us-east-1", **settings, **_KEYS}}


def _new_schedule(world: World) -> Parts:
    where = {"destination_id": world.changed["destinations"], "cron": "0 2 * * *", "projects": ["1"]}
    return {"body": {"name": world.new_name(), **where}}


def _uploaded(world: World, headers: dict[str, str]) -> Parts:
    return {"ids": {"upload_id": world.new_upload()}, "headers": _TUS | headers}


_TUS = {"Tus-Resumable": "1.0.0"}
_PEOPLE: Parts = {
    "body": {"people": '[{"source_user_identifier": 7, "gitlab_username": "jane"}]', "dry_run": False}
}
_OWN_FORM = {"Origin": EXTERNAL_URL}
_OWN_PAGE = _OWN_FORM | {"X-Crossdock-Console": "1"}
_LEVEL: Parts = {"body": {"access_level": 20}}
_RELATION: Parts = {"query": {"relation": "issues"}}

_PARTS: dict[str, Callable[[World], Parts]] = {
    "importProject": _import,
    "importRelation": _relation_import,
    "importRemoteProject": _remote_import,
    "importS3Project": _s3_import,
    "importFromGit": _git_import,
    "importGitHubRepository": _github_import,
    "cancelGitHubImport": lambda world: {"body": {"project_id": world.new_github_import()}},
    "exportProject": lambda _: {"body": {"description": "d"}},
    "exportRelations": lambda _: {"body": {"batched": False}},
    "downloadRelation": lambda _: _RELATION,
    "describeRelation": lambda _: _RELATION,
    "createProject": lambda world: {"body": {"name": world.new_name()}},
    "changeProject": lambda world: {"body": {"path": world.new_name()}},
    "deleteProject": lambda world: {"ids": {"id": world.new_project()}},
    "importGroup": _group_import,
    "createGroup": lambda world: {"body": {"name": "new", "path": world.new_name()}},
    "changeGroup": lambda world: {"body": {"path": world.new_name()}},
    "deleteGroup": lambda world: {"ids": {"id": world.new_group()}},
    "addProjectMember": _new_member,
    "addGroupMember": _new_member,
    "changeProjectMember": lambda _: _LEVEL,
    "changeGroupMember": lambda _: _LEVEL,
    "removeProjectMember": lambda world: {"ids": {"user_id": world.new_member("projects")}},
    "removeGroupMember": lambda world: {"ids": {"user_id": world.new_member("groups")}},
    "createUser": _new_user,
    "changeUser": lambda _: {"body": {"name": "Another Name"}},
    **dict.fromkeys(("blockUser", "unblockUser"), lambda world: {"ids": {"id": world.new_user()}}),
    "deleteUserIdentity": lambda world: {"ids": {"id": world.new_identity()}},
    "createPersonalAccessToken": lambda _: {"body": {"name": "new", "scopes": ["api"]}},
    "revokePersonalAccessToken": lambda world: {"ids": {"id": world.new_token_id()}},
    "revokeOwnPersonalAccessToken": lambda world: {"headers": {"PRIVATE-TOKEN": world.new_token()}},
    "cancelJob": lambda world: {"ids": {"id": world.new_job()}},
    **dict.fromkeys(("replayDeadLetters", "discardDeadLetters"), lambda _: {"body": {"queue": "export"}}),
    "retryFailedJobs": lambda _: {"body": {"code": "storage_failed"}},
    "retryJob": lambda world: {"ids": {"id": world.failed_job()}},
    "createWebhook": lambda _: _HOOK,
    "createProjectWebhook": lambda _: _HOOK,
    "deleteWebhook": lambda world: {"ids": {"webhook_id": world.new_webhook(of_project=False)}},
    "deleteProjectWebhook": lambda world: {"ids": {"webhook_id": world.new_webhook(of_project=True)}},
    "createDestination": _new_destination,
    "createSchedule": _new_schedule,
    "changeSchedule": lambda world: {"body": {"name": world.new_name()}},
    "runSchedule": lambda world: {"ids": {"schedule_id": world.new_schedule()}},
    "deleteSchedule": lambda world: {"ids": {"schedule_id": world.new_schedule()}},
    "createUpload": lambda _: {"headers": _TUS | {"Upload-Length": "7"}, "body": b"archive"},
    "importUpload": lambda world: {"body": {"path": world.new_name(), "upload_id": world.whole_upload()}},
    "getUpload": lambda world: {"ids": {"upload_id": world.new_upload()}},
    "describeUpload": lambda world: {"ids": {"upload_id": world.new_upload()}},
    "listUploadParts": lambda world: {"ids": {"upload_id": world.new_upload()}},
    "completeUpload": lambda world: (
        {"ids": {"upload_id": world.new_upload()}, "body": {"parts": [{"number": 1, "etag": "x"}]}}
    ),
    "getUploadOffset": lambda world: _uploaded(world, {}),
    "deleteUpload": lambda world: _uploaded(world, {}),
    "appendToUpload": lambda world: _uploaded(world, {"Upload-Offset": "0"}) | {"body": b"archive"},
    "overrideUpload": lambda world: (
        _uploaded(world, {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}) | {"body": b"archive"}
    ),
    "changeDestination": lambda world: {"body": {"name": world.new_name()}},
    "deleteDestination": lambda world: {"ids": {"destination_id": world.new_destination()}},
    **dict.fromkeys(("setProjectPeople", "setNamespacePeople"), lambda _: _PEOPLE),
    "deleteProjectPeople": lambda world: {"ids": {"id": world.with_map("projects")}},
    "deleteNamespacePeople": lambda world: {"ids": {"id": world.with_map("groups")}},
    "repairQuarantine": lambda world: {"body": b'{"id":%d,"record":{"title":"t"}}' % world.refused_line()},
    "discardQuarantinedLine": lambda world: {"ids": {"line_id": world.refused_line()}},
    "openSnapshot": _to_open,
    "commitSnapshot": _opened,
    "discardSnapshot": _opened,
    "putEntries": _sent(archive([("uploads/secret/bug", b"png")])),
    "putProject": _sent({"description": "d"}),
    "putRelation": _sent(b'{"title":"t"}\nno record\n'),
    "putUpload": _sent(b"png"),
    "putLfsIndex": _sent({_OID: [0]}),
    "putLfsObject": _sent(_OBJECT),
    "putSnippetRepository": _of_snippet(_sent(bundle())),
    "putFile": _sent(b"18.9.0"),
    **dict.fromkeys(("putRepository", "putWiki", "putDesign"), _sent(bundle())),
    "removeSnippetRepository": _of_snippet(_filled),
    **{f"remove{name}": _filled for name in _REMOVED},
    "signIn": _sign_in,
    "beginSession": lambda world: {"body": {"token": world.token}, "headers": _OWN_PAGE},
    "endSession": lambda _: {"headers": _OWN_PAGE},
    "revokeSession": lambda world: {"ids": {"session_id": world.new_session()}},
    "signOut": lambda _: {"headers": _OWN_FORM},
    "changeApplicationSettings": lambda _: {
        "body": {"max_import_size": 7, "import_sources": ["gitlab_project"]}
    },
}


def request_of(world: World, operation: Any, media_type: str | None = None) -> Request:
    """Make one that succeeds; what it changes, or ends, is there for nothing else."""
    parts = _PARTS.get(operation.definition.raw["operationId"], _as_usual)(world)
    ids = _ids(world, operation.path, reading=operation.method in ("get", "head"))
    return Request(
        path_parameters=ids | parts.get("ids", {}),
        query=parts.get("query", {}),
        headers={"PRIVATE-TOKEN": world.token} | _spoken(parts.get("headers", {}), media_type),
        body=parts.get("body"),
    )


def _spoken(headers: dict[str, str], media_type: str | None) -> dict[str, str]:
    """Give the headers of tus or, with the media type of the drafts, those of a draft."""
    if media_type != PARTIAL:
        return headers
    return {name: value for name, value in headers.items() if name not in _TUS} | {DRAFT: "6"}


def _ids(world: World, path: str, *, reading: bool) -> dict[str, Any]:
    """Give what the path names: for reading what is kept, else what may be changed."""
    ids = world.kept if reading else world.changed
    kind = next((name for name in ids if f"/{name}/{{" in path), "")
    hooks = "project_webhooks" if kind == "projects" else "webhooks"
    known = {
        "id": ids.get(kind), "user_id": ids["users"], "branch": "main", "tag": "v1", "namespace": "root",
        "project": "kept", "file": "start.js", "issue_iid": 1, "merge_request_iid": 1, "name": "bug",
        "tag_name": "v1", "snapshot_id": ids["snapshots"], "relation": "issues", "secret": "secret",
        "destination_id": ids["destinations"], "schedule_id": ids["schedules"], "run_id": ids["runs"],
        "code": "not_found", "webhook_id": ids[hooks], "delivery_id": ids[f"deliveries of {hooks}"],
        "oid": _OID, "provider": "openid_connect",
        **dict.fromkeys(("milestone_id", "snippet_id"), (ids["projects"] << 32) + 1),
    }  # fmt: skip
    return {name: value for name, value in known.items() if f"{{{name}}}" in path}
