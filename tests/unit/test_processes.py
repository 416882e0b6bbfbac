import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.waiting import eventually

_KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from tests.support.processes import ServerProcess
server = ServerProcess(["sleep", "600"], directory=Path(sys.argv[1]), env={"PATH": os.environ["PATH"]})
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_and_its_directory_do_not_outlive_a_killed_test_run(tmp_path: Path) -> None:
    directory = tmp_path / "server"
    directory.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", _KILLED_RUN, str(directory)],
        check=False,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    eventually(lambda: not is_running(int(run.stdout)) and not directory.exists())


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
