"""GitHub's own OpenAPI description, as npm has it, to which every answer of the stand-in is held.

It describes what may come, so objects are closed: a member that it does not name is an error too.
"""

from __future__ import annotations

import base64
import hashlib
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import jsonschema_rs
import msgspec

from tests.support.npm import pack

Schema: TypeAlias = dict[str, Any]

PACKAGE = "@octokit/openapi@23.0.2"
INTEGRITY = "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
_MEMBER = "package/generated/api.github.com.json"
_COMPONENTS = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Null:
    """A member of a schema that is null at GitHub, though the description does not allow it, and when."""

    schema: str
    member: str
    when: str


_GONE = "the account was deleted"
EXCEPTIONS = (
    Null("pull-request-simple", "head.repo", "the fork was deleted"),
    Null("pull-request", "head.repo", "the fork was deleted"),
    Null("pull-request", "head.user", "the fork's account was deleted"),
    Null("pull-request-simple", "labels.description", "the label has no description"),
    Null("pull-request-review-comment", "line", "the comment is outdated"),
    Null("pull-request-review-comment", "position", "the comment is outdated"),
    Null("timeline-comment-event", "actor", _GONE),
    Null("timeline-comment-event", "user", _GONE),
    Null("timeline-reviewed-event", "user", _GONE),
    Null("timeline-cross-referenced-event", "actor", _GONE),
    Null("timeline-assigned-issue-event", "actor", _GONE),
    Null("timeline-assigned-issue-event", "assignee", _GONE),
    Null("timeline-unassigned-issue-event", "actor", _GONE),
    Null("timeline-unassigned-issue-event", "assignee", _GONE),
    Null("labeled-issue-event", "actor", _GONE),
    Null("unlabeled-issue-event", "actor", _GONE),
    Null("milestoned-issue-event", "actor", _GONE),
    Null("demilestoned-issue-event", "actor", _GONE),
    Null("renamed-issue-event", "actor", _GONE),
    Null("locked-issue-event", "actor", _GONE),
    Null("state-change-issue-event", "actor", _GONE),
    Null("review-dismissed-issue-event", "actor", _GONE),
    Null("review-requested-issue-event", "actor", _GONE),
    Null("review-requested-issue-event", "review_requester", _GONE),
    Null("review-requested-issue-event", "requested_reviewer", _GONE),
    Null("review-request-removed-issue-event", "actor", _GONE),
    Null("review-request-removed-issue-event", "review_requester", _GONE),
    Null("review-request-removed-issue-event", "requested_reviewer", _GONE),
)
"""Where GitHub says null all the same; nothing else is excepted."""

_KINDS = {
    "assigned": "timeline-assigned-issue-event",
    "unassigned": "timeline-unassigned-issue-event",
    "commented": "timeline-comment-event",
    "committed": "timeline-committed-event",
    "cross-referenced": "timeline-cross-referenced-event",
    "line-commented": "timeline-line-commented-event",
    "reviewed": "timeline-reviewed-event",
    "labeled": "labeled-issue-event",
    "unlabeled": "unlabeled-issue-event",
    "milestoned": "milestoned-issue-event",
    "demilestoned": "demilestoned-issue-event",
    "renamed": "renamed-issue-event",
    "locked": "locked-issue-event",
    "review_requested": "review-requested-issue-event",
    "review_request_removed": "review-request-removed-issue-event",
    "review_dismissed": "review-dismissed-issue-event",
}
_OTHER_KIND = "state-change-issue-event"
_LOOSE = {"timeline-issue-events", "issue-event-for-issue"}
"""Schemas that allow any kind of event for each; it is held to the kind that it names."""


class _Components(msgspec.Struct):
    schemas: dict[str, msgspec.Raw]


class Document(msgspec.Struct):
    """The description, of which most is never looked at: it is 13 MB of JSON."""

    paths: dict[str, msgspec.Raw]
    components: _Components


