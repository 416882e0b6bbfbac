"""Every setting, read from the environment: prefix ``CROSSDOCK_``; deploy/env.example documents each.

What GitLab has as an application setting keeps GitLab's name and unit behind the prefix. A secret
may come from a file instead: ``CROSSDOCK_ROOT_TOKEN_FILE=/run/secrets/token``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

KIB = 1024
MIB = 1024 * KIB
_PREFIX = "CROSSDOCK_"
_WEIGHTS = r"^\s*([^=,]+=\s*0*([1-9]\d*(\.\d+)?|0?\.0*[1-9]\d*)\s*(,\s*|$))*$"
"""Names with positive decimal numbers, separated by commas."""

_ROLES = "guest|planner|reporter|developer|maintainer|owner"
_QUOTED = r'"([^"]|"")+"'
_GROUP_ROLES = rf"^\s*(({_QUOTED}|[^,\"][^,]*)=[^=:,]+:({_ROLES})\s*(,\s*|$))*$"
"""Groups of a provider, each with a group of ours and a role in it, separated by commas.

A name that has a comma is in quotes, as in CSV.
"""


class Settings(BaseSettings):
    """The settings of all services; a service reads what it needs and passes values down."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore")

    # Where things are.
    database_url: SecretStr = SecretStr("postgresql://localhost/crossdock")
    database_pool_size: int = Field(default=10, ge=2, le=200)
    broker_url: SecretStr = SecretStr("amqp://guest:guest@localhost/")
    broker_prefix: str = Field(default="crossdock.", max_length=100)
    external_url: AnyHttpUrl | None = Field(default=None, description="http://localhost and the port")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    console: bool = True

    # What an API does at once, and the share of one user.
    uploads_at_once: int = Field(default=32, ge=1, le=10_000)
    download_connections: int = Field(default=4, ge=1, le=64)
    event_streams: int = Field(default=200, ge=1, le=10_000)
    event_streams_each: int = Field(default=20, ge=1, le=10_000)
    record_passes: int = Field(default=2, ge=1, le=1000)
    record_lookups: int = Field(default=2, ge=1, le=1000)
    record_pass_seconds: float = Field(default=10, gt=0)
    documents_at_once: int = Field(default=2, ge=1, le=1000)
    unknown_tokens: int = Field(default=10_000, ge=1, le=1_000_000)
    unknown_token_seconds: float = Field(default=60, ge=0)
    failed_sign_ins: int = Field(default=60, ge=0, description="a minute; 0 = off")
    webhook_senders: int = Field(default=16, ge=1, le=1000)
    place_share: float = Field(default=0.25, gt=0, le=1)
    place_queue: int = Field(default=200, ge=1, le=10_000)
    place_queue_each: int = Field(default=50, ge=1, le=10_000)
    place_patience: float = Field(default=30, ge=0, description="seconds")

    # What a connection may cost.
    connections_at_once: int = Field(default=8192, ge=16, le=1_000_000)
    metrics_connections_at_once: int = Field(default=64, ge=4, le=10_000)
    head_seconds: float = Field(default=15, gt=0)
    keepalive_seconds: float = Field(default=75, gt=0)
    least_rate: int = Field(default=1024, ge=1, description="bytes a second")
    least_rate_grace_seconds: float = Field(default=60, gt=0)
    trusted_proxies: str = Field(default="", description="networks, separated by commas")
    hsts_seconds: int = Field(default=0, ge=0, description="0 = off")

    # Object storage.
    s3_bucket: str = "crossdock"
    s3_prefix: str = ""
    s3_endpoint_url: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key_id: str | None = None
    s3_secret_access_key: SecretStr | None = None
    s3_part_size: int = Field(default=5, ge=5, le=5120, description="MiB")
    s3_equal_parts: bool = False
    s3_larger_parts: int = Field(default=256, ge=16, le=1_048_576, description="MiB")
    s3_uploads_in_flight: int = Field(default=2, ge=1, le=64)
    s3_connections: int = Field(default=64, ge=4, le=10_000)

    # Standalone's storage and database.
    disk_reserve: int = Field(default=1024, ge=0, description="MiB")
    recovery_seconds: float = Field(default=3600, gt=0)

    # What seals secrets in the database.
    secrets_key: SecretStr | None = Field(
        default=None, description="32 bytes in Base64; several, by commas or lines: the first seals, all open"
    )

    # What signs manifests.
    signing_key: SecretStr | None = Field(
        default=None, description="32 bytes in Base64; several, by commas or lines: the first signs"
    )

    # Who may come in first.
    root_token: SecretStr | None = None

    # Signing in by OpenID Connect.
    openid_connect_issuer: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    openid_connect_client_id: str = Field(default="", max_length=1000)
    openid_connect_client_secret: SecretStr | None = None
    openid_connect_scopes: str = Field(default="openid profile email", pattern=r"^(\S+ )*openid( \S+)*$")
    openid_connect_name: str = Field(default="OpenID Connect", min_length=1, max_length=100)
    openid_connect_groups_claim: str = Field(default="groups", min_length=1, max_length=1000)
    openid_connect_admin_groups: str = Field(default="", description="separated by commas, as in CSV")
    openid_connect_group_roles: str = Field(default="", pattern=_GROUP_ROLES, description="group=path:role")
    openid_connect_creates_users: bool = True

    # GitLab's application settings: sizes in MiB, limits in requests a minute, 0 = off. They hold until
    # an administrator changes them through the API.
    max_import_size: int = Field(default=0, ge=0)
    max_export_size: int = Field(default=0, ge=0)
    max_import_remote_file_size: int = Field(default=10240, ge=0)
    max_decompressed_archive_size: int = Field(default=25600, ge=0)
    project_import_limit: int = Field(default=6, ge=0)
    github_import_limit: int = Field(default=6, ge=0)
    project_export_limit: int = Field(default=6, ge=0)
    project_download_export_limit: int = Field(default=1, ge=0)
    gitlab_project_import_enabled: bool = True
    git_import_enabled: bool = True
    github_import_enabled: bool = True
    project_export_enabled: bool = True
    bulk_import_enabled: bool = False
    allow_local_requests_from_web_hooks_and_services: bool = False
    outbound_local_requests_allowlist: str = Field(default="", description="separated by commas")

    # Imports from elsewhere, and uploads to there.
    allow_http_remote_imports: bool = False
    remote_ca_file: Path | None = Field(default=None, description="PEM; trusted beside the system's")
    remote_least_rate: int = Field(default=16 * 1024, ge=1, description="bytes a second")
    remote_grace_seconds: float = Field(default=300, gt=0)
    remote_answer_seconds: float = Field(default=300, gt=0)
    remote_s3_endpoint_url: str | None = Field(default=None, description="that of AWS")

    # Limits that GitLab does not have as settings.
    max_archive_entries: int = Field(default=5_000_000, ge=1)
    max_entry_name: int = Field(
        default=2600, ge=100, le=2600, description="bytes; an index of Postgres takes 2704"
    )
    max_line_size: int = Field(default=50, ge=1, description="MiB")
    max_json_depth: int = Field(default=1000, ge=1, le=5000)
    archive_gift: int = Field(default=1, ge=1, description="MiB")
    archive_line_price: int = Field(default=4, ge=0, description="bytes sent")
    archive_entry_price: int = Field(default=16, ge=0, description="bytes sent")
    archive_ratio: int = Field(default=1000, ge=1)
    archive_parsed_ratio: int = Field(default=165, ge=1)
    archive_bracket_ratio: int = Field(default=24, ge=1)
    pack_blob_size: int = Field(default=8, ge=0, description="MiB; a larger blob is an object of its own")
    export_retention: int = Field(default=24, ge=1, le=87600, description="hours")
    export_seal: bool = False
    export_redirect: bool = False
    direct_uploads: bool = False
    open_snapshot_retention: int = Field(default=24, ge=1, le=87600, description="hours")
    unused_upload_retention: int = Field(default=24, ge=1, le=8760, description="hours")
    unused_uploads_limit: int = Field(default=100, ge=1, le=10_000, description="of one user")
    push_entries: int = Field(default=20_000, ge=1, description="of an archive that one request pushes")
    tokens_limit: int = Field(default=1000, ge=1)
    groups_limit: int = Field(default=10_000, ge=1)
    idempotency_keys_limit: int = Field(default=10_000, ge=1)
    webhooks_limit: int = Field(default=100, ge=1, le=10_000, description="of one project")
    destinations_limit: int = Field(default=100, ge=1, le=10_000, description="of one user")
    schedules_limit: int = Field(default=100, ge=1, le=10_000, description="of one user")

    # Other systems, by queue.
    command_actors: str = Field(
        default="", pattern=r"^\s*([^=,]+=[^=,]+\s*(,\s*[^=,]+=[^=,]+)*,?)?\s*$", description="user=name"
    )
    reply_queues: str = Field(default="", max_length=2000, description="patterns, separated by commas")
    event_retention: int = Field(default=72, ge=1, le=8760, description="hours")
    wake_ups_at_once: int = Field(default=1000, ge=1)
    wake_up_seconds: float = Field(default=10, gt=0)
    dead_letter_retention: int = Field(default=168, ge=1, le=8760, description="hours")

    # Workers.
    worker_concurrency: int = Field(default=1, ge=1, le=64)
    upload_concurrency: int = Field(default=32, ge=1, le=1000)
    remote_import_concurrency: int = Field(default=8, ge=1, le=64)
    small_job_concurrency: int = Field(default=8, ge=1, le=64)
    small_import_size: int = Field(default=4, ge=0, le=1024, description="MiB")
    lease_seconds: float = Field(default=60, gt=0)
    job_attempts: int = Field(default=5, ge=1)
    outage_pause: float = Field(default=5, gt=0, description="minutes")
    job_retention: int = Field(default=30, ge=1, le=3650, description="days")
    overwrite_retention: int = Field(default=30, ge=1, le=525_600, description="minutes")
    import_deadline: float = Field(default=24, gt=0, description="hours")
    export_deadline: float = Field(default=6, gt=0, description="hours")
    job_idle_deadline: float = Field(default=10, gt=0, description="minutes")
    job_share: int = Field(
        default=90, ge=1, le=100, description="percent of the slots of a kind, for one user"
    )
    job_weights: str = Field(default="", pattern=_WEIGHTS, description="user=weight")
    sweep_seconds: float = Field(default=5, gt=0)
    collect_grace_seconds: float = Field(default=900, ge=60)
    scrub_rate: int = Field(default=0, ge=0, le=10_485_760, description="KiB a second; 0 = off")
    drain_seconds: float = Field(default=25, ge=0)

    # What operators see.
    metrics_port: int = Field(default=0, ge=0, le=65535, description="0 = off")
    tracing: bool = False
    log_format: str = Field(
        default="auto", pattern="^(auto|json|text)$", description="auto: text on a terminal, JSON elsewhere"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: dict[str, object]) -> dict[str, object]:
        for name in _secrets():
            path = os.environ.get(f"{_PREFIX}{name.upper()}_FILE")
            if path and name not in values:
                values[name] = Path(path).read_text().rstrip("\n")
        return values

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, given: str) -> str:
        for each in filter(None, map(str.strip, given.split(","))):
            ip_network(each)
        return given

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.export_redirect and self.s3_equal_parts:
            raise ValueError(
                "export_redirect has objects of parts that differ, which s3_equal_parts rules out"
            )
        return self

    @model_validator(mode="after")
    def _check_openid_connect(self) -> Self:
        if bool(self.openid_connect_issuer) != bool(self.openid_connect_client_id):
            raise ValueError("openid_connect_issuer and openid_connect_client_id need each other")
        return self

    @property
    def base_url(self) -> str:
        """What links in answers begin with; no slash at its end."""
        return str(self.external_url or f"http://localhost:{self.port}").rstrip("/")


