"""Whatever setting bounds something is shown among the limits, or said here to be none that users meet."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import aiohttp
from pydantic import SecretStr

from services.api.wiring import make_api_app, make_root
from services.process.monitoring import open_monitor
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.pool import database
from shared.database.pool import session as database_session
from shared.settings.environment import MIB, Settings
from shared.storage.filesystem import FilesystemStore
from tests.support.api import listening
from tests.support.sealing import sealer

HOUR = 3600
DAY = 24 * HOUR

# Of each setting: a value that is not the default, where the limits show it, and as what.
SHOWN: dict[str, tuple[float, str, float]] = {
    "uploads_at_once": (40, "places.uploads.total", 40),
    "download_connections": (3, "downloads.connections", 3),
    "event_streams": (100, "places.event_streams.total", 100),
    "event_streams_each": (9, "places.event_streams.share", 9),
    "record_passes": (20, "places.record_passes.total", 20),
    "record_lookups": (21, "places.record_lookups.total", 21),
    "record_pass_seconds": (11, "records.pass_seconds", 11),
    "documents_at_once": (12, "places.documents.total", 12),
    "place_share": (0.5, "places.uploads.share", 20),
    "place_queue": (77, "places.uploads.waiting_total", 77),
    "place_queue_each": (7, "places.uploads.waiting", 7),
    "place_patience": (13, "places.uploads.patience_seconds", 13),
    "database_pool_size": (12, "places.token_lookups.total", 6),
    "s3_connections": (60, "places.downloads.total", 20),
    "unknown_token_seconds": (14, "tokens.unknown_seconds", 14),
    "failed_sign_ins": (15, "sign_ins.failed_per_minute", 15),
    "webhook_senders": (17, "webhooks.senders", 17),
    "connections_at_once": (64, "connections.total", 64),
    "head_seconds": (18, "connections.head_seconds", 18),
    "keepalive_seconds": (19, "connections.idle_seconds", 19),
    "least_rate": (2048, "connections.least_rate", 2048),
    "least_rate_grace_seconds": (22, "connections.least_rate_grace_seconds", 22),
    "max_import_size": (23, "imports.upload_size", 23 * MIB),
    "max_export_size": (24, "exports.content_size", 24 * MIB),
    "max_import_remote_file_size": (25, "imports.remote_size", 25 * MIB),
    "max_decompressed_archive_size": (26, "archive.decompressed_size", 26 * MIB),
    "project_import_limit": (27, "imports.rate.per_minute", 27),
    "github_import_limit": (58, "imports.github_rate.per_minute", 58),
    "project_export_limit": (28, "exports.rate.per_minute", 28),
    "project_download_export_limit": (29, "exports.downloads_per_minute_and_project", 29),
    "max_archive_entries": (30, "archive.entries", 30),
    "max_entry_name": (310, "archive.entry_name_size", 310),
    "max_line_size": (32, "archive.line_size", 32 * MIB),
    "max_json_depth": (33, "archive.json_depth", 33),
    "archive_gift": (34, "archive.prices.gift", 34 * MIB),
    "archive_line_price": (35, "archive.prices.line", 35),
    "archive_entry_price": (36, "archive.prices.entry", 36),
    "archive_ratio": (37, "archive.prices.ratio", 37),
    "archive_parsed_ratio": (38, "archive.prices.parsed_ratio", 38),
    "archive_bracket_ratio": (39, "archive.prices.bracket_ratio", 39),
    "export_retention": (41, "exports.retention_seconds", 41 * HOUR),
    "open_snapshot_retention": (42, "snapshots.open_seconds", 42 * HOUR),
    "push_entries": (57, "snapshots.archive_entries", 57),
    "tokens_limit": (43, "tokens.limit", 43),
    "groups_limit": (44, "groups.limit", 44),
    "idempotency_keys_limit": (45, "idempotency_keys.limit", 45),
    "webhooks_limit": (46, "webhooks.limit", 46),
    "destinations_limit": (62, "destinations.limit", 62),
    "schedules_limit": (63, "schedules.limit", 63),
    "unused_uploads_limit": (64, "uploads.limit", 64),
    "unused_upload_retention": (65, "uploads.unused_seconds", 65 * HOUR),
    "event_retention": (47, "events.retention_seconds", 47 * HOUR),
    "dead_letter_retention": (48, "commands.dead_letter_seconds", 48 * HOUR),
    "job_attempts": (49, "jobs.attempts", 49),
    "job_retention": (50, "jobs.retention_seconds", 50 * DAY),
    "overwrite_retention": (61, "jobs.overwrite_retention_seconds", 61 * 60),
    "import_deadline": (51, "jobs.import_seconds", 51 * HOUR),
    "export_deadline": (52, "jobs.export_seconds", 52 * HOUR),
    "job_idle_deadline": (53, "jobs.idle_seconds", 53 * 60),
    "job_share": (54, "jobs.share_percent", 54),
    "remote_least_rate": (4096, "remotes.least_rate", 4096),
    "remote_grace_seconds": (55, "remotes.least_rate_grace_seconds", 55),
    "remote_answer_seconds": (56, "remotes.answer_seconds", 56),
}

NO_LIMITS = {
    "port", "metrics_port", "metrics_connections_at_once", "hsts_seconds",
    # How much memory a process takes, and how it uses its servers.
    "s3_part_size", "s3_larger_parts", "s3_uploads_in_flight", "unknown_tokens", "pack_blob_size",
    "worker_concurrency", "upload_concurrency", "remote_import_concurrency", "small_job_concurrency",
    "small_import_size", "disk_reserve",
    # How soon services notice what happened to others, and how long they take to end.
    "wake_ups_at_once", "wake_up_seconds",
    "lease_seconds", "outage_pause", "sweep_seconds", "collect_grace_seconds", "drain_seconds",
    "recovery_seconds", "scrub_rate",
}  # fmt: skip


def is_number(annotation: Any) -> bool:
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return bool({int, float} & set(kinds))


def test_every_setting_that_is_a_number_is_shown_or_no_limit() -> None:
    numbers = {name for name, field in Settings.model_fields.items() if is_number(field.annotation)}
    assert not SHOWN.keys() & NO_LIMITS
    assert numbers == SHOWN.keys() | NO_LIMITS


async def test_the_limits_show_what_the_settings_say(database_url: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {name: value for name, (value, _, _) in SHOWN.items()}
    settings = Settings(root_token=SecretStr("a-token-of-root"), **given)
    async with database(database_url) as pool:
        session = partial(database_session, database_url)
        ports = Ports(pool, FilesystemStore(tmp_path), MemoryBroker(), session, sealer())
        await make_root(pool, settings)
        async with (
            open_monitor(ports, settings, service="api") as monitor,
            listening(make_api_app(monitor, settings)) as url,
            aiohttp.ClientSession(headers={"PRIVATE-TOKEN": "a-token-of-root"}) as client,
            client.get(url / "api/crossdock/v1/limits") as answer,
        ):
            limits = await answer.json()
    found = {name: at(limits, path) for name, (_, path, _) in SHOWN.items()}
    assert found == {name: shown for name, (_, _, shown) in SHOWN.items()}
    for name, (value, _, _) in SHOWN.items():
        assert value != Settings.model_fields[name].default, name


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return document
