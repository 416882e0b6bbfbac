"""Crossdock itself, as its users run it: processes of its own command."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.preloaded import CrossdockProcess
from tests.support.processes import ServerProcess
from tests.support.sealing import KEY
from tests.support.seaweedfs import S3Server

UNLIMITED = {
    "CROSSDOCK_PROJECT_IMPORT_LIMIT": "0",
    "CROSSDOCK_GITHUB_IMPORT_LIMIT": "0",
    "CROSSDOCK_PROJECT_EXPORT_LIMIT": "0",
    "CROSSDOCK_PROJECT_DOWNLOAD_EXPORT_LIMIT": "0",
    "CROSSDOCK_PLACE_QUEUE_EACH": "200",
    "CROSSDOCK_ALLOW_LOCAL_REQUESTS_FROM_WEB_HOOKS_AND_SERVICES": "true",
    "CROSSDOCK_SWEEP_SECONDS": "1",
    "CROSSDOCK_LEASE_SECONDS": "4",
    "CROSSDOCK_DRAIN_SECONDS": "2",
    "CROSSDOCK_COMMAND_ACTORS": "guest=*",
}
"""Settings under which tests need not wait for what users may wait for, may ask this machine, and
send commands for everybody."""


_RUNNING: dict[str, ServerProcess] = {}
_LAST = 8 * 1024
"""Bytes of a log that the report of a failed test shows."""


@dataclass(slots=True)
class System:
    """A running Crossdock: where it listens, its first administrator's token, and its processes.

    ``data`` is where the standalone form keeps its objects and its Postgres; the other has
    ``database_url`` and ``s3_prefix``, which begins its keys. ``monitoring`` has the address of each
    process's metrics and probes.
    """

    url: str
    token: str
    data: Path | None = None
    database_url: str = ""
    s3_prefix: str = ""
    processes: dict[str, ServerProcess] = field(default_factory=dict)
    monitoring: dict[str, str] = field(default_factory=dict)


def crossdock(
    *words: str,
    directory: Path,
    env: Mapping[str, str],
    resources: ExitStack,
    by_signal: int = signal.SIGTERM,
) -> ServerProcess:
    """Start a command in a session of its own; the end of ``resources`` ends it."""
    directory.mkdir(parents=True, exist_ok=True)
    given = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(Path.cwd()), **env}
    process = CrossdockProcess(words, directory=directory, env=given)
    resources.callback(process.stop, lambda pid: _send(pid, by_signal))
    resources.callback(_RUNNING.pop, str(directory), None)  # it may be started again
    _RUNNING[str(directory)] = process
    return process


def last_words() -> list[tuple[str, str]]:
    """Give the name of each process that runs, and the end of its log, for the report of a failed test."""
    return [
        (f"log of {Path(directory).name}", process.log.read_bytes()[-_LAST:].decode(errors="replace"))
        for directory, process in _RUNNING.items()
    ]


def answers(url: str) -> bool:
    """Whether a GET of ``url`` is answered by 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def standalone(**settings: str) -> Iterator[System]:
    """Everything in one process."""
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-standalone-")))
        folder.chmod(0o755)
        port, metrics_port = free_ports(2)
        system = System(f"http://127.0.0.1:{port}", f"glpat-{secrets.token_hex(10)}")
        system.monitoring["standalone"] = f"http://127.0.0.1:{metrics_port}"
        env = {
            **UNLIMITED,
            "CROSSDOCK_METRICS_PORT": str(metrics_port),
            "CROSSDOCK_ROOT_TOKEN": system.token,
            "CROSSDOCK_EXTERNAL_URL": system.url,
            "CROSSDOCK_SIGNING_KEY": KEY,
            **settings,
        }
        system.data = folder / "data"
        words = ("standalone", "--port", str(port), "--data", str(folder / "data"))
        process = crossdock(*words, directory=folder / "run", env=env, resources=resources)
        system.processes["standalone"] = process
        process.wait_until(lambda: answers(f"{system.url}/-/readiness?all=1"))
        yield system


def environment(
    *,
    database_url: str,
    broker_url: str,
    s3: S3Server,
    base: Mapping[str, str] = UNLIMITED,
    **settings: str,
) -> dict[str, str]:
    """What the services of one distributed Crossdock have in common; its objects are apart from others'."""
    return {
        **base,
        "CROSSDOCK_ROOT_TOKEN": f"glpat-{secrets.token_hex(10)}",
        "CROSSDOCK_SECRETS_KEY": KEY,
        "CROSSDOCK_SIGNING_KEY": KEY,
        "CROSSDOCK_DATABASE_URL": database_url,
        "CROSSDOCK_BROKER_URL": broker_url,
        "CROSSDOCK_S3_ENDPOINT_URL": s3.endpoint,
        "CROSSDOCK_S3_BUCKET": s3.bucket,
        "CROSSDOCK_S3_REGION": s3.region,
        "CROSSDOCK_S3_PREFIX": f"{secrets.token_hex(8)}/",
        "CROSSDOCK_S3_ACCESS_KEY_ID": s3.access_key,
        "CROSSDOCK_S3_SECRET_ACCESS_KEY": s3.secret_key,
        **settings,
    }


@contextmanager
def distributed(  # the servers, and how many of ours
    *,
    database_url: str,
    broker_url: str,
    s3: S3Server,
    importers: int = 1,
    exporters: int = 1,
    own: Mapping[str, Mapping[str, str]] | None = None,
    **settings: str,
) -> Iterator[System]:
    """An api and any number of importers and exporters over real servers.

    ``own`` are settings of single services, by their names.
    """
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-distributed-")))
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        settings = {"CROSSDOCK_PORT": str(port), "CROSSDOCK_EXTERNAL_URL": url, **settings}
        env = environment(database_url=database_url, broker_url=broker_url, s3=s3, base=UNLIMITED, **settings)
        system = System(
            url,
            env["CROSSDOCK_ROOT_TOKEN"],
            database_url=database_url,
            s3_prefix=env["CROSSDOCK_S3_PREFIX"],
        )
        names = [
            "api",
            *(f"importer-{n}" for n in range(importers)),
            *(f"exporter-{n}" for n in range(exporters)),
        ]
        for name, metrics_port in zip(names, free_ports(len(names)), strict=True):
            system.monitoring[name] = f"http://127.0.0.1:{metrics_port}"
            system.processes[name] = crossdock(
                name.partition("-")[0],
                directory=folder / name,
                env={**env, "CROSSDOCK_METRICS_PORT": str(metrics_port), **(own or {}).get(name, {})},
                resources=resources,
            )
        resources.callback(_terminate, tuple(system.processes.values()))
        system.processes["api"].wait_until(lambda: answers(f"{system.url}/-/readiness?all=1"))
        yield system


def _terminate(processes: Iterable[ServerProcess]) -> None:
    """Tell all to stop before any is waited for."""
    for process in processes:
        if process.is_running:
            _send(process.pid, signal.SIGTERM)


def _send(pid: int, number: int) -> None:
    """Signal a process that may have ended: its parent has reaped it before we are told."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
