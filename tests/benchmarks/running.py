"""Crossdock as its users run it: its own command, fresh processes, default settings but for rate limits."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from tests.support.ports import free_ports
from tests.support.processes import ServerProcess
from tests.support.seaweedfs import S3Server
from tests.support.system import System, answers, environment

_UNLIMITED = {
    "CROSSDOCK_PROJECT_IMPORT_LIMIT": "0",
    "CROSSDOCK_GITHUB_IMPORT_LIMIT": "0",
    "CROSSDOCK_PROJECT_EXPORT_LIMIT": "0",
    "CROSSDOCK_PROJECT_DOWNLOAD_EXPORT_LIMIT": "0",
}


@contextmanager
def distributed(
    folder: Path,
    *,
    database_url: str,
    broker_url: str,
    s3: S3Server,
    apis: int = 1,
    importers: int = 1,
    exporters: int = 1,
    **settings: str,
) -> Iterator[System]:
    """Services of each kind, of which the first is called by the kind's name, as ``api``, others ``api-1``.

    Every process is a new one, that shares no memory with others. The database is migrated.
    """
    ports = free_ports(apis)
    url = f"http://127.0.0.1:{ports[0]}"
    env = environment(database_url=database_url, broker_url=broker_url, s3=s3, base=_UNLIMITED, **settings)
    system = System(url, env["CROSSDOCK_ROOT_TOKEN"], database_url=database_url)
    env["CROSSDOCK_EXTERNAL_URL"] = url
    with ExitStack() as resources:
        for kind, count in (("api", apis), ("importer", importers), ("exporter", exporters)):
            for number, name in enumerate(_names(kind, count)):
                own = {"CROSSDOCK_PORT": str(ports[number])} if kind == "api" else {}
                _start(system, name, (kind,), folder=folder, env={**env, **own}, resources=resources)
        resources.callback(_terminate, tuple(system.processes.values()))
        _wait(system)
        yield system


def _terminate(processes: Iterable[ServerProcess]) -> None:
    """Tell all to stop before any is waited for."""
    for process in processes:
        if process.is_running:
            os.kill(process.pid, signal.SIGTERM)


def _names(kind: str, count: int) -> list[str]:
    return [kind if number == 0 else f"{kind}-{number}" for number in range(count)]


@contextmanager
def standalone(folder: Path, **settings: str) -> Iterator[System]:
    """Everything in one process, with objects that are files and an embedded Postgres."""
    (port,) = free_ports(1)
    system = System(f"http://127.0.0.1:{port}", f"glpat-{secrets.token_hex(10)}", data=folder / "data")
    env = {
        **_UNLIMITED,
        "CROSSDOCK_ROOT_TOKEN": system.token,
        "CROSSDOCK_EXTERNAL_URL": system.url,
        **settings,
    }
    words = ("standalone", "--port", str(port), "--data", str(system.data))
    with ExitStack() as resources:
        _start(system, "standalone", words, folder=folder, env=env, resources=resources)
        _wait(system)
        system.database_url = embedded_url(folder / "data/postgres")
        yield system


def embedded_url(data: Path) -> str:
    """Read where a Postgres listens: lines 4 and 5 of its file have the port and the folder of its socket.

    The folder may be named from the data folder, in which the server runs.
    """
    _, _, _, port, socket_folder, *_ = (data / "postmaster.pid").read_text().splitlines()
    host = quote(str(data / socket_folder), safe="")
    return f"postgresql://postgres@/postgres?host={host}&port={port}"


def _start(
    system: System,
    name: str,
    words: tuple[str, ...],
    *,
    folder: Path,
    env: Mapping[str, str],
    resources: ExitStack,
) -> None:
    (metrics_port,) = free_ports(1)
    home = folder / f"{name}-{secrets.token_hex(3)}"
    home.mkdir(parents=True)
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(Path.cwd()),
        "CROSSDOCK_METRICS_PORT": str(metrics_port),
        **env,
    }
    process = ServerProcess([sys.executable, "-m", "services.cli", *words], directory=home, env=given)
    resources.callback(process.stop, lambda pid: os.kill(pid, signal.SIGTERM))
    system.processes[name] = process
    system.monitoring[name] = f"http://127.0.0.1:{metrics_port}"


def _wait(system: System) -> None:
    """Wait until all processes are ready, and the first api takes requests."""
    for name, process in system.processes.items():
        address = f"{system.monitoring[name]}/-/readiness"
        process.wait_until(partial(answers, address), seconds=180)
        if name in ("api", "standalone"):
            process.wait_until(partial(answers, f"{system.url}/-/readiness"), seconds=180)
