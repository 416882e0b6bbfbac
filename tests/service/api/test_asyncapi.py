from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft7Validator

from services.api.pages.asyncapi.document import asyncapi_document
from services.api.queue.command_service import COMMANDS
from services.api.queue.consumer import INBOX
from shared.broker.base import Message
from shared.database.pool import Pool
from shared.events import store as events
from shared.events.cloud_events import cloud_event, to_message
from shared.events.relay import TOPIC
from shared.exports import archives
from shared.exports.archives import ArchivePlan
from shared.jobs import store as jobs
from shared.jobs.models import (
    BackupOrder,
    ExportOrder,
    ImportOrder,
    Job,
    JobKind,
    JobOrder,
    Lease,
    Outcome,
    PeerExportOrder,
    RelationImportOrder,
    RemoteSource,
    SourceForm,
    UploadOrder,
    UploadOutcome,
)
from shared.jobs.progress import Progress, RelationProgress
from shared.ledger import objects
from tests.support.api import EXTERNAL_URL, Api
from tests.support.asyncapi import closed, invalid, problems, resolved
from tests.support.commands import command, forge
from tests.support.jobs import MINUTE, claimed, migrated
from tests.support.npm import install

SPECS = "@asyncapi/specs@6.11.1"
DOCUMENT = asyncapi_document(EXTERNAL_URL, prefix="one.")
STRICT = closed(DOCUMENT)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ORDERS: dict[JobKind, JobOrder] = {
    JobKind.IMPORT: ImportOrder(),
    JobKind.EXPORT: ExportOrder(),
    JobKind.RELATION_IMPORT: RelationImportOrder(relation="issues"),
    JobKind.UPLOAD: UploadOrder(),
    JobKind.REMOTE_IMPORT: ImportOrder(source=RemoteSource(url="sealed")),
    JobKind.SMALL_IMPORT: ImportOrder(),
    JobKind.GIT_IMPORT: ImportOrder(source=RemoteSource(url="sealed", form=SourceForm.GIT)),
    JobKind.GITHUB_IMPORT: ImportOrder(source=RemoteSource(url="sealed", form=SourceForm.GITHUB)),
    JobKind.PEER_EXPORT: PeerExportOrder(path="one"),
    JobKind.PEER_IMPORT: ImportOrder(source=RemoteSource(url="sealed", form=SourceForm.PEER)),
    JobKind.BACKUP: BackupOrder(run_project_id=1, last_activity_at=datetime(2027, 1, 31, tzinfo=UTC)),
}
UPLOAD = UploadOutcome(url="https://s3.example.com/x", status=200, attempts=1, bytes=7, error=None)
STATS = {"fetched": {"issue": 2}, "imported": {"issue": 1}}
AT_ONCE = timedelta(0)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def specification(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The JSON Schema of AsyncAPI 3.0, as its makers publish it."""
    folder = tmp_path_factory.mktemp("asyncapi")
    install([SPECS], folder)
    schemas = folder / "node_modules/@asyncapi/specs/schemas"
    return json.loads((schemas / "3.0.0-without-$id.json").read_text())


def _parts(part: Any) -> list[Any]:
    inner = part if isinstance(part, list) else list(part.values()) if isinstance(part, dict) else []
    return [part, *(each for value in inner for each in _parts(value))]


def _references() -> set[str]:
    return {part["$ref"] for part in _parts(DOCUMENT) if isinstance(part, dict) and "$ref" in part}


def test_the_document_is_asyncapi_3(specification: Any) -> None:
    assert [error.message for error in Draft7Validator(specification).iter_errors(DOCUMENT)] == []


def test_its_schemas_are_json_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_every_reference_leads_to_something_and_every_component_is_used() -> None:
    for reference in _references():
        assert resolved(DOCUMENT, {"$ref": reference})
    for section, named in DOCUMENT["components"].items():
        for name in named:
            assert f"#/components/{section}/{name}" in _references(), name


def test_the_exchanges_are_those_of_the_installation() -> None:
    names = {
        channel["bindings"]["amqp"]["exchange"]["name"]
        for channel in DOCUMENT["channels"].values()
        if channel["address"] is not None
    }
    assert names == {f"one.{TOPIC}", f"one.{INBOX}"}


def test_every_command_has_its_channel() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {"{kind}.{happening}", "run.{happening}", None, *COMMANDS}


def test_every_kind_of_job_is_described() -> None:
    kinds = list(dict.fromkeys(kind.shown for kind in JobKind))
    assert DOCUMENT["channels"]["events"]["parameters"]["kind"]["enum"] == kinds
    assert DOCUMENT["components"]["schemas"]["JobKind"]["enum"] == kinds


async def test_the_document_is_open_to_everybody(api: Api) -> None:
    answer = await api.call("GET", "/api/asyncapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body == asyncapi_document(EXTERNAL_URL, prefix="crossdock.")


async def _stored(pool: Pool, kind: objects.ObjectKind) -> int:
    named = await objects.register(pool, kind=kind)
    await objects.record_stored(pool, named.id, size=7, sha256=b"\xab" * 32)
    return named.id


async def _lead_lives(pool: Pool, order: JobOrder) -> None:
    """Have jobs that make every move there is, one after the other, and give them all they can have."""
    canceled = await _ordered(pool, order)
    await jobs.cancel(pool, canceled.id)
    failed = await _ordered(pool, order)
    await jobs.fail(pool, await claimed(pool, failed), code="storage", error="broken")
    job = await _ordered(pool, order)
    await jobs.retry(pool, await claimed(pool, job), code="storage", error="later", delay=AT_ONCE)
    await _end(pool, job, await claimed(pool, job))


async def _ordered(pool: Pool, order: JobOrder) -> Job:
    upload = None if isinstance(order, ExportOrder) else await _stored(pool, "upload")
    return await jobs.enqueue(
        pool, order, project_id=1, user_id=1, correlation_id="c", object_id=upload, traceparent=TRACE
    )


async def _end(pool: Pool, job: Job, lease: Lease) -> None:
    progress = Progress(bytes_done=1, bytes_total=2, entries=3, relations={"issues": RelationProgress(4, 5)})
    progress.stats, progress.requests_left = STATS, 4000
    await jobs.heartbeat(pool, lease, ttl=MINUTE, progress=progress.report())
    outcome = Outcome(upload=UPLOAD) if job.kind is JobKind.UPLOAD else None
    if job.kind is JobKind.EXPORT:
        await archives.keep_newest(
            pool, job, ArchivePlan(object_id=await _stored(pool, "archive"), size=7, sha256=b"\xab" * 32),
            file_name="f", retention=MINUTE,
        )  # fmt: skip
    await jobs.finish(pool, lease, progress=progress.report(), outcome=outcome)


@pytest.mark.parametrize("kind", JobKind)
async def test_every_event_is_as_described(pool: Pool, kind: JobKind) -> None:
    await _lead_lives(pool, ORDERS[kind])
    found = await events.list_unpublished(pool, limit=100)
    channel = DOCUMENT["channels"]["events"]
    happenings = {each.name.removeprefix(f"{kind.shown}.") for each in found}
    assert happenings == set(channel["parameters"]["happening"]["enum"])
    for event in found:
        message = to_message(cloud_event(event, source=EXTERNAL_URL), correlation_id="c")
        assert problems(STRICT, message, channel["messages"]["jobEvent"]) == []
        assert message.headers["cloudEvents_type"] == f"com.crossdock.{event.name}.v1"


async def test_events_of_an_import_from_github_carry_its_counts(pool: Pool) -> None:
    job = await _ordered(pool, ORDERS[JobKind.GITHUB_IMPORT])
    await _end(pool, job, await claimed(pool, job))
    found = await events.list_unpublished(pool, limit=100)
    told = {event.name: event.data["progress"] for event in found}
    for name in ("import.progress", "import.finished"):
        progress = told[name]
        assert isinstance(progress, dict)
        assert (progress["stats"], progress["requests_left"]) == (STATS, 4000)


def _answer(name: str) -> Any:
    return DOCUMENT["channels"]["answers"]["messages"][name]


async def test_every_answer_is_as_described(api: Api) -> None:
    user = await api.user("ann")
    project = await api.project(user)
    async with forge(api, project_export_limit=1) as other:
        accepted = await other.ask("export.requested", {"project": project.id})
        refused = [
            await other.ask("job.cancel", {"job": 4711}),
            await other.ask("export.requested", {"project": project.id, "description": "one too many"}),
            await other.send(Message(b"", "m", reply_to="answers")),
        ]
    assert accepted.accepted
    assert problems(STRICT, accepted.message, _answer("accepted")) == []
    assert [problems(STRICT, each.message, _answer("refused")) for each in refused] == [[], [], []]
    assert "retry_after" in refused[1].data
    assert problems(STRICT, accepted.message, _answer("refused")) != []


@pytest.mark.parametrize(
    ("kind", "channel", "data"),
    [
        ("import.requested", "importRequested", {"path": "p", "source": {"url": "https://x.test/a.tar.gz"}}),
        ("import.requested", "importRequested", {"path": "p", "source": {"key": "incoming/forge/a.tar.gz"}}),
        (
            "import.requested",
            "importRequested",
            {"path": "p", "source": {"github": {"personal_access_token": "t", "repo_id": 7}}},
        ),
        (
            "import.requested",
            "importRequested",
            {"path": "p", "source": {"github": {"personal_access_token": "t", "repository": "octo/one"}}},
        ),
        ("export.requested", "exportRequested", {"project": 1, "upload": {"url": "https://x.test"}}),
        ("job.cancel", "jobCancel", {"job": 1}),
    ],
)
def test_commands_are_described_in_both_modes(kind: str, channel: str, data: dict[str, Any]) -> None:
    messages = DOCUMENT["channels"][channel]["messages"]
    message = command(kind, data)
    assert problems(STRICT, message, messages["binary"]) == []
    whole = {name.removeprefix("cloudEvents_"): value for name, value in message.headers.items()}
    payload = resolved(DOCUMENT, messages["structured"])["payload"]
    assert invalid(DOCUMENT, payload, whole | {"data": data}) == []
    assert invalid(DOCUMENT, payload, whole) != []
    assert invalid(DOCUMENT, payload, whole | {"data": {}}) != []