class Description:
    """Tells in what an answer is not as GitHub describes it."""

    def __init__(self, document: Document, exceptions: Sequence[Null] = EXCEPTIONS) -> None:
        self.document = document
        self._exceptions = exceptions
        self._adapted: dict[str, Schema] = {}
        self._validators: dict[str, jsonschema_rs.Draft4Validator] = {}

    def problems(self, path: str, status: int, body: object) -> list[str]:
        """Hold the answer of GET on a path with parameters in braces, as the description writes it."""
        schema = self._of_answer(path, status)
        name = _name_of(schema.get("items", {}))
        if name in _LOOSE and isinstance(body, list):
            return [problem for each in body for problem in self._wrong(self._kind(each), each)]
        return list(self._wrong(schema, body))

    def _of_answer(self, path: str, status: int) -> Schema:
        """Give the schema of an answer. All errors and redirects have one, described for the path or not."""
        if status >= 300:
            return {"$ref": f"{_COMPONENTS}basic-error"}
        operations = msgspec.json.decode(self.document.paths[path])
        answer = operations["get"]["responses"][str(status)]
        schema: Schema = _adapt(answer["content"]["application/json"]["schema"])
        return schema

    def _kind(self, event: Mapping[str, Any]) -> Schema:
        return {"$ref": _COMPONENTS + _KINDS.get(event["event"], _OTHER_KIND)}

    def _wrong(self, schema: Schema, value: object) -> Iterator[str]:
        for error in self._validator(schema).iter_errors(value):
            yield f"{'/'.join(map(str, error.instance_path))}: {error.message[:300]}"

    def _validator(self, schema: Schema) -> jsonschema_rs.Draft4Validator:
        key = msgspec.json.encode(schema).decode()
        if key not in self._validators:
            whole = {"allOf": [schema], "components": {"schemas": self._reached(schema)}}
            self._validators[key] = jsonschema_rs.Draft4Validator(whole, validate_formats=True)
        return self._validators[key]

    def _schema(self, name: str) -> Schema:
        """Give a schema by its name, with the exceptions that it has."""
        if name not in self._adapted:
            self._adapted[name] = _adapt(msgspec.json.decode(self.document.components.schemas[name]))
            for each in self._exceptions:
                if each.schema == name:
                    _allow_null(self._adapted[name], each.member)
        return self._adapted[name]

    def _reached(self, schema: Schema) -> dict[str, Schema]:
        """Give the schemas that one refers to, directly or not."""
        reached: dict[str, Schema] = {}
        waiting = set(_references(schema))
        while waiting:
            name = waiting.pop()
            reached[name] = self._schema(name)
            waiting |= set(_references(reached[name])) - reached.keys()
        return reached


def published(folder: Path) -> Description:
    """Give the description as it lies in a folder, which it is fetched into first."""
    file = folder / f"{PACKAGE.rpartition('@')[2]}.json"
    if not file.exists():
        _fetch(file)
    return Description(msgspec.json.decode(file.read_bytes(), type=Document))


def _fetch(file: Path) -> None:
    """Fetch the package, hold it to its hash, and keep one file of it. Skips where there is no registry."""
    with TemporaryDirectory(dir=file.parent) as folder:
        packed = pack(PACKAGE, Path(folder))
        digest = hashlib.sha512(packed.read_bytes()).digest()
        assert f"sha512-{base64.b64encode(digest).decode()}" == INTEGRITY
        with tarfile.open(packed) as archive:
            extracted = archive.extractfile(_MEMBER)
            assert extracted
            (Path(folder) / file.name).write_bytes(extracted.read())
        (Path(folder) / file.name).replace(file)  # other workers may have done the same


def _adapt(part: Any) -> Any:
    """Give a schema of OpenAPI 3.0 as JSON Schema, with closed objects, and null as a type."""
    if isinstance(part, list):
        return [_adapt(each) for each in part]
    if not isinstance(part, dict):
        return part
    made = {name: _adapt(value) for name, value in part.items() if name not in ("example", "examples")}
    if isinstance(made.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return _nullable(made) if made.pop("nullable", None) is True else made


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [{"type": "null"}, schema]}


def _allow_null(schema: Schema, member: str) -> None:
    first, _, rest = member.partition(".")
    own = schema["properties"]
    if not rest:
        own[first] = _nullable(own[first])
        return
    _allow_null(own[first].get("items") or own[first], rest)


def _references(part: Any) -> Iterator[str]:
    inner = part if isinstance(part, list) else list(part.values()) if isinstance(part, dict) else []
    if isinstance(part, dict) and isinstance(part.get("$ref"), str):
        yield _name_of(part)
    for each in inner:
        yield from _references(each)


def _name_of(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(_COMPONENTS)