COMMAND_LINE = frozenset(
    f"{_PREFIX}{name}"
    for name in (
        "CONFIG", "DESTINATION_TOKEN", "PROFILE", "RETRIES", "TOKEN", "TOKEN_COMMAND", "TOKEN_FILE", "URL",
    )
)  # fmt: skip
"""What the command line reads, and services pass over: both may run in one shell."""

_OF_BUILDS = f"{_PREFIX}BUILD_"
"""How names begin that builds of the package read, and services pass over."""

_OF_KUBERNETES = re.compile(
    r".*(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=|\w+_PORT=(tcp|udp|sctp)://"
)
"""Variables that Kubernetes sets for each Service, such as one that is called crossdock."""


def find_unknown(environment: Mapping[str, str]) -> Iterator[str]:
    """Give a sentence for each variable with our prefix that is no setting, with the nearest one that is.

    A name that is spelled wrong would keep its default without a word.
    """
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields} | COMMAND_LINE
    known |= {f"{_PREFIX}{name.upper()}_FILE" for name in _secrets()}
    given = {name for name, value in environment.items() if not _OF_KUBERNETES.match(f"{name}={value}")}
    for name in sorted(given - known):
        if name.startswith(_PREFIX) and not name.startswith(_OF_BUILDS):
            names = [each.removeprefix(_PREFIX) for each in known]
            near = get_close_matches(name.removeprefix(_PREFIX), names, n=1)
            yield f"{name} is not a setting" + (f": did you mean {_PREFIX}{near[0]}?" if near else "")


def _secrets() -> Iterator[str]:
    """Give the names of the fields whose values may come from files."""
    return (name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))
