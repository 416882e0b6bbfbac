"""The images of deploy/Dockerfile, made by its own steps without an engine: overlays, and chroot into them.

This machine's own system, with its Python, stands for the base image. Everything is mounted in a namespace
of its own, and is gone with it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.dockerfile import DOCKERFILE, ROOT, Copy, Run, Stage, stages
from tests.support.prerequisites import missing
from tests.support.processes import ServerProcess

_PATH = f"{sys.base_prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeoutError|NameResolutionError|ReadTimeoutError|error sending request"
)
_FORBIDDEN = re.compile(r"not permitted|permission denied|must be superuser", re.IGNORECASE)
_OF_REGISTRIES = ("PIP_", "UV_", "HTTP", "SSL_", "NPM_CONFIG_")
_KEPT_OUT = [
    rule
    for rule in (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    if rule[:1].isalpha()
]
_HIDDEN = (str(ROOT), "/tmp", "/var/tmp", "/run")  # noqa: S108  # what no image has


@dataclass(slots=True)
class Images:
    """Stages that were made, each a layer over that of its base."""

    place: Path
    namespace: int
    made: dict[str, Stage] = field(default_factory=dict)

    def build(self) -> None:
        """Make all stages. Skips the test where no registry can be reached."""
        self._inside("chmod", "a+x", *map(str, _root(self._mounted("python", ["/"])).parents))
        for stage in stages(DOCKERFILE.read_text()).values():
            self._mounted(stage.name, self._layers(stage.base))
            self.made[stage.name] = stage
            for step in stage.steps:
                self._copy(stage, step) if isinstance(step, Copy) else self._run(stage, step)

    def command(
        self, name: str, words: Sequence[str] | None = None, *, env: Mapping[str, str] | None = None
    ) -> list[str]:
        """Give the command that starts a container, its file system read-only; ``words`` replace the CMD."""
        stage, root = self.made[name], self.place / "running" / name
        if not self._is_mounted(root):
            self._mount_read_only(root, self._layers(name))
        user, group = stage.user.split(":")
        return [
            *self._entering("chroot", str(root)),
            *("setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"),
            *("--bounding-set=-all", "env", "-i", *_pairs({**_expanded(stage), **(env or {})})),
            *stage.entrypoint,
            *(stage.command if words is None else words),
        ]

    def _layers(self, base: str) -> list[str]:
        """Give the folders that lie over each other in a stage, the uppermost first."""
        if base not in self.made:
            return [str(self.place / "layers" / "python"), "/"]
        return [str(self.place / "layers" / base), *self._layers(self.made[base].base)]

    def _mounted(self, name: str, layers: Sequence[str]) -> Path:
        root, upper, work = (self.place / kind / name for kind in ("roots", "layers", "work"))
        self._inside("mkdir", "-p", *map(str, (root, upper, work)))
        options = f"lowerdir={':'.join(layers)},upperdir={upper},workdir={work}"
        self._inside("mount", "-t", "overlay", "overlay", "-o", options, str(root))
        for folder in ("dev", "proc"):
            self._inside("mount", "--rbind", f"/{folder}", str(root / folder))
        return root

    def _mount_read_only(self, root: Path, layers: Sequence[str]) -> None:
        self._inside("mkdir", "-p", str(root))
        self._inside("mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={':'.join(layers)}", str(root))
        self._inside("mount", "--bind", "/proc", str(root / "proc"))
        self._inside("mount", "--bind", "/dev", str(root / "dev"))
        self._inside("mount", "-o", "remount,bind,ro", str(root / "dev"))
        for folder in _HIDDEN:
            if Path(folder).is_dir():
                self._inside("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", f"{root}{folder}")

    def _is_mounted(self, root: Path) -> bool:
        return subprocess.run(self._entering("mountpoint", "-q", str(root)), check=False).returncode == 0

    def _copy(self, stage: Stage, step: Copy) -> None:
        of = self.place / "roots" / step.stage if step.stage else ROOT
        root = self.place / "roots" / stage.name
        target = f"{root}{Path(step.folder, step.target)}"
        is_folder = step.target.endswith("/")
        self._inside("mkdir", "-p", target if is_folder else str(Path(target).parent))
        for source in step.sources:
            self._inside("cp", "-a", f"{of}/{source.strip('/')}", target)
        self._inside("rm", "-rf", *(f"{root}{Path(step.folder, kept_out)}" for kept_out in _KEPT_OUT))

    def _run(self, stage: Stage, step: Run) -> None:
        root = self.place / "roots" / stage.name
        if step.cache:
            ours = Path.home() / ".cache" / Path(step.cache).name
            ours.mkdir(parents=True, exist_ok=True)
            self._inside("mkdir", "-p", f"{root}{step.cache}")
            self._inside("mount", "--bind", str(ours), f"{root}{step.cache}")
        variables = {"HOME": "/root", **_expanded(stage), **_registries()}
        script = f"mkdir -p {step.folder} && cd {step.folder} && {step.command}"
        self._inside("chroot", str(root), "env", "-i", *_pairs(variables), "sh", "-ec", script)

    def _entering(self, *words: str) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self.namespace}/ns/mnt", "--", *words]

    def _inside(self, *words: str) -> None:
        done = subprocess.run(self._entering(*words), capture_output=True, text=True, check=False)
        if done.returncode and _UNREACHABLE.search(done.stderr):
            missing("a registry that can be reached for the packages of the image")
        assert done.returncode == 0, f"{words}: {done.stderr}"


def _root(mounted: Path) -> Path:
    """Give the Python of the base image; whoever runs in it has to get there."""
    return Path(f"{mounted}{sys.base_prefix}") / "bin"


def _expanded(stage: Stage) -> dict[str, str]:
    path = stage.environment.get("PATH", _PATH).replace("$PATH", _PATH)
    return {**stage.environment, "PATH": path}


def _registries() -> dict[str, str]:
    """Give the variables by which this machine finds its registries."""
    return {name: value for name, value in os.environ.items() if name.upper().startswith(_OF_REGISTRIES)}


def _pairs(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]


@contextmanager
def images(place: Path) -> Iterator[Images]:
    """Build below ``place``. Skips the test where one may not mount, or Python comes without pip."""
    if not Path(sys.base_prefix, "bin", "pip").exists() or shutil.which("unshare") is None:
        missing("a Python with pip, and unshare, which stand for those of the base image")
    script = f"mount -t tmpfs tmpfs '{place}' && echo mounted && exec sleep infinity"
    holder = ServerProcess(
        ["unshare", "--mount", "sh", "-ec", script], directory=place, env={"PATH": os.environ["PATH"]}
    )
    try:
        _await_mounted(holder)
        found = Images(place, holder.pid)
        found.build()
        yield found
    finally:
        holder.stop(lambda pid: os.kill(pid, signal.SIGKILL))


def _await_mounted(holder: ServerProcess) -> None:
    try:
        holder.wait_until(lambda: "mounted" in holder.log.read_text())
    except RuntimeError as error:
        if _FORBIDDEN.search(str(error)):
            missing("the right to mount, which images are made with")
        raise
