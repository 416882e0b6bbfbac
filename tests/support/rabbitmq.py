"""A throw-away RabbitMQ node that can be killed and started again with what it has stored.

It has its own epmd, as Erlang would else start one that outlives every node.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.prerequisites import missing
from tests.support.processes import ServerProcess

# Not /usr/sbin/rabbitmq-server: Debian's wrapper insists on becoming the user rabbitmq.
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


@dataclass
class RabbitMQServer:
    """How to reach a node, which listens on 127.0.0.1, and to rule it; the user guest may do everything."""

    port: int
    env: dict[str, str]

    @property
    def url(self) -> str:
        """Where to connect to."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def url_of(self, user: str, password: str, vhost: str) -> str:
        """Where such a user connects to."""
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/{vhost}"

    def import_definitions(self, file: Path) -> None:
        """Make the virtual hosts, users and permissions of the file."""
        command = [str(_SERVER.with_name("rabbitmqctl")), "import_definitions", str(file)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)


class OwnRabbitMQServer(RabbitMQServer):
    """A node with its process, for who has started it."""

    def __init__(self, directory: Path) -> None:
        if not _SERVER.exists():
            missing("rabbitmq-server")
        port, distribution, epmd = free_ports(3)
        super().__init__(port, _environment(directory, port=port, distribution=distribution, epmd=epmd))
        self._directory = directory
        (directory / "rabbitmq.conf").write_text(_configuration(port))
        (directory / "enabled_plugins").write_text("[].\n")
        self._epmd = ServerProcess(["epmd", "-port", str(epmd)], directory=directory, env=self.env)
        self._node: ServerProcess | None = None

    def start(self) -> None:
        """Start the node, for the first time or again; return once it takes connections."""
        self._node = ServerProcess([str(_SERVER)], directory=self._directory, env=self.env)
        self._node.wait_until(self._is_ready)

    def _is_ready(self) -> bool:
        # A listener may accept before the broker answers, so one protocol header makes sure.
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(_PROTOCOL_HEADER)
                return bool(connection.recv(1))
        except OSError:
            return False

    def kill(self, *, keeping: str) -> None:
        """End the node by SIGKILL as soon as the new quorum queue ``keeping`` outlives that.

        What a queue confirmed is on the disk, but that there is the queue is written a while later.
        """
        if self._node is not None:
            self._node.wait_until(lambda: self._has_written(keeping))
        self._stop(signal.SIGKILL)

    def _has_written(self, queue: str) -> bool:
        # A name stands in Ra's directory as an Erlang atom: its length, then its bytes.
        name = f"%2F_{queue}".encode()
        directories = self._directory.glob("mnesia/*/quorum/*/names.dets")
        return any(bytes([len(name)]) + name in path.read_bytes() for path in directories)

    def close(self) -> None:
        """Stop the node and its epmd, which keep nothing."""
        self._stop(signal.SIGKILL)
        self._epmd.stop(lambda pid: os.kill(pid, signal.SIGTERM))

    def _stop(self, sent: signal.Signals) -> None:
        if self._node is not None:
            self._node.stop(lambda group: os.killpg(group, sent))
            self._node = None


@contextmanager
def throwaway_rabbitmq() -> Iterator[OwnRabbitMQServer]:
    """A new node while the block is open."""
    directory = Path(tempfile.mkdtemp(prefix="crossdock-rabbitmq-"))
    try:
        server = OwnRabbitMQServer(directory)
        try:
            server.start()
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(directory)


def _configuration(port: int) -> str:
    settings = {
        "listeners.tcp.1": f"127.0.0.1:{port}",
        "vm_memory_high_watermark.absolute": "1GB",
        "disk_free_limit.absolute": "50MB",
        "log.console": "true",
        "log.file": "false",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _environment(directory: Path, *, port: int, distribution: int, epmd: int) -> dict[str, str]:
    """Everything that the start scripts would otherwise take from the machine."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "generated"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": "/dev/null",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 2:2 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }
