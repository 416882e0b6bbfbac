from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticUndefined

from services.process.ports import _s3
from services.process.worker import worker_limits
from shared.jobs.claims import Shares
from shared.jobs.models import JobKind
from shared.settings.environment import COMMAND_LINE, MIB, Settings, find_unknown
from shared.storage.s3_part_sizes import MAX_PARTS

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "env.example"
PREFIX = "CROSSDOCK_"
SECRETS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def documented() -> dict[str, str]:
    """Every variable of the example, also those that are commented out, with its value."""
    lines = EXAMPLE.read_text().splitlines()
    return dict(
        line.removeprefix("#").split("=", 1) for line in lines if line.removeprefix("#").startswith(PREFIX)
    )


def default(name: str) -> str:
    value = Settings.model_fields[name].default
    assert value is not PydanticUndefined
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    text = "" if value is None else str(value)
    return text.lower() if isinstance(value, bool) else text.rstrip("/") if "url" in name else text


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)
        monkeypatch.delenv(f"{PREFIX}{name.upper()}_FILE", raising=False)


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert documented().keys() == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_the_example_shows_the_defaults() -> None:
    shown = {
        name.removeprefix(PREFIX).lower(): value.rstrip("/") if "URL" in name else value
        for name, value in documented().items()
    }
    assert shown == {name: default(name) for name in Settings.model_fields}


def test_the_example_is_read_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Settings().model_dump()
    for line in EXAMPLE.read_text().splitlines():
        if line.startswith(PREFIX):
            monkeypatch.setenv(*line.split("=", 1))
    assert Settings().model_dump() == defaults


def test_object_storage_is_used_as_hard_as_the_settings_say() -> None:
    settings = Settings(s3_part_size=5, s3_uploads_in_flight=3, s3_connections=7, s3_larger_parts=100)
    config = _s3(settings)
    assert (config.parts.first, config.uploads_in_flight, config.connections) == (5 * MIB, 3, 7)
    assert config.larger_parts == 100 * MIB
    assert config.parts.of(MAX_PARTS) > 5 * MIB


def test_all_parts_are_equal_where_the_settings_say_so() -> None:
    parts = _s3(Settings(s3_part_size=6, s3_equal_parts=True)).parts
    assert (parts.of(1), parts.of(MAX_PARTS)) == (6 * MIB, 6 * MIB)


def test_names_of_entries_cannot_be_longer_than_an_index_of_the_database_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{PREFIX}MAX_ENTRY_NAME", "2601")
    with pytest.raises(ValidationError, match="less than or equal to 2600"):
        Settings()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(secret))
    value = getattr(Settings(), name)
    assert isinstance(value, SecretStr)
    assert value.get_secret_value() == "from a file"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_does_not_show_in_a_log(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", "hunter2")
    assert "hunter2" not in repr(Settings())


def test_what_is_no_secret_is_not_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "host"
    file.write_text("example.org")
    monkeypatch.setenv(f"{PREFIX}HOST_FILE", str(file))
    assert Settings().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        ({"CROSSDOCK_PORT": "1", "CROSSDOCK_ROOT_TOKEN_FILE": "/x", "CROSSDOCK_URL": "http://x"}, []),
        ({"CROSSDOCK_BUILD_X": "1"}, []),
        ({"CROSSDOCK_HOST_FILE": "/x"}, ["CROSSDOCK_HOST_FILE is not a setting"]),
        (
            {"CROSSDOCK_PROJECT_IMPORTS_LIMIT": "1"},
            ["CROSSDOCK_PROJECT_IMPORTS_LIMIT is not a setting: did you mean CROSSDOCK_PROJECT_IMPORT_LIM"],
        ),
        ({"CROSSDOCK_QQQQ": ""}, ["CROSSDOCK_QQQQ is not a setting"]),
        ({"OTHER_TOKN": "1", "crossdock_x": "1"}, []),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_nearest_one(
    given: dict[str, str], told: list[str]
) -> None:
    found = list(find_unknown(given))
    assert [each.startswith(words) for each, words in zip(found, told, strict=True)] == [True] * len(told)


@pytest.mark.parametrize(
    "link",
    [
        "SERVICE_HOST=10.0.0.1", "SERVICE_PORT=8080", "API_SERVICE_PORT_HTTP=8080",
        "API_PORT=tcp://10.0.0.1:8080", "PORT_8080_TCP=tcp://10.0.0.1:8080", "PORT_8080_TCP_ADDR=10.0.0.1",
    ],
)  # fmt: skip
def test_variables_that_kubernetes_sets_for_services_are_passed_over(link: str) -> None:
    name, _, value = link.partition("=")
    assert list(find_unknown({f"{PREFIX}{name}": value})) == []


def test_what_the_command_line_reads_is_known_to_services() -> None:
    files = (ROOT / "services/cli").rglob("*.py")
    read = {name for file in files for name in re.findall(r'[$"](CROSSDOCK_[A-Z_]+)["`]', file.read_text())}
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert read - settings == COMMAND_LINE


@pytest.mark.parametrize("weights", ["ann", "ann=0", "ann=-1", "ann=x", "=1", "ann=1;bob=2"])
def test_weights_of_users_are_positive_numbers(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}JOB_WEIGHTS", weights)
    with pytest.raises(ValidationError, match="job_weights"):
        Settings()


def test_workers_take_their_limits_from_the_settings() -> None:
    settings = Settings(
        job_share=50,
        job_weights="ann=3, bob = 0.5",
        import_deadline=2,
        export_deadline=1,
        job_idle_deadline=5,
        worker_concurrency=3,
        upload_concurrency=7,
        remote_import_concurrency=9,
        small_job_concurrency=11,
    )
    hours = {kind: worker_limits(settings, kind).deadlines.total / timedelta(hours=1) for kind in JobKind}
    limits = worker_limits(settings, JobKind.EXPORT)
    slots = {kind: worker_limits(settings, kind).concurrency for kind in JobKind}
    assert hours == {
        JobKind.IMPORT: 2, JobKind.RELATION_IMPORT: 2, JobKind.REMOTE_IMPORT: 2, JobKind.SMALL_IMPORT: 2,
        JobKind.GIT_IMPORT: 2, JobKind.GITHUB_IMPORT: 2, JobKind.PEER_IMPORT: 2, JobKind.EXPORT: 1,
        JobKind.UPLOAD: 1, JobKind.PEER_EXPORT: 1, JobKind.BACKUP: 1,
    }  # fmt: skip
    assert slots == {
        JobKind.IMPORT: 3, JobKind.RELATION_IMPORT: 3, JobKind.REMOTE_IMPORT: 9, JobKind.SMALL_IMPORT: 11,
        JobKind.GIT_IMPORT: 9, JobKind.GITHUB_IMPORT: 9, JobKind.PEER_IMPORT: 9, JobKind.EXPORT: 11,
        JobKind.UPLOAD: 7, JobKind.PEER_EXPORT: 7, JobKind.BACKUP: 9,
    }  # fmt: skip
    assert limits.deadlines.idle == timedelta(minutes=5)
    assert limits.shares == Shares(percent=50, weights={"ann": 3, "bob": 0.5})


def test_exports_are_not_composed_where_all_parts_have_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}S3_EQUAL_PARTS", "true")
    Settings()
    monkeypatch.setenv(f"{PREFIX}EXPORT_REDIRECT", "true")
    with pytest.raises(ValidationError, match="s3_equal_parts"):
        Settings()


def test_a_network_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}TRUSTED_PROXIES", "10.0.0.0/8, proxy.example.org")
    with pytest.raises(ValidationError, match=r"proxy\.example\.org"):
        Settings()
