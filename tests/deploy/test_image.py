"""What the steps of deploy/Dockerfile make; the base image is the one thing that is stood in for."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.buckets import made_bucket
from tests.support.dockerfile import ROOT
from tests.support.image import Images, images
from tests.support.ports import free_ports
from tests.support.processes import ServerProcess
from tests.support.release import VERSION
from tests.support.samples.table import archive
from tests.support.sealing import KEY
from tests.support.seaweedfs import S3Server
from tests.support.system import UNLIMITED, answers

SERVICES = ("api", "importer", "exporter")
UNWRITABLE = ("/", "/tmp", "/var/tmp", "/run", "/dev/shm", "/opt/crossdock", "/etc")  # noqa: S108


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    with images(tmp_path_factory.mktemp("images")) as found:
        yield found


@pytest.fixture
async def environment(
    empty_database_url: str, rabbitmq_url: str, queue_prefix: str, s3_server: S3Server
) -> Mapping[str, str]:
    """What each service is given; nothing of it names a folder."""
    await made_bucket(s3_server)
    (port,) = free_ports(1)
    return {
        **UNLIMITED,
        "CROSSDOCK_PORT": str(port),
        "CROSSDOCK_ROOT_TOKEN": f"glpat-{secrets.token_hex(10)}",
        "CROSSDOCK_SECRETS_KEY": KEY,
        "CROSSDOCK_DATABASE_URL": empty_database_url,
        "CROSSDOCK_BROKER_URL": rabbitmq_url,
        "CROSSDOCK_BROKER_PREFIX": queue_prefix,
        "CROSSDOCK_S3_ENDPOINT_URL": s3_server.endpoint,
        "CROSSDOCK_S3_BUCKET": s3_server.bucket,
        "CROSSDOCK_S3_PREFIX": queue_prefix,
        "CROSSDOCK_S3_ACCESS_KEY_ID": s3_server.access_key,
        "CROSSDOCK_S3_SECRET_ACCESS_KEY": s3_server.secret_key,
    }


def output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def client(*words: str, env: Mapping[str, str]) -> str:
    """Run our own client outside of the images."""
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CROSSDOCK_URL": f"http://127.0.0.1:{env['CROSSDOCK_PORT']}",
        "CROSSDOCK_TOKEN": env["CROSSDOCK_ROOT_TOKEN"],
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *words], env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def started(images: Images, name: str, *, env: Mapping[str, str], folder: Path) -> ServerProcess:
    folder.mkdir()
    return ServerProcess(images.command(name, env=env), directory=folder, env={"PATH": os.environ["PATH"]})


def pinned(lock: str) -> set[str]:
    """Give the names of what a lock pins for this system."""
    lines = (ROOT / lock).read_text().splitlines()
    pins = [line for line in lines if "==" in line and "win32" not in line]
    return {line.partition("==")[0].replace("_", "-").lower() for line in pins}


def test_every_image_starts_the_service_of_its_name(built: Images) -> None:
    services = {name: stage.entrypoint + stage.command for name, stage in built.made.items() if stage.command}
    assert services == {name: ["crossdock", name] for name in ("migrate", *SERVICES)}
    for name in services:
        assert output(built.command(name, ["version"])) == f"crossdock {VERSION}\n"


def test_an_image_carries_what_the_services_need_and_nothing_else(built: Images) -> None:
    listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    python = built.command("api", ["-c", listing])
    python[python.index("crossdock")] = "python"
    found = {name.replace("_", "-").lower() for name in output(python).split()}
    assert found == pinned("deploy/runtime.lock") | {"crossdock"}


def test_python_has_nothing_left_to_compile(built: Images) -> None:
    shell = built.command(
        "api", ["-c", "cd /opt/crossdock/lib/python*/site-packages && find . -name '*.py*'"]
    )
    shell[shell.index("crossdock")] = "sh"
    files = output(shell).split()
    compiled = {
        re.sub(r"__pycache__/(.*)\.cpython-\d+\.pyc$", r"\1.py", file)
        for file in files
        if file.endswith(".pyc")
    }
    assert {file for file in files if file.endswith(".py")} <= compiled


def test_whoever_runs_in_an_image_is_nobody_special(built: Images) -> None:
    shell = built.command("api", ["-c", "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status"])
    shell[shell.index("crossdock")] = "sh"
    assert output(shell).split() == [
        "65532",
        *("CapEff:", "0" * 16),
        *("CapBnd:", "0" * 16),
        *("NoNewPrivs:", "1"),
    ]


def test_nothing_can_be_written_where_the_services_run(built: Images) -> None:
    script = "; ".join(f"touch {folder}/new 2>/dev/null && echo {folder}" for folder in UNWRITABLE)
    shell = built.command("importer", ["-c", f"{script}; true"])
    shell[shell.index("crossdock")] = "sh"
    assert output(shell) == ""


def test_a_project_is_imported_and_exported_without_a_disk(
    built: Images, environment: Mapping[str, str], tmp_path: Path
) -> None:
    sample = archive("every_relation")
    assert "migrated: " in output(built.command("migrate", env=environment))
    with ExitStack() as resources:
        running = {}
        for name in SERVICES:
            process = started(built, name, env=environment, folder=tmp_path / name)
            resources.callback(process.stop, lambda pid: os.kill(pid, signal.SIGTERM))
            running[name] = process
        url = f"http://127.0.0.1:{environment['CROSSDOCK_PORT']}/-/readiness?all=1"
        running["api"].wait_until(lambda: answers(url))
        client("import", str(sample), "--path", "root/sample", env=environment)
        client("export", "root/sample", "-o", str(tmp_path / "again.tar.gz"), env=environment)
        for process in running.values():
            os.kill(process.pid, signal.SIGTERM)
        assert [process.wait() for process in running.values()] == [0, 0, 0]
    assert output(["tar", "tzf", str(tmp_path / "again.tar.gz")]).count("\n") > 1
    for name, process in running.items():
        assert "Read-only file system" not in process.log.read_text(), name
